#!/usr/bin/python3
"""pg-proxy.py REAL-SOCKET DIR: a proxy before a PostgreSQL server, which cuts
connections at a chosen moment.

It listens on DIR/.s.PGSQL.5432.  Each connection reads DIR/cut, "KIND N":
  reply N   the server's Nth answer to a request is not passed on
  request N the client's Nth message is not passed on
  none      nothing is cut
counted from after the login (ReadyForQuery) of the connection.  The cut is made
once; the file then says "over".
"""
import os
import selectors
import socket
import sys
import threading

real, where = sys.argv[1], sys.argv[2]
control = os.path.join(where, "cut")


def wanted():
    # The file may just be being written.
    kind, n = (open(control).read().split() + ["none", "0"])[:2]
    return (kind, int(n)) if n.isdigit() else ("none", 0)


def serve(client):
    """One connection: whatever comes, both its ends are closed."""
    with client, socket.socket(socket.AF_UNIX) as server:
        server.connect(real)
        forward(client, server)


def forward(client, server):
    sel = selectors.DefaultSelector()
    sel.register(client, selectors.EVENT_READ, "request")
    sel.register(server, selectors.EVENT_READ, "reply")
    seen = {"request": 0, "reply": 0}
    ready = False
    last = None
    while True:
        for key, _ in sel.select():
            data = key.fileobj.recv(1 << 20)
            if not data:
                return
            if ready and last != key.data:
                seen[key.data] += 1
            last = key.data
            kind, n = wanted()
            if ready and kind == key.data and seen[kind] == n:
                with open(control, "w") as f:
                    f.write("over")
                return
            if key.data == "reply" and not ready and b"Z\0\0\0\5" in data:
                ready = True
            (server if key.data == "request" else client).sendall(data)


listener = socket.socket(socket.AF_UNIX)
listener.bind(os.path.join(where, ".s.PGSQL.5432"))
listener.listen(16)
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
