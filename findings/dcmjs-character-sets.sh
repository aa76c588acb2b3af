#!/bin/bash
# Specific Character Set (0008,0005) has several values in each file with code
# extensions (PS3.3 C.12.1.1.2), as Japanese and Korean devices write them. dcmjs
# 0.33.0 refuses to read such a file at all, for any of its elements, even where every
# text in it is plain ASCII: "Using multiple character sets is not supported". With
# the option ignoreErrors it reads. dicom-parser 1.8.21 reads the file.
set -u
command -v node >/dev/null && command -v npm >/dev/null || exit 77
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
npm init -y >/dev/null 2>&1
npm install --no-audit --no-fund --ignore-scripts dcmjs@0.33.0 \
	dicom-parser@1.8.21 >/dev/null 2>&1 || exit 77
cat >read.cjs <<'EOT'
const dcmjs = require("dcmjs");
const parser = require("dicom-parser");

const element = (group, number, vr, value) => {
  const text = Buffer.from(value, "latin1"), head = Buffer.alloc(8);
  const padded = text.length % 2 ? Buffer.concat([text,
    Buffer.from(vr === "UI" ? "\0" : " ")]) : text;
  head.writeUInt16LE(group, 0);
  head.writeUInt16LE(number, 2);
  head.write(vr, 4);
  head.writeUInt16LE(padded.length, 6);
  return Buffer.concat([head, padded]);
};
const sopClass = "1.2.840.10008.5.1.4.1.1.7", instance = "2.25.1";
const file = (charset) => {
  const meta = Buffer.concat([element(2, 2, "UI", sopClass),
    element(2, 3, "UI", instance), element(2, 0x10, "UI", "1.2.840.10008.1.2.1")]);
  const length = element(2, 0, "UL", "1234");
  length.writeUInt32LE(meta.length, 8);
  return Buffer.concat([Buffer.alloc(128), Buffer.from("DICM"), length, meta,
    element(8, 5, "CS", charset), element(8, 0x16, "UI", sopClass),
    element(8, 0x18, "UI", instance), element(0x12, 0x71, "LO", "12.34")]);
};
const bytes = (b) => b.buffer.slice(b.byteOffset, b.byteOffset + b.length);
const told = (what, read) => {
  try { console.log(what, read()); } catch (e) { console.log(what, e.message); }
};
for (const charset of ["ISO_IR 100", "ISO 2022 IR 13\\ISO 2022 IR 87"]) {
  const f = file(charset);
  const id = (options) => dcmjs.data.DicomMessage.readFile(bytes(f), options)
    .dict["00120071"].Value[0];
  told("dcmjs", () => id({}));
  told("dcmjs, ignoreErrors", () => id({ ignoreErrors: true }));
  told("dicom-parser", () => parser.parseDicom(new Uint8Array(f)).string("x00120071"));
}
EOT
node read.cjs 2>/dev/null | grep -v '^\[' >seen
cat seen
cmp -s seen - <<'EOT'
dcmjs 12.34
dcmjs, ignoreErrors 12.34
dicom-parser 12.34
dcmjs Using multiple character sets is not supported: ISO 2022 IR 13,ISO 2022 IR 87
dcmjs, ignoreErrors 12.34
dicom-parser 12.34
EOT
