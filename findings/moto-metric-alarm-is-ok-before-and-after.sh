#!/usr/bin/env bash
# moto lets a new metric alarm begin as OK, and puts one that rings back to OK when its definition is written again.
#
# CloudWatch lets it begin as INSUFFICIENT_DATA, and botocore 1.44.8 says of PutMetricAlarm: "When you update an existing
# alarm, its state is left unchanged". A tool that takes the OK of an alarm for a verdict of its data passes its tests
# without any data, and a test that rings an alarm before an update of it finds it quiet.
#
# Seen with moto 5.2.5, boto3 1.44.8: OK, then ALARM, then OK.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q boto3==1.44.8 moto[cloudwatch]==5.2.5 || exit 2
seen=$("$folder/venv/bin/python" - <<'PY'
import os
os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_DEFAULT_REGION="eu-west-1")
import boto3
from moto import mock_aws
with mock_aws():
    cloudwatch = boto3.client("cloudwatch")
    def put(threshold):
        cloudwatch.put_metric_alarm(AlarmName="5xx", Namespace="Shop", MetricName="Errors", Statistic="Sum", Period=60,
            EvaluationPeriods=1, Threshold=threshold, ComparisonOperator="GreaterThanThreshold")
    def state():
        return cloudwatch.describe_alarms(AlarmNames=["5xx"])["MetricAlarms"][0]["StateValue"]
    put(5)
    print("new:", state())
    cloudwatch.set_alarm_state(AlarmName="5xx", StateValue="ALARM", StateReason="too many errors")
    print("set:", state())
    put(6)
    print("written again:", state())
    words = cloudwatch.meta.service_model.operation_model("PutMetricAlarm").documentation
    print("documented:", "its state is left unchanged" in words)
PY
) || exit 2
echo "moto 5.2.5, boto3 1.44.8"
echo "$seen"
[ "$seen" = "new: OK
set: ALARM
written again: OK
documented: True" ] || { echo "changed: an alarm begins without a state, or keeps the one that it has"; exit 1; }
