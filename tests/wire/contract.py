"""Every answer and every refusal of the lab, held against botocore's models.

The lab holds what goes out of it against the same models, as far as its members go (see `src/lab/api/contract.rs`);
what is held here is the bytes, and that each operation the lab serves is called at all.
"""

import functools
import json
import os
import pathlib
import tempfile
import unittest
import urllib.request
import xml.etree.ElementTree as xml

import botocore.loaders
import botocore.model

import calls
import clients
import extract
import refusals

FOLDER = pathlib.Path(__file__).parents[2] / "src/lab/model"
HERE = {"subnet": "subnet-0lab0a", "subnet2": "subnet-0lab0b", "vpc": "vpc-0lab", "firewall": "sg-0lab"}
HERE |= {"certificate": f"arn:aws:acm:{clients.REGION}:{calls.ACCOUNT}:certificate/calls"}
NUMBERS = {"integer": int, "long": int, "float": (int, float), "double": (int, float)}

made = None  # what came of all calls, set by setUpModule
served = None


def start():
    """Starts a lab for one module's calls, with the calendar that they read; its endpoint."""
    os.environ.update(clients.CREDENTIALS)
    endpoint, process = clients.start()
    unittest.addModuleCleanup(clients.stop, process)
    opened = urllib.request.Request(f"{endpoint}/_lab/calendar?name=calls&value=open", method="POST")
    urllib.request.urlopen(opened).read()
    return endpoint


def setUpModule():
    global made, served
    endpoint = start()
    with urllib.request.urlopen(f"{endpoint}/_lab/operations") as answer:
        served = json.load(answer)
    caller = calls.Caller(endpoint, HERE)
    made = [caller.make(call) for call in calls.MADE + refusals.REFUSED + calls.GONE]


class Strict:
    """Holds the bytes of an answer against the shapes of its model."""

    def __init__(self, operation):
        self.operation, self.breaches = operation, []
        self.is_query = operation.service_model.resolved_protocol == "query"

    def say(self, path, what):
        self.breaches.append(f"{self.operation.name} {path}: {what}")

    def answer(self, raw):
        shape = self.operation.output_shape
        if shape is None:
            return
        if self.operation.service_model.resolved_protocol in ("json", "rest-json"):
            body = json.loads(raw["body"] or b"{}")
            return self.json(shape, body, "")
        if shape.serialization.get("payload") or not raw["body"]:
            return self.headers(shape, raw)
        root = xml.fromstring(raw["body"])
        if self.is_query:
            root = root.find("{*}" + shape.serialization["resultWrapper"])
            if root is None:
                return self.say("", "there is no result in its wrapper")
        self.headers(shape, raw)
        self.xml(shape, root, "")

    def headers(self, shape, raw):
        """What is required is there, whether in a header or in the body."""
        known = {member.serialization.get("name", name).lower() for name, member in shape.members.items()
                 if member.serialization.get("location") == "header"}
        for name in raw["headers"]:
            if name.lower().startswith("x-amz-") and not name.lower().startswith(("x-amz-request-id", "x-amz-meta-")):
                if name.lower() not in known:
                    self.say(name, "the model has no such header")

    def json(self, shape, value, path):
        kind = shape.type_name
        if value is None:
            return self.say(path, "null is told")
        if kind == "structure":
            if not isinstance(value, dict):
                return self.say(path, f"{value} is no structure")
            for name in shape.required_members:
                if name not in value:
                    self.say(f"{path}.{name}", "it is required and not told")
            for name, one in value.items():
                if name in shape.members:
                    self.json(shape.members[name], one, f"{path}.{name}")
                else:
                    self.say(f"{path}.{name}", "the model has no such member")
        elif kind == "list":
            for one in value if isinstance(value, list) else [None]:
                self.json(shape.member, one, f"{path}[]")
        elif kind == "map":
            for name, one in value.items():
                self.json(shape.value, one, f"{path}.{name}")
        elif kind == "timestamp":
            iso = shape.serialization.get("timestampFormat") == "iso8601"
            if isinstance(value, bool) or not isinstance(value, str if iso else (int, float)):
                self.say(path, f"{value!r} is no moment as this protocol tells it")
        else:
            expected = NUMBERS.get(kind, {"string": str, "boolean": bool, "blob": str}.get(kind))
            if not isinstance(value, expected) or (kind in NUMBERS and isinstance(value, bool)):
                self.say(path, f"{value!r} is no {kind}")
            self.word(shape, value, path)

    def xml(self, shape, node, path):
        if shape.type_name == "structure":
            in_body = {name: one for name, one in shape.members.items() if "location" not in one.serialization}
            names = {self.name(name, member): (name, member) for name, member in in_body.items()}
            there = set()
            for child in node:
                tag = child.tag.split("}")[-1]
                if tag not in names:
                    self.say(f"{path}.{tag}", "the model has no such member")
                    continue
                name, member = names[tag]
                there.add(name)
                flat = member.serialization.get("flattened")
                self.xml(member.member if flat and member.type_name == "list" else member, child, f"{path}.{tag}")
            for name in shape.required_members:
                if name in in_body and name not in there:
                    self.say(f"{path}.{name}", "it is required and not told")
        elif shape.type_name == "list":
            expected = shape.member.serialization.get("name", "member")
            for child in node:
                if child.tag.split("}")[-1] != expected:
                    self.say(path, f"an element of it is called {child.tag}, not {expected}")
                self.xml(shape.member, child, f"{path}[]")
        elif shape.type_name != "map":
            self.scalar(shape, node.text or "", path)

    def name(self, name, member):
        flat = member.type_name == "list" and member.serialization.get("flattened")
        inner = member.member.serialization.get("name") if flat else None
        return inner or member.serialization.get("name", name)

    def scalar(self, shape, text, path):
        try:
            {"integer": int, "long": int, "float": float, "double": float}.get(shape.type_name, str)(text)
        except ValueError:
            self.say(path, f"{text!r} is no {shape.type_name}")
        if shape.type_name == "boolean" and text not in ("true", "false"):
            self.say(path, f"{text!r} is no {shape.type_name}")
        if shape.type_name == "timestamp" and not (text[:2].isdigit() and text.endswith("Z")):
            self.say(path, f"{text!r} is no moment as this protocol tells it")
        self.word(shape, text, path)

    def word(self, shape, value, path):
        if getattr(shape, "enum", None) and value not in shape.enum and (path.split(".")[-1], value) not in OPEN:
            self.say(path, f"{value!r} is none of {shape.enum}")


# What AWS's documentation says and its model does not: the description of `ServiceDeployment`.
OPEN = {("lifecycleStage", "PRE_PRODUCTION_TRAFFIC_SHIFT")}


@functools.cache
def model(service):
    return botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model(service, "service-2"), service)


class Contract(clients.Case):
    def test_the_extracts_are_those_of_this_botocore(self):
        with tempfile.TemporaryDirectory() as folder:
            extract.write(FOLDER, pathlib.Path(folder))
            for anew in sorted(pathlib.Path(folder).iterdir()):
                had = (FOLDER / anew.name).read_text()
                self.assertTrue(had == anew.read_text(), f"{anew.name}: run tests/wire/extract.py src/lab/model")

    def test_every_operation_that_the_lab_serves_is_called_and_answers(self):
        every = {(service, name) for service, names in served.items() for name in names}
        answered = {(one.call.service, one.call.operation) for one in made if one.code == "OK"}
        self.assertEqual(every - answered, set(), "calls.py calls what the lab serves")
        wrong = [f"{one.call.service} {one.call.operation}: {one.code} {one.message}"
                 for one in made if not one.call.code and one.code != "OK"]
        self.assertEqual(wrong, [])

    def test_every_answer_is_one_that_its_model_allows(self):
        breaches = set()
        for one in made:
            if one.code == "OK":
                strict = Strict(model(one.call.service).operation_model(one.call.operation))
                strict.answer(one.raw)
                breaches.update(strict.breaches)
        self.assertEqual(sorted(breaches), [])

    def test_what_aws_refuses_is_refused_with_its_code(self):
        wrong = [
            f"{one.call.operation} with {one.call.why}: {one.code or 'not called'}, not {one.call.code} ({one.message})"
            for one in made
            if one.call.code and one.code != one.call.code
        ]
        self.assertEqual(wrong, [])

    def test_every_refusal_says_something_and_has_an_id(self):
        for one in made:
            if one.call.code and one.raw:
                self.assertTrue(one.message, one.call)
                headers = {name.lower() for name in one.raw["headers"]}
                self.assertTrue(headers & {"x-amzn-requestid", "x-amz-request-id"}, one.call)


if __name__ == "__main__":
    unittest.main(verbosity=2)
