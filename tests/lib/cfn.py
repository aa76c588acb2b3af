#!/usr/bin/python3
"""cfn.py [--functions] <template.yaml: a CloudFormation template as JSON.

!Ref X is {"Ref": "X"}, any other !Name is {"Fn::Name": ...}.  With --functions only
{"LookupFunctionArn": {"handler"}, ...}, for asl-run.mjs.
"""
import json
import sys

import yaml


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags."""


def tagged(loader, suffix, node):
    """The long form of a short one."""
    kind = {yaml.ScalarNode: loader.construct_scalar,
            yaml.SequenceNode: loader.construct_sequence,
            yaml.MappingNode: loader.construct_mapping}[type(node)]
    value = kind(node) if isinstance(node, yaml.ScalarNode) else kind(node, True)
    name = suffix if suffix in ("Ref", "Condition") else "Fn::" + suffix
    if name == "Fn::GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name: value}


Loader.add_multi_constructor("!", tagged)
template = yaml.load(sys.stdin, Loader)
if sys.argv[1:] == ["--functions"]:
    template = {name + "Arn": {"handler": r["Properties"]["ImageConfig"]["Command"][0]}
                for name, r in template["Resources"].items()
                if r["Type"] == "AWS::Lambda::Function"}
json.dump(template, sys.stdout, indent=1)
