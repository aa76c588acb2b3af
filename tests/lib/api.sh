# Sourced after db.sh by tests that want the pipeline API: imgp-api behind a web
# server of the test's own.  TOKEN, in the file ./token, is what it takes.
#	serve NAME [WORD...]	start one and set API to its base; its log and
#		what imgp-api says are in ./NAME.log.  Words: tls, by
#		./server.pem and ./server.key; open, for this machine without a token;
#		certificate, of a client; db=CONNINFO, another way to the database
LIGHTTPD=$(PATH=$PATH:/usr/sbin:/sbin command -v lighttpd) ||
	skip_all 'no lighttpd here'
command -v curl >/dev/null || skip_all 'no curl here'
PYTHON=/usr/bin/python3
DIRECT=$IMGP_DATABASE

TOKEN=$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')
(umask 077; printf '# the only one\n%s\n' "$TOKEN" >token)

serve_conf() {		# serve_conf PORT NAME [WORD...]
	_db=$DIRECT _env='' _mod='' _tls=''
	_port=$1 _name=$2
	shift 2
	for _word; do
		case $_word in
		tls)
			_mod=', "mod_openssl"'
			_tls="ssl.engine = \"enable\"
			    ssl.pemfile = \"$WORK/server.pem\"
			    ssl.privkey = \"$WORK/server.key\"" ;;
		open)
			_env=', "IMGP_API_AUTH" => "loopback"' ;;
		certificate)
			_env=', "IMGP_API_AUTH" => "certificate"'
			_tls="$_tls
			    ssl.verifyclient.activate = \"enable\"
			    ssl.verifyclient.enforce = \"disable\"
			    ssl.verifyclient.ca-file = \"$WORK/ca.pem\"" ;;
		db=*)
			_db=${_word#db=} ;;
		esac
	done
	cat <<-CONF
	server.document-root = "$WORK"
	server.bind = "127.0.0.1"
	server.port = $_port
	server.pid-file = "$WORK/$_name.pid"
	server.errorlog = "$WORK/$_name.log"
	server.upload-dirs = ("$WORK")
	server.max-request-size = 65536
	server.modules = ("mod_alias", "mod_setenv", "mod_cgi"$_mod)
	alias.url = ("/api" => "$BUILD/bin/imgp-api")
	cgi.assign = ("" => "")
	setenv.set-environment = ("IMGP_DATABASE" => "$_db",
	    "IMGP_API_TOKEN_FILE" => "$WORK/token"$_env)
	$_tls
	CONF
}

# A web server answers when this returns, unless it fails.  A port that another test takes
# between the choice and the use is a reason to choose again.
serve() {
	for _try in 1 2 3 4 5; do
		_port=$($PYTHON -c 'import socket; s = socket.socket()
s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
		serve_conf "$_port" "$@" >"$1.conf"
		"$LIGHTTPD" -f "$1.conf" 2>"$1.err" && break
	done
	if [ ! -s "$1.pid" ]; then
		diag <"$1.err"
		return 1
	fi
	at_end "kill $(cat "$1.pid") 2>/dev/null"
	case " $* " in
	*' tls '*)
		API=https://localhost:$_port/api ;;
	*)
		export API=http://127.0.0.1:$_port/api ;;
	esac
}
