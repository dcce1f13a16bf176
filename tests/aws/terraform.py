"""Makes terraform.json anew: the arguments that Terraform's AWS provider knows of the resources that `init` prints.

    python3 tests/aws/terraform.py

It takes npm's @cdktf/provider-aws, which is made of the provider's own schema, through `npm pack`.
"""

import json
import pathlib
import re
import subprocess
import tarfile
import tempfile

HERE = pathlib.Path(__file__).parent
PACKAGE = "@cdktf/provider-aws@21.22.1"
RESOURCES = {
    "aws_lb_target_group": "lb-target-group",
    "aws_lb_listener_rule": "lb-listener-rule",
    "aws_ecs_service": "ecs-service",
}
# What every resource has.
META = {"connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioner"}


def arguments(text, start):
    """The attributes of one synthesizing function: each simple type, or the function of its block."""
    body = text[start : text.index("return", text.index("const attrs = {", start))]
    found = {}
    for name, entry in re.findall(r"^ {8,12}(\w+): \{\n(.*?)^ {8,12}\},", body, re.S | re.M):
        block = re.search(r"(\w+)ToHclTerraform, ?true|listMapperHcl\((\w+?)ToHclTerraform", entry) or re.search(
            r"value: (\w+)ToHclTerraform\(", entry
        )
        kind = re.search(r'storageClassType: "(\w+)"', entry)
        if "isBlock: true" in entry and block:
            inner = next(part for part in block.groups() if part)
            found[name] = block_of(text, inner)
        else:
            found[name] = kind[1] if kind else "string"
    return found


def block_of(text, name):
    return arguments(text, text.index(f"function {name}ToHclTerraform("))


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", PACKAGE], cwd=folder, check=True, capture_output=True)
        archive = tarfile.open(next(pathlib.Path(folder).glob("*.tgz")))
        read = lambda path: archive.extractfile(f"package/{path}").read().decode()
        version = re.search(r"hashicorp/aws provider version ([\d.]+)", read("README.md"))[1]
        resources = {}
        for resource, module in RESOURCES.items():
            text = read(f"lib/{module}/index.js")
            known = arguments(text, text.index("synthesizeHclAttributes()"))
            resources[resource] = {name: kind for name, kind in known.items() if name not in META}
    made = {"source": f"{PACKAGE}, hashicorp/aws {version}", "resources": resources}
    (HERE / "terraform.json").write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
