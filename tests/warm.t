#!/bin/sh
# The module libimgpipe/base/warm: the program tests/c/warm.c.
exec "${BUILD:-.build}/tests/warm"
