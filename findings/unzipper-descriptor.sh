#!/bin/bash
# The data descriptor behind a streamed ZIP member may lack its signature PK\7\8
# (APPNOTE 4.3.9.3), and some writers on scanners and in older Java leave it out.
# unzipper 0.12.5 reads such an archive by its directory (Open), but its Parse(), by
# which servers take an upload apart while it comes in, waits for the signature and
# ends with FILE_ENDED at the first member; with the signature it reads all. yauzl
# 3.4.0 reads both.
set -u
command -v node >/dev/null && command -v npm >/dev/null &&
	command -v python3 >/dev/null || exit 77
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
npm init -y >/dev/null 2>&1
npm install --no-audit --no-fund --ignore-scripts unzipper@0.12.5 yauzl@3.4.0 \
	>/dev/null 2>&1 || exit 77
cat >make.py <<'EOT'
import struct
import sys
import zlib

out, directory, names = b"", b"", (b"a.dcm", b"b.dcm")
for name in names:
    data = name * 40
    pack = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = pack.compress(data) + pack.flush()
    sizes = struct.pack("<III", zlib.crc32(data), len(packed), len(data))
    fixed = struct.pack("<HHHHH", 20, 8, zlib.DEFLATED, 0, 0x21)
    tail = struct.pack("<HH", len(name), 0)
    directory += b"PK\1\2" + struct.pack("<H", 20) + fixed + sizes + tail + \
        struct.pack("<HHHII", 0, 0, 0, 0, len(out)) + name
    out += b"PK\3\4" + fixed + bytes(12) + tail + name + packed
    out += (b"PK\7\10" if sys.argv[1] == "with" else b"") + sizes
end = struct.pack("<HHHHIIH", 0, 0, 2, 2, len(directory), len(out), 0)
open(sys.argv[1] + ".zip", "wb").write(out + directory + b"PK\5\6" + end)
EOT
python3 make.py with && python3 make.py without || exit 77
cat >read.cjs <<'EOT'
const fs = require("fs");
const { Readable } = require("stream");
const unzipper = require("unzipper");
const yauzl = require("yauzl");

const parse = async (bytes) => {
  const said = [];
  const entries = Readable.from([bytes]).pipe(unzipper.Parse({ forceStream: true }));
  for await (const e of entries)
    said.push(`${e.path} ${(await e.buffer()).length}`);
  return said;
};
const open = async (bytes) => {
  const archive = await unzipper.Open.buffer(bytes);
  return Promise.all(archive.files.map(async (f) =>
    `${f.path} ${(await f.buffer()).length}`));
};
const other = (bytes) => new Promise((resolve, reject) => {
  const said = [];
  yauzl.fromBuffer(bytes, { lazyEntries: true }, (e, zip) => {
    if (e) return reject(e);
    zip.on("error", reject);
    zip.on("end", () => resolve(said));
    zip.on("entry", (entry) => {
      said.push(`${entry.fileName} ${entry.uncompressedSize}`);
      zip.readEntry();
    });
    return zip.readEntry();
  });
});
(async () => {
  for (const name of ["with", "without"])
    for (const [how, f] of [["Parse", parse], ["Open", open], ["yauzl", other]])
      console.log(`${name} the signature, ${how}:`, await
        f(fs.readFileSync(`${name}.zip`)).then((l) => l.join(", "),
          (e) => e.message));
})();
EOT
node read.cjs >seen
cat seen
cmp -s seen - <<'EOT'
with the signature, Parse: a.dcm 200, b.dcm 200
with the signature, Open: a.dcm 200, b.dcm 200
with the signature, yauzl: a.dcm 200, b.dcm 200
without the signature, Parse: FILE_ENDED
without the signature, Open: a.dcm 200, b.dcm 200
without the signature, yauzl: a.dcm 200, b.dcm 200
EOT
