"""Makes src/cloud/alb/task_definition.txt anew: the fields of a task definition, and what each may hold.

    pip install botocore && python3 tests/aws/task_definition.py

Each line is a shape of RegisterTaskDefinition in botocore's model of ECS, with its fields as `name=kind`. A kind is
`text`, `whole`, `number`, `flag`, another shape, a list of one of these in `[]`, or names and texts in `<>`; for text of
which only some words are known, `text(A|B)`. A `!` is behind what is required.
"""

import pathlib

import botocore
from botocore.loaders import Loader
from botocore.model import ServiceModel

MADE = pathlib.Path(__file__).parent.parent.parent / "src/cloud/alb/task_definition.txt"
PLAIN = {"string": "text", "integer": "whole", "long": "whole", "double": "number", "float": "number", "boolean": "flag"}


def kind(shape, shapes):
    if shape.type_name == "list":
        return f"[{kind(shape.member, shapes)}]"
    if shape.type_name == "map":
        return f"<{kind(shape.value, shapes)}>"
    if shape.type_name == "structure":
        visit(shape.name, shape, shapes)
        return shape.name
    if getattr(shape, "enum", None):
        return f"text({'|'.join(shape.enum)})"
    return PLAIN[shape.type_name]


def visit(name, shape, shapes):
    if name in shapes:
        return
    shapes[name] = ""
    fields = []
    for field, inner in shape.members.items():
        needed = "!" if field in shape.required_members else ""
        fields.append(f"{field}={kind(inner, shapes)}{needed}")
    shapes[name] = " ".join(fields)


def main():
    model = ServiceModel(Loader().load_service_model("ecs", "service-2"))
    shapes = {}
    visit("TaskDefinition", model.operation_model("RegisterTaskDefinition").input_shape, shapes)
    lines = [f"# botocore {botocore.__version__}: tests/aws/task_definition.py makes this file"]
    lines += [f"{name}: {fields}" for name, fields in shapes.items()]
    MADE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
