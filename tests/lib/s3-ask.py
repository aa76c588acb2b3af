#!/usr/bin/python3
"""s3-ask.py METHOD PATH[?QUERY] [-d FILE] [-h NAME:VALUE]...: one signed
request to $AWS_ENDPOINT_URL, with a body and headers.

Prints the answer's status and headers with -I, else its body.  A second
opinion on the signer, and a way to look and write behind the tool's back.
"""
import argparse
import datetime
import hashlib
import hmac
import os
import socket
import sys
import urllib.parse

opts = argparse.ArgumentParser(add_help=False)
opts.add_argument("method")
opts.add_argument("target")
opts.add_argument("-I", action="store_true")
opts.add_argument("-d", type=argparse.FileType("rb"))
opts.add_argument("-h", action="append", default=[])
opts = opts.parse_args()
method, target = opts.method, opts.target
body = opts.d.read() if opts.d else b""
url = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
path, _, query = target.partition("?")
path = "/" + urllib.parse.quote(path, safe="/-_.~")
query = "&".join(sorted(q if "=" in q else q + "="
                        for q in query.split("&") if q))
now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
payload = hashlib.sha256(body).hexdigest()
head = {"host": url.netloc, "x-amz-content-sha256": payload, "x-amz-date": now}
for line in opts.h:
    head[line.split(":", 1)[0].lower()] = line.split(":", 1)[1].strip()
names = ";".join(sorted(head))
canonical = "\n".join([method, path, query] +
                      ["%s:%s" % i for i in sorted(head.items())] +
                      ["", names, payload])
scope = "%s/%s/s3/aws4_request" % (now[:8], os.environ["AWS_REGION"])
text = "AWS4-HMAC-SHA256\n%s\n%s\n%s" % (
    now, scope, hashlib.sha256(canonical.encode()).hexdigest())
key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
for part in scope.split("/") + [text]:
    key = hmac.new(key, part.encode(), hashlib.sha256).digest()
head["authorization"] = (
    "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s"
    % (os.environ["AWS_ACCESS_KEY_ID"], scope, names, key.hex()))
if opts.d:
    head["content-length"] = len(body)
# HTTP/1.0: the answer comes whole and ends with the connection.  A module for that
# would take longer to load than all else.
with socket.create_connection((url.hostname, url.port), timeout=30) as conn:
    conn.sendall(("%s %s HTTP/1.0\r\n%s\r\n" % (
        method, path + ("?" + query if query else ""),
        "".join("%s: %s\r\n" % i for i in head.items()))).encode() + body)
    answer = b"".join(iter(lambda: conn.recv(1 << 20), b""))
lines, _, content = answer.partition(b"\r\n\r\n")
status, *fields = lines.decode("latin-1").split("\r\n")
status = int(status.split()[1])
length = [f for f in fields if f.lower().startswith("content-length:")]
if length and method != "HEAD" and int(length[0].split(":")[1]) != len(content):
    sys.exit("the answer was cut short")
if opts.I:
    print(status)
    for field in fields:
        name, _, value = field.partition(":")
        print("%s: %s" % (name.lower(), value.strip()))
else:
    sys.stdout.buffer.write(content)
sys.exit(status >= 400)
