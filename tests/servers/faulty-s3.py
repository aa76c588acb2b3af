#!/usr/bin/python3
"""faulty-s3.py DIR: an S3 server that does wrong what it is told to do wrong.

Serves on a free port of 127.0.0.1, written to DIR/port; objects live in
memory; every signature is verified (sigv4.py).  Each request is a line
of DIR/log.  DIR/faults, taken by the first request that finds it, has lines "N
METHOD REGEX WHAT [ARG]": the next N requests of that method whose path and query
match are answered as WHAT says; with "K+N", K others pass first.  GET /-/state
lists objects and open uploads; PUT ?meta with "Name: value" sets a header of an
object.
"""
import base64
import email.utils
import hashlib
import html
import http.server
import os
import re
import socket
import sys
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sigv4                                                    # noqa: E402

ROOT = sys.argv[1]
LOCK = threading.RLock()
OBJECTS = {}            # path: (bytes, headers)
UPLOADS = {}            # id: (path, headers, {number: bytes})
FAULTS = []
ENCRYPTION = "x-amz-server-side-encryption"
ERROR = ('<?xml version="1.0" encoding="UTF-8"?>'
         "<Error><Code>%s</Code><Message>%s</Message>%s</Error>")


def etag_of(data):
    """What S3 gives an object that came whole."""
    return '"%s"' % hashlib.md5(data).hexdigest()


def hours():
    """How far the server's clock is off."""
    try:
        with open(os.path.join(ROOT, "hours"), encoding="ascii") as f:
            return int(f.read())
    except OSError:
        return 0


def new_faults():
    """From DIR/faults, where there is one."""
    path = os.path.join(ROOT, "faults")
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read()
        os.unlink(path)
    except OSError:
        return
    FAULTS.clear()
    for line in filter(None, text.splitlines()):
        n, method, pattern, what, *arg = line.split(" ")
        skip, _, n = ("0+" + n).rpartition("+")
        FAULTS.append([int(n), method, pattern, what, " ".join(arg),
                       int(skip.split("+")[-1])])


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""
    protocol_version = "HTTP/1.1"
    fault = None

    def log_message(self, *_):
        """Nothing on standard error."""

    def answer(self, status, body=b"", headers=None, length=None):
        """A whole answer, or what a fault leaves of it."""
        if isinstance(body, str):
            body = body.encode()
        what, arg = self.fault or ("", "")
        if what == "swallow":
            return self.cut()
        if what == "200-late" and status == 200:
            # White space kept the line open; then it went wrong after all.
            body = b"  \r\n \n" + (ERROR % (
                "InternalError", "told so", "")).encode()
        if what == "200-cut" and status == 200:
            body = body[:len(body) // 2]
        if what == "no-token":
            body = re.sub(b"<NextC.*</NextContinuationToken>", b"", body)
        if what == "flip" and body:
            body = body[:-1] + bytes([body[-1] ^ 1])
        self.send_response(status)
        for name, value in (headers or {}).items():
            if not (what == "noetag" and name == "ETag"):
                self.send_header(name, value)
        if what == "chunked":
            # Without a length; and it ends before its last chunk.
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            half = body[:len(body) // 2]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(half), half))
            return self.cut()
        size = len(body) if length is None else length
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.command != "HEAD":
            if what == "short":
                self.wfile.write(body[:int(float(arg) * len(body))])
                return self.cut()
            self.wfile.write(body)
        return None

    def cut(self):
        """Reset the connection."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   b"\1\0\0\0\0\0\0\0")
        self.close_connection = True
        self.connection.close()

    def error(self, status, code, more="", headers=None):
        """An error as S3 says it."""
        self.answer(status, ERROR % (code, "told so", more), headers)

    def read_body(self):
        """The request's body."""
        size = int(self.headers.get("Content-Length") or 0)
        if self.fault and self.fault[0] == "cut-upload":
            self.rfile.read(int(float(self.fault[1]) * size))
            self.cut()
            return None
        data = self.rfile.read(size)
        want = self.headers.get("x-amz-content-sha256", "")
        if len(want) == 64 and hashlib.sha256(data).hexdigest() != want:
            self.error(400, "XAmzContentSHA256Mismatch")
            return None
        want = self.headers.get("x-amz-checksum-sha256")
        if want and base64.b64encode(
                hashlib.sha256(data).digest()).decode() != want:
            self.error(400, "BadDigest")
            return None
        return data

    def metadata(self):
        """Of a request that makes an object: what it is, and how it is kept."""
        return {k.lower(): v for k, v in self.headers.items()
                if k.lower().startswith(("x-amz-meta-", ENCRYPTION))
                or k.lower() in ("content-type", "cache-control", "expires",
                                 "content-encoding", "content-disposition",
                                 "content-language", "x-amz-storage-class",
                                 "x-amz-website-redirect-location",
                                 "x-amz-missing-meta", "x-amz-tagging")}

    @staticmethod
    def shown(headers):
        """The headers of an object as an answer has them: tags are counted."""
        headers = dict(headers)
        tags = headers.pop("x-amz-tagging", "")
        if tags and "x-amz-meta-count-hidden" not in headers:
            headers["x-amz-tagging-count"] = str(len(tags.split("&")))
        return headers

    @staticmethod
    def tags(headers):
        """GetObjectTagging's answer."""
        return "<Tagging><TagSet>%s</TagSet></Tagging>" % "".join(
            "<Tag><Key>%s</Key><Value>%s</Value></Tag>" % (
                html.escape(k), html.escape(v))
            for k, v in urllib.parse.parse_qsl(
                headers.get("x-amz-tagging", ""), keep_blank_values=True))

    def take_fault(self):
        """The fault for this request, if any."""
        for f in FAULTS:
            if f[0] > 0 and f[1] in ("*", self.command) and \
                    re.search(f[2], urllib.parse.unquote(self.path)):
                if f[5] > 0:
                    f[5] -= 1
                    continue
                f[0] -= 1
                return f[3], f[4]
        return None

    def is_signed(self):
        """By somebody we know, over what was sent; else answered."""
        off = 3600 * hours()
        try:
            who, payload, token = sigv4.check(
                self.command, self.path, list(self.headers.items()),
                lambda key: "canary-secret", time.time() + off)
            if payload == sigv4.UNSIGNED:
                raise sigv4.Refused("AccessDenied", "the body is not signed")
            if (token == "canary-token") != who.startswith("KEY"):
                raise sigv4.Refused("InvalidToken", who)
            return True
        except sigv4.Refused as e:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.fault = None
            self.error(403, e.code, "<Why>%s</Why>" % e.text)
            return False

    def handle_one(self):
        """Any request."""
        if self.path == "/-/state":
            with LOCK:
                lines = ["object %s %d" % (p, len(o[0]))
                         for p, o in sorted(OBJECTS.items())]
                lines += ["upload %s" % u[0] for u in UPLOADS.values()]
            self.fault = None
            return self.answer(200, "".join(i + "\n" for i in lines))
        with LOCK:
            new_faults()
            self.fault = self.take_fault()
            with open(os.path.join(ROOT, "log"), "a", encoding="utf-8") as f:
                f.write("%s %s %s from=%d\n" % (
                    self.command, self.path, " ".join(
                        "%s=%s" % (k.lower(), v.replace(" ", "_"))
                        for k, v in self.headers.items()),
                    self.client_address[1]))
        if self.fault and self.before():
            return None
        if not self.is_signed():
            return None
        path, _, query = self.path.partition("?")
        path = urllib.parse.unquote(path)
        query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        return getattr(self, "on_" + self.command.lower())(path, query)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_one

    def before(self):
        """Faults that need not know what was asked; True: answered."""
        what, arg = self.fault
        if what == "status":
            status, code = arg.split()
            size = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(size)
            self.fault = None
            self.error(int(status), code)
        elif what == "after":
            self.fault = None
            self.error(503, "SlowDown", headers={"Retry-After": arg})
        elif what == "after-ms":
            self.fault = None
            self.error(503, "SlowDown", headers={"x-amz-retry-after": arg})
        elif what == "change":
            # The file that is being sent is another from here on.
            with open(arg, "r+b") as f:
                f.seek(-1000, os.SEEK_END)
                f.write(b"changed")
            return False
        elif what == "html":
            self.fault = None
            self.read_body()
            self.answer(200, "<!DOCTYPE html><title>Sign in</title>", {
                "Content-Type": "text/html"})
        elif what == "stall":
            time.sleep(float(arg))
            self.cut()
        elif what == "reset":
            self.cut()
        elif what == "skewed":
            self.fault = None
            self.error(403, "RequestTimeTooSkewed")
        elif what == "region":
            self.fault = None
            self.error(400, "AuthorizationHeaderMalformed",
                       "<Region>%s</Region>" % arg)
        elif what == "redirect":
            self.fault = None
            self.error(307, "TemporaryRedirect", headers={"Location": arg})
        elif what == "entities":
            self.fault = None
            self.answer(500, '<!DOCTYPE e [<!ENTITY a "aaaaaaaaaa">'
                        '<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
                        "<Error><Code>&b;&b;&b;</Code></Error>")
        elif what == "big":
            self.fault = None
            self.answer(500, b"<Error><Code>" + b"x" * (9 << 20))
        elif what == "owner":
            if self.headers.get("x-amz-expected-bucket-owner") == arg:
                self.fault = None
                return False
            self.fault = None
            self.error(403, "AccessDenied")
        else:
            return False
        return True

    def on_get(self, path, query):
        """GET and HEAD."""
        with LOCK:
            if "uploads" in query:
                return self.list_uploads(path, query)
            if "uploadId" in query:
                return self.list_parts(query)
            if "list-type" in query:
                return self.list(path, query)
            found = OBJECTS.get(path)
        if found is None:
            return self.error(404, "NoSuchKey")
        data, headers = found
        if "tagging" in query:
            return self.answer(200, self.tags(headers))
        headers = self.shown(headers)
        tag = headers["ETag"]
        if "x-amz-checksum-mode" not in self.headers:
            headers = {k: v for k, v in headers.items()
                       if not k.startswith("x-amz-checksum-")}
        sizes = headers.pop("-sizes", None)
        if "partNumber" in query and sizes and "x-hidden-parts" not in headers:
            data = data[:sizes[int(query["partNumber"]) - 1]]
        if self.headers.get("If-Match", tag) != tag:
            return self.error(412, "PreconditionFailed")
        headers = dict(headers)
        what, arg = self.fault or ("", "")
        if what == "swap":      # after this answer it is another object
            with LOCK:
                other = arg.encode() * (len(data) // len(arg) + 1)
                other = other[:len(data)]
                OBJECTS[path] = (other, {"ETag": etag_of(other)})
        ranged = re.match(r"bytes=(\d+)-(\d*)$",
                          self.headers.get("Range", ""))
        if self.command == "HEAD" or not ranged:
            return self.answer(200, data, headers)
        first = int(ranged.group(1))
        last = min(int(ranged.group(2) or len(data)), len(data) - 1)
        if first >= len(data):
            return self.error(416, "InvalidRange")
        if what == "wrong-range":
            first += 1
        headers["Content-Range"] = "bytes %d-%d/%d" % (first, last, len(data))
        if what == "long":
            last += 1
        return self.answer(206, data[first:last + 1], headers)

    on_head = on_get

    def list_parts(self, query):
        """ListParts, two a page."""
        upload = UPLOADS.get(query["uploadId"])
        if upload is None:
            return self.error(404, "NoSuchUpload")
        after = int(query.get("part-number-marker", "0"))
        parts = [i for i in sorted(upload[2]) if i > after]
        opaque = (self.fault or ("",))[0] == "opaque"
        return self.answer(200, "<ListPartsResult><IsTruncated>%s</IsTruncated>"
            "%s%s</ListPartsResult>" % (
                "true" if len(parts) > 2 else "false",
                "<NextPartNumberMarker>%d</NextPartNumberMarker>" % parts[1]
                if len(parts) > 2 else "", "".join(
                    "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag>"
                    "<Size>%d</Size></Part>" % (
                        i, '"%032d"' % i if opaque else etag_of(upload[2][i]),
                        len(upload[2][i])) for i in parts[:2])))

    def list_uploads(self, path, query):
        """ListMultipartUploads, two a page for who says how many a page may have."""
        bucket = "/" + path.strip("/") + "/"
        what, _ = self.fault or ("", "")
        time_of = "" if what == "no-time" else \
            "<Initiated>2019-01-18T15:04:05.000Z</Initiated>"
        last = (query.get("key-marker", ""), query.get("upload-id-marker", ""))
        found = sorted((u[0][len(bucket):], i) for i, u in UPLOADS.items()
                       if u[0].startswith(bucket + query.get("prefix", "")))
        found = [u for u in found if u > last]
        page = found[:2] if "max-uploads" in query else found
        more = len(found) > len(page)
        def quoted(text):
            return html.escape(urllib.parse.quote(text))
        self.answer(200, "<ListMultipartUploadsResult><IsTruncated>%s"
                    "</IsTruncated><EncodingType>url</EncodingType>%s%s"
                    "</ListMultipartUploadsResult>" % (
                        "true" if more else "false",
                        "<NextKeyMarker>%s</NextKeyMarker><NextUploadIdMarker>"
                        "%s</NextUploadIdMarker>" % (
                            quoted(page[-1][0]), html.escape(page[-1][1]))
                        if more else "", "".join(
                            "<Upload><Key>%s</Key><UploadId>%s</UploadId>%s"
                            "</Upload>" % (quoted(k), html.escape(i), time_of)
                            for k, i in page)))

    def list(self, path, query):
        """ListObjectsV2, two keys a page; with the fault page N so many; with the
        fault lacks REGEX so many as page 1000, without keys that match."""
        bucket = path.strip("/") + "/"
        keys = sorted(p[len(bucket) + 1:] for p in OBJECTS
                      if p.startswith("/" + bucket))
        what, arg = self.fault or ("", "")
        prefix = arg if what == "foreign" else query.get("prefix", "")
        keys = [k for k in keys if k.startswith(prefix)
                and k > query.get("continuation-token", "")
                and not (what == "lacks" and re.search(arg, k))]
        size = (int(arg) if what == "page" else
                1000 if what == "lacks" else 2)
        page, more = keys[:size], len(keys) > size
        self.answer(200, "<ListBucketResult><IsTruncated>%s</IsTruncated>%s"
                    "%s<EncodingType>url</EncodingType></ListBucketResult>" % (
                        "true" if more else "false",
                        "<NextContinuationToken>%s</NextContinuationToken>"
                        % page[-1] if more else "", "".join(
                            "<Contents><Key>%s</Key><Size>%d</Size>"
                            "<ETag>%s</ETag><LastModified>"
                            "2019-01-18T15:04:05.000Z</LastModified></Contents>"
                            % (urllib.parse.quote(k),
                               len(OBJECTS["/" + bucket + k][0]),
                               OBJECTS["/" + bucket + k][1].get("ETag", ""))
                            for k in page)))

    def source(self):
        """The bytes that a copy asks for; None: answered."""
        where = urllib.parse.unquote(self.headers["x-amz-copy-source"])
        found = OBJECTS.get(where)
        if found is None:
            self.error(404, "NoSuchKey")
            return None
        what, arg = self.fault or ("", "")
        if self.headers.get("x-amz-copy-if-match" if what == "as-rgw" else
                            "x-amz-copy-source-if-match",
                            found[1]["ETag"]) != found[1]["ETag"]:
            self.error(412, "PreconditionFailed")
            return None
        ranged = re.match(r"bytes=(\d+)-(\d+)$", self.headers.get(
            "x-amz-copy-source-range", ""))
        data = found[0]
        if ranged:
            data = data[int(ranged.group(1)):int(ranged.group(2)) + 1]
        if what == "copy-wrong":
            data = bytes([data[0] ^ 1]) + data[1:]
        return data, found[1]

    def put_tags(self, path):
        """PutObjectTagging."""
        body = self.read_body()
        if body is None:
            return None
        found = re.findall(r"<Key>([^<]*)</Key><Value>([^<]*)<", body.decode())
        with LOCK:
            OBJECTS[path][1]["x-amz-tagging"] = urllib.parse.urlencode(
                [(html.unescape(k), html.unescape(v)) for k, v in found],
                quote_via=urllib.parse.quote)
        return self.answer(200)

    def on_put(self, path, query):
        """PUT of an object, a part, a copy or a part's copy."""
        what, arg = self.fault or ("", "")
        if "tagging" in query:
            return self.put_tags(path)
        if "meta" in query:     # a header that no request can set
            name, _, value = self.read_body().decode().partition(": ")
            OBJECTS[path][1][name] = value.strip()
            return self.answer(200)
        headers = self.metadata()
        copying = "x-amz-copy-source" in self.headers
        if copying and what in ("no-copy", "no-method"):
            return self.error(501 if what == "no-copy" else 405,
                              "NotImplemented" if what == "no-copy"
                              else "MethodNotAllowed")
        if copying and what == "copy-ignored":
            copying = False         # an upload of nothing
        if copying:
            with LOCK:
                found = self.source()
            if found is None:
                return None
            data = found[0]
            kept = {k: v for k, v in headers.items()
                    if k.startswith(ENCRYPTION) or k == "x-amz-storage-class"}
            if self.headers.get("x-amz-metadata-directive") != "REPLACE":
                headers = {k: v for k, v in found[1].items() if k != "ETag"
                           and not k.startswith(ENCRYPTION)
                           and k != "x-amz-storage-class"}
                headers.update(kept)
            replaces = self.headers.get(
                "x-amz-metadata-directive") == "REPLACE"
            if self.headers.get("x-amz-tagging-directive") != "REPLACE" or \
                    what == "as-rgw":
                headers.pop("x-amz-tagging", None)
                if "x-amz-tagging" in found[1] and not (
                        what == "as-rgw" and replaces):
                    headers["x-amz-tagging"] = found[1]["x-amz-tagging"]
        else:
            data = self.read_body()
            if data is None:
                return None
        if what == "200-error":
            self.fault = None
            return self.error(200, "InternalError")
        tag = arg if what == "opaque" else etag_of(data)
        if what == "plain":         # it encrypts nothing, whoever asks
            headers = {k: v for k, v in headers.items()
                       if not k.startswith(ENCRYPTION)}
        with LOCK:
            if "uploadId" in query:
                if query["uploadId"] not in UPLOADS:
                    return self.error(404, "NoSuchUpload")
                UPLOADS[query["uploadId"]][2][int(query["partNumber"])] = data
            elif "If-None-Match" in self.headers and path in OBJECTS \
                    and what != "replace":
                return self.error(412, "PreconditionFailed")
            else:
                OBJECTS[path] = (data, dict(headers, ETag=tag))
        kind = "CopyPartResult" if "uploadId" in query else "CopyObjectResult"
        return self.answer(200, "<%s><ETag>%s</ETag></%s>" % (
            kind, tag, kind) if copying else b"", dict(
                {k: v for k, v in headers.items()
                 if k.startswith(ENCRYPTION)}, ETag=tag))

    def on_post(self, path, query):
        """Begin or complete an upload."""
        body = self.read_body()
        if body is None:
            return None
        what, _ = self.fault or ("", "")
        with LOCK:
            if "uploads" in query:
                name = "u%d=&+" % time.monotonic_ns()
                kept = {k: v for k, v in self.metadata().items()
                        if what != "plain" or not k.startswith(ENCRYPTION)}
                if what == "as-rgw":
                    kept.pop("x-amz-tagging", None)
                UPLOADS[name] = (path, kept, {})
                return self.answer(200, "<InitiateMultipartUploadResult>"
                    "<UploadId>%s</UploadId></InitiateMultipartUploadResult>"
                    % name.replace("&", "&amp;"), {
                        k: v for k, v in kept.items()
                        if k.startswith(ENCRYPTION)})
            if what == "200-error":
                self.fault = None
                return self.error(200, "InternalError")
            upload = UPLOADS.get(query["uploadId"])
            if upload is None:
                return self.error(404, "NoSuchUpload")
            if "If-None-Match" in self.headers and path in OBJECTS:
                return self.error(412, "PreconditionFailed")
            named = re.findall(r"<PartNumber>(\d+)</PartNumber><ETag>([^<]*)<",
                               html.unescape(body.decode()))
            if [(int(i), t) for i, t in named] != [
                    (i, etag_of(upload[2][i])) for i in sorted(upload[2])]:
                return self.error(400, "InvalidPart")
            del UPLOADS[query["uploadId"]]
            parts = [upload[2][i] for i in sorted(upload[2])]
            sums = b"".join(hashlib.md5(p).digest() for p in parts)
            tag = '"%s-%d"' % (hashlib.md5(sums).hexdigest(), len(parts))
            OBJECTS[path] = (b"".join(parts), dict(
                upload[1], **{"ETag": tag, "-sizes": [len(p) for p in parts]}))
        return self.answer(200, "<CompleteMultipartUploadResult><ETag>%s</ETag>"
                           "</CompleteMultipartUploadResult>" % tag)

    def on_delete(self, path, query):
        """Remove an object or abort an upload."""
        with LOCK:
            if "uploadId" in query:
                UPLOADS.pop(query["uploadId"], None)
            else:
                OBJECTS.pop(path, None)
        return self.answer(204)

    def date_time_string(self, timestamp=None):
        """The Date header; wrong by the hours in DIR/hours."""
        return email.utils.formatdate(time.time() + 3600 * hours(),
                                      usegmt=True)


SERVER = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
SERVER.daemon_threads = True
with open(os.path.join(ROOT, "port.new"), "w", encoding="ascii") as out:
    out.write("%d\n" % SERVER.server_address[1])
os.rename(os.path.join(ROOT, "port.new"), os.path.join(ROOT, "port"))
SERVER.serve_forever()
