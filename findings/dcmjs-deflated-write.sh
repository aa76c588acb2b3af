#!/bin/bash
# dcmjs 0.51.1 reads a file of the deflated transfer syntax (1.2.840.10008.1.2.1.99),
# and its write() gives one back whose meta information still says deflated while the
# data set behind it is plain: no reader takes it, dcmjs itself included ("invalid
# stored block lengths"). No error is raised when it is written. So whoever reads,
# changes one element and writes, as browsers' anonymizers do, loses such a file;
# one of the plain syntaxes comes back right.
set -u
command -v node >/dev/null && command -v npm >/dev/null || exit 77
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
npm init -y >/dev/null 2>&1
npm install --no-audit --no-fund --ignore-scripts dcmjs@0.51.1 >/dev/null 2>&1 ||
	exit 77
cat >rewrite.cjs <<'EOT'
const zlib = require("zlib");
const dcmjs = require("dcmjs");
dcmjs.log.setLevel("silent");

const element = (group, number, vr, value) => {
  const pad = vr === "UI" ? "\0" : " ";
  const bytes = Buffer.from(value.length % 2 ? value + pad : value, "latin1");
  const head = Buffer.alloc(8);
  head.writeUInt16LE(group, 0);
  head.writeUInt16LE(number, 2);
  head.write(vr, 4);
  head.writeUInt16LE(bytes.length, 6);
  return Buffer.concat([head, bytes]);
};
const sopClass = "1.2.840.10008.5.1.4.1.1.7";
const data = Buffer.concat([element(8, 0x16, "UI", sopClass),
  element(8, 0x18, "UI", "2.25.1"), element(0x12, 0x71, "LO", "12.34")]);
const file = (syntax, body) => {
  const meta = Buffer.concat([element(2, 2, "UI", sopClass),
    element(2, 3, "UI", "2.25.1"), element(2, 0x10, "UI", syntax)]);
  const length = element(2, 0, "UL", "1234");
  length.writeUInt32LE(meta.length, 8);
  return Buffer.concat([Buffer.alloc(128), Buffer.from("DICM"), length, meta, body]);
};
const read = (b) => dcmjs.data.DicomMessage.readFile(
  b.buffer.slice(b.byteOffset, b.byteOffset + b.length));
const id = (dataset) => dataset.dict["00120071"].Value[0];
const attempt = (what, f) => {
  try {
    console.log(`${what}: ${f()}`);
  } catch (e) {
    console.log(`${what}: error`);
  }
};
for (const [name, bytes] of [
  ["plain", file("1.2.840.10008.1.2.1", data)],
  ["deflated", file("1.2.840.10008.1.2.1.99", zlib.deflateRawSync(data))]]) {
  attempt(`${name}, read`, () => id(read(bytes)));
  const again = Buffer.from(read(bytes).write());
  console.log(`${name}, written: says deflated:`,
    again.includes("1.2.840.10008.1.2.1.99"));
  console.log(`${name}, written: the id stands there plain:`,
    again.includes("12.34"));
  attempt(`${name}, written, read`, () => id(read(again)));
}
EOT
node rewrite.cjs >seen
cat seen
cmp -s seen - <<'EOT'
plain, read: 12.34
plain, written: says deflated: false
plain, written: the id stands there plain: true
plain, written, read: 12.34
deflated, read: 12.34
deflated, written: says deflated: true
deflated, written: the id stands there plain: true
deflated, written, read: error
EOT
