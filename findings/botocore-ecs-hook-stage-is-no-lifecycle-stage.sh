#!/usr/bin/env bash
# A deployment of ECS can be paused by a hook at a stage that the list of its stages does not have.
#
# DeploymentLifecycleHookStage, where hooks may stand, has PRE_PRODUCTION_TRAFFIC_SHIFT. ServiceDeploymentLifecycleStage, what
# DescribeServiceDeployments says of where a deployment is, has not. A client that is generated from the model meets
# an unknown value, or never sees the pause that it asked for.
#
# Seen with botocore 1.44.8: that stage is the only one of the hooks' that is missing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q botocore==1.44.8 || exit 2
seen=$("$folder/venv/bin/python" - <<'PY'
from botocore.loaders import Loader
shapes = Loader().load_service_model("ecs", "service-2")["shapes"]
hooks = set(shapes["DeploymentLifecycleHookStage"]["enum"])
stages = set(shapes["ServiceDeploymentLifecycleStage"]["enum"])
print(sorted(hooks - stages))
PY
) || exit 2
echo "botocore 1.44.8"
echo "$seen"
[ "$seen" = "['PRE_PRODUCTION_TRAFFIC_SHIFT']" ] || { echo "changed: the two lists agree"; exit 1; }
