#!/usr/bin/python3
"""openapi.py SPEC request|answer PATH [FILE ...]

Hold what goes over the wire against an OpenAPI 3.1 description.

request: each FILE, or standard input, is JSON, checked against the body's
schema.  answer: it is what a CGI program wrote, or a server with `curl -i`:
status, headers and body are checked against the response of that status.

Schemas are of JSON Schema 2020-12; a keyword that is not known here is an error,
so that nothing in a description goes unchecked.
"""
import json
import re
import sys

IGNORED = {"description", "deprecated", "title"}


class Bad(Exception):
    pass


def same(a, b):
    return type(a) is type(b) and a == b


def is_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, {"object": dict, "array": list, "string": str,
                              "boolean": bool, "null": type(None)}[name])


class Spec:
    def __init__(self, doc):
        self.doc = doc

    def resolve(self, node):
        while "$ref" in node:
            target = self.doc
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    def check_refs(self, node):
        """Every $ref leads somewhere."""
        if isinstance(node, dict):
            self.resolve(node)
        for child in node.values() if isinstance(node, dict) else \
                node if isinstance(node, list) else []:
            self.check_refs(child)

    def fits(self, value, schema, at):
        try:
            self.check(value, schema, at)
        except Bad:
            return False
        return True

    def check(self, value, schema, at="$"):
        for key, arg in schema.items():
            if key not in IGNORED:
                getattr(self, "on_" + key.replace("$", ""))(value, arg, schema,
                                                            at)

    def on_ref(self, value, arg, schema, at):
        self.check(value, self.resolve({"$ref": arg}), at)

    def on_type(self, value, arg, schema, at):
        names = arg if isinstance(arg, list) else [arg]
        if not any(is_type(value, n) for n in names):
            raise Bad(f"{at}: {json.dumps(value)[:60]} is not {arg}")

    def on_enum(self, value, arg, schema, at):
        if not any(same(value, a) for a in arg):
            raise Bad(f"{at}: {value!r} is none of {arg}")

    def on_const(self, value, arg, schema, at):
        if not same(value, arg):
            raise Bad(f"{at}: {value!r} is not {arg!r}")

    def on_pattern(self, value, arg, schema, at):
        if isinstance(value, str) and not re.search(arg, value):
            raise Bad(f"{at}: {value!r} does not match {arg}")

    def on_minLength(self, value, arg, schema, at):
        if isinstance(value, str) and len(value) < arg:
            raise Bad(f"{at}: shorter than {arg}")

    def on_maxLength(self, value, arg, schema, at):
        if isinstance(value, str) and len(value) > arg:
            raise Bad(f"{at}: longer than {arg}")

    def on_minimum(self, value, arg, schema, at):
        if is_type(value, "number") and value < arg:
            raise Bad(f"{at}: {value} < {arg}")

    def on_maximum(self, value, arg, schema, at):
        if is_type(value, "number") and value > arg:
            raise Bad(f"{at}: {value} > {arg}")

    def on_required(self, value, arg, schema, at):
        for name in arg if isinstance(value, dict) else []:
            if name not in value:
                raise Bad(f"{at}: {name} is missing")

    def on_properties(self, value, arg, schema, at):
        for name in value if isinstance(value, dict) else []:
            if name in arg:
                self.check(value[name], arg[name], f"{at}.{name}")

    def on_additionalProperties(self, value, arg, schema, at):
        if arg is not False:
            raise Bad("additionalProperties other than false")
        for name in value if isinstance(value, dict) else []:
            if name not in schema.get("properties", {}):
                raise Bad(f"{at}: {name} is not foreseen")

    def on_items(self, value, arg, schema, at):
        for i, item in enumerate(value if isinstance(value, list) else []):
            self.check(item, arg, f"{at}[{i}]")

    def on_anyOf(self, value, arg, schema, at):
        if not any(self.fits(value, a, at) for a in arg):
            raise Bad(f"{at}: fits none of anyOf")

    def on_not(self, value, arg, schema, at):
        if self.fits(value, arg, at):
            raise Bad(f"{at}: fits what it must not")


def strict(pairs):
    names = [k for k, _ in pairs]
    if len(set(names)) != len(names):
        raise Bad("a name stands twice in an object")
    return dict(pairs)


def split(raw):
    head, sep, body = raw.replace("\r\n", "\n").partition("\n\n")
    if not sep:
        raise Bad("no end of the header")
    lines = head.split("\n")
    status = 200
    m = re.fullmatch(r"HTTP/[0-9.]+ (\d{3})(?: .*)?", lines[0])
    if m:
        status = int(m[1])
        lines = lines[1:]
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not re.fullmatch(r"[!-9;-~]+", name):
            raise Bad(f"not a header: {line!r}")
        if name.lower() in headers:
            raise Bad(f"{name} stands twice")
        headers[name.lower()] = value.strip()
    if not m and "status" in headers:
        status = int(headers.pop("status").split()[0])
    return status, headers, body


def check_answer(spec, op, raw):
    status, headers, body = split(raw)
    if str(status) not in op["responses"]:
        raise Bad(f"status {status} is not foreseen")
    response = spec.resolve(op["responses"][str(status)])
    for name, header in response.get("headers", {}).items():
        if name.lower() in headers:
            spec.check(headers[name.lower()], header["schema"], name)
        elif header.get("required"):
            raise Bad(f"{name} is missing")
    if headers.get("content-type") not in response["content"]:
        raise Bad(f"Content-Type {headers.get('content-type')}")
    if int(headers.get("content-length", -1)) != len(body.encode()):
        raise Bad("Content-Length is not the body's")
    spec.check(json.loads(body, object_pairs_hook=strict),
               response["content"]["application/json"]["schema"])


def main(argv):
    with open(argv[1], encoding="utf-8") as f:
        spec = Spec(json.load(f, object_pairs_hook=strict))
    spec.check_refs(spec.doc)
    op = spec.doc["paths"][argv[3]]["post"]
    failed = False
    for name in argv[4:] or ["/dev/stdin"]:
        with open(name, encoding="utf-8", newline="") as f:
            raw = f.read()
        try:
            if argv[2] == "request":
                spec.check(json.loads(raw, object_pairs_hook=strict),
                           op["requestBody"]["content"]["application/json"]
                           ["schema"])
            else:
                check_answer(spec, op, raw)
        except (Bad, ValueError) as e:
            print(f"openapi.py: {name}: {e}\n{raw[:2000]}", file=sys.stderr)
            failed = True
    return failed


sys.exit(main(sys.argv))
