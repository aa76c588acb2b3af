#!/bin/sh
# Signature V4 against AWS's own vectors, where they are at hand.
vectors=$(dirname "$0")/../../shared/data/sigv4/v4
if [ -d "$vectors" ]; then
	exec "${BUILD:-.build}/tests/sigv4" "$vectors"/*
fi
echo "# $vectors is not there: only the S3 reference's examples are run"
exec "${BUILD:-.build}/tests/sigv4"
