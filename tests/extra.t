#!/bin/bash
# The extra program: a site's own, on each stamped upload (M35).
. "$(dirname "$0")/lib/lib.sh"
world
export IMGP_WAIT=0
# program <text: a program of that text, at $WORK/prog.
program() {
	{
		echo '#!/bin/bash'
		cat
	} >prog.new
	chmod 700 prog.new
	mv prog.new prog
}
# goes STATUS TITLE ID [NAME=VALUE...]: a run with it, and its job line in `line`.
goes() {
	local wanted=$1 title=$2 id=$3
	shift 3
	exits "$wanted" "$title" env "$@" imgp-run --again --with "$WORK/prog" "$id"
	cp out line
}
row() { sql "select status, has_error, failed_for_good, error_code from pipeline.edcpipelinefile
    where subjecteventcrffile_id = $1"; }
code() { jq -r '.errors[-1] | "\(.stage) \(.error_code) \(.fatal)"' line; }
delivered() { jq -r .destination line | sed 's,^file://,,'; }
prov() { cat source/image_pipelines/provenance/image/"$(jq -r .edc_pipeline_file.file_name line)".prov; }

# One that only looks.
program <<'EOT'
tee "$(dirname "$0")/seen"
EOT
goes 0 'a program that hands the line on' 1201
is "$(row 1201)" 'Completed|f|f|' '... delivers'
is "$(jq -r '[.local != null, .sha256.local != null, .scans[0].series[0].atri_uid != null] | all' seen)" \
    true 'it gets the work copy, its sum, and the ids'
is "$(jq -r '.stage_ms | has("extra")' line)" true 'it is a stage of its own'
unlike <(prov) '"changed"' 'what it did not change is not told as changed'

if is_long; then
# The worked example of the manual, as it stands there.
sed -n '/^#!\/bin\/bash/,/^\.Ed/p' "$ROOT/man/imgp-run.1" | sed '/^\.Ed/d; s/\\e/\\/g; s/\\&//g' >loni
chmod 700 loni
[ -s loni ] && bash -n loni
ok $? 'the manual has an example'
mkdir manifests
exits 0 'the example runs' env IMGP_EXTRA_ENV=MANIFESTS MANIFESTS="$WORK/manifests" \
    imgp-run --with "$WORK/loni" 1203
cp out line
m=manifests/$(jq -r .edc_pipeline_file.file_name line).csv
is "$(head -1 "$m")" 'subject,event,study,series,instances,id,sha256' 'it makes a manifest'
is "$(tail -n +2 "$m" | cut -d, -f4-6)" \
    "$(jq -r '.scans[].series[] | [.series_uid, .number_of_instances, .atri_uid] | join(",")' line)" \
    '... with a row for each series'
is "$(tail -n +2 "$m" | cut -d, -f7 | sort -u)" "$(sha256sum <"$(delivered)" | cut -c1-64)" \
    '... and the sum of what was delivered'
is "$(jq -r .extra.manifest line)" "$(basename "$m")" 'and notes it in the job line'
fi

# One that changes the file.
if command -v zip >/dev/null; then
	program <<-'EOT'
	read -r line
	f=$(jq -r .local <<<"$line"); f=${f#file://}
	cd "${f%/*}" && echo made >note.txt && mv "$f" "$f.zip" &&
	    zip -q "$f.zip" note.txt && mv "$f.zip" "$f" && rm note.txt
	printf '%s\n' "$line"
	EOT
	goes 0 'a program that changes the file' 1206
	is "$(sha256sum <"$(delivered)" | cut -c1-64)" "$(jq -r .sha256.destination line)" \
	    '... is summed again'
	unzip -l "$(delivered)" | grep -q note.txt
	ok $? '... and what it made is delivered'
	is "$(sql "select sha256_destination from pipeline.edcpipelinefile where subjecteventcrffile_id = 1206")" \
	    "$(jq -r .sha256.destination line)" '... and recorded'
	prov | tail -1 >last
	is "$(jq -r '.changed | .program, .after.sha256' last)" \
	    "$(printf 'prog\n%s' "$(jq -r .sha256.destination line)")" 'its provenance says so'
	is "$(jq -r '.changed.before.sha256 == .stamped.sha256' last)" true '... and what it was stamped as'
	prov >p
	exits 1 'such a stamp is not undone' imgp-stamp --unstamp --provenance p -o undone "$(delivered)"
	imgp-verify --level fetch --json >proof
	is "$(jq '[.findings[] | select(.finding != "not-delivered")] | length' proof)" 0 'and the proof holds'

	program <<-'EOT'
	read -r line
	f=$(jq -r .local <<<"$line"); f=${f#file://}
	mv "$f" "$f.zip"
	zip -q -d "$f.zip" "$(unzip -Z1 "$f.zip" | grep -m1 -v '/$')" >/dev/null
	mv "$f.zip" "$f"
	printf '%s\n' "$line"
	EOT
	if is_long; then
	goes 75 'a program that drops an image' 1207
	is "$(code)" 'extra IMGP-EXTRA-IMAGES true' '... is found by the count'
	is "$(row 1207)" 'Failed|t|f|IMGP-EXTRA-IMAGES' '... and nothing is delivered'
	fi
else
	skip 'a program that changes the file' 'no zip'
fi

# What its end means.
ends() {		# ends STATUS TEXT CODE ROW TITLE [NAME=VALUE...]
	local wanted=$1 text=$2 code=$3 row=$4 title=$5
	shift 5
	program <<<"$text"
	goes "$wanted" "$title" 1202 "$@"
	is "$(code) $(row 1202)" "$code $row" "... $code"
}
if is_long; then
ends 75 'exit 75' 'extra IMGP-EXTRA-UNAVAILABLE true' 'Failed|t|f|IMGP-EXTRA-UNAVAILABLE' 'one that cannot for now'
fi
ends 75 'exit 3' 'extra IMGP-EXTRA-FAILED true' 'Failed|t|f|IMGP-EXTRA-FAILED' 'one that fails'
if is_long; then
ends 75 'kill -9 $$' 'extra IMGP-EXTRA-FAILED true' 'Failed|t|f|IMGP-EXTRA-FAILED' 'one that is killed'
ends 75 'sleep 600 & echo $! >"${0%/*}/sleeper"; wait' 'extra IMGP-EXTRA-TIMEOUT true' \
    'Failed|t|f|IMGP-EXTRA-TIMEOUT' 'one that takes too long' IMGP_EXTRA_TIMEOUT=1s
is_gone() { ! grep -Eq '^State:[[:space:]]+[^ZX[:space:]]' "/proc/$1/status" 2>/dev/null; }
is_gone "$(cat sleeper)"
ok $? '... with all that it started'
fi
answer() {		# answer TITLE TEXT
	ends 75 "$2" 'extra IMGP-EXTRA-ANSWER true' 'Failed|t|f|IMGP-EXTRA-ANSWER' "$1"
}
if is_long; then
answer 'one that answers nothing' 'cat >/dev/null'
answer '... no job' 'echo hello'
answer '... two lines' 'read -r l; echo "$l"; echo "$l"'
fi
answer '... another place' "jq -c '.local = \"file:///etc/passwd\"'"
if is_long; then
answer '... another sum' "jq -c '.sha256.local = \"$(printf x | sha256sum | cut -c1-64)\"'"
answer '... another id' "jq -c '.scans[0].series[0].atri_uid = \"1.1\"'"
answer '... a code that nobody knows' \
    "jq -c '.errors = [{stage: \"extra\", error_code: \"IMGP-X\", class: \"data\", error: \"x\", fatal: false, retryable: false}]'"
answer '... more than a line may be' 'head -c 20000000 /dev/zero | tr "\\0" x'
ends 1 'exit 1' 'extra IMGP-EXTRA-REFUSED true' 'Failed|t|t|IMGP-EXTRA-REFUSED' 'one that refuses, and is required' \
    IMGP_EXTRA=required
ends 1 'exit 1' 'extra IMGP-EXTRA-REFUSED false' 'Completed|t|f|IMGP-EXTRA-REFUSED' 'one that refuses, and is expected'
program <<'EOT'
jq -c '.errors += [{stage: "extra", error_code: "IMGP-EXTRA-REFUSED", class: "data",
    error: "no consent", fatal: false, retryable: false}]'
EOT
goes 1 'one that finds an error' 1209 IMGP_EXTRA=required
is "$(row 1209) $(jq -r '.errors[-2].error' line)" 'Failed|t|t|IMGP-EXTRA-REFUSED no consent' '... is as good as one that refuses'
goes 1 'or is expected' 1209
is "$(row 1209)" 'Completed|t|f|IMGP-EXTRA-REFUSED' '... and delivered with the error'
fi

# Its environment.
program <<'EOT'
/usr/bin/env | sort >"$(dirname "$0")/env"
cat
EOT
goes 0 'the environment' 1207 IMGP_EXTRA_ENV='SITE TOKEN_FILE' SITE=here SECRET=canary
is "$(grep -vE '^(PWD|SHLVL|_|OLDPWD)=' env | cut -d= -f1 | xargs)" 'IMGP_RUN LC_ALL PATH SITE' \
    'is clean but for what is named'

if is_long; then
# By pipeline, and several at once.
sql -c "delete from edc.subjecteventcrffile where id < 1212" \
    -c "insert into edc.subjecteventcrffile select g, 5101, 21, 1, 'v1', '.zip' from generate_series(1401, 1406) g" \
    -c "insert into edc.subjecteventcrffile values (1411, 5111, 26, 1, 'v1', '.wav')" \
    -c "update pipeline.edcpipeline set paused = false"
program <<'EOT'
read -r line
echo "$line" | jq -r .subject_event_crf_file_id >>"$(dirname "$0")/given"
printf '%s\n' "$line"
EOT
printf 'extra_jobs = 3\n[image]\nextra_command = %s/prog a b\n' "$WORK" >conf
exits 1 'a program of one pipeline, three at once' env IMGP_CONFIG="$WORK/conf" imgp-run -j 2 --pending
is "$(sort given | xargs)" '1401 1402 1403 1404 1405 1406' '... gets the uploads of that pipeline'
is "$(jq -r .edc_pipeline_file.status out | sort | uniq -c | xargs)" '7 Completed' '... and all are delivered'

# What is wrong is said before the first job.
rows=$(sql 'select count(*) from pipeline.edcpipelinefile')
sql "insert into edc.subjecteventcrffile values (1420, 5101, 21, 1, 'v1', '.zip')"
for w in /nowhere/prog prog /etc/passwd "$WORK"; do
	imgp-run --with "$w" 1420 >out 2>err
	echo "$w $? $(grep -c 'imgp-extra: IMGP-CONFIG' err)"
done >got
is "$(grep -vc ' 2 1$' got)" 0 'a program that cannot be started' || diag <got
IMGP_EXTRA_COMMAND=prog imgp-run 1420 >out 2>err
is $? 2 'a setting that is no path'
IMGP_EXTRA_ENV='A=B' imgp-run 1420 >out 2>err
is $? 2 'names that are none'
is "$(sql 'select count(*) from pipeline.edcpipelinefile')" "$rows" '... and no row is made'

# A signal.
program <<'EOT'
echo $$ >"$(dirname "$0")/pid.new"
mv "$(dirname "$0")/pid.new" "$(dirname "$0")/pid"
exec sleep 600
EOT
imgp-run --with "$WORK/prog" 1420 >out 2>err &
pid=$!
until [ -s pid ]; do kill -0 $pid || break; sleep 0.05; done
kill $pid
wait $pid
is $? 143 'a run that gets a signal ends'
is_gone "$(cat pid)"
ok $? '... and its extra program with it'
is "$(sql "select count(*) from pipeline.edcpipelinefile where lease_until is not null")" 0 '... and the lease is given back'
is "$(ls spool)" '' 'no spool is left'
fi
done_testing
