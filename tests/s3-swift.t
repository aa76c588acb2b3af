#!/bin/bash
# imgp-s3cp and OpenStack Swift's S3 interface.
# shellcheck source=tests/lib/s3-suite.sh
. "$(dirname "$0")/lib/s3-suite.sh" swift
done_testing
