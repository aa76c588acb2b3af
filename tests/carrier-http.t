#!/bin/sh
# Webhooks and Amazon SNS as carriers of mail.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"
PATH=$BUILD/tests:$PATH
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL AWS_CA_BUNDLE
export HOME="$WORK" AWS_EC2_METADATA_DISABLED=true
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -keyout key -out cert -days 2 -subj /CN=topic \
    -addext subjectAltName=IP:127.0.0.1 2>/dev/null
cat key cert >pem
# topic NAME [CERTIFICATE]: its port in $port.
topic() {
	mkdir "$1"
	mkfifo "$1/out"
	/usr/bin/python3 "$ROOT/tests/servers/topic" "$@" >"$1/out" 2>"$1/err" &
	at_end "kill $! 2>/dev/null; wait $! 2>/dev/null"
	read -r port <"$1/out"
}
post() { mail send 'p@t.example' a@x.example,b@x.example "$1" imgp-id 1547769600; }

topic plain
plain=$port
printf 'ünd text & more = 1+1 %%\n' >text

# --- SNS ---
export IMGP_MAIL=sns:arn:aws:sns:eu-west-1:123456789012:ErrorSNS \
    AWS_ENDPOINT_URL_SNS="http://127.0.0.1:$plain" \
    AWS_ACCESS_KEY_ID=AKIATOPIC AWS_SECRET_ACCESS_KEY=topic/secret+1
exits 0 'SNS takes a message' post 'Grüße'
holds out 'for all its readers' <<'EOT'
a@x.example done
b@x.example done
EOT
is "$(jq -r .who plain/1.json)" AKIATOPIC "signed so that $(cat plain/judge) signs the same"
is "$(jq -r '.form | .Action, .Version, .TopicArn, .Subject, .Message,
    .["MessageAttributes.entry.1.Value.StringValue"]' plain/1.json)" \
    'Publish
2010-03-31
arn:aws:sns:eu-west-1:123456789012:ErrorSNS
Gr??e
ünd text & more = 1+1 %

imgp-id' 'with subject in ASCII, text in UTF-8, the message'\''s id'
AWS_ACCESS_KEY_ID=ASIATOPIC AWS_SECRET_ACCESS_KEY=other/secret+2 \
    AWS_SESSION_TOKEN=token/with+odd=chars exits 0 'with a session token' post S
is "$(jq -r .who plain/2.json)" ASIATOPIC 'which is signed too'
IMGP_MAIL=$IMGP_MAIL.fifo exits 0 'a FIFO topic' post S
is "$(jq -r '.form | .MessageGroupId, .MessageDeduplicationId' plain/3.json)" \
    'imgpipe
imgp-id' 'gets what keeps a second copy away'
AWS_SECRET_ACCESS_KEY=wrong exits 1 'a wrong key' post S
like out '^a@x.example IMGP-MAIL-UNAVAILABLE: SNS answered with status 403' 'waits to be mended'
AWS_ACCESS_KEY_ID='' AWS_SECRET_ACCESS_KEY='' exits 1 'no key at all' post S
like out '^a@x.example IMGP-MAIL-UNAVAILABLE: there are no credentials' 'waits too'
for a in '400 <Code>InvalidParameter</Code>:REFUSED' '400 <Code>Throttling</Code>:UNAVAILABLE' \
    '500 x:UNAVAILABLE' '503 x:UNAVAILABLE' '404 x:UNAVAILABLE'; do
	is_long || [ "$a" = '400 <Code>Throttling</Code>:UNAVAILABLE' ] || continue
	echo "${a%:*}" >plain/answer
	post S >out
	like out "^a@x.example IMGP-MAIL-${a##*:}: SNS" "SNS answers ${a%:*}: ${a##*:}"
done
rm plain/answer
/usr/bin/python3 -c 'print("ä" * 200000)' >text
exits 0 'a long text' post S
is "$(jq -r '.form.Message' plain/4.json | grep -c '^(cut)$') $(jq '.form.Message | utf8bytelength < 262144' plain/4.json)" \
    '1 true' 'is cut to what SNS takes'
printf 'text\n' >text
for u in sns:x sns:arn:aws:s3:::b sns:arn:aws:sns:eu-west-1::t sns:arn:aws:sns:r:1:t:u 'sns:arn:aws:sns:r:1:t/u'; do
	IMGP_MAIL=$u post S | grep -q ^IMGP-CONFIG || echo "$u"
done >taken
is "$(cat taken)" '' 'what is no topic is refused'

# --- webhooks ---
IMGP_MAIL="http://127.0.0.1:$plain/hook/SECRET-PATH" exits 0 'a webhook on loopback' post 'Grüße'
is "$(jq -c '.json, .path, .headers["Idempotency-Key"]' plain/5.json)" \
    '{"text":"Grüße\n\ntext\n","subject":"Grüße","body":"text\n","message_id":"imgp-id"}
"/hook/SECRET-PATH"
"imgp-id"' 'gets JSON'
if is_long; then
topic tls pem
export IMGP_MAIL="https://127.0.0.1:$port/hook/SECRET-PATH"
exits 1 'a certificate that nobody knows' post S
like out 'IMGP-MAIL-UNAVAILABLE' 'is refused (R68)'
unlike out 'SECRET' 'and the address, which may be a secret, not told (R66)'
export IMGP_MAIL_CA_FILE="$PWD/cert"
exits 0 'one that is known is fine' post S
for a in '204:done' '302:IMGP-MAIL-UNAVAILABLE' '400:IMGP-MAIL-REFUSED' \
    '401:IMGP-MAIL-UNAVAILABLE' '429:IMGP-MAIL-UNAVAILABLE' '500:IMGP-MAIL-UNAVAILABLE'; do
	echo "${a%:*}" >tls/answer
	post S >out
	like out "^a@x.example ${a##*:}" "the webhook answers ${a%:*}: ${a##*:}"
done
fi
exits 1 'plain http off loopback' env IMGP_MAIL=http://192.0.2.1/x mail send p@t.example a@x.example S i 1
like out 'IMGP-CONFIG' 'is refused (R68)'
done_testing
