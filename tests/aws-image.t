#!/bin/bash
# The container image: scripts/Containerfile over a root file system of this machine's
# own libraries, built by buildah, and a tool and the bootstrap run in it (M62).
. "$(dirname "$0")/lib/lib.sh"
command -v buildah >/dev/null || skip_all 'buildah is not there'
[ "$(id -u)" = 0 ] || skip_all 'only root builds images here'
is_sanitized "$BUILD/bin/imgp-machine" && skip_all 'built by make asan'
store=(--storage-driver vfs --root "$WORK/store" --runroot "$WORK/runroot")
b() { buildah "${store[@]}" "$@"; }
at_end "buildah ${store[*]} rm -a >/dev/null 2>&1; buildah ${store[*]} rmi -a -f >/dev/null 2>&1"
b from --name base scratch >out 2>err || skip_all "buildah makes no container here: $(tail -n 1 err)"

make -s -C "$ROOT" B="$BUILD" PREFIX=/usr DESTDIR="$WORK/image" install >out 2>&1 </dev/null
ok $? 'imgpipe is installed into the context' || diag <out
if is_long; then
# The base: what the tools are linked with, and the programs of bootstrap.
mkdir -p base/bin base/usr/bin base/tmp base/etc
chmod 1777 base/tmp
ln -s usr/lib base/lib
ln -s usr/lib64 base/lib64
mkdir -p base/usr/lib base/usr/lib64
programs=(/bin/dash /usr/bin/curl /bin/sed /bin/grep /usr/bin/tr /bin/cat /bin/rm /bin/mktemp
    /bin/mkdir /usr/bin/head /usr/bin/tail)
cp -L "${programs[@]}" base/bin
ln -s dash base/bin/sh
ldd "${programs[@]}" "$WORK"/image/usr/bin/imgp-* "$WORK"/image/usr/libexec/imgpipe/imgp-* 2>/dev/null |
    sed -n 's/.*=> \(\/[^ ]*\).*/\1/p; s/^\t\(\/[^ ]*ld-[^ ]*\).*/\1/p' | sort -u | while read -r f; do
	mkdir -p "base/$(dirname "$f")"
	cp -L "$f" "base/$f"
done
b copy base base / >out 2>&1 && b commit base localhost/base >out 2>&1
ok $? 'a base of this machine is made' || diag <out
b build --isolation chroot --pull-never --build-arg BASE=localhost/base -t localhost/imgpipe \
    -f "$ROOT/scripts/Containerfile" "$WORK/image" >out 2>&1
ok $? 'the Containerfile builds over it' || tail -n 5 out | diag
b from --pull-never --name tools localhost/imgpipe >out 2>&1
exits 0 'a tool runs in the image' b run --isolation chroot tools -- /usr/bin/imgp-dcmscan --version
like out '^imgp-dcmscan' '... and tells its version'
is "$(b inspect --format '{{.OCIv1.Config.Entrypoint}}' tools)" '[/usr/share/imgpipe/aws/bootstrap]' \
    'its entry point is the bootstrap'
mkdir -p api/events
echo '[1201]' >api/events/1
/usr/bin/python3 "$ROOT/tests/servers/lambda-runtime.py" api &
at_end "kill $! 2>/dev/null"
while [ ! -s api/port ]; do sleep 0.02; done
b run --isolation chroot --env "AWS_LAMBDA_RUNTIME_API=127.0.0.1:$(cat api/port)" --env IMGP_SOURCE=s3://src \
    tools -- /usr/share/imgpipe/aws/bootstrap imgp-machine.begin >out 2>err
is "$(jq -r '.files[0].subject_event_crf_file_id' api/1.response)" 1201 'which answers an event with its tool' ||
    diag <err
fi
done_testing
