#!/usr/bin/env bash
# moto answers UpdateService with the new task definition for the service, and the old one for its only deployment.
#
# On ECS the update begins a deployment of its own, PRIMARY with the new revision, and the one before becomes ACTIVE. Whoever
# waits until the PRIMARY deployment runs the new revision waits for ever against moto; whoever looks at the service
# alone takes a deployment that has not begun for one that is over.
#
# Seen with moto 5.2.5, boto3 1.44.8: service web:2, deployments [PRIMARY web:1].
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q boto3==1.44.8 moto[cloudwatch,elbv2,ecs,scheduler]==5.2.5 || exit 2
seen=$("$folder/venv/bin/python" - <<'PY'
import os
os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_DEFAULT_REGION="eu-west-1")
import boto3
from moto import mock_aws
with mock_aws():
    ecs = boto3.client("ecs")
    ecs.create_cluster(clusterName="prod")
    for _ in range(2):
        ecs.register_task_definition(family="web", containerDefinitions=[dict(name="web", image="web", memory=64)])
    ecs.create_service(cluster="prod", serviceName="web", taskDefinition="web:1", desiredCount=1)
    ecs.update_service(cluster="prod", service="web", taskDefinition="web:2")
    service = ecs.describe_services(cluster="prod", services=["web"])["services"][0]
    revision = lambda of: of["taskDefinition"].split("/")[-1]
    print("service", revision(service))
    for deployment in service["deployments"]:
        print(deployment["status"], revision(deployment))
PY
) || exit 2
echo "moto 5.2.5, boto3 1.44.8"
echo "$seen"
[ "$seen" = "service web:2
PRIMARY web:1" ] || { echo "changed: an update begins a deployment"; exit 1; }
