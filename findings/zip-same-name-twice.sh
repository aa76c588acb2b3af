#!/bin/bash
# Exports of PACS may hold two members of one name (each series begins with IM0001 and
# the folders were left out): the format allows it, and both are whole images. jszip
# 3.10.2 keeps the last of them and says nothing; adm-zip 0.6.1 refuses the archive
# whole, the other members with it; yauzl 3.4.0 and unzipper 0.12.5 hand over both.
# So a viewer or a check in a browser that counts by jszip counts fewer images than
# the site sent.
set -u
command -v node >/dev/null && command -v npm >/dev/null &&
	command -v python3 >/dev/null || exit 77
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
npm init -y >/dev/null 2>&1
npm install --no-audit --no-fund --ignore-scripts jszip@3.10.2 adm-zip@0.6.1 \
	yauzl@3.4.0 unzipper@0.12.5 >/dev/null 2>&1 || exit 77
python3 -W ignore - <<'EOT' || exit 77
import zipfile
with zipfile.ZipFile("in.zip", "w") as z:
    z.writestr("IM0001", "first " * 10)
    z.writestr("IM0001", "second " * 10)
    z.writestr("IM0002", "third " * 10)
EOT
cat >read.cjs <<'EOT'
const fs = require("fs");
const AdmZip = require("adm-zip");
const JSZip = require("jszip");
const unzipper = require("unzipper");
const yauzl = require("yauzl");

const bytes = fs.readFileSync("in.zip");
const said = (name, size) => `${name} ${size}`;
const readers = {
  jszip: async () => {
    const zip = await JSZip.loadAsync(bytes);
    return Promise.all(Object.values(zip.files).map(async (f) =>
      said(f.name, (await f.async("uint8array")).length)));
  },
  "adm-zip": async () => new AdmZip(bytes).getEntries().map((e) =>
    said(e.entryName, e.getData().length)),
  yauzl: () => new Promise((resolve, reject) => {
    const all = [];
    yauzl.fromBuffer(bytes, {}, (e, zip) => {
      if (e) return reject(e);
      zip.on("entry", (x) => all.push(said(x.fileName, x.uncompressedSize)));
      return zip.on("end", () => resolve(all));
    });
  }),
  unzipper: async () => {
    const zip = await unzipper.Open.buffer(bytes);
    return Promise.all(zip.files.map(async (f) =>
      said(f.path, (await f.buffer()).length)));
  },
};
(async () => {
  for (const [name, read] of Object.entries(readers))
    console.log(`${name}:`, await read().then((l) => l.join(", "),
      () => "error"));
})();
EOT
node read.cjs >seen
cat seen
cmp -s seen - <<'EOT'
jszip: IM0001 70, IM0002 60
adm-zip: error
yauzl: IM0001 60, IM0001 70, IM0002 60
unzipper: IM0001 60, IM0001 70, IM0002 60
EOT
