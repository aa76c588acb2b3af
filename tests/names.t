#!/bin/sh
# The module libimgpipe/names: the program tests/c/names.c.
exec "${BUILD:-.build}/tests/names"
