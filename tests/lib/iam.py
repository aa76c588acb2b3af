#!/usr/bin/python3
"""iam.py POLICY.json <requests: what requests need and a policy allows, compared.

A line of requests is "METHOD TARGET name=value...", as tests/servers/faulty-s3.py logs
them, or "action ACTION ARN" for another service.  POLICY.json has the Statement of a
policy in which names of buckets and ARNs stand as they are.  Printed are: "missing
ACTION ARN" for a need that no statement allows, and "unused ACTION ARN" for an action
on a resource that no request needed.

By the Service Authorization Reference for Amazon S3.  A look at an object that may not
be there needs s3:ListBucket, without which the answer is 403 and not 404.
"""
import fnmatch
import json
import sys
import urllib.parse


def object_needs(method, arn, query, headers):
    """Actions on an object, and the resources."""
    if "tagging" in query:
        return [("s3:GetObjectTagging" if method == "GET" else
                 "s3:PutObjectTagging", arn)]
    if method in ("GET", "HEAD"):
        if "uploadId" in query:
            return [("s3:ListMultipartUploadParts", arn)]
        return [("s3:GetObjectVersion" if "versionId" in query else
                 "s3:GetObject", arn),
                ("s3:ListBucket", arn.partition("/")[0])]
    if method == "DELETE":
        return [("s3:AbortMultipartUpload" if "uploadId" in query else
                 "s3:DeleteObject", arn)]
    needs = [("s3:PutObject", arn)]
    source = headers.get("x-amz-copy-source")
    if source is not None:
        path, _, version = urllib.parse.unquote(source).partition("?versionId=")
        needs.append(("s3:GetObjectVersion" if version else "s3:GetObject",
                      "arn:aws:s3:::" + path.lstrip("/")))
    return needs


def needs_of(line):
    """(action, resource) of each thing that a request needs."""
    words = line.split()
    if words[0] == "action":
        return [(words[1], words[2])]
    path, _, raw = words[1].partition("?")
    query = dict(urllib.parse.parse_qsl(raw, keep_blank_values=True))
    headers = dict(w.split("=", 1) for w in words[2:] if "=" in w)
    bucket, _, key = urllib.parse.unquote(path).lstrip("/").partition("/")
    if key:
        return object_needs(words[0], "arn:aws:s3:::%s/%s" % (bucket, key),
                            query, headers)
    return [("s3:ListBucketMultipartUploads" if "uploads" in query else
             "s3:ListBucket", "arn:aws:s3:::" + bucket)]


def listed(value):
    """One is a list of one."""
    return value if isinstance(value, list) else [value]


with open(sys.argv[1], encoding="utf-8") as f:
    allowed = {(action, resource) for s in json.load(f)["Statement"]
               if s["Effect"] == "Allow" for action in listed(s["Action"])
               for resource in listed(s["Resource"])}
needed = sorted({n for line in sys.stdin if line.strip()
                 for n in needs_of(line)})
used = set()
for action, arn in needed:
    by = {(a, r) for a, r in allowed
          if a == action and fnmatch.fnmatchcase(arn, r)}
    used |= by
    if not by:
        print("missing", action, arn)
for action, arn in sorted(allowed - used):
    print("unused", action, arn)
