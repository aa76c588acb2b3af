#!/bin/bash
# How a connection to another machine is made, said by a service or not: no
# password goes out in clear (R66).
. "$(dirname "$0")/lib/lib.sh"
export IMGP_DB_WAIT=0 PGSERVICEFILE="$WORK/services" PGPASSWORD=open-sesame
PYTHON=/usr/bin/python3
unset PGSSLMODE PGHOST PGHOSTADDR PGPORT PGSERVICE PGDATABASE

# A server without TLS.  127.0.0.2 is not one of the names of this machine.  It
# notes what it is asked first: TLS, or a login.  One connection after the other, so
# that who is answered on "and now?" finds the note on those before.
cat >server.py <<'PY'
import socket, struct
s = socket.create_server(("127.0.0.2", 0))
print(s.getsockname()[1], flush=True)
while True:
    c, _ = s.accept()
    said = []
    while len(head := c.recv(8, socket.MSG_WAITALL)) == 8:
        if head == b"and now?":
            break
        size, code = struct.unpack("!II", head)
        said.append("tls" if code == 80877103 else "login")
        if code != 80877103:
            break
        c.sendall(b"N")
    if said:
        with open("asked", "w") as f:
            f.write(" ".join(said) + "\n")
    c.close()
PY
mkfifo port
$PYTHON server.py >port &
server=$!
at_end "kill $server"
read -r port <port
cat >services <<EOT
[plain]
host=127.0.0.2
port=$port
dbname=x
user=u

[address]
hostaddr=127.0.0.2
port=$port
user=u

[prefer]
host=127.0.0.2
port=$port
user=u
sslmode=prefer

[open]
host=127.0.0.2
port=$port
user=u
sslmode=disable

[here]
host=$WORK
user=u
EOT
# asks WANTED TITLE VAR=VALUE...: what the server is asked, and the error.  One that is
# away for now is none, where there is no job.
asks() {
	_want=$1 _title=$2
	shift 2
	rm -f asked
	env "$@" imgp-record start </dev/null >out 2>err
	exec 3<>"/dev/tcp/127.0.0.2/$port"
	printf 'and now?' >&3
	cat <&3
	exec 3>&-
	is "$(cat asked 2>/dev/null) $(sed -n 's/^imgp-record: \([A-Z-]*\).*/\1/p' err |
	    sort -u)" "$_want" "$_title" || diag <err
}
h="host=127.0.0.2 port=$port user=u"
asks 'tls IMGP-DB-DENIED' 'a host: TLS or nothing' IMGP_DATABASE="$h"
asks 'tls IMGP-DB-DENIED' 'a service: TLS or nothing' IMGP_DATABASE=service=plain
asks 'tls IMGP-DB-DENIED' 'a service in a URI' IMGP_DATABASE='postgresql:///?service=plain'
asks 'tls IMGP-DB-DENIED' 'a service with an address' IMGP_DATABASE=service=address
asks 'tls IMGP-DB-DENIED' 'a service of the environment' PGSERVICE=plain IMGP_DATABASE=user=u
asks 'tls IMGP-DB-DENIED' 'prefer in a service is no wish' IMGP_DATABASE=service=prefer
asks 'login ' 'a service that says so: without' IMGP_DATABASE=service=open
asks 'login ' 'a string that says so' \
    IMGP_DATABASE='service=plain sslmode=disable'
asks 'login ' 'an environment that does' IMGP_DATABASE=service=plain \
    PGSSLMODE=disable
asks 'tls IMGP-DB-DENIED' 'the string wins over the service' \
    IMGP_DATABASE='service=open sslmode=verify-full'
asks ' ' 'a service on this machine: as ever' IMGP_DATABASE=service=here
asks ' IMGP-CONFIG' 'a service that is none' IMGP_DATABASE=service=nowhere
unlike err open-sesame 'the password is not told'
done_testing
