#!/bin/sh
# The module libimgpipe/base/meter: the program tests/c/meter.c.
exec "${BUILD:-.build}/tests/meter"
