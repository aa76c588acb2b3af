#!/bin/bash
# A file with holes is stored sparse in a tar: only its data, and a map of where they
# belong. GNU tar 1.34 does it with -S; libarchive's bsdtar 3.6.2 does it unasked, and
# macOS' tar is a bsdtar. Images written by seeking, raw volumes, and copies that `cp
# --sparse` made have holes. Three of npm's readers know none of the forms: tar-stream
# 3.2.2, tar 7.5.23 and modern-tar 0.8.6 give the data without the holes, too short, of
# one form with the text of the map in front, of two under a name such as
# GNUSparseFile.0/a.dcm; tar leaves out a member of the old GNU form. None reports an
# error. Python's tarfile and GNU tar read all of them. Who takes tars in by these must
# refuse type S and headers with GNU.sparse, or the images are others than were sent.
set -u
for i in apt-get dpkg python3 node npm tar; do
	command -v $i >/dev/null || exit 77
done
tar --version | grep -q ' 1\.34$' || exit 77
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
apt-get download -q libarchive-tools=3.6.2-1+deb12u5 libarchive13=3.6.2-1+deb12u5 \
	>/dev/null 2>&1 || exit 77
for i in *.deb; do
	dpkg -x "$i" root || exit 77
done
lib=$(dirname "$(find root/usr/lib -name 'libarchive.so.*' -print -quit)")
bsdtar() { LD_LIBRARY_PATH=$dir/$lib root/usr/bin/bsdtar "$@"; }
bsdtar --version >/dev/null 2>&1 || exit 77
npm init -y >/dev/null 2>&1
npm install --no-audit --no-fund --ignore-scripts tar-stream@3.2.2 tar@7.5.23 \
	modern-tar@0.8.6 >/dev/null 2>&1 || exit 77

python3 - <<'EOT' || exit 77
with open("a.dcm", "wb") as f:
    f.write(b"HEAD" * 1024)
    f.seek(1 << 20)
    f.write(b"TAIL" * 1024)
    f.truncate(3 << 20)
with open("b.dcm", "wb") as f:
    f.write(b"next")
EOT
tar --format=gnu -S -cf gnu.tar a.dcm b.dcm
tar --format=posix -S --sparse-version=0.1 -cf posix-0.1.tar a.dcm b.dcm
tar --format=posix -S --sparse-version=1.0 -cf posix-1.0.tar a.dcm b.dcm
bsdtar -cf bsdtar.tar a.dcm b.dcm || exit 77
# A file system without holes makes none of it.
for i in *.tar; do
	[ "$(stat -c %s "$i")" -lt 100000 ] || exit 77
done
cat >read.mjs <<'EOT'
import fs from "fs";
import * as tar from "tar";
import stream from "tar-stream";
import { unpackTar } from "modern-tar";

const whole = fs.readFileSync("a.dcm");
const said = (name, bytes) => `${name.replace(/\.\d+\//, ".N/")} ${bytes.length}` +
  (name.endsWith("a.dcm") ? bytes.equals(whole) ? " right" : " wrong" : "");
const readers = {
  "tar-stream": (file) => new Promise((resolve, reject) => {
    const all = [];
    const extract = stream.extract();
    extract.on("entry", (header, member, next) => {
      const parts = [];
      member.on("data", (d) => parts.push(d));
      member.on("end", () => {
        all.push(said(header.name, Buffer.concat(parts)));
        next();
      });
    });
    extract.on("finish", () => resolve(all));
    extract.on("error", reject);
    fs.createReadStream(file).pipe(extract);
  }),
  tar: async (file) => {
    fs.rmSync("out", { recursive: true, force: true });
    fs.mkdirSync("out");
    await tar.x({ file, cwd: "out" });
    return fs.readdirSync("out", { recursive: true }).sort().filter((n) =>
      fs.statSync(`out/${n}`).isFile()).map((n) => said(n, fs.readFileSync(`out/${n}`)));
  },
  "modern-tar": async (file) => (await unpackTar(fs.readFileSync(file))).map((e) =>
    said(e.header.name, Buffer.from(e.data))),
};
for (const form of ["gnu", "posix-0.1", "posix-1.0", "bsdtar"])
  for (const [name, read] of Object.entries(readers))
    console.log(`${form}, ${name}:`, await read(`${form}.tar`).then((l) => l.join(", "),
      (e) => `error ${e.message}`));
EOT
{
	for i in gnu posix-0.1 posix-1.0 bsdtar; do
		tar -xOf $i.tar a.dcm | cmp -s - a.dcm && echo "$i, GNU tar: right"
		python3 -c 'import sys, tarfile
with tarfile.open(sys.argv[1]) as t:
    print("%s, Python:" % sys.argv[1][:-4],
          t.extractfile("a.dcm").read() == open("a.dcm", "rb").read() and "right")' $i.tar
	done
	node read.mjs
} >seen 2>/dev/null
cat seen
cmp -s seen - <<'EOT'
gnu, GNU tar: right
gnu, Python: right
posix-0.1, GNU tar: right
posix-0.1, Python: right
posix-1.0, GNU tar: right
posix-1.0, Python: right
bsdtar, GNU tar: right
bsdtar, Python: right
gnu, tar-stream: a.dcm 8192 wrong, b.dcm 4
gnu, tar: b.dcm 4
gnu, modern-tar: a.dcm 8192 wrong, b.dcm 4
posix-0.1, tar-stream: ./GNUSparseFile.N/a.dcm 8192 wrong, b.dcm 4
posix-0.1, tar: GNUSparseFile.N/a.dcm 8192 wrong, b.dcm 4
posix-0.1, modern-tar: ./GNUSparseFile.N/a.dcm 8192 wrong, b.dcm 4
posix-1.0, tar-stream: ./GNUSparseFile.N/a.dcm 8704 wrong, b.dcm 4
posix-1.0, tar: GNUSparseFile.N/a.dcm 8704 wrong, b.dcm 4
posix-1.0, modern-tar: ./GNUSparseFile.N/a.dcm 8704 wrong, b.dcm 4
bsdtar, tar-stream: GNUSparseFile.N/a.dcm 8704 wrong, b.dcm 4
bsdtar, tar: GNUSparseFile.N/a.dcm 8704 wrong, b.dcm 4
bsdtar, modern-tar: GNUSparseFile.N/a.dcm 8704 wrong, b.dcm 4
EOT
