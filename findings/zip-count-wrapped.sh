#!/bin/bash
# A ZIP of more than 65,535 members without zip64 records, as macOS' Archive Utility
# writes it: the end record's 16 bits hold the count modulo 65,536. Info-ZIP, Python's
# zipfile and JSZip go by the directory's size and find every member. Six JavaScript
# readers go by the count, find the first few, and report no error: most of the images
# are lost without a word.
#
# Seen with the versions below, node 20, on an archive of 65,542 members.
#	jszip 3.10.1		65542
#	fflate 0.8.2		6
#	yauzl 3.2.0		6
#	adm-zip 0.5.16		6
#	unzipper 0.12.3		6
#	node-stream-zip 1.15.0	6
#	@zip.js/zip.js 2.7.53	6
set -u
command -v node >/dev/null && command -v npm >/dev/null &&
	command -v python3 >/dev/null || exit 77
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
npm init -y >/dev/null 2>&1
npm install --no-audit --no-fund --ignore-scripts jszip@3.10.1 fflate@0.8.2 \
	yauzl@3.2.0 adm-zip@0.5.16 unzipper@0.12.3 node-stream-zip@1.15.0 \
	@zip.js/zip.js@2.7.53 >/dev/null 2>&1 || exit 77

python3 - <<'EOT' || exit 77
import struct
records = []
with open("many.zip", "wb") as f:
    for i in range(65542):
        name = b"%05d" % i
        at = f.tell()
        f.write(struct.pack("<IHHHHHIIIHH", 0x04034b50, 20, 0, 0, 0x6000, 0x5777,
                            0, 0, 0, len(name), 0) + name)
        records.append(struct.pack("<IHHHHHHIIIHHHHHII", 0x02014b50, 20, 20, 0, 0,
            0x6000, 0x5777, 0, 0, 0, len(name), 0, 0, 0, 0, 0, at) + name)
    at = f.tell()
    records = b"".join(records)
    f.write(records + struct.pack("<IHHHHIIH", 0x06054b50, 0, 0, 65542 & 0xffff,
                                  65542 & 0xffff, len(records), at, 0))
EOT
cat >count.mjs <<'EOT'
import fs from "fs";
import JSZip from "jszip";
import { unzipSync } from "fflate";
import yauzl from "yauzl";
import AdmZip from "adm-zip";
import unzipper from "unzipper";
import StreamZip from "node-stream-zip";
import { ZipReader, Uint8ArrayReader } from "@zip.js/zip.js";

const bytes = fs.readFileSync("many.zip");
const stream = new StreamZip.async({ file: "many.zip" });
const counts = {
  "jszip": Object.keys((await JSZip.loadAsync(bytes)).files).length,
  "fflate": Object.keys(unzipSync(bytes)).length,
  "yauzl": await new Promise((done, fail) => yauzl.fromBuffer(bytes,
    { lazyEntries: false }, (e, z) => {
      let n = 0;
      if (e) return fail(e);
      z.on("entry", () => n++).on("end", () => done(n)).on("error", fail);
    })),
  "adm-zip": new AdmZip(bytes).getEntries().length,
  "unzipper": (await unzipper.Open.buffer(bytes)).files.length,
  "node-stream-zip": await stream.entriesCount,
  "zip.js": (await new ZipReader(new Uint8ArrayReader(new Uint8Array(bytes)))
    .getEntries()).length,
};
await stream.close();
for (const [name, n] of Object.entries(counts))
  console.log(name, n);
EOT
node count.mjs >seen
cat seen
cmp -s seen - <<'EOT'
jszip 65542
fflate 6
yauzl 6
adm-zip 6
unzipper 6
node-stream-zip 6
zip.js 6
EOT
