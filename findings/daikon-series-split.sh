#!/bin/bash
# What a series is says its Series Instance UID (0020,000E). daikon 1.2.46 has
# Series.matchesSeries() to sort files into series, and it asks for more: Series Number,
# Series Description, echo number, rows and columns must be equal, too. So one series
# whose images name two numbers, as exports of workstations do, or two echoes, as a field
# map's does, is two series to it, and so is one of whose images one has no description. No
# warning says so; each part is ordered and shown as if it were whole. Who counts series
# by daikon gets other figures than the headers' UIDs give.
set -u
command -v node >/dev/null && command -v npm >/dev/null || exit 77
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
npm init -y >/dev/null 2>&1
npm install --no-audit --no-fund --ignore-scripts daikon@1.2.46 >/dev/null 2>&1 || exit 77
cat >series.cjs <<'EOJ'
const daikon = require("daikon");
const element = (group, number, vr, value) => {
  const odd = typeof value === "string" && value.length % 2;
  const bytes = typeof value === "number" ? Buffer.from([value, 0]) :
    Buffer.from(odd ? value + (vr === "UI" ? "\0" : " ") : value, "latin1");
  const head = Buffer.alloc(vr === "OW" ? 12 : 8);
  head.writeUInt16LE(group, 0);
  head.writeUInt16LE(number, 2);
  head.write(vr, 4);
  if (vr === "OW") head.writeUInt32LE(bytes.length, 8);
  else head.writeUInt16LE(bytes.length, 6);
  return Buffer.concat([head, bytes]);
};
const image = (number, of) => {
  const sopClass = "1.2.840.10008.5.1.4.1.1.4", instance = `2.25.9${number}`;
  const meta = Buffer.concat([element(2, 2, "UI", sopClass), element(2, 3, "UI", instance),
    element(2, 0x10, "UI", "1.2.840.10008.1.2.1")]);
  return Buffer.concat([Buffer.alloc(128), Buffer.from("DICM"),
    element(2, 0, "UL", Buffer.from([meta.length, 0, 0, 0])), meta,
    element(8, 0x16, "UI", sopClass), element(8, 0x18, "UI", instance),
    element(8, 0x60, "CS", "MR"), ...(of.text ? [element(8, 0x103e, "LO", of.text)] : []),
    element(0x10, 0x20, "LO", "P"), element(0x18, 0x86, "IS", of.echo || "1"),
    element(0x20, 0xd, "UI", "2.25.3"), element(0x20, 0xe, "UI", of.uid || "2.25.4"),
    element(0x20, 0x11, "IS", of.series || "5"), element(0x20, 0x13, "IS", String(number)),
    element(0x20, 0x32, "DS", `0\\0\\${number}`),
    element(0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0"), element(0x28, 2, "US", 1),
    element(0x28, 4, "CS", "MONOCHROME2"), element(0x28, 0x10, "US", 2),
    element(0x28, 0x11, "US", 2), element(0x28, 0x100, "US", 16),
    element(0x28, 0x101, "US", 16), element(0x28, 0x102, "US", 15),
    element(0x28, 0x103, "US", 0), element(0x7fe0, 0x10, "OW", Buffer.alloc(8))]);
};
// Each image goes to the first series that it matches.
const sorted = (odd) => {
  const all = [];
  for (let i = 1; i <= 4; i++) {
    const file = image(i, i === 3 ? odd : { text: "T1" });
    const got = daikon.Series.parseImage(new DataView(Uint8Array.from(file).buffer));
    let series = all.find((s) => s.matchesSeries(got));
    if (!series) all.push(series = new daikon.Series());
    series.addImage(got);
  }
  return all.map((s) => s.images.length).join(" and ");
};
console.log("all alike:", sorted({ text: "T1" }));
console.log("another UID:", sorted({ text: "T1", uid: "2.25.5" }));
console.log("another number:", sorted({ text: "T1", series: "6" }));
console.log("another echo:", sorted({ text: "T1", echo: "2" }));
console.log("no description:", sorted({}));
EOJ
node series.cjs >seen 2>&1
cat seen
cmp -s seen - <<'EOT'
all alike: 4
another UID: 3 and 1
another number: 3 and 1
another echo: 3 and 1
no description: 3 and 1
EOT
