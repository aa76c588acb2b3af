#!/bin/sh
# Files that hold a secret keep others out (R66).
. "$(dirname "$0")/lib/lib.sh"
export IMGP_DB_WAIT=0 PGHOST="$WORK"
unset IMGP_DATABASE
# refused FILE MODE: imgp-record start, with the status and the codes it tells.
refused() {
	chmod "$2" "$1"
	imgp-record start </dev/null >out 2>err
	echo "$? $(sed -n 's/^imgp-record: \([A-Z-]*\).*/\1/p' err)"
}
n=0
while read -r line; do
	n=$((n + 1))
	echo "$line" >conf
	IMGP_CONFIG=conf refused conf 644
done >got <<'EOT'
database = host=/nowhere user=u
database = postgresql://u@localhost/x
mail = smtp://u@localhost
mail = https://hooks.example.org/secret
ping = https://ping.example.org/secret
database = host=/nowhere password=open-sesame
replica = postgresql://u:open-sesame@localhost/x
ledger = host=/nowhere sslpassword=open-sesame
EOT
holds got 'a configuration with a secret in it is refused where others can read it' <<'EOT'
0 
0 
0 
2 IMGP-CONFIG
2 IMGP-CONFIG
2 IMGP-CONFIG
2 IMGP-CONFIG
2 IMGP-CONFIG
EOT
like err "conf: ledger is a secret, and the file's mode lets others in" 'by the name of the setting'
unlike err open-sesame 'without the secret'
for m in 600 640 400 660 604 602; do
	IMGP_CONFIG=conf refused conf $m
done >got
holds got 'owner and group may read it, the owner alone write it' <<'EOT'
0 
0 
0 
2 IMGP-CONFIG
2 IMGP-CONFIG
2 IMGP-CONFIG
EOT
: >key
export IMGP_DATABASE=https://127.0.0.1:1/api IMGP_API_KEY_FILE=key
is "$(refused key 644), $(refused key 600)" '2 IMGP-CONFIG, 0 ' 'the key of a certificate, too'
(umask 022; echo a-token-of-sixteen-letters >token)
export IMGP_API_TOKEN_FILE=token
is "$(refused token 644), $(refused token 600)" '2 IMGP-CONFIG, 0 ' 'and a token'
done_testing
