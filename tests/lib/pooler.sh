# shellcheck shell=sh
# Sourced by db.sh where POOLER is set, and by pooler.t: pgbouncer between the
# tools and the test's cluster.
#
#	pooler MODE		start it; MODE is transaction or statement
#	pooled CONNINFO		the same through it
#
# Each user has one connection to the server, so that every client has it after
# another.
pooler() {
	_c=$(readlink -f "$WORK/pg/cluster")
	_as=
	[ "$(id -u)" -ne 0 ] || _as="setpriv --reuid $(stat -c %u "$_c")
	    --regid $(stat -c %g "$_c") --clear-groups"
	mkdir "$_c/pool.$1"
	cat >"$_c/pool.$1/ini" <<-EOT
	[databases]
	* = host=$_c
	[pgbouncer]
	listen_addr =
	unix_socket_dir = $_c/pool.$1
	auth_type = trust
	auth_file = $_c/pool.$1/users
	pool_mode = $1
	default_pool_size = 1
	server_login_retry = 0.1
	logfile = $_c/pool.$1/log
	pidfile = $_c/pool.$1/pid
	EOT
	for _u in postgres lookup record digest; do
		printf '"%s" ""\n' "$_u"
	done >"$_c/pool.$1/users"
	[ -z "$_as" ] || chown -R "$(stat -c %u:%g "$_c")" "$_c/pool.$1"
	(cd / && $_as /usr/sbin/pgbouncer -q -d "$_c/pool.$1/ini" \
	    3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-) || exit 1
	at_end "kill \"\$(cat '$_c/pool.$1/pid')\" 2>/dev/null"
	until [ -s "$_c/pool.$1/pid" ] && [ -S "$_c/pool.$1/.s.PGSQL.6432" ]; do
		sleep 0.05
	done
	_pool=$_c/pool.$1
}
pooled() {
	printf '%s\n' "$1" | sed "s,host=[^ ]*,host=$_pool port=6432,"
}
