#!/usr/bin/env bash
# moto ends GetMetricData with a TypeError of its own where the statistic is a percentile or a trimmed mean.
#
# CloudWatch answers p90, tm90, TC and PR like any statistic. The error is no ClientError, so that no retry or fault
# handling of a client sees it.
#
# Seen with moto 5.2.5 and boto3 1.44.8: TypeError for each of the four; Maximum of the same data is 100.
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
    data = dict(MetricName="Latency", Timestamp=at, Values=[1.0, 2.0, 100.0], Counts=[10.0, 10.0, 1.0])
    cloudwatch.put_metric_data(Namespace="web", MetricData=[data])
    for statistic in ("Maximum", "p90", "tm90", "TC(:2)", "PR(:2)"):
        stat = dict(Metric=dict(Namespace="web", MetricName="Latency"), Period=60, Stat=statistic)
        try:
            answer = cloudwatch.get_metric_data(
                StartTime=at - timedelta(minutes=5), EndTime=at + timedelta(minutes=5),
                MetricDataQueries=[dict(Id="l", MetricStat=stat)])
            print(statistic, answer["MetricDataResults"][0]["Values"])
        except Exception as error:
            print(statistic, type(error).__name__)
PY
) || exit 2
echo "moto 5.2.5, boto3 1.44.8"
echo "$seen"
[ "$seen" = "Maximum [100.0]
p90 TypeError
tm90 TypeError
TC(:2) TypeError
PR(:2) TypeError" ] || { echo "changed: moto knows extended statistics"; exit 1; }
