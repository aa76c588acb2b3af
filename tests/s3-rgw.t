#!/bin/bash
# imgp-s3cp and Ceph's gateway.
# shellcheck source=tests/lib/s3-suite.sh
. "$(dirname "$0")/lib/s3-suite.sh" rgw
done_testing
