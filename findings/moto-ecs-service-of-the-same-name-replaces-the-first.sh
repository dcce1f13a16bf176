#!/usr/bin/env bash
# moto takes a second CreateService of one name, and the new service stands in the place of the first.
#
# botocore 1.44.8 says of serviceName: "Service names must be unique within a cluster", and ECS refuses the call. A tool that
# makes a service without a look whether it is there passes its tests, and what the first service was is lost without a word.
#
# Seen with moto 5.2.5, boto3 1.44.8: one service, with the revision and the count of the second call.
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
    ecs.create_cluster(clusterName="prod")
    for count in (2, 5):
        container = dict(name="app", image=f"example/web:{count}", memory=128)
        ecs.register_task_definition(family="web", containerDefinitions=[container])
    ecs.create_service(cluster="prod", serviceName="web", taskDefinition="web:1", desiredCount=2)
    ecs.create_service(cluster="prod", serviceName="web", taskDefinition="web:2", desiredCount=5)
    print("listed:", len(ecs.list_services(cluster="prod")["serviceArns"]))
    for service in ecs.describe_services(cluster="prod", services=["web"])["services"]:
        print(service["taskDefinition"].split("/")[1], service["desiredCount"])
    shape = ecs.meta.service_model.operation_model("CreateService").input_shape
    print("documented:", "must be unique within a cluster" in shape.members["serviceName"].documentation)
PY
) || exit 2
echo "moto 5.2.5, boto3 1.44.8"
echo "$seen"
[ "$seen" = "listed: 1
web:2 5
documented: True" ] || { echo "changed: the second service is refused, or stands beside the first"; exit 1; }
