#!/usr/bin/python3
"""page-server.py LOG: a pipeline API that knows the design page and nothing else.

Two calls, the page's spellings, its table's columns: no revision, no lease, no
path, no time.  A request without edc_pipieline_file_id makes a row, always.
Prints its port, then serves until standard input ends.  LOG has a line for each
request: base, call, body.  GET BASE/rows answers with the rows of that base.

/page		as said
/same		an upload that has a row gets that one
/started	rows are shown with the page's words and their ids as text
/lost		the row is made, and no answer comes
/cut		the row is made, and the answer breaks off
/gateway	the row is made, and a proxy answers with 504
/kept		the row is made when the second request of a connection comes,
		which then ends without an answer
/busy		503 first, each time
/refuse		success is false
"""
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FILE = "/pipeline/edcpipeline/file"
SCANS = FILE + "/dicom/add_scan_info"
COLUMNS = ("file_name", "status", "has_error")
rows = {}		# base: the rows in the order of their making
scans = {}		# base, row, study, series: the ATRIUID
busy = set()
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served = 0

    def log_message(self, *args):
        pass

    def reply(self, status, answer, cut=0):
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text[:len(text) - cut])
        if cut:
            self.close_connection = True

    def refuse(self, why):
        self.reply(200, {"success": False, "error_code": "PAGE-1",
                         "error": why})

    def do_GET(self):
        _, base, call = self.path.split("/", 2)
        if call == "rows":
            with lock:
                self.reply(200, rows.get("/" + base, []))
        else:
            self.reply(404, {"success": False, "error_code": "PAGE-2",
                             "error": "no such call"})

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        _, base, call = self.path.split("/", 2)
        base, call = "/" + base, "/" + call
        self.served += 1
        with lock:
            log.write(f"{base} {call.replace(FILE, 'file')} {raw.decode()}\n")
            log.flush()
            if base == "/busy" and raw not in busy:
                busy.add(raw)
                return self.reply(503, {})
            if base == "/refuse":
                return self.refuse("not today")
            answer = self.serve(base, call, json.loads(raw))
        if answer is None:
            return self.refuse("no such row")
        made = "edc_pipieline_file_id" not in json.loads(raw)
        if made and base == "/lost":
            self.rfile.read(1)	# until the client is gone
            self.close_connection = True
        elif made and base == "/cut":
            self.reply(200, answer, cut=5)
        elif made and base == "/gateway":
            self.reply(504, {"message": "Endpoint request timed out"})
        elif made and base == "/kept" and self.served > 1:
            self.close_connection = True
        else:
            self.reply(200, answer)
        return None

    def serve(self, base, call, req):
        table = rows.setdefault(base, [])
        pipeline, upload = req["pipeline_code"], req["subject_event_crf_file_id"]
        if "edc_pipieline_file_id" in req:
            row = next((r for r in table
                        if str(r["id"]) == str(req["edc_pipieline_file_id"])
                        and r["subject_event_crf_file_id"] == upload), None)
            if row is None:
                return None
        else:
            row = None
            if base == "/same":
                row = next((r for r in table
                            if r["subject_event_crf_file_id"] == upload), None)
            if row is None:
                row = {"id": 100 + len(table), "pipeline_code": pipeline,
                       "subject_event_crf_file_id": upload, "file_name": None,
                       "status": "Started", "has_error": False}
                table.append(row)
        if call == SCANS:
            return {"success": True, "data": {
                "edc_pipeline_file_id": row["id"], "pipeline_code": pipeline,
                "subject_event_crf_file_id": upload,
                "scans": [{"study_uid": s["study_uid"], "series": [
                    {"series_uid": e["series_uid"],
                     "atri_uid": self.number(base, row, s, e)}
                    for e in s["series"]]} for s in req["scans"]]}}
        for name in COLUMNS:
            row[name] = req.get(name, row[name])
        shown = dict(row)
        if base == "/started":
            shown = {"ID": str(row["id"]), "file_name": row["file_name"],
                     "Status": row["status"].lower().replace(" ", "_")}
        return {"success": True, "data": {"edc_pipeline_file": shown}}

    @staticmethod
    def number(base, row, study, series):
        # Each call makes rows of its own: the page does not say otherwise.
        n = len([k for k in scans if k[:2] == (base, row["id"])]) + 1
        scans[base, row["id"], n, study["study_uid"],
              series["series_uid"]] = series["number_of_instance"]
        return f'{row["id"]}.{n}'


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


log = open(sys.argv[1], "w", encoding="utf-8")
server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
