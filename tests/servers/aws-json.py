#!/usr/bin/python3
"""aws-json.py DIR [SECRET]: services of AWS that speak JSON, on 127.0.0.1 (DIR/port).

A request is named by X-Amz-Target (GetSecretValue) or by its path (/v1/submitjob is
submitjob).  Its signature is verified (sigv4.py); it becomes a line of DIR/log: name,
then its body; and it is answered with the file DIR/NAME, or, where that is executable,
with what it writes when it gets the body: where it ends with N, as a
refusal with the status 400 + N.  Without such a file, or with a wrong signature: 400.
"""
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sigv4                                                    # noqa: E402

ROOT = sys.argv[1]
SECRETS = {"AKIDTEST": sys.argv[2] if len(sys.argv) > 2 else "canary/secret+1"}
TOKEN = "canary/token+1="
LOCK = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Nothing on standard error."""

    def answer(self, status, body):
        """A whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        """All requests are."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        target = self.headers.get("X-Amz-Target")
        service, name = (target.split(".") if target else
                         ("batch", self.path.rpartition("/")[2]))
        pairs = self.headers.items() + [
            ("-body-sha256", hashlib.sha256(body).hexdigest())]
        try:
            _, _, token = sigv4.check("POST", self.path, pairs, SECRETS.get,
                                      time.time(), service, "eu-west-1")
            if token not in (None, TOKEN):
                raise sigv4.Refused("UnrecognizedClientException")
        except sigv4.Refused as e:
            return self.answer(400, ('{"__type":"%s","message":"%s"}' %
                                     (e.code, e)).encode())
        path = os.path.join(ROOT, name)
        with LOCK:
            with open(os.path.join(ROOT, "log"), "ab") as f:
                f.write(name.encode() + b" " + body + b"\n")
            if not os.path.exists(path):
                return self.answer(400, b'{"message":"no answer"}')
            if os.access(path, os.X_OK):
                ran = subprocess.run([path], input=body, check=False,
                                     stdout=subprocess.PIPE)
                out, status = ran.stdout, ran.returncode + 400
                if ran.returncode == 0:
                    status = 200
            else:
                status = 200
                with open(path, "rb") as f:
                    out = f.read()
        return self.answer(status, out)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(os.path.join(ROOT, "port.new"), "w", encoding="ascii") as port:
    port.write(str(server.server_port))
os.rename(os.path.join(ROOT, "port.new"), os.path.join(ROOT, "port"))
server.serve_forever()
