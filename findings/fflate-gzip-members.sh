#!/bin/bash
# gzip may hold several members one after the other (RFC 1952, 2.2), as pigz, bgzip and
# `cat a.gz b.gz` make it, and tapes pad it with zeros. fflate 0.8.2 reads the length
# of the result from the file's last four bytes and decodes one member into it: of two
# members it gives the first alone, and of one with 512 zeros behind it nothing at
# all, an empty array, without an error. Its streaming Gunzip gives the first member.
# node's zlib and pako 2.1.0 give all of it.
#
# Seen with node 20 (bytes out of two members of 1,000, one member and zeros, two
# members and zeros): see the end of this file.
set -u
command -v node >/dev/null && command -v npm >/dev/null || exit 77
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
npm init -y >/dev/null 2>&1
npm install --no-audit --no-fund --ignore-scripts fflate@0.8.2 pako@2.1.0 \
	>/dev/null 2>&1 || exit 77
cat >lengths.mjs <<'EOT'
import zlib from "zlib";
import { gunzipSync, Gunzip } from "fflate";
import pako from "pako";

const one = zlib.gzipSync(Buffer.alloc(1000, 1));
const two = Buffer.concat([one, zlib.gzipSync(Buffer.alloc(1000, 2))]);
const zeros = Buffer.alloc(512);
const inputs = [two, Buffer.concat([one, zeros]), Buffer.concat([two, zeros])];
const streamed = (bytes) => {
  let n = 0;
  new Gunzip((part) => { n += part.length; }).push(bytes, true);
  return n;
};
const readers = {
  "zlib": (b) => zlib.gunzipSync(b).length,
  "pako": (b) => pako.ungzip(b).length,
  "fflate.gunzipSync": (b) => gunzipSync(b).length,
  "fflate.Gunzip": streamed,
};
for (const [name, read] of Object.entries(readers))
  console.log(name, ...inputs.map(read));
EOT
node lengths.mjs >seen
cat seen
cmp -s seen - <<'EOT'
zlib 2000 1000 2000
pako 2000 1000 2000
fflate.gunzipSync 1000 0 0
fflate.Gunzip 1000 1000 1000
EOT
