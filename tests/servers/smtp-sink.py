"""An SMTP server that keeps what it gets and misbehaves when told to.

    smtp-sink.py DIR [--tls PEM] [--login USER PASSWORD]

Prints its port and serves until its standard input ends.  Each message it
takes becomes DIR/N.eml, its envelope DIR/N.env.  Recipients "later@..." are
put off (451), "gone@..." refused (550).  The file DIR/mode, read at each
command, says more: greet421, data452, data554, drop (the message is kept, the
connection dropped instead of an answer), lose (neither), hang.
"""
import asyncio
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Sink:
    def __init__(self, where):
        self.where = where
        self.count = 0

    def mode(self):
        try:
            with open(os.path.join(self.where, "mode")) as f:
                return f.read().strip()
        except FileNotFoundError:
            return ""

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        if self.mode() == "greet421":
            return ["421 closing down"]
        return responses

    async def handle_HELO(self, server, session, envelope, hostname):
        session.host_name = hostname
        return "421 closing down" if self.mode() == "greet421" else "250 OK"

    async def handle_MAIL(self, server, session, envelope, address, options):
        if self.mode() == "hang":
            await asyncio.Event().wait()
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("later@"):
            return "451 not now"
        if address.startswith("gone@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mode = self.mode()
        if mode.startswith("data"):
            return mode[4:] + " no"
        if mode != "lose":
            self.count += 1
            base = os.path.join(self.where, str(self.count))
            with open(base + ".eml", "wb") as f:
                f.write(envelope.original_content)
            with open(base + ".env", "w") as f:
                print(envelope.mail_from, *envelope.rcpt_tos,
                      "tls" if session.ssl else "clear",
                      "auth" if session.authenticated else "-", file=f)
        if mode in ("drop", "lose"):
            server.transport.abort()
            return "421 dropped"
        return "250 taken"


async def main():
    args = sys.argv[1:]
    sink = Sink(args.pop(0))
    kw = {"hostname": "sink.example"}
    while args:
        option = args.pop(0)
        if option == "--tls":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(args.pop(0))
            kw["tls_context"] = context
        elif option == "--login":
            user, password = args.pop(0).encode(), args.pop(0).encode()

            def check(server, session, envelope, mechanism, data):
                good = (data.login, data.password) == (user, password)
                return AuthResult(success=good, handled=False)
            kw["authenticator"] = check
            kw["auth_required"] = True
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(sink, loop=loop, **kw),
                                      "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    end = asyncio.Event()
    loop.add_reader(0, lambda: os.read(0, 4096) or end.set())
    await end.wait()
    os._exit(0)

asyncio.run(main())
