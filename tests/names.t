#!/bin/sh
# The module libimgpipe/job/names: the program tests/c/names.c.
exec "${BUILD:-.build}/tests/names"
