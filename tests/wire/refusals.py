"""Calls that AWS refuses, each with the code of its refusal: that of botocore's model, where the operation has one.

Where it has none, the code is `ClientException`, `ValidationError` or `ValidationException`, which nothing proves.
`calls.py` has made what they need.
"""

import zlib

from calls import EXTERNAL, NETWORK, TARGET
from calls import alarm, container, definition, forward, group, now, path, place, refused, schedule, service, stat

CLIENT, INVALID, ERROR = "ClientException", "InvalidParameterException", "ValidationError"
VALUE, MISSING = "InvalidParameterValue", "MissingParameter"
NOT_PLAYED = "NotPlayedByTheLab"


def register(why, code=CLIENT, **more):
    return refused("ecs", "RegisterTaskDefinition", code, why, **definition(**more))


def contained(why, **more):
    return register(why, containerDefinitions=[container(**more)])


def create(why, code=INVALID, **more):
    return refused("ecs", "CreateService", code, why, **service("wrong") | more)


def update(why, code=INVALID, **more):
    return refused("ecs", "UpdateService", code, why, cluster="calls", service="rolling", **more)


def grouped(why, code=ERROR, **more):
    return refused("elbv2", "CreateTargetGroup", code, why, **group(f"calls-{zlib.crc32(why.encode()):x}") | more)


def attribute(why, key, value, code=ERROR, arn="$blue"):
    return refused("elbv2", "ModifyTargetGroupAttributes", code, why, TargetGroupArn=arn, Attributes=[{"Key": key, "Value": value}])


def rule(why, code=ERROR, **more):
    made = {"ListenerArn": "$listener", "Priority": 1_000 + zlib.crc32(why.encode()) % 40_000, "Conditions": path("/x"), "Actions": forward(1, 0)}
    return refused("elbv2", "CreateRule", code, why, **made | more)


def datum(why, code=VALUE, **more):
    return refused("cloudwatch", "PutMetricData", code, why, Namespace="Calls", MetricData=[{"MetricName": "Orders", "Value": 1.0} | more])


def alarmed(why, code, **more):
    return refused("cloudwatch", "PutMetricAlarm", code, why, **alarm("wrong", **more))


PROVIDER = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
STICKY = "stickiness.enabled"

REFUSED = [
    # Amazon ECS: task definitions.
    register("cpu that Fargate does not have", cpu="300"),
    register("memory that does not go with its cpu", memory="9999"),
    register("too much memory for its cpu", memory="8192"),
    contained("a container with more memory than the task", memory=2048),
    contained("a host port other than the container's", portMappings=[{"containerPort": 8080, "hostPort": 80}]),
    contained("a dependency on nobody", dependsOn=[{"containerName": "nobody", "condition": "START"}]),
    contained("a mount of no volume", mountPoints=[{"sourceVolume": "none", "containerPath": "/x"}]),
    contained("secrets without an execution role", secrets=[{"name": "A", "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/a"}]),
    register("a compatibility that is none", INVALID, requiresCompatibilities=["FOG"]),
    register("a number for a text", "SerializationException", cpu=256),
    register("a text for a number", "SerializationException", containerDefinitions=[container(memory="128")]),
    register("no family", family=""),
    register("a tag of AWS's own", "InvalidParameterException", tags=[{"key": "aws:a", "value": "b"}]),
    register("a tag that is too long", "InvalidParameterException", tags=[{"key": "a", "value": "b" * 257}]),
    refused("ecs", "DescribeTaskDefinition", CLIENT, "a family that is not there", taskDefinition="nope"),
    # Amazon ECS: services.
    create("a launch type beside a strategy", capacityProviderStrategy=PROVIDER),
    create("a name with a space", serviceName="bad name!"),
    create("a name with a dot", serviceName="web.v2"),
    create("awsvpc without a network", networkConfiguration=None),
    create("no room to deploy in", deploymentConfiguration={"minimumHealthyPercent": 100, "maximumPercent": 100}),
    create("a container that the release does not have", loadBalancers=[place("$blue", containerName="nobody")]),
    create("a port that the release does not have", loadBalancers=[place("$blue", containerPort=1)]),
    create("a launch type that is none", launchType="FOG"),
    create("a task definition that is not there", CLIENT, taskDefinition="nope"),
    create("a cluster that is not there", "ClusterNotFoundException", cluster="nope"),
    create("a tag of AWS's own", tags=[{"key": "aws:a", "value": "b"}]),
    update("no room to deploy in", deploymentConfiguration={"minimumHealthyPercent": 100, "maximumPercent": 100}),
    update("a negative count", desiredCount=-1),
    refused("ecs", "UpdateService", "ServiceNotFoundException", "a service that is not there", cluster="calls", service="nope"),
    refused("ecs", "UpdateService", "SerializationException", "a text for a number", cluster="calls", service="rolling", desiredCount="2"),
    refused("ecs", "CreateTaskSet", INVALID, "a launch type beside a strategy", taskDefinition="$first",
            launchType="FARGATE", capacityProviderStrategy=PROVIDER, networkConfiguration=NETWORK, **EXTERNAL),
    refused("ecs", "DescribeServices", "InvalidParameterException", "no service", cluster="calls", services=[]),
    refused("ecs", "TagResource", "InvalidParameterException", "a tag of AWS's own", resourceArn="$rolling", tags=[{"key": "aws:a", "value": "b"}]),
    refused("ecs", "TagResource", "InvalidParameterException", "a tag that is too long", resourceArn="$rolling", tags=[{"key": "a", "value": "b" * 257}]),
    # Elastic Load Balancing.
    grouped("a protocol that is none", Protocol="FTP"),
    grouped("a time-out above the interval", HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=6),
    grouped("a matcher out of bounds", Matcher={"HttpCode": "99"}),
    grouped("a matcher that is no number", Matcher={"HttpCode": "2xx"}),
    grouped("a gRPC matcher of a group that speaks HTTP", Matcher={"GrpcCode": "0"}),
    grouped("a target type that is none", TargetType="pod"),
    grouped("a health path without a slash", HealthCheckPath="healthz"),
    grouped("no VPC", VpcId=None),
    grouped("a foreign VPC", VpcId="vpc-00000000000000000"),
    grouped("a name that begins with a hyphen", Name="-x"),
    grouped("a name that is taken", "DuplicateTargetGroupName", Name="calls-blue", Port=8081),
    refused("elbv2", "ModifyTargetGroup", ERROR, "a time-out above the interval", TargetGroupArn="$blue", HealthCheckTimeoutSeconds=60),
    attribute("a slow start that is too short", "slow_start.duration_seconds", "10"),
    attribute("an attribute that is none", "deregistration_delay", "1"),
    attribute("sticky targets behind a rule that is not sticky", STICKY, "true", "InvalidConfigurationRequest"),
    rule("six values", Conditions=path(*"abcdef")),
    rule("a priority that is taken", "PriorityInUse", Priority=20),
    rule("no groups", Actions=[{"Type": "forward"}]),
    rule("a field that is none", Conditions=[{"Field": "cookie", "Values": ["a"]}]),
    rule("a weight that is too great", Actions=forward(1000, 0)),
    refused("elbv2", "DescribeRules", ERROR, "both selectors", ListenerArn="$listener", RuleArns=["$rule"]),
    refused("elbv2", "DescribeRules", "RuleNotFound", "a rule that is not there", RuleArns=["${rule}0"]),
    refused("elbv2", "ModifyRule", ERROR, "nothing to change", RuleArn="$rule"),
    refused("elbv2", "AddTags", ERROR, "a tag of AWS's own", ResourceArns=["$rule"], Tags=[{"Key": "aws:a", "Value": "b"}]),
    refused("elbv2", "AddTags", "DuplicateTagKeys", "a key twice", ResourceArns=["$rule"], Tags=[{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]),
    refused("elbv2", "CreateListener", "DuplicateListener", "a port that is taken", LoadBalancerArn="$balancer",
            Protocol="HTTP", Port=9200, DefaultActions=forward(1)),
    refused("elbv2", "DeleteTargetGroup", "ResourceInUse", "a group behind a rule", TargetGroupArn="$blue"),
    # Amazon CloudWatch.
    datum("a moment 15 days ago", Timestamp=now(days=15)),
    datum("a moment 3 hours ahead", Timestamp=now(hours=-3)),
    datum("a unit that is none", Unit="Furlongs"),
    datum("31 dimensions", Dimensions=[{"Name": f"n{place}", "Value": "v"} for place in range(31)]),
    datum("no name", MISSING, MetricName=None),
    alarmed("both kinds of statistic", ERROR, ExtendedStatistic="p99"),
    alarmed("an action that is no ARN", ERROR, AlarmActions=["page me"]),
    alarmed("a comparison that is none", ERROR, ComparisonOperator="Above"),
    refused("cloudwatch", "DescribeAlarms", ERROR, "a state that is none", StateValue="BROKEN"),
    refused("cloudwatch", "SetAlarmState", "ResourceNotFound", "an alarm that is not there", AlarmName="nope", StateValue="OK", StateReason="a drill"),
    refused("cloudwatch", "GetMetricData", ERROR, "a query with a wrong id", MetricDataQueries=[stat("Orders")], StartTime=now(hours=1), EndTime=now()),
    # The others.
    refused("iam", "GetRole", "NoSuchEntity", "a role that is not there", RoleName="nope"),
    refused("application-autoscaling", "RegisterScalableTarget", "ValidationException", "a service that is not there",
            **TARGET | {"ResourceId": "service/calls/nope", "MinCapacity": 1, "MaxCapacity": 2}),
    refused("scheduler", "CreateSchedule", "ValidationException", "an expression that is none", **schedule(ScheduleExpression="soon")),
    refused("s3", "GetObject", "NoSuchKey", "an object that is not there", Bucket="calls", Key="nope"),
    refused("s3", "ListObjectsV2", "NoSuchBucket", "a bucket that is not there", Bucket="nope"),
    refused("codedeploy", "GetDeployment", "DeploymentDoesNotExistException", "a deployment that is not there", deploymentId="d-000000000"),
    refused("sns", "Publish", "NotFound", "a topic that is not there", TopicArn="${topic}0", Message="m"),
]
