"""Writes what the lab holds itself against: the part of botocore's models that concerns the operations it serves.

    python3 tests/wire/extract.py FOLDER [WHERE]

FOLDER is `src/lab/model`: its `SERVICE.txt` files name the operations, and the extracts are written beside them, or
into WHERE. botocore is licensed under the Apache License 2.0; nothing of its documentation is taken.
"""

import json
import pathlib
import sys

import botocore
import botocore.loaders

LIMITS = ("enum", "min", "max", "pattern")


def operations(folder, service):
    """The operations that the lab serves: what begins a line of its table."""
    lines = (folder / f"{service}.txt").read_text().splitlines()
    return sorted(line.split()[0] for line in lines if line and line[0].isupper())


class Extract:
    """The operations of a service and all shapes that they reach."""

    def __init__(self, service):
        self.model = botocore.loaders.Loader().load_service_model(service, "service-2")
        self.shapes = {}

    def shape(self, name):
        """A shape's name; what has no limits goes by its type alone."""
        given = self.model["shapes"][name]
        kind, limits = given["type"], {key: given[key] for key in LIMITS if key in given}
        if kind not in ("structure", "list", "map") and not limits:
            return kind
        if name not in self.shapes:
            made = self.shapes[name] = {"type": kind, **limits}
            if given.get("document"):
                made["document"] = True
            if kind == "structure":
                self.members(made, given)
            elif kind == "list":
                made["member"] = self.shape(given["member"]["shape"])
            elif kind == "map":
                made["key"], made["value"] = (self.shape(given[part]["shape"]) for part in ("key", "value"))
        return name

    def members(self, made, given):
        if given.get("required"):
            made["required"] = given["required"]
        made["members"] = {name: self.shape(member["shape"]) for name, member in given["members"].items()}
        places = {
            name: f"{member['location']}:{member.get('locationName', name)}"
            for name, member in given["members"].items()
            if "location" in member
        }
        if places:
            made["places"] = places
        if "payload" in given:
            made["payload"] = given["payload"]

    def operation(self, name):
        given = self.model["operations"][name]
        made = {side: self.shape(given[side]["shape"]) for side in ("input", "output") if side in given}
        made["errors"] = dict(sorted(map(self.error, given.get("errors", []))))
        return made

    def error(self, given):
        """A code and its HTTP status; 0 where the model tells none."""
        trait = self.model["shapes"][given["shape"]].get("error", {})
        return trait.get("code", given["shape"]), trait.get("httpStatusCode", 0)

    def whole(self, names):
        made = {name: self.operation(name) for name in names}
        version = self.model["metadata"]["apiVersion"]
        return {"botocore": botocore.__version__, "version": version, "operations": made, "shapes": self.shapes}


def text(extract):
    """JSON with a line for each operation and each shape, so that a new version reads well as a difference."""
    lines = []
    for key, value in extract.items():
        if isinstance(value, dict):
            inner = [f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in sorted(value.items())]
            lines.append(f" {json.dumps(key)}: {{\n" + ",\n".join(inner) + "\n }")
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def write(folder, where):
    for table in sorted(folder.glob("*.txt")):
        made = Extract(table.stem).whole(operations(folder, table.stem))
        (where / f"{table.stem}.json").write_text(text(made))


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[-1]))
