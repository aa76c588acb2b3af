# asl-lint.jq: what asl-validator lets pass and Step Functions does not, and what
# imgpipe's own state machine keeps to.  One text for each fault, in an array.
def machines: .. | objects | select(has("StartAt") and has("States"));
def named: machines | .States | to_entries[] | {name: .key} + .value;
def stages: [.States.Files.ItemProcessor.States | to_entries[] | {name: .key} + .value];

[
  (named | select(.Type == "Task") |
    (select(has("TimeoutSeconds") | not) | "\(.name): no TimeoutSeconds"),
    (select(has("Retry") | not) | "\(.name): no Retry"),
    (select([has("Parameters", "ResultSelector", "InputPath", "OutputPath")] | any) |
      "\(.name): not the whole record"),
    (select(has("ResultPath") and .ResultPath != null) | "\(.name): ResultPath of a Task"),
    (select((.Resource | type) != "string" or (.Resource | test("^\\$\\{\\w+FunctionArn\\}$") | not)) |
      "\(.name): Resource is no substitution"),
    (select(.QueryLanguage == "JSONata" or has("Arguments") or has("Output") or has("Assign")) |
      "\(.name): not JSONPath")),
  (stages[] | select(.Type == "Task" and (has("Catch") | not)) | "\(.name): no Catch"),
  (named | . as $s | (.Retry // [] | .[]), (.Catch // [] | .[]) |
    select((.ErrorEquals | index("States.ALL")) and (.ErrorEquals | length) > 1) |
    "\($s.name): States.ALL is not alone"),
  (named | . as $s | (.Retry // empty), (.Catch // empty) |
    select(.[:-1] | any(.ErrorEquals | index("States.ALL"))) |
    "\($s.name): States.ALL is not last"),
  (named | . as $s | .Retry // [] | .[] |
    (select((.BackoffRate // 2) < 1) | "\($s.name): BackoffRate below 1"),
    (select((.IntervalSeconds // 1) < 1) | "\($s.name): IntervalSeconds below 1"),
    (select(.MaxAttempts == null or .MaxAttempts > 99999999) | "\($s.name): MaxAttempts")),
  (named | . as $s | [.. | objects] | .[] |
    select(.IsPresent == false or .IsNull == false) | "\($s.name): IsPresent or IsNull: false"),
  (named | select(.Type == "Map" and (.MaxConcurrency // 0) < 1) | "\(.name): no MaxConcurrency"),
  (select(has("TimeoutSeconds") | not) | "no TimeoutSeconds"),
  (.States.Files.ItemProcessor.States.Lookup.Retry[0] |
    select((.ErrorEquals | index("NotFound") | not) or .IntervalSeconds != 30 or
      .MaxAttempts != 30 or .BackoffRate != 1) | "Lookup: not every 30 s for 15 minutes"),
  (select((. | tojson | length) > 1048576) | "over 1 MiB")
] | sort
