#!/bin/sh
# The module libimgpipe/base/place: the program tests/c/place.c.
exec "${BUILD:-.build}/tests/place"
