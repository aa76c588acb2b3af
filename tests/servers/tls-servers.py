#!/usr/bin/python3
"""tls-servers.py LOG NAME=CERT,KEY[,old]...: TLS servers that write down what
they are told.

Prints a line "NAME PORT" for each and serves until standard input ends.  LOG gets
a line for each connection: NAME and how many bytes came after the handshake, or
"no handshake".  old: TLS 1.1 is the newest they speak.
"""
import socket
import ssl
import sys
import threading
import warnings

warnings.simplefilter("ignore", DeprecationWarning)


def serve(name, listener, context):
    while True:
        conn, _ = listener.accept()
        conn.settimeout(10)
        n = 0
        try:
            with context.wrap_socket(conn, server_side=True) as tls:
                while data := tls.recv(65536):
                    n += len(data)
                    if b"\r\n\r\n" in data:
                        tls.sendall(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n"
                                    b"Connection: close\r\n\r\n")
                        break
            said = f"{n} bytes"
        except OSError:
            said = f"{n} bytes" if n else "no handshake"
        log.write(f"{name} {said}\n")
        log.flush()


log = open(sys.argv[1], "w", encoding="utf-8")
for arg in sys.argv[2:]:
    name, files = arg.split("=")
    cert, key, *old = files.split(",")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    if old:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(name, listener, context),
                     daemon=True).start()
    print(name, listener.getsockname()[1], flush=True)
print("end", flush=True)
sys.stdin.read()
