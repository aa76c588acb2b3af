#!/usr/bin/python3
"""s3-ask.py METHOD PATH[?QUERY]: one signed request to $AWS_ENDPOINT_URL.

Prints the answer's status and headers with -I, else its body.  A second
opinion on the signer, and a way to look behind the tool's back.
"""
import datetime
import hashlib
import hmac
import http.client
import os
import sys
import urllib.parse

show_head = "-I" in sys.argv
method, target = [a for a in sys.argv[1:] if a != "-I"]
url = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
path, _, query = target.partition("?")
path = "/" + urllib.parse.quote(path, safe="/-_.~")
query = "&".join(sorted(q if "=" in q else q + "="
                        for q in query.split("&") if q))
now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
empty = hashlib.sha256(b"").hexdigest()
head = {"host": url.netloc, "x-amz-content-sha256": empty, "x-amz-date": now}
names = ";".join(sorted(head))
canonical = "\n".join([method, path, query] +
                      ["%s:%s" % i for i in sorted(head.items())] +
                      ["", names, empty])
scope = "%s/%s/s3/aws4_request" % (now[:8], os.environ["AWS_REGION"])
text = "AWS4-HMAC-SHA256\n%s\n%s\n%s" % (
    now, scope, hashlib.sha256(canonical.encode()).hexdigest())
key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
for part in scope.split("/") + [text]:
    key = hmac.new(key, part.encode(), hashlib.sha256).digest()
head["authorization"] = (
    "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s"
    % (os.environ["AWS_ACCESS_KEY_ID"], scope, names, key.hex()))
conn = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
conn.request(method, path + ("?" + query if query else ""), headers=head)
answer = conn.getresponse()
if show_head:
    print(answer.status)
    for name, value in answer.getheaders():
        print("%s: %s" % (name.lower(), value))
else:
    sys.stdout.buffer.write(answer.read())
sys.exit(answer.status >= 400)
