#!/bin/sh
# The module libimgpipe/deflate/respell: the program tests/c/respell.c.
exec "${BUILD:-.build}/tests/respell"
