#!/bin/bash
# dicom-parser 1.8.21 takes a Uint8Array, and in node it reads files of every transfer
# syntax from one, but those of the deflated syntax (1.2.840.10008.1.2.1.99): these
# throw "copy is not a function", as only node's Buffer has that method, and the
# parser calls it in this branch alone. From a Buffer with the same bytes it reads
# them. Who tests with uncompressed files does not meet it.
set -u
command -v node >/dev/null && command -v npm >/dev/null || exit 77
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
npm init -y >/dev/null 2>&1
npm install --no-audit --no-fund --ignore-scripts dicom-parser@1.8.21 \
	>/dev/null 2>&1 || exit 77
cat >read.cjs <<'EOT'
const zlib = require("zlib");
const parser = require("dicom-parser");

const element = (group, number, vr, value) => {
  const padded = Buffer.from(value.length % 2 ? value + "\0" : value, "latin1");
  const head = Buffer.alloc(8);
  head.writeUInt16LE(group, 0);
  head.writeUInt16LE(number, 2);
  head.write(vr, 4);
  head.writeUInt16LE(padded.length, 6);
  return Buffer.concat([head, padded]);
};
const sopClass = "1.2.840.10008.5.1.4.1.1.7", instance = "2.25.1";
const file = (syntax, deflated) => {
  const meta = Buffer.concat([element(2, 2, "UI", sopClass),
    element(2, 3, "UI", instance), element(2, 0x10, "UI", syntax)]);
  const length = element(2, 0, "UL", "1234");
  const data = Buffer.concat([element(8, 0x16, "UI", sopClass),
    element(8, 0x18, "UI", instance), element(0x12, 0x71, "LO", "12.34 ")]);
  length.writeUInt32LE(meta.length, 8);
  return Buffer.concat([Buffer.alloc(128), Buffer.from("DICM"), length, meta,
    deflated ? zlib.deflateRawSync(data) : data]);
};
const told = (what, bytes) => {
  try {
    console.log(what, parser.parseDicom(bytes).string("x00120071"));
  } catch (e) {
    console.log(what, e.constructor.name, e.message.replace(/^\w+\./, ""));
  }
};
const plain = file("1.2.840.10008.1.2.1", false);
const deflated = file("1.2.840.10008.1.2.1.99", true);
told("explicit, Uint8Array:", new Uint8Array(plain));
told("explicit, Buffer:", plain);
told("deflated, Uint8Array:", new Uint8Array(deflated));
told("deflated, Buffer:", deflated);
EOT
node read.cjs >seen 2>/dev/null
cat seen
cmp -s seen - <<'EOT'
explicit, Uint8Array: 12.34
explicit, Buffer: 12.34
deflated, Uint8Array: TypeError copy is not a function
deflated, Buffer: 12.34
EOT
