#!/usr/bin/python3
"""lambda-runtime.py DIR: Lambda's Runtime API for one runtime, on 127.0.0.1.

Its port is in DIR/port.  Each file DIR/events/N, from 1, is an event; what the
runtime answers to it is DIR/N.response, or DIR/N.error with the header's name of the
error in DIR/N.type; what it says of its start is DIR/init.error.  After the last
event /next is answered by 500, which ends a runtime.  DIR/refuse, if there, is how
many answers are refused by 413 first.
"""
import http.server
import os
import sys

ROOT = sys.argv[1]
BASE = "/2018-06-01/runtime/"


def path(name):
    """A file of DIR."""
    return os.path.join(ROOT, name)


def store(name, data):
    """Whole, or not at all."""
    with open(path(name + ".new"), "wb") as f:
        f.write(data)
    os.rename(path(name + ".new"), path(name))


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""
    protocol_version = "HTTP/1.1"
    given = 0

    def log_message(self, *_):
        """Nothing on standard error."""

    def answer(self, status, body=b"", headers=()):
        """A whole answer."""
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        """The next event."""
        event = path("events/%d" % (Handler.given + 1))
        if self.path != BASE + "invocation/next" or not os.path.exists(event):
            return self.answer(500)
        Handler.given += 1
        with open(event, "rb") as f:
            body = f.read()
        return self.answer(200, body, [
            ("Lambda-Runtime-Aws-Request-Id", "request-%d" % Handler.given),
            ("Lambda-Runtime-Deadline-Ms", "4102444800000"),
            ("Lambda-Runtime-Trace-Id", "Root=1-%d" % Handler.given),
            ("Content-Type", "application/json")])

    def do_POST(self):
        """An answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = self.headers.get("Lambda-Runtime-Function-Error-Type", "")
        if self.path == BASE + "init/error":
            store("init.error", body)
            store("init.type", kind.encode())
            return self.answer(202)
        where, request, what = self.path[len(BASE):].split("/")
        if where != "invocation" or request != "request-%d" % Handler.given:
            return self.answer(400)
        store("%d.%s" % (Handler.given, what), body)
        if what == "error":
            store("%d.type" % Handler.given, kind.encode())
        return self.answer(202)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
store("port", str(server.server_port).encode())
server.serve_forever()
