#!/usr/bin/env bash
# moto takes a weight of 1000 in a forward action, and shows it.
#
# Elastic Load Balancing takes 0 to 999: botocore 1.44.8 says so in the documentation of TargetGroupTuple, but its model has
# no range, so that neither client nor mock refuses what the service refuses. A tool that splits by tenths of a percent and
# writes "all" as 1000 passes its tests and fails on an account.
#
# Seen with moto 5.2.5, boto3 1.44.8: the rule says 1000.
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
    ec2, elb = boto3.client("ec2"), boto3.client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone="eu-west-1" + "ab"[i])
               ["Subnet"]["SubnetId"] for i in range(2)]
    balancer = elb.create_load_balancer(Name="web", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    groups = [elb.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")
              ["TargetGroups"][0]["TargetGroupArn"] for name in ("blue", "green")]
    fixed = [dict(Type="fixed-response", FixedResponseConfig=dict(StatusCode="404"))]
    listener = elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=fixed)
    listener = listener["Listeners"][0]["ListenerArn"]
    def forward(weight):
        tuples = [dict(TargetGroupArn=groups[0], Weight=weight), dict(TargetGroupArn=groups[1], Weight=0)]
        return [dict(Type="forward", ForwardConfig=dict(TargetGroups=tuples))]
    path = [dict(Field="path-pattern", Values=["/"])]
    rule = elb.create_rule(ListenerArn=listener, Priority=10, Conditions=path, Actions=forward(999))["Rules"][0]["RuleArn"]
    elb.modify_rule(RuleArn=rule, Actions=forward(1000))
    action = elb.describe_rules(RuleArns=[rule])["Rules"][0]["Actions"][0]
    print([group["Weight"] for group in action["ForwardConfig"]["TargetGroups"]])
    shapes = elb.meta.service_model
    weight = shapes.shape_for("TargetGroupTuple").members["Weight"]
    print("documented:", "0 to 999" in weight.documentation, "range:", "min" in weight.metadata or "max" in weight.metadata)
PY
) || exit 2
echo "moto 5.2.5, boto3 1.44.8"
echo "$seen"
[ "$seen" = "[1000, 0]
documented: True range: False" ] || { echo "changed: the weight is refused, or botocore knows its range"; exit 1; }
