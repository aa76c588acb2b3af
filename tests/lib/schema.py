"""Is JSON as its schema says?

    schema.py SCHEMA <LINES

Prints what is wrong, a line each; "none" where there is no JSON at all.
"""
import json
import sys

import jsonschema

schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
check = jsonschema.Draft202012Validator(schema)
text = sys.stdin.read()
values, at = [], 0
decoder = json.JSONDecoder()
while text[at:].strip():
    at += len(text[at:]) - len(text[at:].lstrip())
    value, at = decoder.raw_decode(text, at)
    values.append(value)
for value in values:
    for e in check.iter_errors(value):
        print("/".join(map(str, e.absolute_path)) + ":", e.message[:200])
if not values:
    print("none")
