#!/bin/sh
# The module libimgpipe/meter: the program tests/c/meter.c.
exec "${BUILD:-.build}/tests/meter"
