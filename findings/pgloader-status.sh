#!/bin/bash
# pgloader 3.6.9 loads a CSV into PostgreSQL and sets aside rows that the database refuses,
# in a file below --root-dir. Its status is 0 then, as if all were loaded, and its
# summary has 4 errors where 2 rows were refused. With "on error stop" it loads no row at
# all, and the status is 0 again. psql's \copy ends with another status, as COPY does. Who
# loads by a script must count the rows himself, or look for NAME.dat below --root-dir.
set -u
for i in apt-get dpkg psql; do
	command -v $i >/dev/null || exit 77
done
top=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d) || exit 77
trap '"$top/scripts/pg" stop "$dir/pg" >/dev/null 2>&1; rm -rf "$dir"' EXIT
cd "$dir" || exit 77
apt-get download -q pgloader=3.6.9-1 libct4=1.3.17+ds-2 libsybdb5=1.3.17+ds-2 \
	freetds-dev=1.3.17+ds-2 >/dev/null 2>&1 || exit 77
for i in *.deb; do
	dpkg -x "$i" root || exit 77
done
LD_LIBRARY_PATH=$dir/$(dirname "$(find root/usr/lib -name 'libsybdb.so*' -print -quit)")
export LD_LIBRARY_PATH
root/usr/bin/pgloader --version >/dev/null 2>&1 || exit 77
"$top/scripts/pg" start "$dir/pg" >reach 2>/dev/null || exit 77
# shellcheck source=/dev/null
. ./reach
sql() { psql -X -q -At "$IMGP_DATABASE" "$@"; }
sql -c 'create table visits (id integer, day date)' || exit 77
cat >visits.csv <<'EOT'
1,2019-01-01
none,2019-01-02
3,2019-02-30
4,2019-01-04
EOT
cat >visits.load <<EOT
LOAD CSV FROM 'visits.csv' (id, day)
 INTO postgresql://postgres@unix:$dir/pg/cluster:5432/imgpipe
 TARGET TABLE public.visits
 WITH fields terminated by ',';
EOT
tried() {		# tried COMMAND...
	sql -c 'truncate visits'
	timeout 60 "$@" >out 2>err && rc=0 || rc='not 0'
	echo "${*: -1}: status $rc," \
		"ids: $(sql -c "select coalesce(string_agg(id::text, ' ' order by id), 'none')
		    from visits")"
}
{
	tried root/usr/bin/pgloader --root-dir aside visits.load
	awk '$1 ~ /"visits"/ { print "its summary: errors " $2 ", rows " $3 }' out
	aside=$(find aside -name '*.dat' -print -quit)
	echo "set aside: $(cut -f 1 "$aside" | grep . | paste -sd' ')"
	sed "s/terminated by ','/&, on error stop/" visits.load >stop.load
	tried root/usr/bin/pgloader --root-dir stop stop.load
	tried psql -X -q "$IMGP_DATABASE" -c '\copy visits from visits.csv csv'
} >seen
cat seen
cmp -s seen - <<'EOT'
visits.load: status 0, ids: 1 4
its summary: errors 4, rows 2
set aside: none 3
stop.load: status 0, ids: none
\copy visits from visits.csv csv: status not 0, ids: none
EOT
