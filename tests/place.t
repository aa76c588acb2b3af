#!/bin/sh
# The module libimgpipe/place: the program tests/c/place.c.
exec "${BUILD:-.build}/tests/place"
