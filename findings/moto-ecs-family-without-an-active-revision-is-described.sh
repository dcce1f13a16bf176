#!/usr/bin/env bash
# moto describes a family's newest revision by the family's name, although no revision of it is ACTIVE.
#
# botocore 1.44.8 says of DescribeTaskDefinition's taskDefinition that a family stands for its latest ACTIVE revision, and ECS
# refuses the call where there is none. What a tool does for a family whose revisions were all deregistered, as Terraform does
# with old ones, cannot be tried against moto.
#
# Seen with moto 5.2.5, boto3 1.44.8: the family is web:1, INACTIVE.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q boto3==1.44.8 moto[ecs]==5.2.5 || exit 2
seen=$("$folder/venv/bin/python" - <<'PY'
import os
os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_DEFAULT_REGION="eu-west-1")
import boto3
from moto import mock_aws
with mock_aws():
    ecs = boto3.client("ecs")
    container = dict(name="app", image="example/web:1", memory=128)
    ecs.register_task_definition(family="web", containerDefinitions=[container])
    ecs.deregister_task_definition(taskDefinition="web:1")
    described = ecs.describe_task_definition(taskDefinition="web")["taskDefinition"]
    print("described:", described["taskDefinitionArn"].split("/")[1], described["status"])
    shape = ecs.meta.service_model.operation_model("DescribeTaskDefinition").input_shape
    print("documented:", "latest <code>ACTIVE</code> revision" in shape.members["taskDefinition"].documentation)
PY
) || exit 2
echo "moto 5.2.5, boto3 1.44.8"
echo "$seen"
[ "$seen" = "described: web:1 INACTIVE
documented: True" ] || { echo "changed: the family is refused, or the documentation says otherwise"; exit 1; }
