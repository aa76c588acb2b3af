#!/bin/bash
# dcmjs 0.51.1 has a data set as a JavaScript object whose members bear the standard's
# keywords: naturalizeDataset(), and datasetToBuffer() for the way back. What has no
# keyword of its own does not survive it. Private elements, of sequences' items too, are
# left out; the log says so, at a level that many silence. Of two overlay planes, 6000 and
# 6002, one remains, without a word in the log: it stands in 6000 with its Rows, and has
# the bits of 6002, so another region is marked in the image than before. readFile() and
# write() without names in between lose nothing. Who changes a Patient ID by name in a
# browser changes more than that: a maker's b-values are private elements as well.
set -u
command -v node >/dev/null && command -v npm >/dev/null || exit 77
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
npm init -y >/dev/null 2>&1
npm install --no-audit --no-fund --ignore-scripts dcmjs@0.51.1 >/dev/null 2>&1 ||
	exit 77
cat >names.cjs <<'EOF'
const dcmjs = require("dcmjs");
const { DicomMessage, DicomMetaDictionary, datasetToBuffer } = dcmjs.data;
const said = [];
dcmjs.log.methodFactory = () => (...words) => said.push(words.join(" "));
dcmjs.log.setLevel("warn");

const element = (group, number, vr, value) => {
  const odd = typeof value === "string" && value.length % 2;
  const bytes = Buffer.from(odd ? value + (vr === "UI" ? "\0" : " ") : value, "latin1");
  const long = ["OB", "OW", "SQ"].includes(vr);
  const head = Buffer.alloc(long ? 12 : 8);
  head.writeUInt16LE(group, 0);
  head.writeUInt16LE(number, 2);
  head.write(vr, 4);
  if (long) head.writeUInt32LE(bytes.length, 8);
  else head.writeUInt16LE(bytes.length, 6);
  return Buffer.concat([head, bytes]);
};
const us = (n) => Buffer.from([n, 0]);
const item = (...elements) => {
  const head = Buffer.from("feff00e000000000", "hex");
  const body = Buffer.concat(elements);
  head.writeUInt32LE(body.length, 4);
  return Buffer.concat([head, body]);
};
const overlay = (group, bits) => [
  element(group, 0x10, "US", us(4)), element(group, 0x11, "US", us(4)),
  element(group, 0x40, "CS", "R"), element(group, 0x50, "SS", Buffer.from([1, 0, 1, 0])),
  element(group, 0x100, "US", us(1)), element(group, 0x102, "US", us(0)),
  element(group, 0x3000, "OW", Buffer.from(bits, "hex"))];
const sopClass = "1.2.840.10008.5.1.4.1.1.4";
const body = [element(8, 0x16, "UI", sopClass), element(8, 0x18, "UI", "2.25.1"),
  element(8, 0x60, "CS", "MR"), element(8, 0x1140, "SQ", item(
    element(8, 0x1150, "UI", sopClass), element(8, 0x1155, "UI", "2.25.2"),
    element(9, 0x10, "LO", "MAKER"), element(9, 0x1001, "LO", "inner"))),
  element(0x10, 0x20, "LO", "P"), element(0x19, 0x10, "LO", "MAKER"),
  element(0x19, 0x100c, "IS", "1000"), element(0x20, 0xd, "UI", "2.25.3"),
  element(0x20, 0xe, "UI", "2.25.4"), ...overlay(0x6000, "0ff0"),
  ...overlay(0x6002, "aaaa")];
const meta = Buffer.concat([element(2, 2, "UI", sopClass), element(2, 3, "UI", "2.25.1"),
  element(2, 0x10, "UI", "1.2.840.10008.1.2.1")]);
const length = element(2, 0, "UL", Buffer.from([meta.length, 0, 0, 0]));
const file = Buffer.concat([Buffer.alloc(128), Buffer.from("DICM"), length, meta, ...body]);

const read = (b) => DicomMessage.readFile(
  b.buffer.slice(b.byteOffset, b.byteOffset + b.length));
const tags = (set, above = "") => Object.keys(set).sort().flatMap((tag) => [above + tag,
  ...(set[tag].vr === "SQ" ? set[tag].Value.flatMap((i) => tags(i, `${tag}/`)) : [])]);
const lost = (set) => tags(read(file).dict).filter((t) => !tags(set).includes(t)).join(" ");
const bits = (set) => Buffer.from(set["60003000"].Value[0]).toString("hex");

const before = read(file);
const plain = read(Buffer.from(before.write())).dict;
console.log(`write: lost ${lost(plain) || "nothing"}; overlay ${bits(plain)}`);
const named = DicomMetaDictionary.naturalizeDataset(before.dict);
named._meta = DicomMetaDictionary.namifyDataset(before.meta);
named.PatientID = "Q";
const after = read(Buffer.from(datasetToBuffer(named))).dict;
console.log(`by name: Patient ID ${after["00100020"].Value[0]}`);
console.log(`by name: lost ${lost(after)}; overlay ${bits(after)}`);
console.log("log:", said.sort().join(", "));
EOF
node names.cjs >seen 2>&1
cat seen
cmp -s seen - <<'EOF'
write: lost nothing; overlay 0ff0
by name: Patient ID Q
by name: lost 00081140/00090010 00081140/00091001 00190010 0019100C 60020010 60020011 60020040 60020050 60020100 60020102 60023000; overlay aaaa
log: Unknown name in dataset 00090010 : MAKER, Unknown name in dataset 00091001 : inner, Unknown name in dataset 00190010 : MAKER, Unknown name in dataset 0019100C : 1000
EOF
