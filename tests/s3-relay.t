#!/bin/bash
# A service that lacks an operation, and whom the error of a copy names (R33).
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"
# shellcheck source=tests/lib/faulty-s3.sh
. "$ROOT/tests/lib/faulty-s3.sh"
export IMGP_S3_COPY_BYTES=5242880
ask() { /usr/bin/python3 "$ROOT/tests/lib/s3-ask.py" "$@"; }
head -c 300000 /dev/urandom >small
head -c 12000000 /dev/urandom >large
: >empty
for f in small large empty; do
	ask PUT "src/$f" -d $f -h 'x-amz-meta-lab: seven' -h 'x-amz-tagging: a=1' \
	    -h "x-amz-meta-sha256: $(sha256sum <$f | cut -c1-64)" \
	    -h 'x-amz-server-side-encryption: AES256'
done

# --- copies by GET and PUT ---------------------------------------------------------
there() {		# there FILE: the copy is right, with its metadata
	rm -f back
	imgp-s3cp -q "s3://dst/$1" "$(url back)" && cmp -s "$1" back &&
		ask HEAD "dst/$1" -I >shown &&
		grep -q '^x-amz-meta-lab: seven$' shown &&
		grep -q '^x-amz-tagging-count: 1$' shown &&
		grep -q '^x-amz-server-side-encryption: AES256$' shown
}
export IMGP_S3_PATIENCE=1
for lacks in no-copy no-method copy-ignored; do
	is_long || [ $lacks = no-copy ] || continue
	for f in large small empty; do
		is_long || [ $f = large ] || continue
		[ "$lacks $f" != 'copy-ignored small' ] || break
		ask DELETE "dst/$f"
		faults "99 PUT /dst/ $lacks"
		exits 0 "$lacks: $f" imgp-s3cp "s3://src/$f" "s3://dst/$f"
		is "$(cat err)" '' '... silently'
		there $f; ok $? '... it is right, with all it had' || diag <shown
		exits 0 '... again' imgp-s3cp "s3://src/$f" "s3://dst/$f"
		like err 'same bytes lay there before' '... it is found there'
	done
done
faults '99 PUT /dst/ no-copy'
printf other >other
imgp-s3cp -q --replace "$(url other)" s3://dst/small
exits 1 'other bytes there' imgp-s3cp s3://src/small s3://dst/small
like err IMGP-STORE-EXISTS '... are not replaced'
is "$(state | grep -c upload)" 0 'no upload is left open'
ask DELETE dst/large
faults '99 PUT /dst/ no-copy' '1+1 GET /src/large swap y'
exits 1 'a source that changes meanwhile (R32)' imgp-s3cp s3://src/large s3://dst/large
like err IMGP-STORE-INTEGRITY '... is found out'
is "$(state | grep -c 'upload\|/dst/large')" 0 '... and nothing is there'
ask PUT src/large -d large -h "x-amz-meta-sha256: $(sha256sum <large | cut -c1-64)"
if is_long; then
mkdir many
for i in 1 2 3 4 5 6; do cp small many/$i; done
imgp-s3cp -r "$(url many)" s3://src/many/
faults '99 PUT /dst/ no-copy'
exits 0 'a prefix' imgp-s3cp -r s3://src/many/ s3://dst/many/
is "$(asked 'PUT /dst/many/.*x-amz-copy-source=') $(state | grep -c ' /dst/many/')" '2 6' \
	'... once a copy was refused no other is tried'
fi

# --- 501 --------------------------------------------------------------------------------
fails() {		# fails STATUS CODE TITLE FAULT COMMAND...
	faults "$4"
	exits "$1" "$3" "${@:5}"
	is "$(grep -c . err) $(grep -o 'IMGP-[A-Z-]*' err)" "1 $2" '... is said once'
}
fails 1 IMGP-STORE-UNSUPPORTED 'PUT that is not implemented is final' \
	'99 PUT /dst/ status 501 NotImplemented' imgp-s3cp --replace "$(url small)" s3://dst/x
is "$(asked PUT)" 1 '... and asked once'
if is_long; then
fails 1 IMGP-STORE-UNSUPPORTED 'uploads in parts' \
	'99 POST . status 501 NotImplemented' imgp-s3cp --replace "$(url large)" s3://dst/x
fails 1 IMGP-STORE-UNSUPPORTED 'listings' \
	'99 GET list-type status 501 NotImplemented' imgp-s3cp -r s3://src/many "$(url many)"
fails 1 IMGP-STORE-UNSUPPORTED 'a method' \
	'99 GET /src/small status 405 MethodNotAllowed' imgp-s3cp s3://src/small "$(url back2)"
fails 75 IMGP-STORE-UNAVAILABLE '... 502 is not' \
	'99 PUT /dst/ status 502 BadGateway' imgp-s3cp --replace "$(url small)" s3://dst/x
fi

# --- whom the error names ------------------------------------------------------------------
for f in small large; do
	is_long || [ $f = large ] || continue
	for what in '404 NoSuchKey' '404 NoSuchVersion' '403 InvalidObjectState'; do
		is_long || [ "$what" = '404 NoSuchKey' ] || continue
		case $what in
		404*) code=IMGP-STORE-NOT-FOUND status=1 ;;
		*) code=IMGP-STORE-ARCHIVED status=1 ;;
		esac
		fails $status $code "a copy of what is not to be had: $f, $what" \
			"99 PUT /dst/ status $what" imgp-s3cp --replace "s3://src/$f" "s3://dst/$f"
		like err "s3://src/$f: status ${what% *} ${what#* }" '... names the source'
		unlike err s3://dst '... and not the target'
	done
	fails 1 IMGP-PLACE-MISSING "no bucket, $f" '99 PUT /dst/ status 404 NoSuchBucket' \
		imgp-s3cp --replace "s3://src/$f" "s3://dst/$f"
	like err "s3://src/$f to s3://dst/$f" '... names both'
	fails 1 IMGP-STORE-DENIED "no right, $f" '99 PUT /dst/ status 403 AccessDenied' \
		imgp-s3cp --replace "s3://src/$f" "s3://dst/$f"
	like err "s3://src/$f to s3://dst/$f" '... names both'
done
done_testing
