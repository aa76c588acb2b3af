#!/bin/sh
# The module libimgpipe/base/crew: the program tests/c/crew.c.
exec "${BUILD:-.build}/tests/crew"
