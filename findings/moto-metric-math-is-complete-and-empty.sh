#!/usr/bin/env bash
# moto answers GetMetricData for any arithmetic between two metrics with the status Complete, no values and no message.
#
# CloudWatch computes the expression: 5 errors in 50 requests are 10 %. A program that takes "Complete, no datapoints" for
# "nothing is wrong" passes a test against moto with every error rate.
#
# Seen with moto 5.2.5 and boto3 1.44.8: "Complete []"; the input alone gives "Complete [5.0]".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q boto3==1.44.8 moto[cloudwatch,elbv2,ecs,scheduler]==5.2.5 || exit 2
seen=$("$folder/venv/bin/python" - <<'PY'
import os
os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_DEFAULT_REGION="eu-west-1")
import boto3
from moto import mock_aws
from datetime import datetime, timedelta, timezone
with mock_aws():
    cloudwatch = boto3.client("cloudwatch")
    at = datetime.now(timezone.utc).replace(second=0, microsecond=0) - timedelta(minutes=5)
    for name, value in (("Errors", 5), ("Requests", 50)):
        cloudwatch.put_metric_data(Namespace="web", MetricData=[dict(MetricName=name, Timestamp=at, Value=value)])
    def query(id, name):
        metric = dict(Namespace="web", MetricName=name)
        return dict(Id=id, MetricStat=dict(Metric=metric, Period=60, Stat="Sum"), ReturnData=id == "e")
    answer = cloudwatch.get_metric_data(
        StartTime=at - timedelta(minutes=5), EndTime=at + timedelta(minutes=5),
        MetricDataQueries=[query("e", "Errors"), query("r", "Requests"), dict(Id="x", Expression="100 * e / r")])
    for result in answer["MetricDataResults"]:
        print(result["Id"], result["StatusCode"], result["Values"], result.get("Messages"))
PY
) || exit 2
echo "moto 5.2.5, boto3 1.44.8"
echo "$seen"
[ "$seen" = "e Complete [5.0] None
x Complete [] None" ] || { echo "changed: moto computes metric math, or says that it does not"; exit 1; }
