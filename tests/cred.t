#!/bin/sh
# Credentials as AWS's tools find them (R26): every source against a small
# endpoint of its own (tests/servers/identity), precedence, expiry.
# shellcheck disable=SC2086	# settings are without spaces
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"
PATH=$BUILD/tests:$PATH
for v in $(env | sed -n 's/^\(AWS_[A-Z0-9_]*\)=.*/\1/p'); do unset "$v"; done
export HOME="$WORK/home" http_proxy=http://127.0.0.1:9 \
	HTTPS_PROXY=http://127.0.0.1:9 ALL_PROXY=http://127.0.0.1:9
mkdir -p home/.aws id
umask 077

wait_for() {		# wait_for FILE PID
	while [ ! -s "$1" ]; do
		kill -0 "$2" 2>/dev/null || return 1
		sleep 0.02
	done
}
/usr/bin/python3 "$ROOT/tests/servers/identity" "$WORK/id" 2>id/err &
server=$!
at_end "kill $server; wait $server 2>/dev/null"
wait_for id/port "$server" || { diag <id/err; exit 1; }
HERE=http://127.0.0.1:$(cat id/port)
off() { rm -f id/fail id/life id/auth id/imds-off id/no-role; : >id/log; }
off

# gives TITLE WANTED [VARIABLE=VALUE]... -- COMMAND...
gives() {
	_t=$1 _w=$2
	shift 2
	_e=
	while [ "$1" != -- ]; do
		_e="$_e '$1'"
		shift
	done
	shift
	eval "env $_e" 'cred "$@"' >out 2>&1
	is "$(cat out)" "$_w" "$_t"
}
no=AWS_EC2_METADATA_DISABLED=true
imds=AWS_EC2_METADATA_SERVICE_ENDPOINT=$HERE/
box=AWS_CONTAINER_CREDENTIALS_FULL_URI=$HERE/container
sts=AWS_ENDPOINT_URL_STS=$HERE
env1='AWS_ACCESS_KEY_ID=AKIA1'
env2='AWS_SECRET_ACCESS_KEY=env/s1'

# --- environment, nothing, unsigned
gives 'the environment' 'AKIA1 env/s1 - lasts
environment
0' $no $env1 $env2 -- get source expired:AKIA1
gives 'the environment with a session token' 'AKIA1 env/s1 tok/1 lasts' \
	$no $env1 $env2 AWS_SESSION_TOKEN=tok/1 -- get
gives 'half of the environment is an error' \
	'IMGP-STORE-CREDENTIALS: AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not' \
	$no $env1 "$box" -- get
gives 'no source at all' 'IMGP-STORE-CREDENTIALS: no credentials in the environment, the profile "default", a container or the instance' \
	$no -- get
gives 'unsigned asks nobody' '- - - lasts
0' $env1 $env2 -- unsigned get expired:AKIA1

# --- container
gives 'a container' 'ASIA1 container/secret+1 container-token-1 ends
container' $no "$box" -- get source
gives 'a container after an expired token (R26)' 'ASIA2 container/secret+2 container-token-2 ends
1
ASIA3 container/secret+3 container-token-3 ends
1
ASIA3 container/secret+3 container-token-3 ends' $no "$box" -- \
	get expired:ASIA2 get expired:ASIA2 get
echo 'Bearer x' >id/auth
gives 'AWS_CONTAINER_AUTHORIZATION_TOKEN' \
	'ASIA4 container/secret+4 container-token-4 ends' \
	$no "$box" 'AWS_CONTAINER_AUTHORIZATION_TOKEN=Bearer x' -- get
echo 'x' >id/auth
echo 'x' >token
gives '..._TOKEN_FILE wins over it' \
	'ASIA5 container/secret+5 container-token-5 ends' $no "$box" \
	AWS_CONTAINER_AUTHORIZATION_TOKEN=y \
	AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="$WORK/token" -- get
gives 'a wrong one' \
	'IMGP-STORE-CREDENTIALS: container credentials: HTTP status 401' \
	$no "$box" AWS_CONTAINER_AUTHORIZATION_TOKEN=y -- get
gives 'one that would be a second header' \
	'IMGP-CONFIG: AWS_CONTAINER_AUTHORIZATION_TOKEN: more than one line' \
	$no "$box" 'AWS_CONTAINER_AUTHORIZATION_TOKEN=y
X-Evil: 1' -- get
off
for url in http://192.0.2.1/c http://127.0.0.1.example/c \
	http://169.254.170.20/c http://localhost:1@192.0.2.1/c ftp://127.0.0.1/c \
	http://169.254.169.254/c; do
	is_long || [ $url = http://169.254.169.254/c ] || continue
	gives "credentials are not asked of $url (R35)" 'IMGP-CONFIG: AWS_CONTAINER_CREDENTIALS_FULL_URI: neither https nor an address of this machine or a container'"'"'s agent' \
		$no AWS_CONTAINER_CREDENTIALS_FULL_URI=$url -- get
done
gives 'a relative address is a path' \
	'IMGP-CONFIG: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: not a path' \
	$no AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=@127.0.0.1/c "$box" -- get
echo '500 503' >id/fail
gives 'a server that is ill is asked again (R20)' \
	'ASIA6 container/secret+6 container-token-6 ends' $no "$box" -- get
echo '500 500 500' >id/fail
gives '... three times' \
	'IMGP-STORE-UNAVAILABLE: container credentials: HTTP status 500' \
	$no "$box" -- get
echo redirect >id/fail
gives 'a redirect is not followed (R27)' \
	'IMGP-STORE-CREDENTIALS: container credentials: HTTP status 302' \
	$no "$box" -- get
echo 'long long long' >id/fail
cred=$(env $no "$box" cred get)
case $cred in
"IMGP-STORE-UNAVAILABLE: container credentials: $HERE/container: an answer longer"*) ;;
*) false ;;
esac
ok $? 'an answer of 70,000 bytes is refused (R36)' || echo "$cred" | diag
off

# --- instance metadata
gives 'the instance, with its region' 'eu-north-1
ASIA7 instance/secret+7 instance-token-7 ends
instance metadata
eu-north-1' "$imds" -- region get source region
is "$(sed -n 1p id/log)" 'PUT /latest/api/token    ' '... asks for a token first'
gives 'a region that is set stays' 'ASIA8 instance/secret+8 instance-token-8 ends
eu-west-3' "$imds" AWS_DEFAULT_REGION=eu-west-3 -- get region
gives 'AWS_EC2_METADATA_DISABLED' 'IMGP-STORE-CREDENTIALS: no credentials in the environment, the profile "default", a container or the instance' \
	"$imds" AWS_EC2_METADATA_DISABLED=TRUE -- get
: >id/imds-off
gives 'metadata that wants no version 2 is none' 'IMGP-STORE-CREDENTIALS: no credentials in the environment, the profile "default", a container or the instance' \
	"$imds" -- get
off
: >id/no-role
gives 'an instance without a role' 'IMGP-STORE-CREDENTIALS: no credentials in the environment, the profile "default", a container or the instance' \
	"$imds" -- get
off
gives 'nobody listens there' 'IMGP-STORE-CREDENTIALS: no credentials in the environment, the profile "default", a container or the instance' \
	AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:1 -- get

# --- the end of credentials: fetched anew five minutes before it (R26)
gives 'five minutes and a second before the end: the same (R26)' \
	'ASIA9 container/secret+9 container-token-9 ends
ASIA9 container/secret+9 container-token-9 ends' $no "$box" -- \
	get clock:3290 get
gives 'less than five minutes before: others (R26)' \
	'ASIA10 container/secret+10 container-token-10 ends
ASIA11 container/secret+11 container-token-11 ends' $no "$box" -- \
	get clock:3310 get
echo '0 500 500 500' >id/fail
gives 'no others to be had: these serve while they last, asked once a minute' \
	'ASIA12 container/secret+12 container-token-12 ends
ASIA12 container/secret+12 container-token-12 ends
ASIA12 container/secret+12 container-token-12 ends
ASIA13 container/secret+13 container-token-13 ends' $no "$box" -- \
	get clock:3310 get clock:50 get clock:20 get
echo '0 500 500 500' >id/fail
gives '... and no longer' 'ASIA14 container/secret+14 container-token-14 ends
IMGP-STORE-UNAVAILABLE: container credentials: HTTP status 500' $no "$box" -- \
	get clock:3610 get
echo '0 500 500 500' >id/fail
gives '... nor after the service refused them' \
	'ASIA15 container/secret+15 container-token-15 ends
1
IMGP-STORE-UNAVAILABLE: container credentials: HTTP status 500' $no "$box" -- \
	get expired:ASIA15 get
echo 100 >id/life
gives 'ever short-lived ones are not asked for at every request' \
	'ASIA16 container/secret+16 container-token-16 ends
ASIA16 container/secret+16 container-token-16 ends
ASIA17 container/secret+17 container-token-17 ends' $no "$box" -- \
	get clock:50 get clock:20 get
echo -5 >id/life
gives 'credentials that have ended are none' \
	'IMGP-STORE-CREDENTIALS: container: credentials that have ended' \
	$no "$box" -- get
gives '... but an instance extends its own' \
	'ASIA19 instance/secret+19 instance-token-19 ends' "$imds" -- get
off
gives 'times' '0
1767323045
1767323045
1767319445
-1
-1
-1' -- time:1970-01-01T00:00:00Z time:2026-01-02T03:04:05Z \
	time:2026-01-02T03:04:05.123+00:00 time:2026-01-02T03:04:05+01:00 \
	time:2026-01-02T03:04:05 time:2026-01-02 'time:2026-01-02T03:04:05Z '

# --- web identity
echo jwt.of.subject >jwt
web="AWS_WEB_IDENTITY_TOKEN_FILE=$WORK/jwt"
arn=AWS_ROLE_ARN=arn:aws:iam::1:role/lab
gives 'web identity' 'ASIA20 sts/secret+20 sts-token-20 ends
web identity' $no "$web" $arn $sts AWS_ROLE_SESSION_NAME=night -- get source
is "$(cat id/log)" \
	'POST / AssumeRoleWithWebIdentity arn:aws:iam::1:role/lab night ' \
	'... asks STS once, under its session name'
gives 'a role that STS denies' \
	'IMGP-STORE-CREDENTIALS: role arn:aws:iam::1:role/denied: AccessDenied: not authorized' \
	$no "$web" AWS_ROLE_ARN=arn:aws:iam::1:role/denied $sts -- get
gives 'a token without a role' \
	'IMGP-STORE-CREDENTIALS: AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not' \
	$no "$web" $sts "$box" -- get
gives 'a token file that is gone' \
	"IMGP-STORE-CREDENTIALS: $WORK/gone: No such file or directory" \
	$no AWS_WEB_IDENTITY_TOKEN_FILE="$WORK/gone" $arn $sts "$box" -- get
echo other.jwt >jwt2
gives 'a wrong token' \
	'IMGP-STORE-CREDENTIALS: role arn:aws:iam::1:role/lab: InvalidIdentityToken: jwt' \
	$no AWS_WEB_IDENTITY_TOKEN_FILE="$WORK/jwt2" $arn $sts -- get

# --- profiles
cat >helper <<'EOT'
#!/bin/sh
case $1 in
good)	printf '{"Version": 1, "AccessKeyId": "ASIAP", "SecretAccessKey": '
	printf '"%s", ' "$(printf %s "$2" | base64 -w 0)"
	printf '"SessionToken": "pt\\/1", '
	printf '"Expiration": "2099-01-02T03:04:05+00:00"}\n' ;;
fail)	echo secret-in-error >&2; exit 3 ;;
bad)	echo 'AKIA secret' ;;
big)	head -c 70000 /dev/zero ;;
fds)	[ "$(ls /proc/self/fd | tr '\n' ' ')" = '0 1 2 3 ' ] &&
	printf '{"AccessKeyId":"A","SecretAccessKey":"closed"}' ;;
stays)	echo $$ >"$2"; exec >&-; kill -STOP $$ ;;
esac
EOT
chmod +x helper
cat >home/.aws/config <<EOT
# comment
[default]
region = eu-west-1   # here

[profile lab]
region = eu-west-2
aws_access_key_id = AKIACONF
aws_secret_access_key = conf/s#1
endpoint_url = http://conf.example
services = mine
ca_bundle = /etc/lab.pem
[services mine]
sts =
  endpoint_url = $HERE
s3 =
    endpoint_url = http://s3.conf.example/ ; comment
    addressing_style = path
[profile role]
role_arn = arn:aws:iam::1:role/lab
source_profile = base
role_session_name = lab-session
duration_seconds = 900
services = mine
region = eu-west-1
[profile chain]
role_arn = arn:aws:iam::1:role/outside
source_profile = role
external_id = out/side 1
services = mine
region = eu-west-1
[profile denied]
role_arn = arn:aws:iam::1:role/denied
source_profile = base
services = mine
region = eu-west-1
[profile frombox]
role_arn = arn:aws:iam::1:role/lab
credential_source = EcsContainer
services = mine
region = eu-west-1
[profile fromenv]
role_arn = arn:aws:iam::1:role/lab
credential_source = Environment
services = mine
region = eu-west-1
[profile web]
role_arn = arn:aws:iam::1:role/lab
web_identity_token_file = $WORK/jwt
services = mine
[profile round]
role_arn = arn:aws:iam::1:role/lab
source_profile = about
[profile about]
role_arn = arn:aws:iam::1:role/lab
source_profile = round
[profile nowhere]
role_arn = arn:aws:iam::1:role/lab
source_profile = missing
[profile mfa]
role_arn = arn:aws:iam::1:role/lab
source_profile = base
mfa_serial = arn:aws:iam::1:mfa/x
[profile sso]
sso_start_url = https://x.example
[profile process]
credential_process = "$WORK/helper" good 'a b;\$(touch $WORK/shell)"'
[profile process-fail]
credential_process = $WORK/helper fail
[profile process-bad]
credential_process = $WORK/helper bad
[profile process-big]
credential_process = $WORK/helper big
[profile process-none]
credential_process = $WORK/missing x
[profile process-quote]
credential_process = $WORK/helper "x
[profile process-fds]
credential_process = $WORK/helper fds
[profile process-stays]
credential_process = $WORK/helper stays $WORK/stays
[profile "our lab"]
aws_access_key_id = AKIAQUOTED
aws_secret_access_key = quoted/s1
[profile badregion]
region = eu/../west
EOT
cat >home/.aws/credentials <<'EOT'
[default]
aws_access_key_id = AKIADEF
aws_secret_access_key = def/s1
[lab]
aws_access_key_id=AKIALAB
aws_secret_access_key=lab/s=1
[base]
aws_access_key_id = AKIABASE
aws_secret_access_key = base/secret+1
[half]
aws_access_key_id = AKIAHALF
EOT
off
gives 'the default profile of both files' 'eu-west-1
AKIADEF def/s1 - lasts
profile default
1' $no -- region get source expired:AKIADEF
gives 'AWS_PROFILE, the credentials file wins' 'eu-west-2
http://s3.conf.example/
/etc/lab.pem
AKIALAB lab/s=1 - lasts' $no AWS_PROFILE=lab -- region endpoint ca get
gives 'a profile that is nowhere' \
	'IMGP-CONFIG: AWS_PROFILE: there is no profile "nobody"' \
	$no AWS_PROFILE=nobody -- get
gives 'half a key' 'IMGP-STORE-CREDENTIALS: profile half: half a key' \
	$no AWS_PROFILE=half "$box" -- get
gives 'role_arn, source_profile: STS, signed' \
	'ASIA21 sts/secret+21 sts-token-21 ends
profile role' $no AWS_PROFILE=role -- get source
is "$(cat id/log)" \
	'POST / AssumeRole arn:aws:iam::1:role/lab lab-session 900' \
	'... with its session name and duration'
gives 'a role by another role, with external id' \
	'ASIA23 sts/secret+23 sts-token-23 ends' $no AWS_PROFILE=chain -- get
gives 'a role by a container' \
	'ASIA25 sts/secret+25 sts-token-25 ends' \
	$no AWS_PROFILE=frombox "$box" -- get
if is_long; then
sed 's,base/secret,base/secrat,' home/.aws/credentials >wrong
gives 'a wrong secret for STS' \
	'IMGP-STORE-CREDENTIALS: role arn:aws:iam::1:role/lab: SignatureDoesNotMatch' \
	$no AWS_PROFILE=role AWS_SHARED_CREDENTIALS_FILE="$WORK/wrong" -- get
gives 'a role denied' \
	'IMGP-STORE-CREDENTIALS: role arn:aws:iam::1:role/denied: AccessDenied: not authorized' \
	$no AWS_PROFILE=denied "$box" -- get
gives 'a role by an environment that is empty' \
	'IMGP-STORE-CREDENTIALS: profile fromenv: there are no credentials in Environment' \
	$no AWS_PROFILE=fromenv -- get
gives 'a profile with web identity' \
	'ASIA26 sts/secret+26 sts-token-26 ends' $no AWS_PROFILE=web -- get
gives 'roles in a circle' \
	'IMGP-CONFIG: profile about: source_profile goes round in a circle' \
	$no AWS_PROFILE=round -- get
gives 'a source_profile that is nowhere' \
	'IMGP-CONFIG: source_profile: there is no profile "missing"' \
	$no AWS_PROFILE=nowhere -- get
gives 'MFA' \
	'IMGP-CONFIG: profile mfa: mfa_serial: nobody is there to type a code' \
	$no AWS_PROFILE=mfa -- get
gives 'SSO' 'IMGP-CONFIG: profile sso: SSO is not supported; use credential_process = aws configure export-credentials' \
	$no AWS_PROFILE=sso -- get
fi
gives 'credential_process, its words taken literally' \
	"ASIAP $(printf %s "a b;\$(touch $WORK/shell)\"" | base64 -w 0) pt/1 ends" \
	$no AWS_PROFILE=process -- get
[ ! -e shell ]
ok $? '... by no shell'
gives '... inherits nothing' 'A closed - lasts' \
	$no AWS_PROFILE=process-fds -- get
gives '... fails, and its words are not ours' \
	"IMGP-STORE-CREDENTIALS: credential_process: $WORK/helper: exit status 3" \
	$no AWS_PROFILE=process-fail -- get
gives '... says no JSON' \
	'IMGP-STORE-CREDENTIALS: credential_process: an answer that is no JSON object' \
	$no AWS_PROFILE=process-bad -- get
gives '... says too much' \
	"IMGP-STORE-CREDENTIALS: credential_process: $WORK/helper: more than 64 KiB, or no end after a minute" \
	$no AWS_PROFILE=process-big -- get
gives '... is not there' \
	"IMGP-STORE-CREDENTIALS: credential_process: $WORK/missing: No such file or directory" \
	$no AWS_PROFILE=process-none -- get
if command -v faketime >/dev/null && ! is_sanitized "$(command -v cred)"; then
	gives '... closes its output and stays' \
		"IMGP-STORE-CREDENTIALS: credential_process: $WORK/helper: more than 64 KiB, or no end after a minute" \
		$no AWS_PROFILE=process-stays faketime -f '+0 x600' -- get
	! kill -0 "$(cat stays)" 2>/dev/null
	ok $? '... and is ended'
else
	skip '... closes its output and stays' 'needs faketime'
fi
gives 'a name in quotation marks' 'AKIAQUOTED quoted/s1 - lasts' \
	$no 'AWS_PROFILE=our lab' -- get
gives '... is half a quotation' \
	'IMGP-CONFIG: credential_process: not a command' \
	$no AWS_PROFILE=process-quote -- get
gives 'a region that would be a path' \
	'IMGP-CONFIG: "eu/../west" is no region' \
	$no AWS_PROFILE=badregion -- region
gives 'files that another program renews are read again (R26)' 'AKIADEF def/s1 - lasts
1
AKIADEF def/s1 - lasts' $no -- get expired:AKIADEF get
printf 'aws_access_key_id AKIA secret\n' >broken
gives 'a line that is no setting is named, not shown' \
	"IMGP-CONFIG: $WORK/broken:1: neither key = value nor [NAME]" \
	$no AWS_SHARED_CREDENTIALS_FILE="$WORK/broken" -- get
chmod 604 home/.aws/credentials
gives 'keys that others may read are not taken' \
	"IMGP-CONFIG: $WORK/home/.aws/credentials: it holds a secret key, and its mode lets others in: 0600 or 0640 is wanted" \
	$no -- get
chmod 640 home/.aws/credentials
gives 'keys that the group may read are' 'AKIADEF def/s1 - lasts' $no -- get
gives 'files that are not there are none' 'us-east-1
IMGP-STORE-CREDENTIALS: no credentials in the environment, the profile "default", a container or the instance' \
	$no AWS_SHARED_CREDENTIALS_FILE="$WORK/gone" AWS_CONFIG_FILE="$WORK/gone" \
	-- region get

# --- precedence: environment, web identity, profile, container, instance
off
order() {		# order WANTED TITLE VARIABLE=VALUE...
	_w=$1 _t=$2
	shift 2
	is "$(env "$@" cred get source | sed -n 2p)" "$_w" "$_t"
}
order environment 'first the environment' $env1 $env2 "$web" $arn $sts \
	"$box" "$imds"
order 'web identity' 'then web identity' "$web" $arn $sts "$box" "$imds"
order 'profile default' 'then the profile' "$box" "$imds"
rm home/.aws/credentials
order container 'then the container' "$box" "$imds"
order 'instance metadata' 'then the instance' "$imds"

# --- settings
gives 'AWS_REGION wins' 'eu-west-9' AWS_REGION=eu-west-9 \
	AWS_DEFAULT_REGION=eu-west-8 -- region
gives 'AWS_DEFAULT_REGION' 'eu-west-8' AWS_DEFAULT_REGION=eu-west-8 -- region
gives 'AWS_ENDPOINT_URL_S3 wins' 'http://a' AWS_ENDPOINT_URL_S3=http://a \
	AWS_ENDPOINT_URL=http://b AWS_PROFILE=lab -- endpoint
gives 'AWS_ENDPOINT_URL' 'http://b' AWS_ENDPOINT_URL=http://b \
	AWS_PROFILE=lab -- endpoint
gives 'AWS_IGNORE_CONFIGURED_ENDPOINT_URLS' '-' AWS_ENDPOINT_URL=http://b \
	AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true AWS_PROFILE=lab -- endpoint
gives 'AWS_CA_BUNDLE wins' '/a.pem' AWS_CA_BUNDLE=/a.pem AWS_PROFILE=lab -- ca

if is_long; then
# --- TLS
if command -v openssl >/dev/null; then
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
		-nodes -days 2 -subj /CN=localhost -keyout key.pem \
		-addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
		-out cert.pem 2>/dev/null
	cat key.pem cert.pem >both.pem
	mkdir tls
	/usr/bin/python3 "$ROOT/tests/servers/identity" "$WORK/tls" 127.0.0.1 \
		0 "$WORK/both.pem" 2>tls/err &
	tls=$!
	at_end "kill $tls; wait $tls 2>/dev/null"
	wait_for tls/port "$tls" || diag <tls/err
	to=AWS_ENDPOINT_URL_STS=https://127.0.0.1:$(cat tls/port)
	direct='NO_PROXY=other.example,127.0.0.1'
	gives 'STS by TLS, its certificate known by AWS_CA_BUNDLE' \
		'ASIA1 sts/secret+1 sts-token-1 ends' $no "$web" $arn "$to" \
		$direct AWS_CA_BUNDLE="$WORK/cert.pem" -- get
	mkdir proxy
	/usr/bin/python3 "$ROOT/tests/servers/connect" "$WORK/proxy" 2>proxy/err &
	proxy=$!
	at_end "kill $proxy; wait $proxy 2>/dev/null"
	wait_for proxy/port "$proxy" || diag <proxy/err
	gives '... through the proxy of HTTPS_PROXY' \
		'ASIA2 sts/secret+2 sts-token-2 ends' $no "$web" $arn "$to" \
		HTTPS_PROXY="http://127.0.0.1:$(cat proxy/port)" \
		AWS_CA_BUNDLE="$WORK/cert.pem" -- get
	is "$(cat proxy/log)" "CONNECT 127.0.0.1:$(cat tls/port)" \
		'... which learns of it where it goes'
	env $no "$web" $arn "$to" AWS_CA_BUNDLE="$WORK/cert.pem" cred get >out
	like out '^IMGP-STORE-UNAVAILABLE: ' '... one that is not there is said'
	for status in 403 407; do
		echo $status >proxy/refuse
		: >proxy/log
		env $no "$web" $arn "$to" \
			HTTPS_PROXY="http://127.0.0.1:$(cat proxy/port)" cred get >out
		is "$(grep -c CONNECT proxy/log) $(grep -o '^IMGP[A-Z-]*\|proxy.*' out |
			tr '\n' ' ')" \
			"1 IMGP-STORE-DENIED proxy refuses it: status $status " \
			"... one that refuses with $status is asked once"
	done
	rm proxy/refuse
	for proxy in http://me:canary@proxy:31x28 http://me:canary@proxy:99999 \
	    'http://me:ca#nary@127.0.0.1:9' 'http://me:canary@[::1:9' \
	    foo://me:canary@127.0.0.1:9 'http://me:can ary@127.0.0.1:9' \
	    http://me:canary@127.0.0.1:9; do
		env $no "$web" $arn "$to" HTTPS_PROXY="$proxy" cred get >>said
	done
	is "$(grep -c '^IMGP' said) $(grep -c 'ca.*nary\|can\|ary' said)" '7 0' \
		"... a proxy's password is never said (R66)"
	env $no "$web" $arn "$to" $direct cred get >out
	like out '^IMGP-STORE-DENIED: .*certificate' '... else not'
else
	skip 'STS by TLS' 'no openssl'
fi
fi

# --- the addresses that cannot be had here, in a network of our own
if command -v ip >/dev/null && unshare -n true 2>/dev/null; then
	cat >netns <<'EOT'
ip link set lo up
for a in 169.254.170.2 169.254.169.254; do
	ip addr add $a/32 dev lo
	mkdir "$a"
	/usr/bin/python3 "$1" "$PWD/$a" $a 80 2>"$a/err" &
	pids="${pids-} $!"
	while [ ! -s "$a/port" ]; do
		kill -0 $! 2>/dev/null || exit 1
		sleep 0.02
	done
done
AWS_REGION=a AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/container cred get
cred get region
kill $pids
EOT
	is "$(unshare -n sh netns "$ROOT/tests/servers/identity" 2>&1)" \
		'ASIA1 container/secret+1 container-token-1 ends
ASIA1 instance/secret+1 instance-token-1 ends
eu-west-1' "a container's relative address, an instance's own"
else
	skip "a container's relative address" 'not allowed to make a network'
fi
done_testing
