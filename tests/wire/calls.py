"""Calls of every operation that the lab serves, in an order in which each finds what it needs.

`contract.py` makes them of the lab, `against_moto.py` of the lab and of moto. A call's input may name what an earlier call kept:
"$group" is that value, and "${group}" stands for it inside a longer text.
"""

import base64
import dataclasses
import datetime
import json
import time

import boto3
import botocore.config
import botocore.exceptions
import botocore.parsers

from clients import CREDENTIALS, REGION

ACCOUNT = "123456789012"


@dataclasses.dataclass
class Call:
    service: str
    operation: str
    input: dict
    keep: dict = dataclasses.field(default_factory=dict)  # names, and where in the answer their values stand
    until: str = ""  # a path in the answer that has to be there: the call is made again until it is
    waits: str = ""  # a refusal for being too early: the call is made again
    alone: bool = False  # a call that only the lab can answer
    code: str = ""  # the refusal that is expected
    why: str = ""  # what is refused, in a word


def refused(service, operation, code, why, /, **input):
    return Call(service, operation, input, code=code, why=why)


@dataclasses.dataclass
class Answer:
    """What came of a call; nothing came when what it needs was not there."""

    call: Call
    code: str = ""
    message: str = ""
    parsed: dict = None
    raw: dict = None
    input: dict = None


def filled(value, kept):
    """The value with what earlier calls kept in the place of its names; `KeyError` where that is not there."""
    if isinstance(value, dict):
        return {key: filled(one, kept) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [filled(one, kept) for one in value]
    if callable(value):
        return value()
    if isinstance(value, str) and value.startswith("$") and not value.startswith("${"):
        return kept[value[1:]]
    if isinstance(value, str) and "${" in value:
        before, rest = value.split("${", 1)
        name, after = rest.split("}", 1)
        return filled(f"{before}{kept[name]}{after}", kept)
    return value


def at(answer, path):
    for part in path.split("."):
        answer = answer[int(part)] if part.isdigit() else answer[part]
    return answer


class Caller:
    """Makes calls and keeps what was answered, with the bytes of it."""

    def __init__(self, endpoint, kept):
        self.endpoint, self.kept, self.clients, self.raw = endpoint, dict(kept), {}, None

    def client(self, service):
        if service not in self.clients:
            # The parameters are held against the model by those who are called, not by botocore.
            config = botocore.config.Config(
                retries={"total_max_attempts": 1}, parameter_validation=False, s3={"addressing_style": "path"}
            )
            keys = {"aws_access_key_id": "lab", "aws_secret_access_key": "lab"}
            client = boto3.client(service, region_name=REGION, endpoint_url=self.endpoint, config=config, **keys)
            client.meta.events.register("before-parse", self.saw)
            self.clients[service] = client
        return self.clients[service]

    def saw(self, operation_model, response_dict, **_):
        self.raw = response_dict

    def once(self, call):
        try:
            input = filled(call.input, self.kept)
        except KeyError as missing:
            return Answer(call, message=f"nothing was kept as {missing}")
        client = self.client(call.service)
        names = {api: method for method, api in client.meta.method_to_api_mapping.items()}
        self.raw = None
        try:
            parsed = getattr(client, names[call.operation])(**input)
            return Answer(call, "OK", "", parsed, self.raw, input)
        except botocore.exceptions.ClientError as error:
            told = error.response["Error"]
            return Answer(call, told["Code"], told.get("Message", ""), None, self.raw, input)
        except (botocore.exceptions.BotoCoreError, botocore.parsers.ResponseParserError) as error:
            return Answer(call, "no answer", str(error), None, self.raw, input)

    def make(self, call, patience=60):
        end = time.monotonic() + patience
        while True:
            answer = self.once(call)
            try:
                early = call.waits and answer.code == call.waits
                if answer.parsed is not None:
                    early = call.until and not at(answer.parsed, call.until)
                    self.kept |= {name: at(answer.parsed, path) for name, path in call.keep.items()}
            except (KeyError, IndexError):
                early = True
            if not early or time.monotonic() > end:
                return answer
            time.sleep(0.1)


def now(**ago):
    return lambda: datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(**ago)


def container(**more):
    made = {"name": "web", "image": "example/web:2", "portMappings": [{"containerPort": 8080}], "essential": True}
    return made | more


def definition(**more):
    made = {"family": "calls", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256"}
    return made | {"memory": "512", "containerDefinitions": [container()]} | more


def service(name, **more):
    made = {"cluster": "calls", "serviceName": name, "taskDefinition": "$first", "desiredCount": 1}
    made |= {"launchType": "FARGATE", "networkConfiguration": NETWORK}
    return made | more


def forward(*weights, **stickiness):
    groups = [{"TargetGroupArn": name, "Weight": weight} for name, weight in zip(("$blue", "$green"), weights)]
    config = {"TargetGroups": groups}
    if stickiness:
        config["TargetGroupStickinessConfig"] = stickiness
    return [{"Type": "forward", "ForwardConfig": config}]


def path(*values):
    return [{"Field": "path-pattern", "Values": list(values)}]


def group(name, **more):
    made = {"Name": name, "Protocol": "HTTP", "Port": 8080, "VpcId": "$vpc", "TargetType": "ip"}
    return made | {"HealthCheckPath": "/healthz", "HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2} | more


def place(name, **more):
    return {"targetGroupArn": name, "containerName": "web", "containerPort": 8080} | more


def stat(id, **more):
    metric = {"Namespace": "Calls", "MetricName": "Orders", "Dimensions": [{"Name": "shop", "Value": "one"}]}
    return {"Id": id, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}} | more


def alarm(name, **more):
    made = {"AlarmName": name, "Namespace": "Calls", "MetricName": "Orders", "Statistic": "Sum", "Period": 60}
    made |= {"EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"}
    return made | more


def schedule(**more):
    write = {"RuleArn": "$rule", "Actions": [{"Type": "forward", "TargetGroupArn": "$blue"}]}
    target = {"Arn": "arn:aws:scheduler:::aws-sdk:elasticloadbalancingv2:modifyRule", "RoleArn": ROLE}
    made = {"Name": "calls", "ScheduleExpression": "at(2099-01-01T00:00:00)", "FlexibleTimeWindow": {"Mode": "OFF"}}
    return made | {"Target": target | {"Input": filled_json(write)}} | more


def filled_json(value):
    """JSON with names in it, which `filled` then finds inside a text."""
    return json.dumps(value).replace('"$rule"', '"${rule}"').replace('"$blue"', '"${blue}"')


def app_spec():
    properties = {"TaskDefinition": "${second}", "LoadBalancerInfo": {"ContainerName": "web", "ContainerPort": 8080}}
    service = {"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}
    content = json.dumps({"version": 0.0, "Resources": [service]})
    return {"revisionType": "AppSpecContent", "appSpecContent": {"content": content}}


def token():
    """A JWT as GitHub would mint it, without a signature that anybody proves."""
    claims = {"iss": "https://token.actions.githubusercontent.com", "aud": "sts.amazonaws.com", "sub": "repo:a/b"}
    parts = [{"alg": "none"}, claims | {"exp": 4_000_000_000}, {}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


ROLE = f"arn:aws:iam::{ACCOUNT}:role/calls"
NETWORK = {"awsvpcConfiguration": {"subnets": ["$subnet"], "securityGroups": ["$firewall"], "assignPublicIp": "ENABLED"}}
PAUSE = [{"targetType": "PAUSE", "lifecycleStages": ["POST_SCALE_UP"]}]
SHIFT = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0, "lifecycleHooks": PAUSE}
ADVANCED = {"alternateTargetGroupArn": "$green", "productionListenerRule": "$rule", "roleArn": ROLE}
TARGET = {"ServiceNamespace": "ecs", "ResourceId": "service/calls/rolling", "ScalableDimension": "ecs:service:DesiredCount"}
TRACKING = {"TargetValue": 50.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}
DEPLOYED = {"applicationName": "calls", "deploymentGroupName": "calls"}
ROUTE = {"targetGroups": [{"name": "calls-one"}, {"name": "calls-two"}], "prodTrafficRoute": {"listenerArns": ["$routed"]}}
READY = {"actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": 600}
KEEP = {"action": "TERMINATE", "terminationWaitTimeInMinutes": 600}
GROUP = DEPLOYED | {
    "serviceRoleArn": ROLE,
    "deploymentConfigName": "CodeDeployDefault.ECSAllAtOnce",
    "ecsServices": [{"clusterName": "calls", "serviceName": "deployed"}],
    "deploymentStyle": {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
    "loadBalancerInfo": {"targetGroupPairInfoList": [ROUTE]},
    "blueGreenDeploymentConfiguration": {
        "deploymentReadyOption": READY, "terminateBlueInstancesOnDeploymentSuccess": KEEP,
    },
}
TAG = [{"key": "tide", "value": "low"}]
TAGS = [{"Key": "tide", "Value": "low"}]
EXTERNAL = {"cluster": "calls", "service": "external"}

MADE = [
    Call("sts", "GetCallerIdentity", {}),
    Call("sts", "AssumeRole", {"RoleArn": ROLE, "RoleSessionName": "calls"}),
    Call("sts", "AssumeRoleWithWebIdentity", {"RoleArn": ROLE, "RoleSessionName": "calls", "WebIdentityToken": token()}),
    Call("iam", "GetRole", {"RoleName": "calls"}),
    Call("iam", "SimulatePrincipalPolicy", {"PolicySourceArn": ROLE, "ActionNames": ["ecs:UpdateService"]}),
    Call("ecs", "CreateCluster", {"clusterName": "calls", "tags": TAG}),
    Call("ecs", "DescribeClusters", {"clusters": ["calls", "nope"], "include": ["TAGS"]}),
    Call("ecs", "ListClusters", {}),
    Call("ecs", "RegisterTaskDefinition", definition(), {"first": "taskDefinition.taskDefinitionArn"}),
    Call("ecs", "RegisterTaskDefinition", definition(tags=TAG), {"second": "taskDefinition.taskDefinitionArn"}),
    Call("ecs", "DescribeTaskDefinition", {"taskDefinition": "calls", "include": ["TAGS"]}),
    Call("ecs", "ListTaskDefinitions", {"familyPrefix": "calls", "sort": "DESC"}),
    Call("elbv2", "CreateLoadBalancer", {"Name": "calls", "Subnets": ["$subnet", "$subnet2"], "Tags": TAGS},
         {"balancer": "LoadBalancers.0.LoadBalancerArn"}),
    Call("elbv2", "DescribeLoadBalancers", {"Names": ["calls"]}),
    Call("elbv2", "DescribeLoadBalancerAttributes", {"LoadBalancerArn": "$balancer"}),
    Call("elbv2", "CreateTargetGroup", group("calls-blue"), {"blue": "TargetGroups.0.TargetGroupArn"}),
    Call("elbv2", "CreateTargetGroup", group("calls-green"), {"green": "TargetGroups.0.TargetGroupArn"}),
    Call("elbv2", "CreateTargetGroup", group("calls-one"), {"one": "TargetGroups.0.TargetGroupArn"}),
    Call("elbv2", "CreateTargetGroup", group("calls-two"), {"two": "TargetGroups.0.TargetGroupArn"}),
    Call("elbv2", "CreateTargetGroup", group("calls-set"), {"set": "TargetGroups.0.TargetGroupArn"}),
    Call("elbv2", "CreateTargetGroup", group(
        "calls-grpc", ProtocolVersion="GRPC", HealthCheckPath="/grpc.health.v1.Health/Check", Matcher={"GrpcCode": "0-12"})),
    Call("elbv2", "CreateTargetGroup", group("calls-spare"), {"spare": "TargetGroups.0.TargetGroupArn"}),
    Call("elbv2", "CreateTargetGroup", group("calls-http2", ProtocolVersion="HTTP2", Protocol="HTTPS")),
    Call("elbv2", "DescribeTargetGroups", {"Names": ["calls-grpc", "calls-http2"]}),
    Call("elbv2", "ModifyTargetGroup", {"TargetGroupArn": "$blue", "HealthCheckIntervalSeconds": 10}),
    Call("elbv2", "DescribeTargetGroupAttributes", {"TargetGroupArn": "$blue"}),
    Call("elbv2", "ModifyTargetGroupAttributes", {
        "TargetGroupArn": "$blue", "Attributes": [{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}]}),
    Call("elbv2", "CreateListener", {
        "LoadBalancerArn": "$balancer", "Protocol": "HTTP", "Port": 9200, "DefaultActions": forward(1)},
        {"listener": "Listeners.0.ListenerArn"}),
    Call("elbv2", "CreateListener", {
        "LoadBalancerArn": "$balancer", "Protocol": "HTTP", "Port": 9201,
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": "$one"}]}, {"routed": "Listeners.0.ListenerArn"}),
    Call("elbv2", "CreateListener", {
        "LoadBalancerArn": "$balancer", "Protocol": "HTTP", "Port": 9203,
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": "$set"}]}),
    Call("elbv2", "CreateListener", {
        "LoadBalancerArn": "$balancer", "Protocol": "HTTPS", "Port": 9202, "DefaultActions": forward(1),
        "Certificates": [{"CertificateArn": "$certificate"}]}, {"secure": "Listeners.0.ListenerArn"}),
    Call("elbv2", "DescribeListeners", {"LoadBalancerArn": "$balancer"}),
    Call("elbv2", "ModifyListener", {"ListenerArn": "$listener", "DefaultActions": forward(1, 0)}),
    Call("elbv2", "CreateRule", {
        "ListenerArn": "$listener", "Priority": 10, "Conditions": path("/shop/*"), "Actions": forward(1, 0)},
        {"rule": "Rules.0.RuleArn"}),
    Call("elbv2", "DescribeRules", {"ListenerArn": "$listener"}),
    Call("elbv2", "ModifyRule", {"RuleArn": "$rule", "Actions": forward(100, 0, Enabled=True, DurationSeconds=60)}),
    Call("elbv2", "ModifyRule", {"RuleArn": "$rule", "Actions": forward(100, 0)}),
    Call("elbv2", "SetRulePriorities", {"RulePriorities": [{"RuleArn": "$rule", "Priority": 20}]}),
    Call("elbv2", "AddTags", {"ResourceArns": ["$rule"], "Tags": TAGS}),
    Call("elbv2", "DescribeTags", {"ResourceArns": ["$rule", "$blue"]}),
    Call("elbv2", "RemoveTags", {"ResourceArns": ["$rule"], "TagKeys": ["tide"]}),
    Call("elbv2", "RegisterTargets", {"TargetGroupArn": "$two", "Targets": [{"Id": "10.0.0.1", "Port": 8080}]}),
    Call("elbv2", "DescribeTargetHealth", {"TargetGroupArn": "$two"}),
    Call("elbv2", "DeregisterTargets", {"TargetGroupArn": "$two", "Targets": [{"Id": "10.0.0.1", "Port": 8080}]}),
    Call("ecs", "CreateService", service("rolling", loadBalancers=[place("$blue")], tags=TAG),
         {"rolling": "service.serviceArn"}),
    Call("ecs", "DescribeServices", {"cluster": "calls", "services": ["rolling", "nope"], "include": ["TAGS"]}),
    Call("ecs", "ListServices", {"cluster": "calls"}),
    Call("ecs", "UpdateService", {"cluster": "calls", "service": "rolling", "taskDefinition": "$second"}),
    Call("ecs", "ListTasks", {"cluster": "calls", "serviceName": "rolling"}, {"task": "taskArns.0"}, "taskArns.0", alone=True),
    Call("ecs", "DescribeTasks", {"cluster": "calls", "tasks": ["$task"], "include": ["TAGS"]}, alone=True),
    Call("ecs", "StopTask", {"cluster": "calls", "task": "$task", "reason": "a drill"}, alone=True),
    Call("ecs", "TagResource", {"resourceArn": "$rolling", "tags": [{"key": "a", "value": "b"}]}),
    Call("ecs", "ListTagsForResource", {"resourceArn": "$rolling"}),
    Call("ecs", "UntagResource", {"resourceArn": "$rolling", "tagKeys": ["a"]}),
    Call("ecs", "CreateService", {"cluster": "calls", "serviceName": "external", "desiredCount": 2,
                                  "deploymentController": {"type": "EXTERNAL"}}),
    Call("ecs", "CreateTaskSet", EXTERNAL | {
        "taskDefinition": "$first", "launchType": "FARGATE", "networkConfiguration": NETWORK, "externalId": "calls",
        "loadBalancers": [place("$set")], "scale": {"value": 50.0, "unit": "PERCENT"}}, {"taskset": "taskSet.taskSetArn"}),
    Call("ecs", "DescribeTaskSets", EXTERNAL | {"include": ["TAGS"]}),
    Call("ecs", "UpdateTaskSet", EXTERNAL | {"taskSet": "$taskset", "scale": {"value": 25.0, "unit": "PERCENT"}}),
    Call("ecs", "UpdateServicePrimaryTaskSet", EXTERNAL | {"primaryTaskSet": "$taskset"}),
    Call("ecs", "DescribeServices", {"cluster": "calls", "services": ["external"]}),
    Call("ecs", "DeleteTaskSet", EXTERNAL | {"taskSet": "$taskset", "force": True}),
    Call("ecs", "CreateService", service(
        "shifting", deploymentConfiguration=SHIFT, loadBalancers=[place("$blue", advancedConfiguration=ADVANCED)])),
    Call("ecs", "DescribeServices", {"cluster": "calls", "services": ["shifting"]},
         {"shift": "services.0.currentServiceDeployment"}, "services.0.currentServiceDeployment", alone=True),
    Call("ecs", "UpdateService", {"cluster": "calls", "service": "shifting", "taskDefinition": "$second"}, alone=True),
    Call("ecs", "ListServiceDeployments", {"cluster": "calls", "service": "shifting"},
         {"shift": "serviceDeployments.0.serviceDeploymentArn"}, alone=True),
    Call("ecs", "DescribeServiceDeployments", {"serviceDeploymentArns": ["$shift"]},
         {"hook": "serviceDeployments.0.lifecycleHookDetails.0.hookId",
          "revision": "serviceDeployments.0.targetServiceRevision.arn"}, alone=True),
    Call("ecs", "DescribeServiceRevisions", {"serviceRevisionArns": ["$revision"]}, alone=True),
    Call("ecs", "ContinueServiceDeployment", {
        "serviceDeploymentArn": "$shift", "hookId": "$hook", "action": "CONTINUE"}, alone=True),
    Call("ecs", "StopServiceDeployment", {"serviceDeploymentArn": "$shift", "stopType": "ROLLBACK"}, alone=True),
    Call("cloudwatch", "PutMetricData", {"Namespace": "Calls", "MetricData": [
        {"MetricName": "Orders", "Dimensions": [{"Name": "shop", "Value": "one"}], "Value": 2.0, "Unit": "Count"}]}),
    # Large enough that botocore compresses it.
    Call("cloudwatch", "PutMetricData", {"Namespace": "Calls", "MetricData": [
        {"MetricName": f"Large{place}", "Dimensions": [{"Name": "shop", "Value": "one"}], "Value": 1.0}
        for place in range(400)]}),
    Call("cloudwatch", "ListMetrics", {"Namespace": "Calls", "MetricName": "Orders"}),
    Call("cloudwatch", "GetMetricData", {
        "MetricDataQueries": [stat("orders"), {"Id": "sum", "Expression": "orders * 2"}],
        "StartTime": now(hours=1), "EndTime": now(hours=-1)}),
    Call("cloudwatch", "GetMetricStatistics", {
        "Namespace": "Calls", "MetricName": "Orders", "Dimensions": [{"Name": "shop", "Value": "one"}], "Period": 60,
        "StartTime": now(hours=1), "EndTime": now(hours=-1), "Statistics": ["Sum", "Average"]}),
    Call("cloudwatch", "PutMetricAlarm", alarm("calls", ActionsEnabled=True, AlarmActions=[f"arn:aws:sns:{REGION}:{ACCOUNT}:calls"])),
    Call("cloudwatch", "PutCompositeAlarm", {"AlarmName": "all-calls", "AlarmRule": 'ALARM("calls")'}),
    Call("cloudwatch", "DescribeAlarms", {"AlarmNames": ["calls", "all-calls"], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}),
    Call("cloudwatch", "PutLogAlarm", {
        "AlarmName": "log-calls", "ScheduledQueryConfiguration": {
            "QueryString": "filter @message like /error/ | stats count(*) as errors", "AggregationExpression": "errors",
            "ScheduledQueryRoleARN": f"arn:aws:iam::{ACCOUNT}:role/calls", "LogGroupIdentifiers": ["calls"],
            "ScheduleConfiguration": {"ScheduleExpression": "rate(5 minutes)", "StartTimeOffset": 300}},
        "QueryResultsToEvaluate": 3, "QueryResultsToAlarm": 2, "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanThreshold"}),
    Call("cloudwatch", "DisableAlarmActions", {"AlarmNames": ["calls"]}),
    Call("cloudwatch", "EnableAlarmActions", {"AlarmNames": ["calls"]}),
    Call("cloudwatch", "SetAlarmState", {"AlarmName": "calls", "StateValue": "ALARM", "StateReason": "a drill"}),
    Call("cloudwatch", "DescribeAlarmHistory", {"AlarmName": "calls"}),
    Call("cloudwatch", "DeleteAlarms", {"AlarmNames": ["all-calls"]}),
    Call("application-autoscaling", "RegisterScalableTarget", TARGET | {"MinCapacity": 1, "MaxCapacity": 4}),
    Call("application-autoscaling", "DescribeScalableTargets", {"ServiceNamespace": "ecs", "ResourceIds": [TARGET["ResourceId"]]}),
    Call("application-autoscaling", "PutScalingPolicy", TARGET | {
        "PolicyName": "cpu", "PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": TRACKING}),
    Call("application-autoscaling", "DescribeScalingPolicies", {"ServiceNamespace": "ecs", "ResourceId": TARGET["ResourceId"]}),
    Call("application-autoscaling", "DeleteScalingPolicy", TARGET | {"PolicyName": "cpu"}),
    Call("application-autoscaling", "DeregisterScalableTarget", TARGET),
    Call("scheduler", "CreateScheduleGroup", {"Name": "calls"}),
    Call("scheduler", "GetScheduleGroup", {"Name": "calls"}),
    Call("scheduler", "CreateSchedule", schedule(GroupName="calls")),
    Call("scheduler", "GetSchedule", {"Name": "calls", "GroupName": "calls"}),
    Call("scheduler", "ListSchedules", {"GroupName": "calls", "MaxResults": 5}),
    Call("scheduler", "UpdateSchedule", schedule(GroupName="calls", State="DISABLED")),
    Call("scheduler", "DeleteSchedule", {"Name": "calls", "GroupName": "calls"}),
    Call("sns", "CreateTopic", {"Name": "calls"}, {"topic": "TopicArn"}),
    Call("sns", "ListTopics", {}),
    Call("sns", "Publish", {"TopicArn": "$topic", "Message": "a message", "Subject": "a subject"}),
    Call("ssm", "GetCalendarState", {"CalendarNames": ["calls"]}, alone=True),
    Call("s3", "CreateBucket", {"Bucket": "calls", "CreateBucketConfiguration": {"LocationConstraint": REGION}}),
    Call("s3", "HeadBucket", {"Bucket": "calls"}),
    Call("s3", "ListBuckets", {}),
    Call("s3", "GetBucketLocation", {"Bucket": "calls"}),
    Call("s3", "PutObject", {"Bucket": "calls", "Key": "a/b", "Body": b"content", "Metadata": {"tide": "low"}, "IfNoneMatch": "*"}),
    Call("s3", "GetObject", {"Bucket": "calls", "Key": "a/b", "ChecksumMode": "ENABLED"}),
    Call("s3", "HeadObject", {"Bucket": "calls", "Key": "a/b"}),
    Call("s3", "ListObjectsV2", {"Bucket": "calls", "Prefix": "a", "Delimiter": "/", "MaxKeys": 5}),
    Call("s3", "ListObjectsV2", {"Bucket": "calls", "FetchOwner": True}),
    Call("s3", "DeleteObject", {"Bucket": "calls", "Key": "a/b"}),
    Call("codedeploy", "CreateApplication", {"applicationName": "calls", "computePlatform": "ECS", "tags": TAGS}),
    Call("codedeploy", "GetApplication", {"applicationName": "calls"}),
    Call("codedeploy", "ListApplications", {}),
    Call("codedeploy", "BatchGetApplications", {"applicationNames": ["calls"]}),
    Call("codedeploy", "CreateDeploymentConfig", {
        "deploymentConfigName": "calls", "computePlatform": "ECS", "trafficRoutingConfig": {
            "type": "TimeBasedLinear", "timeBasedLinear": {"linearPercentage": 50, "linearInterval": 60}}}),
    Call("codedeploy", "GetDeploymentConfig", {"deploymentConfigName": "calls"}),
    Call("codedeploy", "ListDeploymentConfigs", {}),
    Call("ecs", "CreateService", service("deployed", loadBalancers=[place("$one")], deploymentController={"type": "CODE_DEPLOY"})),
    Call("codedeploy", "CreateDeploymentGroup", GROUP),
    Call("codedeploy", "GetDeploymentGroup", DEPLOYED),
    Call("codedeploy", "ListDeploymentGroups", {"applicationName": "calls"}),
    Call("codedeploy", "BatchGetDeploymentGroups", {"applicationName": "calls", "deploymentGroupNames": ["calls"]}),
    Call("codedeploy", "UpdateDeploymentGroup", {
        "applicationName": "calls", "currentDeploymentGroupName": "calls", "alarmConfiguration": {"enabled": False, "alarms": []}}),
    Call("codedeploy", "CreateDeployment", DEPLOYED | {"revision": app_spec(), "description": "a drill"}, {"deployment": "deploymentId"}),
    Call("codedeploy", "GetDeployment", {"deploymentId": "$deployment"},
         {"hash": "deploymentInfo.revision.appSpecContent.sha256"}),
    Call("codedeploy", "ListDeployments", DEPLOYED),
    Call("codedeploy", "BatchGetDeployments", {"deploymentIds": ["$deployment"]}),
    Call("codedeploy", "GetApplicationRevision", {"applicationName": "calls", "revision": {
        "revisionType": "AppSpecContent", "appSpecContent": {"sha256": "$hash"}}}, alone=True),
    Call("codedeploy", "ListDeploymentTargets", {"deploymentId": "$deployment"}, {"target": "targetIds.0"},
         waits="DeploymentNotStartedException", alone=True),
    Call("codedeploy", "GetDeploymentTarget", {"deploymentId": "$deployment", "targetId": "$target"}, alone=True),
    Call("codedeploy", "BatchGetDeploymentTargets", {"deploymentId": "$deployment", "targetIds": ["$target"]}, alone=True),
    Call("codedeploy", "ContinueDeployment", {"deploymentId": "$deployment", "deploymentWaitType": "READY_WAIT"},
         waits="DeploymentIsNotInReadyStateException", alone=True),
    Call("codedeploy", "StopDeployment", {"deploymentId": "$deployment", "autoRollbackEnabled": False}),
]

GONE = [
    Call("codedeploy", "DeleteDeploymentGroup", DEPLOYED),
    Call("codedeploy", "DeleteApplication", {"applicationName": "calls"}),
    Call("codedeploy", "DeleteDeploymentConfig", {"deploymentConfigName": "calls"}),
    Call("cloudwatch", "DeleteAlarms", {"AlarmNames": ["calls"]}),
    Call("ecs", "DeleteService", {"cluster": "calls", "service": "rolling", "force": True}),
    Call("ecs", "DeregisterTaskDefinition", {"taskDefinition": "$second"}),
    Call("elbv2", "DeleteRule", {"RuleArn": "$rule"}),
    Call("elbv2", "DeleteListener", {"ListenerArn": "$secure"}),
    Call("elbv2", "DeleteTargetGroup", {"TargetGroupArn": "$spare"}),
    Call("elbv2", "DeleteLoadBalancer", {"LoadBalancerArn": "$balancer"}),
]
