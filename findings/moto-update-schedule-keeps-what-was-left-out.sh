#!/usr/bin/env bash
# moto keeps the ActionAfterCompletion of a schedule when UpdateSchedule leaves it out.
#
# The documentation of the operation, in botocore 1.44.8 too, says that a field which is left out goes back to its default,
# and that this is by design. A program that pushes a one-shot schedule on by its time alone loses DELETE on an account and
# leaves fired schedules behind; against moto it does not.
#
# Seen with moto 5.2.5, boto3 1.44.8: DELETE before and after; the default is NONE.
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
    scheduler = boto3.client("scheduler")
    target = dict(Arn="arn:aws:scheduler:::aws-sdk:elasticloadbalancingv2:modifyRule", Input="{}",
                  RoleArn="arn:aws:iam::111122223333:role/switch")
    same = dict(Name="switch", FlexibleTimeWindow=dict(Mode="OFF"), Target=target)
    scheduler.create_schedule(**same, ScheduleExpression="at(2031-01-01T00:00:00)", ActionAfterCompletion="DELETE")
    print("created:", scheduler.get_schedule(Name="switch")["ActionAfterCompletion"])
    scheduler.update_schedule(**same, ScheduleExpression="at(2031-01-01T00:05:00)")
    print("updated:", scheduler.get_schedule(Name="switch")["ActionAfterCompletion"])
    documentation = scheduler.meta.service_model.operation_model("UpdateSchedule").documentation
    print("documented:", "system-default value after the update" in documentation)
PY
) || exit 2
echo "moto 5.2.5, boto3 1.44.8"
echo "$seen"
[ "$seen" = "created: DELETE
updated: DELETE
documented: True" ] || { echo "changed: what is left out goes back to its default"; exit 1; }
