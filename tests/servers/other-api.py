#!/usr/bin/python3
"""other-api.py LOG: pipeline APIs that are not ours, each under a base of its own.

Prints its port, then serves until standard input ends.  What it was asked
stands in LOG, one JSON object a line: method, path, names of the headers, body.

/full		the page's calls with revision_number and lease
/moody		as /full, but the first two tries of each request fail
/BASE?		the answers in WRONG, which no client must take for good ones
"""
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FILE = "/pipeline/edcpipeline/file"
SCANS = FILE + "/dicom/add_scan_info"
ROW = {"id": 7, "status": "Started", "has_error": False, "file_name": "n.zip",
       "file_path": "p/", "ts_create": "2026-01-02T03:04:05Z",
       "revision_number": 1, "attempt": 1, "lease": 1}


def envelope(**row):
    return json.dumps({"success": True,
                       "data": {"edc_pipeline_file": {**ROW, **row}}})


WRONG = {
    "/html": (200, "<html><body>Please log in</body></html>"),
    "/array": (200, "[1]"),
    "/nodata": (200, '{"success":true}'),
    "/norow": (200, '{"success":true,"data":{}}'),
    "/twice": (200, '{"success":true,"success":true,"data":{}}'),
    "/row7": (200, envelope()),
    "/text": (200, envelope(id="7")),
    "/noid": (200, envelope(id=None)),
    "/status": (200, envelope(status="Perhaps")),
    "/revision": (200, envelope(revision_number=9)),
    "/upload": (200, envelope(subject_event_crf_file_id=1299)),
    "/norevision": (200, envelope(revision_number=None)),
    "/notfound": (404, "not found"),
    "/unauthorized": (401, '{"success":false,"error_code":"X","error":"no"}'),
    "/forbidden": (403, ""),
    "/broken": (500, "Traceback"),
    "/own500": (500, '{"success":false,"error_code":"IMGP-DB-SCHEMA",'
                     '"error":"another version","data":null}'),
    "/refused": (400, '{"success":false,"error_code":"EDC-17",'
                      '"error":"no\\u001b[31m such\\nthing"}'),
    "/teapot": (418, ""),
}
rows = {}
tries = {}
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, text, **headers):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Set-Cookie", "session=1")
        for name, value in {"Content-Length": len(body), **headers}.items():
            if value is not None:
                self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.serve(None)

    def do_POST(self):
        self.serve(self.rfile.read(int(self.headers["Content-Length"])))

    def serve(self, raw):
        with lock:
            log.write(json.dumps({
                "method": self.command, "path": self.path,
                "headers": sorted(k.lower() for k in self.headers.keys()),
                "body": raw and raw.decode()}) + "\n")
            log.flush()
        base = "/" + self.path.split("/")[1]
        what = self.path[len(base):]
        if raw is None and base not in ("/unauthorized", "/forbidden"):
            self.reply(405, "")
        elif base in WRONG:
            self.reply(*WRONG[base])
        elif base == "/redirect":
            self.reply(307, "", Location="/full" + what)
        elif base == "/cut":	# its end is where the connection ends
            self.reply(200, envelope()[:-2], Content_Length=None,
                       Connection="close")
            self.close_connection = True
        elif base == "/short":
            self.reply(200, envelope(), Content_Length=len(envelope()) + 9)
            self.close_connection = True
        elif base == "/huge":
            self.reply(200, " " * (17 << 20) + envelope())
        elif base == "/silent":
            self.rfile.read(1)	# until the client has had enough
        else:
            with lock:
                self.api(base, what, json.loads(raw), raw)

    def api(self, base, what, req, raw):
        if base == "/moody":
            tries[raw] = tries.get(raw, 0) + 1
            if tries[raw] == 1:
                return self.reply(503, "", Retry_After=1)
            if tries[raw] == 2:
                self.close_connection = True	# no answer at all
                return None
        wants = "edc_pipeline_file_id"
        upload = req["subject_event_crf_file_id"]
        if what == SCANS or wants in req:
            row = next((r for r in rows.values()
                        if r["id"] == req.get(wants)), None)
            if row is None:
                return self.reply(200, '{"success":false,"error_code":"404",'
                                       '"error":"no such row"}')
            for name in ("status", "file_name", "file_path", "has_error"):
                row[name] = req.get(name, row[name])
        else:
            row = rows.setdefault((base, upload), {
                **ROW, "id": 100 + len(rows), "file_name": None,
                "file_path": None})
        data = {}
        if what == SCANS:
            row["status"] = "in progress"
            data = {"edc_pipeline_file_id": row["id"],
                    "pipeline_code": req["pipeline_code"],
                    "subject_event_crf_file_id": upload,
                    "scans": [{"studyuid": s["study_uid"], "series": [
                        {"series_uid": e["series_uid"],
                         "atri_uid": f'{row["id"]}.{i + 1}'}
                        for i, e in enumerate(s["series"])]}
                        for s in req["scans"]]}
        else:
            shown = dict(row)
            shown["status"] = {"Completed": "done", "Failed": "error"}.get(
                row["status"], row["status"])
            data = {"edc_pipeline_file": shown}
        return self.reply(201 if what == FILE and wants not in req else 200,
                          json.dumps({"success": True, "data": data}))


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # A client that hangs up has had enough of an answer.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


log = open(sys.argv[1], "w", encoding="utf-8")
server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
