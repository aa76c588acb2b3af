#!/bin/sh
# The module libimgpipe/archive/edits: the program tests/c/edits.c.
exec "${BUILD:-.build}/tests/edits"
