# Sourced with the name of a server: what imgp-s3cp does to a real S3 service,
# the same for every one (M2, M17, R20-R36).
# shellcheck shell=bash
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"

server=$1
[ "$server" = rgw ] || long_only
"$ROOT/scripts/s3-server" start "$WORK/server" "$server" >server.env 2>server.err ||
	no_server "no $server: $(tail -1 server.err)"
at_end "'$ROOT/scripts/s3-server' stop '$WORK/server'"
# shellcheck source=/dev/null
. ./server.env
s3() {			# s3 METHOD PATH [-I]
	/usr/bin/python3 "$ROOT/tests/lib/s3-ask.py" "$@"
}
for b in src tmp dst; do s3 PUT "imgp-$b"; done
url() { printf 'file://%s/%s' "$WORK" "$1"; }
keys() { s3 GET "$1?list-type=2" | grep -o '<Key>[^<]*' | sed 's/<Key>//' | sort; }
uploads() { s3 GET "$1?uploads=" | grep -c '<UploadId>' || :; }

# --- sizes and keys, whole and in parts ------------------------------------------
export IMGP_S3_PART_BYTES=5242880 IMGP_S3_MULTIPART_BYTES=5242880 \
	IMGP_S3_COPY_BYTES=5242880
head -c 12000000 /dev/urandom >pool
for n in 0 1 200000 5242879 5242880 5242881 12000000; do
	head -c "$n" pool >"f$n"
	is_long || [ "$n" = 200000 ] || [ "$n" = 12000000 ] || continue
	sum=$(sha256sum <"f$n" | cut -c1-64)
	exits 0 "$n bytes up (R33)" imgp-s3cp -v "$(url "f$n")" "s3://imgp-src/f$n"
	like err "$n bytes, SHA-256 $sum" '... with their sum'
	exits 0 '... copied in the server' \
		imgp-s3cp "s3://imgp-src/f$n" "s3://imgp-dst/f$n"
	exits 0 '... and down' imgp-s3cp "s3://imgp-dst/f$n" "$(url back)"
	cmp -s "f$n" back; ok $? '... unchanged'
	s3 HEAD "imgp-dst/f$n" -I >shown
	like shown "^x-amz-meta-sha256: $sum" '... and its sum is with the copy (F17)'
	rm back
done
is "$(uploads imgp-src) $(uploads imgp-dst)" '0 0' 'no upload is left open (R29)'
for key in 'a b+c' '%41%2f' '=&?#;,:@!$' "quote'\"" 'ü-漢字-😀' 'a//b' \
	'(x)*[y]{z}|~`^' 'back\slash' "$(printf 'k%.0s' $(seq 1024))"; do
	is_long || [ "$key" = 'ü-漢字-😀' ] || continue
	imgp-s3cp "$(url f200000)" "s3://imgp-src/$key" &&
		imgp-s3cp "s3://imgp-src/$key" "s3://imgp-dst/$key" &&
		imgp-s3cp --replace "s3://imgp-dst/$key" "$(url back)" &&
		cmp -s f200000 back
	ok $? "the key ${key:0:40}"
done

# --- what an object is, beside its bytes (R33) ------------------------------------------
# Swift has no tags, and takes no aws-chunked.
tags='x-amz-tagging:a=1&b=x%20y' chunked=aws-chunked,
[ "$server" != swift ] || tags='' chunked=
for f in f200000 f12000000; do
	is_long || [ $f = f12000000 ] || continue
	s3 PUT "imgp-src/meta-$f" -d "$f" -h 'Content-Type:application/dicom' \
		-h 'x-amz-meta-lab:seven' -h "Content-Encoding:${chunked}gzip" \
		-h "x-amz-meta-sha256:$(sha256sum <"$f" | cut -c1-64)" ${tags:+-h "$tags"}
	exits 0 "with metadata and tags, $f" \
		imgp-s3cp "s3://imgp-src/meta-$f" "s3://imgp-dst/meta-$f"
	s3 HEAD "imgp-dst/meta-$f" -I | sort >shown
	is "$(grep -E '^(content-(type|encoding)|x-amz-meta-lab):' shown)" \
		"$(printf '%s\n' 'content-encoding: gzip' \
		'content-type: application/dicom' 'x-amz-meta-lab: seven')" \
		'... the copy has them'
	s3 GET "imgp-dst/meta-$f?tagging" | grep -o '<Value>[^<]*' >values
	is "$(cat values)" "${tags:+<Value>1
<Value>x y}" '... tags, too'
done

# --- create-only (R31) --------------------------------------------------------------
exits 0 'the same bytes again' imgp-s3cp "$(url f200000)" s3://imgp-src/f200000
like err 'same bytes lay there before' '... are fine, and said'
if is_long; then
exits 0 '... by a copy' imgp-s3cp s3://imgp-src/f200000 s3://imgp-dst/f200000
like err 'same bytes lay there before' '... too'
exits 0 '... in parts' imgp-s3cp s3://imgp-src/f12000000 s3://imgp-dst/f12000000
like err 'same bytes lay there before' '... too'
fi
tail -c 200000 pool >other
exits 1 'other bytes' imgp-s3cp "$(url other)" s3://imgp-src/f200000
like err 'IMGP-STORE-EXISTS' '... are not replaced'
imgp-s3cp "$(url other)" s3://imgp-src/other
if is_long; then
exits 1 '... by a copy' imgp-s3cp s3://imgp-src/other s3://imgp-dst/f200000
like err 'IMGP-STORE-EXISTS' '... neither'
imgp-s3cp --replace s3://imgp-dst/f200000 "$(url back)"
cmp -s f200000 back; ok $? '... and the old ones are still there'
exits 0 '--readback reads all of it' \
	imgp-s3cp --readback s3://imgp-src/other s3://imgp-dst/other
fi

# Eight at once, each with other bytes: what lies there in the end is one of
# them whole, whoever wrote it was told so, all others were told that they did not,
# and nobody removed it.
race() {		# race BYTES FROM KEY: FROM and a number is what each copies
	local i racers='' winner='' won=0
	for i in 1 2 3 4 5 6 7 8; do
		{ imgp-s3cp "$2$i" "s3://imgp-dst/$3" 2>"race$i.err"
		    echo $? >"race$i.rc"; } &
		racers="$racers $!"
	done
	# shellcheck disable=SC2086	# pids
	wait $racers
	imgp-s3cp --replace "s3://imgp-dst/$3" "$(url raced)"
	for i in 1 2 3 4 5 6 7 8; do
		[ "$(cat "race$i.rc")" != 0 ] || won=$((won + 1))
		! cmp -s <(tail -c $(($1 + i)) pool) raced ||
			winner="$i $(cat "race$i.rc")"
	done
	is "${winner#* }" 0 "eight race for one key, $3: one is there (R31)"
	is "$won" 1 '... and one alone is told 0'
	is "$(cat race?.err | grep -v IMGP-STORE-EXISTS)" '' '... the others hear why'
}
for i in 1 2 3 4 5 6 7 8; do
	tail -c $((200000 + i)) pool >"small$i"
	tail -c $((6000000 + i)) pool >"parts$i"
	is_long || continue
	imgp-s3cp "$(url "small$i")" "s3://imgp-src/small$i"
	imgp-s3cp "$(url "parts$i")" "s3://imgp-src/parts$i"
done
race 200000 "$(url small)" put
if is_long; then
race 200000 s3://imgp-src/small copy
race 6000000 "$(url parts)" put-in-parts
fi
! is_long || race 6000000 s3://imgp-src/parts copy-in-parts

is_long || done_testing	# a sample ends here
# --- jobs, many at once ----------------------------------------------------------------
export IMGP_SOURCE=s3://imgp-src/in IMGP_TEMP=s3://imgp-tmp \
	IMGP_DESTINATION=s3://imgp-dst/q IMGP_SPOOL=$WORK/spool
for i in $(seq 10); do
	head -c $((i * 1000)) pool >"up$i"
	imgp-s3cp "$(url "up$i")" "s3://imgp-src/in/$i/ü $i.zip"
	printf '{"v":1,"run":"20190118T150405Z-0a1b2c3d","subject_event_crf_file_id":%d,"source":"s3://imgp-src/in/%d/ü %d.zip","edc_pipeline_file":{"id":%d,"lease":1},"temp":"s3://imgp-tmp/%d/n %d.zip","destination":"s3://imgp-dst/q/f/n %d.zip"}\n' \
		"$i" "$i" "$i" "$((i + 800))" "$((i + 800))" "$i" "$i"
done >lines
if is_long; then
imgp-s3cp -j 8 source local <lines | imgp-s3cp -j 8 local temp |
	imgp-s3cp -j 8 temp destination >out 2>err
is "$? $(wc -l <out) $(cat err)" '0 10 ' 'ten jobs, eight at once'
is "$(jq -r 'select(.sha256.source != .sha256.destination or .errors) | .job' out)" \
	'' '... all with the sums that they had'
is "$(keys imgp-tmp | wc -l) $(keys imgp-dst | grep -c '^q/f/n')" '0 10' \
	'... none is left in temp, all are delivered (M17)'
bad=0
for i in $(seq 10); do
	imgp-s3cp --replace "s3://imgp-dst/q/f/n $i.zip" "$(url back)" &&
		cmp -s "up$i" back || bad=1
done
is "$bad" 0 '... byte for byte'
imgp-s3cp -j 8 source local <lines | imgp-s3cp -j 8 local temp |
	imgp-s3cp -j 8 temp destination >again 2>err
is "$? $(keys imgp-dst | grep -c '^q/f/n') $(keys imgp-tmp | wc -l)" '0 10 0' \
	'... and again: nothing changes (R8)'
fi
head -1 lines | jq -c '.source = "s3://imgp-dst/f1"' >line
exits 1 'a bucket that is not the configured one (R35)' imgp-s3cp source local <line
is "$(jq -r '.errors[0].error_code' out)" IMGP-PLACE-OUTSIDE '... is refused'

# --- whole prefixes -----------------------------------------------------------------------
mkdir -p tree/a/b tree2
for f in 1 'a/ü +&2' a/b/3; do head -c 70000 pool >"tree/$f"; done
exits 0 'a tree up (-r)' imgp-s3cp -r -j 4 "$(url tree)" s3://imgp-src/tree/
exits 0 '... copied to another bucket' imgp-s3cp -r s3://imgp-src/tree/ s3://imgp-tmp/
exits 0 '... and down' imgp-s3cp -r -j 4 s3://imgp-tmp "$(url tree2)"
diff -r tree tree2 >d; ok $? '... unchanged' || diag <d
if is_long; then
exits 0 '... again' imgp-s3cp -r s3://imgp-src/tree s3://imgp-tmp
is "$(cat err)" 'imgp-s3cp: the same bytes lay there before for 3 of 3 objects' \
	'... which is said'
exits 0 '... by patterns' imgp-s3cp -rn --include 'a/*' --exclude '*3' \
	s3://imgp-src/tree/ s3://imgp-dst/tree/
is "$(cat out)" "s3://imgp-src/tree/a/ü +&2	s3://imgp-dst/tree/a/ü +&2" \
	'... takes those alone'
exits 1 'a prefix under which nothing lies' \
	imgp-s3cp -r s3://imgp-src/tre/ s3://imgp-tmp/
like err 'IMGP-STORE-NOT-FOUND: s3://imgp-src/tre/: nothing lies below it' \
	'... is said'
mkdir dozen
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo "$i" >"dozen/$i"; done
exits 0 'a dozen small ones up (R31)' imgp-s3cp -r "$(url dozen)" s3://imgp-src/dozen/
is "$(keys imgp-src | grep -c '^dozen/') $(keys imgp-tmp | grep -c probe)" '12 0' \
	'... what the service obeys was asked of it, and cleared away'
echo other >dozen/12
exits 1 '... one of them changed, again' imgp-s3cp -r "$(url dozen)" s3://imgp-src/dozen/
is "$(grep -c IMGP-STORE-EXISTS err)" 1 '... is not replaced'
fi
for k in 1 'a/ü +&2' a/b/3; do s3 DELETE "imgp-tmp/$k"; done
rm -r tree tree2

# --- kill -9 in the middle of an upload in parts (R1, R29) ------------------------------
if strace -o /dev/null true 2>/dev/null; then
	for k in 3 8 15; do
		is_long || [ $k = 8 ] || continue
		{ strace -f -o trace -e "inject=sendto,send,write:signal=KILL:when=$k" \
			imgp-s3cp "$(url f12000000)" "s3://imgp-tmp/killed"; } 2>/dev/null
	done
	is "$(keys imgp-tmp)" '' 'killed: no part of it is seen (I4)'
	exits 0 '... the next attempt ends' imgp-s3cp "$(url f12000000)" \
		s3://imgp-tmp/killed
	is "$(uploads imgp-tmp)" 0 '... and clears what was left (R29)'
else
	skip 'killed: no part of it is seen (I4)' 'needs strace'
fi

# --- what goes wrong is one clear line ----------------------------------------------------
export IMGP_S3_PATIENCE=1
fails() {		# fails STATUS CODE TITLE COMMAND...
	_s=$1 _c=$2 _t=$3
	shift 3
	exits "$_s" "$_t" "$@"
	is "$(grep -c . err) $(grep -o 'IMGP-[A-Z-]*' err | head -1)" "1 $_c" '... one line'
}
fails 1 IMGP-STORE-NOT-FOUND 'no such key' imgp-s3cp s3://imgp-src/no "$(url no)"
if is_long; then
fails 1 IMGP-PLACE-MISSING 'no such bucket' imgp-s3cp s3://imgp-no/no "$(url no)"
fails 1 IMGP-PLACE-MISSING 'no such bucket to write to' \
	imgp-s3cp "$(url other)" s3://imgp-no/no
fi
fails 1 IMGP-STORE-DENIED 'a wrong secret' env AWS_SECRET_ACCESS_KEY=x \
	imgp-s3cp s3://imgp-src/other "$(url no)"
if is_long; then
fails 1 IMGP-STORE-DENIED 'an unknown access key' env AWS_ACCESS_KEY_ID=x:y \
	imgp-s3cp s3://imgp-src/other "$(url no)"
fails 1 IMGP-STORE-CREDENTIALS 'no credentials at all' env -u AWS_ACCESS_KEY_ID \
	HOME="$WORK" imgp-s3cp s3://imgp-src/other "$(url no)"
fi
fails 75 IMGP-STORE-UNAVAILABLE 'nobody listens' env AWS_ENDPOINT_URL=http://127.0.0.1:1 \
	imgp-s3cp s3://imgp-src/other "$(url no)"
if is_long; then
fails 2 IMGP-CONFIG 'plain http to elsewhere' \
	env AWS_ENDPOINT_URL=http://192.0.2.1 imgp-s3cp s3://imgp-src/other "$(url no)"
fi
[ ! -e no ]; ok $? 'and no file was made'
unlike err 'imgptestsecret' 'no secret is said (R66)'
if is_long; then
# Three jobs whose work copies are gone: the places are asked, and are not at fault.
mkdir -p spool/x
for i in 1 2 3 4; do
	printf '{"v":1,"subject_event_crf_file_id":%d,"pipeline_code":"x","run":"%s",' \
	    $i 20260102T030405Z-0000000a
	printf '"local":"%s/%d","temp":"s3://imgp-tmp/ask/%d"}\n' "$(url spool/x)" $i $i
done >asking
export IMGP_SPOOL="$WORK/spool" IMGP_TEMP=s3://imgp-tmp
exits 75 'jobs whose work copies are gone' imgp-s3cp local temp <asking
is "$(grep -c . out)" 4 '... a place that works when asked is used on'
is "$(keys imgp-tmp | grep -c ask; uploads imgp-tmp)" '0
0' '... and keeps nothing of it'
exits 75 '... with a wrong secret' env AWS_SECRET_ACCESS_KEY=x imgp-s3cp local temp <asking
is "$(grep -c . out)" 3 '... one that does not is left alone'
like err 'IMGP-STORE-DENIED: PUT s3://imgp-tmp/ask/imgp-ask' '... and named'
fi
if command -v faketime >/dev/null && ! is_sanitized "$BUILD/bin/imgp-s3cp"; then
	exits 0 'a clock that is an hour slow (R25)' faketime -f -1h \
		imgp-s3cp --replace s3://imgp-src/other "$(url back)"
	exits 0 '... or fast' faketime -f +1h \
		imgp-s3cp --replace s3://imgp-src/other "$(url back)"
else
	skip 'a clock that is an hour slow (R25)' 'needs faketime'
fi
