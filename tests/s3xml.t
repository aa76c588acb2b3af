#!/bin/sh
# XML of S3 and STS: the program tests/c/s3xml.c.
exec "${BUILD:-.build}/tests/s3xml"
