#!/usr/bin/python3
"""sqs.py DIR: a queue of Amazon SQS (JSON protocol) on 127.0.0.1, with faults.

Runs until standard input ends; prints its port once it listens.  Signatures are
recomputed by sigv4.py.  DIR/log has a line for each request: action, and what
came of it.  A file DIR/fault, "ACTION STATUS TYPE N", has the next N requests
of that action answered so.  Not of SQS: POST /put adds the body as a message,
GET /state answers with {"waiting", "hidden", "deleted"}: bodies.
"""
import hashlib
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sigv4                                                     # noqa: E402

ROOT = sys.argv[1]
NAME = "https://sqs.eu-west-1.amazonaws.com/123456789012/uploads"
SECRETS = {"AKIAQUEUE": "queue/secret+1"}
queue = []		# {"body", "handle", "until", "count"}
deleted = []
changed = threading.Condition()


def free(now):
    return [m for m in queue if m["until"] <= now]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, answer):
        text = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        with changed:
            waiting = [m["body"] for m in free(time.time())]
            self.reply(200, {"waiting": waiting, "deleted": deleted, "hidden": [
                m["body"] for m in queue if m["body"] not in waiting]})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/put":
            with changed:
                queue.append({"body": body.decode(), "handle": None,
                              "until": 0, "count": 0})
                changed.notify_all()
            return self.reply(200, {})
        action = self.headers.get("X-Amz-Target", "").partition(".")[2]
        status, answer = self.answer(action, body)
        with changed:
            with open(os.path.join(ROOT, "log"), "a", encoding="utf-8") as f:
                print(action, status, self.headers["Host"].split(":")[0],
                      json.loads(body).get("QueueUrl"), file=f)
        return self.reply(status, answer)

    def answer(self, action, body):
        try:
            sigv4.check("POST", self.path, self.headers.items() +
                        [("-body-sha256", hashlib.sha256(body).hexdigest())],
                        SECRETS.get, time.time(), "sqs", "eu-west-1")
        except sigv4.Refused as e:
            return 403, {"__type": "com.amazon.coral.service#" + e.code}
        fault = self.fault(action)
        if fault:
            return fault
        req = json.loads(body)
        if req["QueueUrl"] != NAME:
            return 400, {"__type": "com.amazonaws.sqs#QueueDoesNotExist"}
        if action == "ReceiveMessage":
            return 200, self.receive(req)
        done, failed = [], []
        with changed:
            for e in req["Entries"]:
                m = next((m for m in queue
                          if m["handle"] == e["ReceiptHandle"]), None)
                if m is None:
                    failed.append({"Id": e["Id"], "SenderFault": True,
                                   "Code": "ReceiptHandleIsInvalid"})
                    continue
                done.append({"Id": e["Id"]})
                if action == "DeleteMessageBatch":
                    queue.remove(m)
                    deleted.append(m["body"])
                else:
                    m["until"] = time.time() + e["VisibilityTimeout"]
            changed.notify_all()
        return 200, {"Successful": done, "Failed": failed}

    def fault(self, action):
        path = os.path.join(ROOT, "fault")
        with changed:
            try:
                with open(path, encoding="utf-8") as f:
                    name, status, kind, n = f.read().split()
            except FileNotFoundError:
                return None
            if name != action:
                return None
            if int(n) <= 1:
                os.unlink(path)
            else:
                with open(path, "w", encoding="utf-8") as f:
                    print(name, status, kind, int(n) - 1, file=f)
        return int(status), {"__type": "com.amazonaws.sqs#" + kind}

    def receive(self, req):
        end = time.time() + req["WaitTimeSeconds"]
        with changed:
            while not free(time.time()) and time.time() < end:
                changed.wait(min(1, max(0.01, end - time.time())))
            got = free(time.time())[:req["MaxNumberOfMessages"]]
            for m in got:
                m["count"] += 1
                m["handle"] = f'{id(m):x}/{m["count"]}+='
                m["until"] = time.time() + req["VisibilityTimeout"]
            changed.notify_all()
            return {"Messages": [{
                "MessageId": f"{id(m):x}", "ReceiptHandle": m["handle"],
                "MD5OfBody": hashlib.md5(m["body"].encode()).hexdigest(),
                "Body": m["body"]} for m in got]} if got else {}


class Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that was killed is no fault of this one."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


server = Server(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
