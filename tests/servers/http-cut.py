#!/usr/bin/python3
"""http-cut.py PORT CONTROL: an HTTP proxy before 127.0.0.1:PORT that loses answers.

Prints its own port.  CONTROL holds "KIND N": the server gets every request and
answers it, but of the Nth answer from now on nothing is passed on (none), or only
its first half (half).  That is done once; CONTROL then says "over".
"""
import http.client
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, control = int(sys.argv[1]), sys.argv[2]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def cut(self):
        with open(control, encoding="ascii") as f:
            kind, n, *_ = f.read().split() + ["0"]
        if kind == "over":
            return None
        with open(control, "w", encoding="ascii") as f:
            f.write("over" if n == "1" else f"{kind} {int(n) - 1}")
        return kind if n == "1" else None

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        real = http.client.HTTPConnection("127.0.0.1", port)
        real.request(self.command, self.path, body or None, dict(self.headers))
        answer = real.getresponse()
        data = answer.read()
        real.close()
        lost = self.cut()
        if lost == "none":
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:len(data) // 2] if lost else data)
        self.close_connection = lost is not None

    do_GET = do_POST = forward


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
