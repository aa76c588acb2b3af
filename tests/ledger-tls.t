#!/bin/sh
# The pipeline API by TLS: who cannot show whose it is gets no byte of ours, the
# token least of all (M52, R68).
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/db.sh"
. "$ROOT/tests/lib/api.sh"
command -v openssl >/dev/null || skip_all 'no openssl here'
export IMGP_API_TOKEN_FILE="$WORK/token" IMGP_DB_WAIT=0 IMGP_WAIT=0

# --- certificates ---------------------------------------------------------------
ca() {			# ca NAME: an authority of that name
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout "$1.key" -out "$1.pem" -days 2 -subj "/CN=$1" \
	    -addext keyUsage=keyCertSign 2>>openssl.log
}
cert() {		# cert NAME CA SAN DAYS
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" 2>>openssl.log
	printf 'subjectAltName = %s\n' "$3" >"$1.ext"
	openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -days "$4" \
	    -CAcreateserial -extfile "$1.ext" -out "$1.pem" 2>>openssl.log
}
ca ca
ca stranger
cert server ca DNS:localhost,IP:127.0.0.1 2
cert elsewhere ca DNS:example.org 2
cert expired ca DNS:localhost,IP:127.0.0.1 -1
cert foreign stranger DNS:localhost,IP:127.0.0.1 2
cert client ca DNS:client 2
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout self.key \
    -out self.pem -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>>openssl.log
[ -s client.pem ] && [ -s self.pem ] || { diag <openssl.log; exit 1; }

# --- servers that must get nothing -------------------------------------------------
mkfifo life ports
exec 9<>life
$PYTHON "$ROOT/tests/servers/tls-servers.py" seen elsewhere=elsewhere.pem,elsewhere.key \
    expired=expired.pem,expired.key foreign=foreign.pem,foreign.key \
    self=self.pem,self.key old=server.pem,server.key,old good=server.pem,server.key \
    <life >ports 2>tls.log 9>&- &
at_end "kill $! 2>/dev/null; wait $! 2>/dev/null"
while read -r name port && [ "$name" != end ]; do
	eval "$name=$port"
done <ports
# The last line of ./seen, once there are $1 of them.
seen() { until [ "$(wc -l <seen)" -ge "$1" ]; do kill -0 $! || return; done; tail -n 1 seen; }
imgp-lookup 1201 >in
n=0
try() {			# try NAME PORT [VAR=VALUE...]
	_u=https://localhost:$2/api
	shift 2
	n=$((n + 1))
	env IMGP_DATABASE=$_u IMGP_API_CA_FILE="$WORK/ca.pem" "$@" \
	    imgp-record start <in >out 2>err
	echo $? >status
}
for name in elsewhere expired foreign self; do
	eval "try $name \$$name"
	is "$(cat status)" 2 "a certificate that is $name's: refused (R68)"
	like err 'IMGP-DB-DENIED: https://localhost:.*certificate' 'and named'
	seen $n >got
	like got "^$name (no handshake|0 bytes)$" 'before any byte was sent'
done
# shellcheck disable=SC2154 # set by eval above
try old "$old"
is "$(cat status) $(jq -r '.errors[0].error_code' out)" '75 IMGP-DB-UNAVAILABLE' \
    'a server of TLS 1.1: refused'
n=$((n + 1))			# the probe, then the request
is "$(seen $n)" 'old no handshake' 'before any byte was sent'
# shellcheck disable=SC2154
try good "$good" IMGP_API_CA_FILE="$WORK/stranger.pem"
is "$(cat status) $(seen $n)" '2 good no handshake' 'a good one, and a CA that did not sign it'
try good "$good" IMGP_API_CA_FILE=
is "$(cat status) $(seen $n)" '2 good no handshake' 'nor one of the system'"'"'s CAs'
try good "$good" SSL_CERT_FILE="$WORK/stranger.pem"
seen $n >/dev/null
like seen '^good [0-9]+ bytes' 'the right CA: the request is sent'
n=$(wc -l <seen)
exits 2 'a CA file that is not there' env IMGP_DATABASE="https://localhost:$good/api" \
    IMGP_API_CA_FILE="$WORK/nothing.pem" imgp-record start <in
printf 'GET' >plain
exits 1 'http to a TLS port gets no answer' sh -c "IMGP_DATABASE=http://localhost:$good/api \
    imgp-record start <in | grep -q Started"
unlike tls.log . 'the servers had no trouble of their own'

# --- imgp-api behind TLS ---------------------------------------------------------------
if ls /usr/lib*/lighttpd/mod_openssl.so >/dev/null 2>&1; then
	serve web tls || exit 1
	export IMGP_API_CA_FILE="$WORK/ca.pem"
	exits 0 'start by https' env IMGP_DATABASE="$API" imgp-record start <in
	is "$(jq -r .edc_pipeline_file.status out)" Started 'makes a row'
	cp out mine
	exits 0 'release by https' env IMGP_DATABASE="$API" imgp-record release <mine
	is "$(jq -c .edc_pipeline_file.lease out)" null 'gives it up'
	serve mutual tls certificate || exit 1
	post() {
		curl -s -o body -w '%{http_code}\n' --cacert ca.pem "$@" \
		    -H 'Content-Type: application/json' -d '{"run":"x"}' \
		    "$API/pipeline/edcpipeline/file"
	}
	is "$(post)" 403 'api_auth = certificate: none, not served (M52)'
	is "$(post --cert client.pem --key client.key)" 200 'our authority'"'"'s: served'
	exits 0 'imgp-record shows its certificate (M52)' env -u IMGP_API_TOKEN_FILE \
	    IMGP_DATABASE="$API" IMGP_API_CERT_FILE=client.pem \
	    IMGP_API_KEY_FILE=client.key imgp-record start <in
	is "$(jq -r .edc_pipeline_file.status out)" Started 'and is served'
	exits 2 'a key that is not the certificate'"'"'s' env IMGP_DATABASE="$API" \
	    IMGP_API_CERT_FILE=client.pem IMGP_API_KEY_FILE=server.key \
	    imgp-record start <in
	code=$(post --cert foreign.pem --key foreign.key)
	[ "$code" != 200 ]
	ok $? "another's: not ($code)"
else
	skip 'imgp-api behind TLS' 'this lighttpd has no mod_openssl'
fi
done_testing
