#!/bin/sh
# The file store: the program tests/c/store.c.
exec "${BUILD:-.build}/tests/store"
