"""The lab against AWS clients we did not write: boto3 and the AWS CLI.

Give it LAB_ENDPOINT, the URL of a lab that runs; or TIDEGATE_BIN, optionally with TIDEGATE_SPEC and LAB_FLAGS,
and it starts `tidegate lab` itself. The lab is expected to hold two services behind one rule, one of them serving,
and simulated clients that send requests; minutes have to pass in it, so let it run fast. It is changed by these
tests: give it a lab of its own.
"""

import base64
import concurrent.futures
import contextlib
import datetime
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
import zlib
from unittest import mock

import boto3
import botocore.config
import botocore.exceptions
import botocore.model

REGION = "eu-west-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "lab", "AWS_SECRET_ACCESS_KEY": "lab", "AWS_DEFAULT_REGION": REGION}
PATIENCE = 120
NOT_PLAYED = "NotPlayedByTheLab"  # what AWS takes and the lab cannot play

lab = None  # set by setUpModule


def setUpModule():
    global lab
    os.environ.update(CREDENTIALS)
    endpoint, process = os.environ.get("LAB_ENDPOINT"), None
    if not endpoint:
        endpoint, process = start()
    if process:
        unittest.addModuleCleanup(stop, process)
    lab = Lab(endpoint)


def start():
    """Starts a lab and reads where it is from the one line it prints."""
    binary, spec = os.environ["TIDEGATE_BIN"], os.environ.get("TIDEGATE_SPEC")
    flags = os.environ.get("LAB_FLAGS", "--speed 60 --rps 10").split()
    words = [binary, "lab", "--listen", "127.0.0.1:0", *flags] + (["--spec", spec] if spec else [])
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    return json.loads(process.stdout.readline())["endpoint"], process


def stop(process):
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=10)
    process.kill()
    process.stdout.close()


def until(question, what, patience=PATIENCE):
    """Asks until the answer is true, and gives it."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        answer = question()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"waited {patience} s in vain: {what}")


class Lab:
    """The clients, and what the lab begins with."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.ecs, self.elb, self.cloudwatch, self.sts = map(self.client, ("ecs", "elbv2", "cloudwatch", "sts"))
        self.s3, self.scheduler, self.scaling = map(self.client, ("s3", "scheduler", "application-autoscaling"))
        self.cluster = self.ecs.list_clusters()["clusterArns"][0]
        arns = self.ecs.list_services(cluster=self.cluster)["serviceArns"]
        services = self.ecs.describe_services(cluster=self.cluster, services=arns)["services"]
        services.sort(key=lambda service: -service["desiredCount"])
        self.serving, self.idle = [service["serviceName"] for service in services[:2]]
        self.place = services[0]["loadBalancers"][0]
        self.serving_group, self.idle_group = [s["loadBalancers"][0]["targetGroupArn"] for s in services[:2]]
        self.balancer = self.elb.describe_load_balancers()["LoadBalancers"][0]
        listeners = self.elb.describe_listeners(LoadBalancerArn=self.balancer["LoadBalancerArn"])["Listeners"]
        for listener in listeners:
            rules = self.elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
            found = [rule for rule in rules if not rule["IsDefault"]]
            if found:
                self.listener, self.rule = listener["ListenerArn"], found[0]["RuleArn"]

    def client(self, service, **credentials):
        config = botocore.config.Config(retries={"total_max_attempts": 1})
        return boto3.client(service, region_name=REGION, endpoint_url=self.endpoint, config=config, **credentials)

    def assume(self, service, *statements, **more):
        """A client with the credentials of a role that was assumed with a policy, and what STS said."""
        if statements:
            more["Policy"] = json.dumps({"Version": "2012-10-17", "Statement": statements})
        role = {"RoleArn": "arn:aws:iam::123456789012:role/tide/writer", "RoleSessionName": "rollout-1-e2"}
        answer = self.sts.assume_role(**role | more)
        keys = {"AccessKeyId": "aws_access_key_id", "SecretAccessKey": "aws_secret_access_key"}
        keys |= {"SessionToken": "aws_session_token"}
        return self.client(service, **{name: answer["Credentials"][key] for key, name in keys.items()}), answer

    def get(self, path):
        with urllib.request.urlopen(self.endpoint + path) as answer:
            return json.load(answer)

    def now(self):
        return datetime.datetime.fromisoformat(self.get("/_lab/state")["now"])

    def began(self):
        return datetime.datetime.fromtimestamp(self.get("/_lab/state")["anchor_unix_ms"] / 1000, datetime.timezone.utc)

    def service(self, name):
        return self.ecs.describe_services(cluster=self.cluster, services=[name])["services"][0]

    def is_stable(self, name):
        service = self.service(name)
        settled = len(service["deployments"]) == 1 and service["deployments"][0]["rolloutState"] == "COMPLETED"
        return settled and service["runningCount"] == service["desiredCount"]

    def health(self, group):
        targets = self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return [target["TargetHealth"]["State"] for target in targets]

    def the_rule(self):
        return self.elb.describe_rules(RuleArns=[self.rule])["Rules"][0]

    def forward(self, serving, idle, **stickiness):
        groups = [(self.serving_group, serving), (self.idle_group, idle)]
        config = {"TargetGroups": [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in groups]}
        if stickiness:
            config["TargetGroupStickinessConfig"] = stickiness
        return {"Type": "forward", "ForwardConfig": config}

    def dimensions(self):
        return [{"Name": "LoadBalancer", "Value": self.balancer["LoadBalancerArn"].split(":loadbalancer/")[1]}]

    def stat(self, id, metric, stat="Sum", **more):
        metric = {"Namespace": "AWS/ApplicationELB", "MetricName": metric, "Dimensions": self.dimensions()}
        return {"Id": id, "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}, **more}

    def data(self, queries, cloudwatch=None, **more):
        now = self.now()
        window = {"StartTime": now - datetime.timedelta(hours=1), "EndTime": now}
        answer = (cloudwatch or self.cloudwatch).get_metric_data(MetricDataQueries=queries, **window, **more)
        return {result["Id"]: result for result in answer["MetricDataResults"]}

    def definition(self, **more):
        container = {"name": self.place["containerName"], "image": "example/web:2", "memory": 128}
        container |= {"portMappings": [{"containerPort": self.place["containerPort"]}]}
        return {"family": "clients", "containerDefinitions": [container | more]}


class Case(unittest.TestCase):
    """What the tests share."""

    maxDiff = None

    def refuses(self, code, call, **input):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(**input)
        self.assertEqual(caught.exception.response["Error"]["Code"], code)
        self.assertTrue(caught.exception.response["ResponseMetadata"]["RequestId"])
        return caught.exception.response


class Definitions(Case):
    def test_revisions_count_up_and_are_found_by_every_name(self):
        first = lab.ecs.register_task_definition(**lab.definition())["taskDefinition"]
        second = lab.ecs.register_task_definition(**lab.definition(), tags=[{"key": "a", "value": "b"}])
        self.assertEqual(second["tags"], [{"key": "a", "value": "b"}])
        second = second["taskDefinition"]
        self.assertEqual(second["revision"], first["revision"] + 1)
        self.assertEqual(second["status"], "ACTIVE")
        self.assertIsInstance(second["registeredAt"], datetime.datetime)
        for name in ("clients", f"clients:{second['revision']}", second["taskDefinitionArn"]):
            found = lab.ecs.describe_task_definition(taskDefinition=name, include=["TAGS"])
            self.assertEqual(found["taskDefinition"], second)
            self.assertEqual(found["tags"], [{"key": "a", "value": "b"}])
        paginator = lab.ecs.get_paginator("list_task_definitions")
        listed = paginator.paginate(familyPrefix="clients", PaginationConfig={"PageSize": 1})
        arns = [arn for page in listed for arn in page["taskDefinitionArns"]]
        self.assertIn(first["taskDefinitionArn"], arns)
        self.assertIn(second["taskDefinitionArn"], arns)

    def test_a_deregistered_revision_is_inactive_and_cannot_be_deployed(self):
        arn = lab.ecs.register_task_definition(**lab.definition())["taskDefinition"]["taskDefinitionArn"]
        gone = lab.ecs.deregister_task_definition(taskDefinition=arn)["taskDefinition"]
        self.assertEqual(gone["status"], "INACTIVE")
        call = lab.ecs.update_service
        self.refuses("ClientException", call, cluster=lab.cluster, service=lab.idle, taskDefinition=arn)

    def test_wrong_definitions_are_refused(self):
        register = lab.ecs.register_task_definition
        self.refuses("ClientException", register, family="clients", containerDefinitions=[])
        self.refuses("ClientException", register, **lab.definition(essential=False))
        self.refuses("ClientException", register, **lab.definition() | {"family": "a b"})
        wrong = {"environment": [{"name": "LAB_BEHAVIOUR", "value": "sick"}]}
        self.assertIn("never-healthy", str(self.refuses("ClientException", register, **lab.definition(**wrong))))
        self.refuses("ClientException", lab.ecs.describe_task_definition, taskDefinition="clients:999")


class Services(Case):
    def test_missing_things_are_told_as_aws_tells_them(self):
        answer = lab.ecs.describe_services(cluster=lab.cluster, services=[lab.serving, "nope"])
        self.assertEqual([one["serviceName"] for one in answer["services"]], [lab.serving])
        self.assertEqual(answer["failures"][0]["reason"], "MISSING")
        self.refuses("ClusterNotFoundException", lab.ecs.describe_services, cluster="nope", services=["x"])
        update = lab.ecs.update_service
        self.refuses("ServiceNotFoundException", update, cluster=lab.cluster, service="nope", desiredCount=1)
        many = [f"s{number}" for number in range(11)]
        self.refuses("InvalidParameterException", lab.ecs.describe_services, cluster=lab.cluster, services=many)
        self.refuses("InvalidParameterException", lab.ecs.stop_task, cluster=lab.cluster, task="0" * 32)

    def test_tags_come_and_go(self):
        arn = lab.service(lab.serving)["serviceArn"]
        lab.ecs.tag_resource(resourceArn=arn, tags=[{"key": "tide", "value": "high"}])
        self.assertIn({"key": "tide", "value": "high"}, lab.ecs.list_tags_for_resource(resourceArn=arn)["tags"])
        shown = lab.ecs.describe_services(cluster=lab.cluster, services=[arn], include=["TAGS"])["services"][0]
        self.assertIn({"key": "tide", "value": "high"}, shown["tags"])
        lab.ecs.untag_resource(resourceArn=arn, tagKeys=["tide"])
        self.assertNotIn("tide", str(lab.ecs.list_tags_for_resource(resourceArn=arn)["tags"]))

    def test_a_release_goes_out_and_comes_back_without_a_failed_request(self):
        """Scale out, shift all weight there and back, scale in: every target state, and no failure."""
        before = lab.get("/_lab/traffic")
        definition = lab.ecs.register_task_definition(**lab.definition())["taskDefinition"]["taskDefinitionArn"]
        input = {"cluster": lab.cluster, "service": lab.idle}
        updated = lab.ecs.update_service(**input, taskDefinition=definition, desiredCount=3)["service"]
        self.assertEqual(updated["deployments"][0]["status"], "PRIMARY")
        self.assertEqual(updated["deployments"][0]["taskDefinition"], definition)
        seen = set()

        def is_healthy():
            states = lab.health(lab.idle_group)
            seen.update(states)
            return states.count("healthy") == 3

        until(is_healthy, "three healthy targets")
        self.assertIn("initial", seen)
        lab.ecs.get_waiter("services_stable").wait(
            cluster=lab.cluster, services=[lab.idle], WaiterConfig={"Delay": 1, "MaxAttempts": PATIENCE}
        )
        lab.elb.get_waiter("target_in_service").wait(
            TargetGroupArn=lab.idle_group, WaiterConfig={"Delay": 1, "MaxAttempts": PATIENCE}
        )
        self.the_tasks_of_the_release(definition)
        for serving, idle in ((90, 10), (0, 100), (100, 0)):
            lab.elb.modify_rule(RuleArn=lab.rule, Actions=[lab.forward(serving, idle)])
            group = (lab.idle_group if idle == 100 else lab.serving_group).split("/")[1]
            count = lambda: lab.get("/_lab/traffic")["by_target_group"].get(group, {"requests": 0})["requests"]
            had = count()
            until(lambda: count() > had + 50, f"requests at {serving}/{idle}")
        lab.ecs.update_service(**input, desiredCount=0)
        until(lambda: "draining" in lab.health(lab.idle_group), "draining")
        until(lambda: lab.health(lab.idle_group) == [], "no target")
        until(lambda: lab.is_stable(lab.idle), "stable at zero")
        stopped = until(lambda: len(self.stopped(definition)) == 3 and self.stopped(definition), "stopped tasks")
        self.assertEqual({task["stopCode"] for task in stopped}, {"ServiceSchedulerInitiated"})
        after = lab.get("/_lab/traffic")
        self.assertGreater(after["requests"], before["requests"])
        self.assertEqual(after["failed"], before["failed"], after["failures"])

    def the_tasks_of_the_release(self, definition):
        arns = lab.ecs.list_tasks(cluster=lab.cluster, serviceName=lab.idle)["taskArns"]
        self.assertEqual(len(arns), 3)
        pages = lab.ecs.get_paginator("list_tasks").paginate(
            cluster=lab.cluster, serviceName=lab.idle, PaginationConfig={"PageSize": 2}
        )
        self.assertEqual([arn for page in pages for arn in page["taskArns"]], arns)
        answer = lab.ecs.describe_tasks(cluster=lab.cluster, tasks=arns + ["0" * 32])
        self.assertEqual(len(answer["failures"]), 1)
        for task in answer["tasks"]:
            self.assertEqual((task["lastStatus"], task["desiredStatus"]), ("RUNNING", "RUNNING"))
            self.assertEqual(task["taskDefinitionArn"], definition)
            self.assertEqual(task["group"], f"service:{lab.idle}")
            self.assertTrue(task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"].startswith("10."))

    def stopped(self, definition):
        arns = lab.ecs.list_tasks(cluster=lab.cluster, serviceName=lab.idle, desiredStatus="STOPPED")["taskArns"]
        tasks = lab.ecs.describe_tasks(cluster=lab.cluster, tasks=arns[:100])["tasks"] if arns else []
        ended = [task for task in tasks if task["lastStatus"] == "STOPPED"]
        return [task for task in ended if task["taskDefinitionArn"] == definition]

    def test_a_crashing_release_fails_and_says_why(self):
        crash = {"environment": [{"name": "LAB_BEHAVIOUR", "value": "crash"}]}
        definition = lab.ecs.register_task_definition(**lab.definition(**crash))["taskDefinition"]
        definition = definition["taskDefinitionArn"]
        before = lab.service(lab.idle)["taskDefinition"]
        input = {"cluster": lab.cluster, "service": lab.idle}
        lab.ecs.update_service(**input, taskDefinition=definition, desiredCount=1)
        self.addCleanup(lab.ecs.update_service, **input, taskDefinition=before, desiredCount=0)
        primary = until(
            lambda: [one for one in lab.service(lab.idle)["deployments"] if one["failedTasks"] >= 2], "failed tasks"
        )[0]
        self.assertEqual(primary["rolloutState"], "IN_PROGRESS")
        tasks = until(lambda: self.stopped(definition), "stopped tasks")
        self.assertEqual(tasks[0]["stopCode"], "EssentialContainerExited")
        self.assertEqual(tasks[0]["stoppedReason"], "Essential container in task exited")
        self.assertEqual(tasks[0]["containers"][0]["exitCode"], 1)


class Routes(Case):
    def setUp(self):
        before = lab.the_rule()
        self.addCleanup(lab.elb.modify_rule, RuleArn=lab.rule, Actions=before["Actions"])

    def test_a_change_replaces_the_actions_and_keeps_the_rest(self):
        before = lab.the_rule()
        sticky = {"Enabled": True, "DurationSeconds": 60}
        answer = lab.elb.modify_rule(RuleArn=lab.rule, Actions=[lab.forward(95, 5, **sticky)])["Rules"][0]
        self.assertEqual(answer, lab.the_rule())
        self.assertEqual(answer["Conditions"], before["Conditions"])
        self.assertEqual(answer["Priority"], before["Priority"])
        config = answer["Actions"][0]["ForwardConfig"]
        self.assertEqual([group["Weight"] for group in config["TargetGroups"]], [95, 5])
        self.assertEqual(config["TargetGroupStickinessConfig"], sticky)
        answer = lab.elb.modify_rule(RuleArn=lab.rule, Actions=[lab.forward(100, 0)])["Rules"][0]
        self.assertEqual(answer["Actions"][0]["ForwardConfig"]["TargetGroupStickinessConfig"], {"Enabled": False})

    def test_a_sticky_group_among_several_wants_a_rule_that_is_sticky_too(self):
        modify, attributes = lab.elb.modify_rule, lab.elb.modify_target_group_attributes
        stick = {"Attributes": [{"Key": "stickiness.enabled", "Value": "true"}]}
        loose = {"Attributes": [{"Key": "stickiness.enabled", "Value": "false"}]}
        modify(RuleArn=lab.rule, Actions=[lab.forward(100, 0)])
        refusal = self.refuses("InvalidConfigurationRequest", attributes, TargetGroupArn=lab.idle_group, **stick)
        self.assertIn(lab.rule, refusal["Error"]["Message"])
        modify(RuleArn=lab.rule, Actions=[lab.forward(100, 0, Enabled=True, DurationSeconds=60)])
        attributes(TargetGroupArn=lab.idle_group, **stick)
        try:
            self.refuses("InvalidLoadBalancerAction", modify, RuleArn=lab.rule, Actions=[lab.forward(100, 0)])
            modify(RuleArn=lab.rule, Actions=[lab.forward(100, 0, Enabled=True, DurationSeconds=1)])
            modify(RuleArn=lab.rule, Actions=[{"Type": "forward", "TargetGroupArn": lab.idle_group}])
        finally:
            attributes(TargetGroupArn=lab.idle_group, **loose)

    def test_a_single_group_is_told_both_ways(self):
        action = {"Type": "forward", "TargetGroupArn": lab.serving_group}
        answer = lab.elb.modify_rule(RuleArn=lab.rule, Actions=[action])["Rules"][0]["Actions"][0]
        self.assertEqual(answer["TargetGroupArn"], lab.serving_group)
        groups = [{"TargetGroupArn": lab.serving_group, "Weight": 1}]
        self.assertEqual(answer["ForwardConfig"]["TargetGroups"], groups)

    def test_the_secret_of_an_identity_provider_is_never_told_and_must_be_kept_or_given(self):
        urls = ("Issuer", "AuthorizationEndpoint", "TokenEndpoint", "UserInfoEndpoint")
        oidc = {key: "https://idp.example/" + key for key in urls} | {"ClientId": "tide"}
        given = {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": oidc | {"ClientSecret": "hush"}}
        forward = lab.forward(100, 0) | {"Order": 2}
        actions = lab.elb.modify_rule(RuleArn=lab.rule, Actions=[given, forward])["Rules"][0]["Actions"]
        self.assertNotIn("hush", str(actions))
        self.assertEqual(actions[0]["AuthenticateOidcConfig"]["ClientId"], "tide")
        modify = lab.elb.modify_rule
        self.refuses("InvalidLoadBalancerAction", modify, RuleArn=lab.rule, Actions=actions)
        actions[0]["AuthenticateOidcConfig"]["UseExistingClientSecret"] = True
        modify(RuleArn=lab.rule, Actions=actions)

    def test_wrong_actions_are_refused_with_the_right_codes(self):
        modify = lab.elb.modify_rule
        self.refuses("ValidationError", modify, RuleArn=lab.rule, Actions=[lab.forward(1000, 0)])
        self.refuses("ValidationError", modify, RuleArn=lab.rule, Actions=[lab.forward(-1, 0)])
        sticky = [lab.forward(1, 1, Enabled=True)]
        self.refuses("ValidationError", modify, RuleArn=lab.rule, Actions=sticky)
        sticky = [lab.forward(1, 1, Enabled=True, DurationSeconds=604801)]
        self.refuses("ValidationError", modify, RuleArn=lab.rule, Actions=sticky)
        action = lab.forward(1, 1)
        action["ForwardConfig"]["TargetGroups"] *= 3
        self.refuses("TooManyTargetGroups", modify, RuleArn=lab.rule, Actions=[action])
        unknown = {"Type": "forward", "TargetGroupArn": lab.serving_group + "0"}
        self.refuses("TargetGroupNotFound", modify, RuleArn=lab.rule, Actions=[unknown])
        self.refuses("RuleNotFound", modify, RuleArn=lab.rule + "0", Actions=[lab.forward(1, 1)])
        default = lab.elb.describe_rules(ListenerArn=lab.listener)["Rules"][-1]
        self.assertTrue(default["IsDefault"])
        self.refuses("OperationNotPermitted", modify, RuleArn=default["RuleArn"], Actions=[lab.forward(1, 1)])
        modify(RuleArn=lab.rule, Actions=[lab.forward(0, 0)])

    def test_rules_come_and_go_by_priority(self):
        header = {"HttpHeaderName": "X-Tide", "Values": ["high"]}
        conditions = [{"Field": "http-header", "HttpHeaderConfig": header}]
        answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "418", "MessageBody": "tea"}}
        input = {"ListenerArn": lab.listener, "Conditions": conditions, "Actions": [answer]}
        rule = lab.elb.create_rule(Priority=7, **input)["Rules"][0]
        self.addCleanup(lab.elb.delete_rule, RuleArn=rule["RuleArn"])
        self.refuses("PriorityInUse", lab.elb.create_rule, Priority=7, **input)
        lab.elb.set_rule_priorities(RulePriorities=[{"RuleArn": rule["RuleArn"], "Priority": 8}])
        paginator = lab.elb.get_paginator("describe_rules")
        pages = paginator.paginate(ListenerArn=lab.listener, PaginationConfig={"PageSize": 1})
        rules = [one for page in pages for one in page["Rules"]]
        self.assertIn(("8", rule["RuleArn"]), [(one["Priority"], one["RuleArn"]) for one in rules])
        place = f"{self.balancer_name()}:{self.port()}"
        address = lab.get("/_lab/state")["connections"][place]

        def tea():
            request = urllib.request.Request(f"http://{address}/", headers={"X-Tide": "high"})
            try:
                return urllib.request.urlopen(request).status == 418
            except urllib.error.HTTPError as error:
                return error.code == 418

        until(tea, "the new rule in the data plane")

    def balancer_name(self):
        return lab.balancer["DNSName"]

    def port(self):
        return lab.elb.describe_listeners(ListenerArns=[lab.listener])["Listeners"][0]["Port"]

    def test_a_rule_before_ours_takes_requests_away_from_it(self):
        """Every client says who it is, so that a rule can shadow ours for some of them."""
        input = {"cluster": lab.cluster, "service": lab.idle}
        self.addCleanup(lambda: until(lambda: lab.health(lab.idle_group) == [], "no target"))
        self.addCleanup(lab.ecs.update_service, **input, desiredCount=0)
        lab.ecs.update_service(**input, desiredCount=1)
        until(lambda: lab.health(lab.idle_group) == ["healthy"], "a healthy target")
        header = {"HttpHeaderName": "User-Agent", "Values": ["lab-client/1*"]}
        shadow = {"ListenerArn": lab.listener, "Actions": [lab.forward(100, 0)], "Priority": 1}
        shadow["Conditions"] = [{"Field": "http-header", "HttpHeaderConfig": header}]
        rule = lab.elb.create_rule(**shadow)["Rules"][0]
        self.addCleanup(lab.elb.modify_rule, RuleArn=lab.rule, Actions=[lab.forward(100, 0)])
        self.addCleanup(lab.elb.delete_rule, RuleArn=rule["RuleArn"])
        lab.elb.modify_rule(RuleArn=lab.rule, Actions=[lab.forward(0, 100)])

        def counts():
            groups = lab.get("/_lab/traffic")["by_target_group"]
            names = [group.split("/")[1] for group in (lab.serving_group, lab.idle_group)]
            return [groups.get(name, {"requests": 0})["requests"] for name in names]

        before = counts()
        until(lambda: counts()[1] > before[1], "the change in the data plane")
        before = counts()
        after = until(lambda: (now := counts())[1] > before[1] + 300 and now, "requests to the idle slot")
        serving, idle = after[0] - before[0], after[1] - before[1]
        self.assertTrue(0.08 < serving / (serving + idle) < 0.3, f"11 of 64 clients are shadowed: {serving}, {idle}")

    def test_groups_have_attributes_tags_and_targets(self):
        input = {"Name": "clients", "Protocol": "HTTP", "Port": 80, "VpcId": "vpc-0lab", "TargetType": "ip"}
        arn = lab.elb.create_target_group(**input)["TargetGroups"][0]["TargetGroupArn"]
        lab.elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": "10.9.9.9"}])
        until(lambda: lab.health(arn) == ["unused"], "a group that no rule names is unused")
        attribute = {"Key": "deregistration_delay.timeout_seconds", "Value": "5"}
        lab.elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[attribute])
        attributes = lab.elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
        self.assertIn(attribute, attributes)
        lab.elb.add_tags(ResourceArns=[arn], Tags=[{"Key": "tide", "Value": "low"}])
        tags = lab.elb.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]
        self.assertEqual(tags, [{"Key": "tide", "Value": "low"}])
        lab.elb.remove_tags(ResourceArns=[arn], TagKeys=["tide"])
        lab.elb.delete_target_group(TargetGroupArn=arn)
        self.refuses("TargetGroupNotFound", lab.elb.describe_target_groups, TargetGroupArns=[arn])
        self.refuses("ResourceInUse", lab.elb.delete_target_group, TargetGroupArn=lab.serving_group)
        balancer = lab.balancer["LoadBalancerArn"]
        groups = lab.elb.describe_target_groups(LoadBalancerArn=balancer)["TargetGroups"]
        self.assertIn(lab.serving_group, [group["TargetGroupArn"] for group in groups])


class Metrics(Case):
    @classmethod
    def setUpClass(cls):
        query = lab.stat("requests", "RequestCount")
        until(lambda: len(lab.data([query])["requests"]["Values"]) >= 3, "three published minutes")

    def queries(self):
        return [
            lab.stat("requests", "RequestCount"),
            lab.stat("errors", "HTTPCode_Target_5XX_Count", ReturnData=False),
            lab.stat("p95", "TargetResponseTime", "p95"),
            lab.stat("slow", "TargetResponseTime", "TC(0.1:)"),
            lab.stat("all", "TargetResponseTime", "SampleCount"),
            {"Id": "share", "Expression": "100 * FILL(errors, 0) / requests", "Label": "share"},
            {"Id": "half", "Expression": "IF(requests > 0, slow / all, 0)"},
        ]

    def the_values(self, cloudwatch):
        found = lab.data(self.queries(), cloudwatch, ScanBy="TimestampAscending")
        self.assertNotIn("errors", found)
        for result in found.values():
            self.assertEqual(result["StatusCode"], "Complete")
            self.assertEqual(len(result["Timestamps"]), len(result["Values"]))
            self.assertEqual(result["Timestamps"], sorted(result["Timestamps"]))
        self.assertGreater(found["requests"]["Values"][0], 0)
        self.assertTrue(0.1 < found["p95"]["Values"][0] < 0.6, found["p95"])
        self.assertTrue(all(0 <= value <= 1 for value in found["half"]["Values"]))
        self.assertTrue(all(0 <= value <= 100 for value in found["share"]["Values"]))

    def test_metrics_come_from_the_requests_that_flowed(self):
        self.the_values(lab.cloudwatch)

    def test_cbor_and_query_tell_the_same(self):
        order = "PRIORITY_ORDERED_SUPPORTED_PROTOCOLS"
        for protocol in ("smithy-rpc-v2-cbor", "query"):
            with self.subTest(protocol), mock.patch.object(botocore.model, order, (protocol,)):
                cloudwatch = lab.client("cloudwatch")
                self.assertEqual(cloudwatch.meta.service_model.resolved_protocol, protocol)
                self.the_values(cloudwatch)
                self.an_alarm(cloudwatch, f"wire-{protocol}")

    def an_alarm(self, cloudwatch, name):
        alarm = {"MetricName": "m", "Namespace": "clients", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1}
        alarm |= {"Threshold": 1.5, "ComparisonOperator": "GreaterThanThreshold"}
        cloudwatch.put_metric_alarm(AlarmName=name, **alarm)
        found = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
        self.assertEqual((found["Threshold"], found["Period"]), (1.5, 60))
        self.assertEqual(found["StateValue"], "INSUFFICIENT_DATA")
        self.assertIsInstance(found["StateUpdatedTimestamp"], datetime.datetime)
        unknown = {"AlarmName": "nope", "StateValue": "OK", "StateReason": "x"}
        self.refuses("ResourceNotFound", cloudwatch.set_alarm_state, **unknown)
        cloudwatch.delete_alarms(AlarmNames=[name])

    def test_pages_together_are_the_whole(self):
        now = lab.now()
        # What is published in pages must not be published between two of them: the latest part of a minute comes after six.
        window = {"StartTime": now - datetime.timedelta(hours=1), "EndTime": now - datetime.timedelta(minutes=10)}
        queries = [lab.stat("a", "RequestCount"), lab.stat("b", "TargetResponseTime", "Maximum")]
        whole = lab.cloudwatch.get_metric_data(MetricDataQueries=queries, **window)["MetricDataResults"]
        whole = {result["Id"]: list(result["Values"]) for result in whole}
        pages = lab.cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries, **window, PaginationConfig={"PageSize": 2}
        )
        paged = {}
        for page in pages:
            for result in page["MetricDataResults"]:
                paged.setdefault(result["Id"], []).extend(result["Values"])
        self.assertEqual(paged, whole)

    def test_wrong_queries_are_refused(self):
        code = "ValidationError"
        now = lab.now()
        window = {"StartTime": now - datetime.timedelta(minutes=5), "EndTime": now}
        call = lab.cloudwatch.get_metric_data
        band = [lab.stat("a", "RequestCount"), {"Id": "b", "Expression": "ANOMALY_DETECTION_BAND(a, 2)"}]
        self.assertIn("ANOMALY_DETECTION_BAND", str(self.refuses(NOT_PLAYED, call, MetricDataQueries=band, **window)))
        self.refuses(code, call, MetricDataQueries=[lab.stat("a", "RequestCount", "median")], **window)
        self.refuses(code, call, MetricDataQueries=[lab.stat(f"m{n}", "RequestCount") for n in range(501)], **window)
        self.refuses(code, call, MetricDataQueries=[lab.stat("a", "RequestCount")], StartTime=now, EndTime=now)

    def test_own_metrics_go_in_and_come_out(self):
        now = lab.now()
        data = [{"MetricName": "depth", "Timestamp": now, "Values": [1.0, 2.0, 3.0, 4.0], "Unit": "Count"}]
        lab.cloudwatch.put_metric_data(Namespace="clients", MetricData=data)
        metric = {"Namespace": "clients", "MetricName": "depth"}
        stats = {"sum": "Sum", "p50": "p50", "tm": "TM(25%:75%)", "max": "Maximum"}
        stat = {"Metric": metric, "Period": 60}
        queries = [{"Id": id, "MetricStat": stat | {"Stat": name}} for id, name in stats.items()]
        window = {"StartTime": now - datetime.timedelta(minutes=2), "EndTime": now + datetime.timedelta(minutes=1)}
        found = lab.cloudwatch.get_metric_data(MetricDataQueries=queries, **window)["MetricDataResults"]
        self.assertEqual([result["Values"] for result in found], [[10.0], [2.0], [2.5], [4.0]])
        statistics = {"Period": 60, "Statistics": ["Average"], "ExtendedStatistics": ["p100"]}
        points = lab.cloudwatch.get_metric_statistics(**metric, **statistics, **window)["Datapoints"]
        self.assertEqual((points[0]["Average"], points[0]["ExtendedStatistics"]), (2.5, {"p100": 4.0}))
        names = lab.cloudwatch.list_metrics(Namespace="clients")["Metrics"]
        self.assertIn("depth", [metric["MetricName"] for metric in names])
        put = lab.cloudwatch.put_metric_data
        self.refuses("InvalidParameterValue", put, Namespace="AWS/ECS", MetricData=data)


class Alarms(Case):
    def alarm(self, name, threshold, **more):
        self.addCleanup(lab.cloudwatch.delete_alarms, AlarmNames=[name])
        metric = {"MetricName": "RequestCount", "Namespace": "AWS/ApplicationELB", "Dimensions": lab.dimensions()}
        rule = {"Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": threshold}
        rule |= {"ComparisonOperator": "GreaterThanThreshold"} | more
        lab.cloudwatch.put_metric_alarm(AlarmName=name, **metric, **rule)

    def state(self, name):
        return lab.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]

    def test_alarms_look_at_what_flowed_and_remember(self):
        self.alarm("clients-busy", 0.0)
        self.alarm("clients-calm", 1e9)
        until(lambda: self.state("clients-busy") == "ALARM", "an alarm on requests")
        until(lambda: self.state("clients-calm") == "OK", "no alarm below the threshold")
        items = lab.cloudwatch.describe_alarm_history(AlarmName="clients-busy", HistoryItemType="StateUpdate")
        summaries = [item["HistorySummary"] for item in items["AlarmHistoryItems"]]
        self.assertEqual(summaries[0].split(" to ")[1], "ALARM")
        self.alarm("clients-busy", 1.0)
        self.assertEqual(self.state("clients-busy"), "ALARM")

    def test_composite_alarms_are_told_only_when_asked_for(self):
        self.alarm("clients-child", 0.0)
        self.addCleanup(lab.cloudwatch.delete_alarms, AlarmNames=["clients-all"])
        lab.cloudwatch.put_composite_alarm(AlarmName="clients-all", AlarmRule='ALARM("clients-child") AND NOT FALSE')
        answer = lab.cloudwatch.describe_alarms(AlarmNames=["clients-all"])
        self.assertEqual(answer["MetricAlarms"] + answer["CompositeAlarms"], [])

        def state():
            types = ["CompositeAlarm", "MetricAlarm"]
            answer = lab.cloudwatch.describe_alarms(AlarmNames=["clients-all"], AlarmTypes=types)
            return answer["CompositeAlarms"][0]["StateValue"]

        until(lambda: state() == "ALARM", "the composite follows its child")
        put = lab.cloudwatch.put_composite_alarm
        self.refuses("ValidationError", put, AlarmName="x", AlarmRule="ALARM(nope)")
        self.refuses("ValidationError", put, AlarmName="x", AlarmRule="ALARM(")

    def test_missing_data_and_actions(self):
        self.alarm("clients-quiet", 0.0, TreatMissingData="notBreaching", EvaluationPeriods=2)
        lab.cloudwatch.disable_alarm_actions(AlarmNames=["clients-quiet"])
        found = lab.cloudwatch.describe_alarms(AlarmNames=["clients-quiet"])["MetricAlarms"][0]
        self.assertFalse(found["ActionsEnabled"])
        self.assertEqual(found["TreatMissingData"], "notBreaching")
        many = [f"a{number}" for number in range(101)]
        with self.assertRaises(botocore.exceptions.ClientError):
            lab.cloudwatch.describe_alarms(AlarmNames=many)
        wrong = {"AlarmName": "x", "MetricName": "m", "Namespace": "n", "Statistic": "Sum", "EvaluationPeriods": 1}
        wrong |= {"Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"}
        self.refuses("ValidationError", lab.cloudwatch.put_metric_alarm, Period=7, **wrong)


class Past(Case):
    def test_the_slot_that_serves_has_hours_of_metrics_behind_it(self):
        group = [{"Name": "TargetGroup", "Value": lab.serving_group.split(":")[-1]}]
        queries = [
            lab.stat("requests", "RequestCount"),
            lab.stat("all", "TargetResponseTime", "SampleCount"),
            lab.stat("slow", "TargetResponseTime", "TC(0.228:)"),
            lab.stat("quick", "TargetResponseTime", "PR(:0.228)"),
        ]
        for query in queries[1:]:
            query["MetricStat"]["Metric"]["Dimensions"] = lab.dimensions() + group
        # The last minutes may not be published yet.
        end = lab.began().replace(second=0, microsecond=0) - datetime.timedelta(minutes=10)
        window = {"StartTime": end - datetime.timedelta(hours=9), "EndTime": end}
        began = time.monotonic()
        answer = lab.cloudwatch.get_metric_data(MetricDataQueries=queries, ScanBy="TimestampAscending", **window)
        print(f"9 hours of 4 series in {time.monotonic() - began:.3f} s")
        found = {result["Id"]: result["Values"] for result in answer["MetricDataResults"]}
        self.assertEqual({len(values) for values in found.values()}, {540})
        self.assertEqual(found["requests"], found["all"])
        for slow, quick, all in zip(found["slow"], found["quick"], found["all"]):
            self.assertAlmostEqual(100 * (1 - slow / all), quick, places=6)
        self.assertAlmostEqual(sum(found["slow"]) / sum(found["all"]), 0.05, delta=0.01)


class HighResolution(Case):
    def read(self, period, stat="Sum", name="fine", namespace="clients", dimensions=(), minutes=5):
        metric = {"Namespace": namespace, "MetricName": name, "Dimensions": list(dimensions)}
        query = {"Id": "it", "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}}
        now = lab.now()
        window = {"StartTime": now - datetime.timedelta(minutes=minutes), "EndTime": now}
        answer = lab.cloudwatch.get_metric_data(MetricDataQueries=[query], ScanBy="TimestampAscending", **window)
        result = answer["MetricDataResults"][0]
        return list(zip(result["Timestamps"], result["Values"]))

    def test_what_is_put_with_a_resolution_of_a_second_is_told_by_short_periods(self):
        start = lab.now().replace(second=0, microsecond=0) - datetime.timedelta(minutes=2)
        at = lambda second: {"Timestamp": start + datetime.timedelta(seconds=second), "Value": 1.0}
        data = [{"MetricName": "fine", "StorageResolution": 1} | at(second) for second in (0, 5, 10, 25, 40)]
        coarse = [{"MetricName": "coarse"} | at(second) for second in (0, 30)]
        lab.cloudwatch.put_metric_data(Namespace="clients", MetricData=data + coarse)
        for period, sums in ((5, [1, 1, 1, 1, 1]), (10, [2, 1, 1, 1]), (20, [3, 1, 1]), (30, [4, 1]), (60, [5])):
            self.assertEqual([value for _, value in self.read(period)], sums, f"period {period}")
        self.assertEqual([value for _, value in self.read(10, name="coarse")], [2])
        wrong = [{"MetricName": "fine", "Value": 1.0, "StorageResolution": 10}]
        put = lab.cloudwatch.put_metric_data
        self.refuses("InvalidParameterValue", put, Namespace="clients", MetricData=wrong)

    def test_tasks_tell_of_their_requests_every_ten_seconds(self):
        own = {"namespace": "Lab/Service", "dimensions": [{"Name": "Service", "Value": lab.serving}]}

        def fresh():
            bins = self.read(10, name="Requests", **own)
            return lab.now() - bins[-1][0] < datetime.timedelta(seconds=25) and bins

        bins = until(fresh, "a bin of the last seconds")
        self.assertTrue(all(at.second % 10 == 0 for at, _ in bins))
        own["minutes"] = 60
        errors = dict(self.read(10, name="Errors", **own))
        slow = dict(self.read(10, "TC(0.1:)", name="Latency", **own))
        timed = dict(self.read(10, "SampleCount", name="Latency", **own))
        for at, requests in bins[:-1]:
            self.assertEqual((timed[at], errors[at] <= requests, slow[at] <= requests), (requests, True, True))

    def ask(self, path, **parameters):
        try:
            return 200, lab.get(f"/_lab/prometheus/api/v1/{path}?" + urllib.parse.urlencode(parameters))
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def test_prometheus_answers_sums_of_increases_and_refuses_all_else(self):
        counter = 'sum(increase(lab_requests_total{service="%s"}[10s]))' % lab.serving
        began = lab.began().timestamp()
        code, answer = self.ask("query_range", query=counter, start=began - 7200, end=began - 3600, step="10s")
        self.assertEqual((code, answer["status"], answer["data"]["resultType"]), (200, "success", "matrix"))
        values = [float(value) for _, value in answer["data"]["result"][0]["values"]]
        self.assertEqual(len(values), 361)
        self.assertAlmostEqual(sum(values) / 361, 100, delta=5)
        slower = counter + ' - sum(increase(lab_latency_seconds_bucket{service="%s",le="0.225"}[10s]))' % lab.serving
        vector = lambda: self.ask("query", query=slower)[1]["data"]["result"]
        self.assertGreaterEqual(float(until(vector, "a sample")[0]["value"][1]), 0)
        self.assertEqual(self.ask("query", query=counter.replace(lab.serving, "nope"))[1]["data"]["result"], [])
        for query in ("up", counter + " or vector(0)", "rate(lab_requests_total[1m])"):
            code, answer = self.ask("query", query=query)
            self.assertEqual((code, answer["status"], answer["errorType"]), (400, "error", "bad_data"))
            self.assertIn("sum(increase(", answer["error"])


class Outages(Case):
    def post(self, value):
        path = "/_lab/outage?" + urllib.parse.urlencode({"value": value})
        request = urllib.request.Request(lab.endpoint + path, method="POST")
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def test_an_outage_hits_the_tasks_of_every_slot_until_it_is_over(self):
        failed = lambda: lab.get("/_lab/traffic")["failed"]
        self.addCleanup(self.post, "over")
        before = failed()
        told = self.post("errors=100%,latency=+100%@0s:1h")["outages"]
        self.assertEqual(told[0]["what"], "errors=100%,latency=+100%")
        until(lambda: failed() > before + 20, "requests that fail")
        self.assertEqual(self.post("over")["outages"], [])
        requests = lambda: lab.get("/_lab/traffic")["requests"]
        marks = []

        def is_well():
            marks.append((requests(), failed()))
            quiet = [mark for mark in marks if mark[1] == marks[-1][1]]
            return marks[-1][0] > quiet[0][0] + 50

        until(is_well, "fifty requests of which none fails")
        with self.assertRaises(urllib.error.HTTPError):
            self.post("crash@0s:1m")


class Objects(Case):
    """S3: what a lease and a journal are made of."""

    def setUp(self):
        self.bucket = "clients-" + self.id().rsplit("_", 1)[-1]
        with contextlib.suppress(lab.s3.exceptions.BucketAlreadyOwnedByYou):
            lab.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})

    def at(self, key, **more):
        return {"Bucket": self.bucket, "Key": key} | more

    def test_buckets_are_there_or_missing(self):
        names = [bucket["Name"] for bucket in lab.s3.list_buckets()["Buckets"]]
        self.assertIn("tidegate-lab", names)
        self.assertIn(self.bucket, names)
        lab.s3.head_bucket(Bucket=self.bucket)
        self.refuses("404", lab.s3.head_bucket, Bucket="nope-nope")
        self.refuses("NoSuchBucket", lab.s3.get_object, Bucket="nope-nope", Key="k")
        self.refuses("BucketAlreadyOwnedByYou", lab.s3.create_bucket, Bucket=self.bucket)
        self.refuses("InvalidBucketName", lab.s3.create_bucket, Bucket="Nope")

    def test_an_object_comes_back_as_it_was_put(self):
        body = bytes(range(256)) * 40
        more = {"ContentType": "text/odd", "Metadata": {"tide": "high"}}
        put = lab.s3.put_object(**self.at("a b/+é", Body=body, **more))
        self.assertEqual(put["ETag"], '"%s"' % hashlib.md5(body).hexdigest())
        got = lab.s3.get_object(**self.at("a b/+é"))
        self.assertEqual(got["Body"].read(), body)
        self.assertEqual((got["ETag"], got["ContentLength"]), (put["ETag"], len(body)))
        self.assertEqual((got["ContentType"], got["Metadata"]), ("text/odd", {"tide": "high"}))
        self.assertLess(abs(lab.now() - got["LastModified"]), datetime.timedelta(minutes=10))
        head = lab.s3.head_object(**self.at("a b/+é"))
        self.assertEqual((head["ContentLength"], head["ETag"]), (len(body), put["ETag"]))
        self.refuses("304", lab.s3.get_object, **self.at("a b/+é", IfNoneMatch=put["ETag"]))
        lab.s3.delete_object(**self.at("a b/+é"))
        lab.s3.delete_object(**self.at("a b/+é"))
        self.refuses("NoSuchKey", lab.s3.get_object, **self.at("a b/+é"))
        self.refuses("404", lab.s3.head_object, **self.at("a b/+é"))

    def test_a_body_in_chunks_is_decoded_and_a_garbled_one_refused(self):
        """What SDKs send that compute the checksum on the way: chunks, and a trailer behind them."""
        sum = base64.b64encode(zlib.crc32(b"123456789").to_bytes(4, "big")).decode()
        body = f"4\r\n1234\r\n5\r\n56789\r\n0\r\nx-amz-checksum-crc32:{sum}\r\n\r\n".encode()
        headers = {"content-encoding": "aws-chunked", "x-amz-trailer": "x-amz-checksum-crc32"}
        headers |= {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-decoded-content-length": "9"}
        put = lambda data: urllib.request.Request(f"{lab.endpoint}/{self.bucket}/chunks", data, headers, method="PUT")
        with urllib.request.urlopen(put(body)) as answer:
            self.assertEqual(answer.headers["etag"], '"%s"' % hashlib.md5(b"123456789").hexdigest())
        self.assertEqual(lab.s3.get_object(**self.at("chunks"))["Body"].read(), b"123456789")
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(put(body.replace(b"5678", b"5679")))
        with caught.exception as error:
            self.assertIn("<Code>BadDigest</Code>", error.read().decode())
        self.refuses("BadDigest", lab.s3.put_object, **self.at("bad", Body=b"x", ChecksumCRC32="AAAAAA=="))
        self.refuses("NoSuchKey", lab.s3.get_object, **self.at("bad"))

    def test_a_key_is_created_once_and_swapped_by_its_etag(self):
        put = lab.s3.put_object
        first = put(**self.at("lease", Body=b"1", IfNoneMatch="*"))["ETag"]
        answer = self.refuses("PreconditionFailed", put, **self.at("lease", Body=b"2", IfNoneMatch="*"))
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 412)
        second = put(**self.at("lease", Body=b"2", IfMatch=first))["ETag"]
        self.refuses("PreconditionFailed", put, **self.at("lease", Body=b"3", IfMatch=first))
        self.refuses("NoSuchKey", put, **self.at("other", Body=b"3", IfMatch=first))
        self.refuses("PreconditionFailed", lab.s3.delete_object, **self.at("lease", IfMatch=first))
        self.assertEqual(lab.s3.get_object(**self.at("lease"))["Body"].read(), b"2")
        lab.s3.delete_object(**self.at("lease", IfMatch=second))
        self.refuses("NoSuchKey", lab.s3.delete_object, **self.at("lease", IfMatch=second))

    def test_of_many_that_swap_at_once_one_wins(self):
        def swap(number):
            try:
                lab.s3.put_object(**self.at("race", Body=b"%d" % number, IfMatch=first))
                return number
            except botocore.exceptions.ClientError as error:
                self.assertEqual(error.response["Error"]["Code"], "PreconditionFailed")

        first = lab.s3.put_object(**self.at("race", Body=b"first"))["ETag"]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            won = [number for number in pool.map(swap, range(16)) if number is not None]
        self.assertEqual(len(won), 1)
        self.assertEqual(lab.s3.get_object(**self.at("race"))["Body"].read(), b"%d" % won[0])

    def test_lists_come_in_pages_and_in_folders(self):
        keys = [f"runs/{number:02}/tape" for number in range(7)] + ["runs/a+b c", "top"]
        for key in keys:
            lab.s3.put_object(**self.at(key, Body=key.encode()))
        pages = lab.s3.get_paginator("list_objects_v2").paginate
        told = list(pages(Bucket=self.bucket, PaginationConfig={"PageSize": 2}))
        self.assertEqual([one["Key"] for page in told for one in page["Contents"]], sorted(keys))
        self.assertEqual([page["KeyCount"] for page in told], [2, 2, 2, 2, 1])
        told = list(pages(Bucket=self.bucket, Prefix="runs/", Delimiter="/", PaginationConfig={"PageSize": 3}))
        folders = [one["Prefix"] for page in told for one in page.get("CommonPrefixes", [])]
        self.assertEqual(folders, [f"runs/{number:02}/" for number in range(7)])
        self.assertEqual([one["Key"] for page in told for one in page.get("Contents", [])], ["runs/a+b c"])
        later = lab.s3.list_objects_v2(Bucket=self.bucket, StartAfter="runs/05/tape")["Contents"]
        self.assertEqual([one["Key"] for one in later], ["runs/06/tape", "runs/a+b c", "top"])
        self.refuses("InvalidArgument", lab.s3.list_objects_v2, Bucket=self.bucket, ContinuationToken="x")


class Schedules(Case):
    """EventBridge Scheduler: the dead-man's switch. A rule of its own takes the change, behind a path nobody asks for."""

    TARGET = "arn:aws:scheduler:::aws-sdk:elasticloadbalancingv2:modifyRule"

    def setUp(self):
        name = self.id().rsplit(".", 1)[-1]
        condition = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/" + name[:100]]}}
        priority = 1000 + sum(name.encode())
        made = lab.elb.create_rule(
            ListenerArn=lab.listener, Priority=priority, Conditions=[condition], Actions=[lab.forward(0, 100)]
        )
        self.rule, self.name = made["Rules"][0]["RuleArn"], name[:60]
        self.addCleanup(lab.elb.delete_rule, RuleArn=self.rule)

    def schedule(self, minutes, **more):
        at = lab.now() + datetime.timedelta(minutes=minutes)
        target = {"Arn": self.TARGET, "RoleArn": "arn:aws:iam::123456789012:role/dead-man"}
        target["Input"] = json.dumps({"RuleArn": self.rule, "Actions": [lab.forward(100, 0)]})
        target["RetryPolicy"] = {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 5}
        input = {"Name": self.name, "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target}
        return input | {"ScheduleExpression": at.strftime("at(%Y-%m-%dT%H:%M:%S)")} | more

    def has_fired(self):
        action = lab.elb.describe_rules(RuleArns=[self.rule])["Rules"][0]["Actions"][0]
        return [group["Weight"] for group in action["ForwardConfig"]["TargetGroups"]] == [100, 0]

    def names(self):
        pages = lab.scheduler.get_paginator("list_schedules").paginate(PaginationConfig={"PageSize": 1})
        return [one["Name"] for page in pages for one in page["Schedules"]]

    def is_gone(self):
        return self.name not in self.names()

    def test_a_schedule_fires_within_its_minute_and_goes_away(self):
        given = self.schedule(2, ActionAfterCompletion="DELETE", Description="a switch")
        arn = lab.scheduler.create_schedule(**given)["ScheduleArn"]
        self.assertTrue(arn.endswith(f":schedule/default/{self.name}"), arn)
        told = lab.scheduler.get_schedule(Name=self.name)
        self.assertEqual({key: told[key] for key in given}, given)
        self.assertEqual((told["State"], told["ScheduleExpressionTimezone"], told["Arn"]), ("ENABLED", "UTC", arn))
        self.assertIsInstance(told["CreationDate"], datetime.datetime)
        self.assertIn(self.name, self.names())
        self.assertFalse(self.has_fired())
        until(self.has_fired, "the rule to be changed")
        due = datetime.datetime.strptime(given["ScheduleExpression"], "at(%Y-%m-%dT%H:%M:%S)")
        self.assertGreaterEqual(lab.now(), due.replace(tzinfo=datetime.timezone.utc))
        until(self.is_gone, "the schedule to be gone")
        self.refuses("ResourceNotFoundException", lab.scheduler.get_schedule, Name=self.name)

    def test_an_update_pushes_it_forward_and_a_deletion_prevents_it(self):
        lab.scheduler.create_schedule(**self.schedule(3))
        before = lab.now()
        for _ in range(20):
            lab.scheduler.update_schedule(**self.schedule(3, ClientToken="anew"))
            until(lambda at=lab.now(): lab.now() > at + datetime.timedelta(seconds=20), "20 s to pass")
        self.assertGreater(lab.now() - before, datetime.timedelta(minutes=5))
        self.assertFalse(self.has_fired())
        lab.scheduler.delete_schedule(Name=self.name)
        self.refuses("ResourceNotFoundException", lab.scheduler.delete_schedule, Name=self.name)
        self.refuses("ResourceNotFoundException", lab.scheduler.update_schedule, **self.schedule(3))
        before = lab.now()
        until(lambda: lab.now() > before + datetime.timedelta(minutes=6), "six minutes to pass")
        self.assertFalse(self.has_fired())

    def test_groups_hold_schedules_and_a_name_is_taken_once(self):
        group = lab.scheduler.create_schedule_group(Name=self.name)["ScheduleGroupArn"]
        self.assertEqual(lab.scheduler.get_schedule_group(Name=self.name)["Arn"], group)
        self.assertEqual(lab.scheduler.get_schedule_group(Name="default")["State"], "ACTIVE")
        self.refuses("ConflictException", lab.scheduler.create_schedule_group, Name=self.name)
        self.refuses("ResourceNotFoundException", lab.scheduler.get_schedule_group, Name="nope")
        create = lab.scheduler.create_schedule
        far = self.schedule(9000, GroupName=self.name, ClientToken="once")
        arn = create(**far)["ScheduleArn"]
        self.assertEqual(create(**far)["ScheduleArn"], arn, "the same call again is no conflict")
        answer = self.refuses("ConflictException", create, **far | {"ClientToken": "twice"})
        self.assertIn("already exists", answer["Error"]["Message"])
        self.refuses("ResourceNotFoundException", create, **self.schedule(9000, GroupName="nope"))
        told = lab.scheduler.list_schedules(GroupName=self.name)["Schedules"]
        self.assertEqual([(one["Arn"], one["Target"]["Arn"]) for one in told], [(arn, self.TARGET)])
        lab.scheduler.delete_schedule(Name=self.name, GroupName=self.name)

    def test_what_the_lab_cannot_play_is_refused(self):
        target = self.schedule(9)["Target"]
        wrong = [
            (NOT_PLAYED, {"ScheduleExpression": "rate(5 minutes)"}),
            (NOT_PLAYED, {"ScheduleExpressionTimezone": "Europe/Berlin"}),
            (NOT_PLAYED, {"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}}),
            (NOT_PLAYED, {"Target": target | {"Arn": "arn:aws:lambda:eu-west-1:123456789012:function:f"}}),
            ("ValidationException", {"Target": target | {"RetryPolicy": {"MaximumEventAgeInSeconds": 99_999}}}),
            ("ValidationException", {"Target": target | {"Input": "{}"}}),
        ]
        for code, more in wrong:
            self.refuses(code, lab.scheduler.create_schedule, **self.schedule(9, **more))
        self.assertTrue(self.is_gone())


class Stage:
    """A service that ECS does not deploy itself, and two target groups behind listeners of their own."""

    def __init__(self, name, controller, port):
        self.name = name
        self.groups = [self.group(f"{name}-{colour}") for colour in ("blue", "green")]
        self.production, self.test = [self.listen(port + step, self.groups[step]) for step in (0, 1)]
        self.first, self.second = [self.register("example/web:3"), self.register("example/web:4")]
        made = {"cluster": lab.cluster, "serviceName": name, "desiredCount": 1}
        made |= {"deploymentController": {"type": controller}}
        if controller == "CODE_DEPLOY":
            made |= {"taskDefinition": self.first, "loadBalancers": [self.place(0)], "launchType": "FARGATE"}
        self.made = lab.ecs.create_service(**made)["service"]

    def group(self, name):
        check = {"HealthCheckPath": "/healthz", "HealthCheckIntervalSeconds": 6, "HealthyThresholdCount": 2}
        made = lab.elb.create_target_group(
            Name=name, Protocol="HTTP", Port=8080, VpcId="vpc-0lab", TargetType="ip", **check
        )
        arn = made["TargetGroups"][0]["TargetGroupArn"]
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "5"}
        lab.elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])
        return arn

    def listen(self, port, group):
        actions = [{"Type": "forward", "TargetGroupArn": group}]
        balancer = lab.balancer["LoadBalancerArn"]
        made = lab.elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=port, DefaultActions=actions)
        return made["Listeners"][0]["ListenerArn"]

    def register(self, image):
        made = lab.ecs.register_task_definition(**lab.definition(image=image, name="web") | {"family": self.name})
        return made["taskDefinition"]["taskDefinitionArn"]

    def place(self, side):
        return {"targetGroupArn": self.groups[side], "containerName": "web", "containerPort": 8080}

    def service(self):
        return lab.service(self.name)

    def sets(self):
        return self.service()["taskSets"]

    def weights(self, listener):
        rule = lab.elb.describe_rules(ListenerArn=listener)["Rules"][-1]
        tuples = rule["Actions"][-1]["ForwardConfig"]["TargetGroups"]
        weights = {one["TargetGroupArn"]: one["Weight"] for one in tuples}
        return [weights.get(group, 0) for group in self.groups]


class TaskSets(Case):
    def test_task_sets_are_made_scaled_promoted_and_deleted(self):
        stage = Stage("sets", "EXTERNAL", 9000)
        self.assertEqual(stage.made["deploymentController"], {"type": "EXTERNAL"})
        self.assertNotIn("taskDefinition", stage.made)
        of = {"cluster": lab.cluster, "service": "sets"}
        lab.ecs.update_service(**of, desiredCount=3)
        input = of | {"taskDefinition": stage.first, "loadBalancers": [stage.place(0)], "externalId": "one"}
        input |= {"scale": {"value": 50, "unit": "PERCENT"}, "clientToken": "a-token", "launchType": "FARGATE"}
        input |= {"tags": [{"key": "tide", "value": "low"}]}
        made = lab.ecs.create_task_set(**input)["taskSet"]
        self.assertEqual(lab.ecs.create_task_set(**input)["taskSet"]["id"], made["id"])
        self.assertRegex(made["taskSetArn"], r":task-set/[^/]+/sets/ecs-svc/\d{19}$")
        self.assertEqual((made["status"], made["computedDesiredCount"]), ("ACTIVE", 2))
        self.assertEqual((made["stabilityStatus"], made["scale"]), ("STABILIZING", {"value": 50.0, "unit": "PERCENT"}))

        def told(*names):
            found = lab.ecs.describe_task_sets(**of, taskSets=list(names), include=["TAGS"])
            return found["taskSets"], found["failures"]

        def is_steady():
            return told(made["id"])[0][0]["stabilityStatus"] == "STEADY_STATE"

        until(is_steady, "the task set is steady")
        self.assertEqual(lab.health(stage.groups[0]), ["healthy"] * 2)
        self.assertEqual(told(made["taskSetArn"])[0][0]["tags"], [{"key": "tide", "value": "low"}])
        scaled = lab.ecs.update_task_set(**of, taskSet=made["id"], scale={"value": 100, "unit": "PERCENT"})
        self.assertEqual(scaled["taskSet"]["computedDesiredCount"], 3)
        until(lambda: is_steady() and told(made["id"])[0][0]["runningCount"] == 3, "the task set has grown")
        promoted = lab.ecs.update_service_primary_task_set(**of, primaryTaskSet=made["taskSetArn"])["taskSet"]
        self.assertEqual(promoted["status"], "PRIMARY")
        self.assertEqual(stage.service()["taskDefinition"], stage.first)
        self.refuses("InvalidParameterException", lab.ecs.delete_task_set, **of, taskSet=made["id"])
        gone = lab.ecs.delete_task_set(**of, taskSet=made["id"], force=True)["taskSet"]
        self.assertEqual(gone["status"], "DRAINING")
        until(lambda: not stage.sets(), "the task set is gone")
        self.assertEqual(told(made["taskSetArn"])[1], [{"arn": made["taskSetArn"], "reason": "MISSING"}])
        self.refuses("TaskSetNotFoundException", lab.ecs.delete_task_set, **of, taskSet=made["id"])
        lab.ecs.delete_service(**of, force=True)

    def test_what_a_service_of_task_sets_cannot_do_is_refused(self):
        stage = Stage("few-sets", "EXTERNAL", 9010)
        of = {"cluster": lab.cluster, "service": "few-sets"}
        for more in ({"taskDefinition": stage.first}, {"forceNewDeployment": True}):
            self.refuses("InvalidParameterException", lab.ecs.update_service, **of, **more)
        create = lab.ecs.create_task_set
        for _ in range(5):
            create(**of, taskDefinition=stage.first)
        refused = self.refuses("InvalidParameterException", create, **of, taskDefinition=stage.first)
        self.assertIn("5 deployments exist on the service", refused["Error"]["Message"])
        places = [stage.place(0), stage.place(1)]
        self.refuses("InvalidParameterException", create, **of, taskDefinition=stage.first, loadBalancers=places)
        pair = {"cluster": lab.cluster, "service": lab.idle}
        self.refuses("InvalidParameterException", create, **pair, taskDefinition=stage.first)
        self.refuses("InvalidParameterException", lab.ecs.delete_service, **of)
        lab.ecs.delete_service(**of, force=True)
        self.refuses("ServiceNotActiveException", lab.ecs.describe_task_sets, **of)


class CodeDeploys(Case):
    """One service that CodeDeploy deploys, again and again."""

    @classmethod
    def setUpClass(cls):
        cls.deploy, cls.stage = lab.client("codedeploy"), Stage("deployed", "CODE_DEPLOY", 9020)
        cls.deploy.create_application(applicationName="shop", computePlatform="ECS")
        route = {
            "targetGroups": [{"name": "deployed-blue"}, {"name": "deployed-green"}],
            "prodTrafficRoute": {"listenerArns": [cls.stage.production]},
            "testTrafficRoute": {"listenerArns": [cls.stage.test]},
        }
        cls.group = {
            "applicationName": "shop",
            "deploymentGroupName": "front",
            "serviceRoleArn": "arn:aws:iam::123456789012:role/deploy",
            "ecsServices": [{"clusterName": lab.cluster.rsplit("/")[-1], "serviceName": "deployed"}],
            "deploymentStyle": {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
            "loadBalancerInfo": {"targetGroupPairInfoList": [route]},
        } | cls.waits("STOP_DEPLOYMENT", 30, 30)
        cls.deploy.create_deployment_group(**cls.group)
        cls.name = {key: cls.group[key] for key in ("applicationName", "deploymentGroupName")}
        until(lambda: lab.health(cls.stage.groups[0]) == ["healthy"], "the first task set serves")

    @staticmethod
    def waits(action, ready, end):
        ready = {"actionOnTimeout": action, "waitTimeInMinutes": ready}
        end = {"action": "TERMINATE", "terminationWaitTimeInMinutes": end}
        config = {"deploymentReadyOption": ready, "terminateBlueInstancesOnDeploymentSuccess": end}
        return {"blueGreenDeploymentConfiguration": config}

    def revision(self, definition, **more):
        properties = {"TaskDefinition": definition}
        properties |= {"LoadBalancerInfo": {"ContainerName": "web", "ContainerPort": 8080}}
        service = {"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}
        spec = {"version": 0.0, "Resources": [service]} | more
        return {"revisionType": "AppSpecContent", "appSpecContent": {"content": json.dumps(spec)}}

    def start(self, definition, **more):
        return self.deploy.create_deployment(**self.name, revision=self.revision(definition), **more)["deploymentId"]

    def info(self, id):
        return self.deploy.get_deployment(deploymentId=id)["deploymentInfo"]

    def target(self, id):
        targets = self.deploy.list_deployment_targets(deploymentId=id)["targetIds"]
        found = self.deploy.batch_get_deployment_targets(deploymentId=id, targetIds=targets)["deploymentTargets"][0]
        one = self.deploy.get_deployment_target(deploymentId=id, targetId=targets[0])["deploymentTarget"]
        self.assertEqual(one["ecsTarget"]["targetArn"], self.stage.made["serviceArn"])
        return found["ecsTarget"]

    def is_at(self, id, status):
        return lambda: self.info(id)["status"] == status

    def test_a_deployment_waits_shifts_keeps_the_original_and_succeeds(self):
        serving, other = self.stage.service()["taskDefinition"], self.stage.second
        id = self.start(other, deploymentConfigName="CodeDeployDefault.ECSAllAtOnce", description="by hand")
        self.assertRegex(id, r"^d-[0-9A-Z]{9}$")
        refused = self.refuses("DeploymentLimitExceededException", self.start, definition=serving)
        self.assertIn(f"is already deploying deployment '{id}'", refused["Error"]["Message"])
        until(self.is_at(id, "Ready"), "the deployment waits for leave")
        target = self.target(id)
        self.assertEqual(target["status"], "Ready")
        states = {event["lifecycleEventName"]: event["status"] for event in target["lifecycleEvents"]}
        self.assertEqual((len(states), states["AfterAllowTestTraffic"]), (8, "Succeeded"))
        self.assertEqual(states["AllowTraffic"], "Pending")
        sides = {one["taskSetLabel"]: one for one in target["taskSetsInfo"]}
        self.assertEqual([sides[side]["trafficWeight"] for side in ("Blue", "Green")], [100.0, 0.0])
        self.assertEqual((sides["Green"]["status"], sides["Green"]["runningCount"]), ("ACTIVE", 1))
        self.assertEqual(sorted(self.stage.weights(self.stage.test)), [0, 100])
        green = next(one for one in self.stage.sets() if one.get("externalId") == id)
        self.assertEqual((green["startedBy"], green["id"]), ("CODE_DEPLOY", sides["Green"]["identifer"]))
        self.refuses(
            "InvalidDeploymentStatusException",
            self.deploy.continue_deployment,
            deploymentId=id,
            deploymentWaitType="TERMINATION_WAIT",
        )
        self.deploy.continue_deployment(deploymentId=id, deploymentWaitType="READY_WAIT")
        until(lambda: self.target(id)["status"] == "Succeeded", "the traffic is shifted")
        info = self.info(id)
        self.assertEqual((info["status"], info.get("deploymentOverview")), ("InProgress", None))
        self.assertEqual((info["creator"], info["computePlatform"], info["description"]), ("user", "ECS", "by hand"))
        self.assertIsInstance(info["startTime"], datetime.datetime)
        self.assertEqual(self.stage.service()["taskDefinition"], other)
        self.deploy.continue_deployment(deploymentId=id, deploymentWaitType="TERMINATION_WAIT")
        until(self.is_at(id, "Succeeded"), "the original is let go")
        overview = self.info(id)["deploymentOverview"]
        self.assertEqual((overview["Succeeded"], overview["Failed"]), (1, 0))
        until(lambda: len(self.stage.sets()) == 1, "the original is gone")
        self.refuses("DeploymentAlreadyCompletedException", self.deploy.stop_deployment, deploymentId=id)
        told = self.deploy.get_deployment_group(**self.name)["deploymentGroupInfo"]
        self.assertEqual(told["lastSuccessfulDeployment"]["deploymentId"], id)
        revision = self.deploy.get_application_revision(applicationName="shop", revision=told["targetRevision"])
        self.assertIn(other, revision["revision"]["appSpecContent"]["content"])
        self.assertIn(id, self.deploy.list_deployments(**self.name, includeOnlyStatuses=["Succeeded"])["deployments"])

    def test_a_stopped_deployment_gives_the_traffic_back_and_another_one_says_so(self):
        linear = {"type": "TimeBasedLinear", "timeBasedLinear": {"linearPercentage": 25, "linearInterval": 20}}
        config = {"deploymentConfigName": "quarters", "computePlatform": "ECS", "trafficRoutingConfig": linear}
        self.deploy.create_deployment_config(**config)
        told = self.deploy.get_deployment_config(deploymentConfigName="quarters")["deploymentConfigInfo"]
        self.assertEqual(told["trafficRoutingConfig"], linear)
        serving, before = self.stage.service()["taskDefinition"], self.stage.weights(self.stage.production)
        id = self.start(self.stage.second, deploymentConfigName="quarters")
        until(self.is_at(id, "Ready"), "the deployment waits for leave")
        self.deploy.continue_deployment(deploymentId=id)
        until(lambda: 25 in self.stage.weights(self.stage.production), "the first quarter is shifted")
        in_use = self.deploy.delete_deployment_config
        self.refuses("DeploymentConfigInUseException", in_use, deploymentConfigName="quarters")
        answer = self.deploy.stop_deployment(deploymentId=id, autoRollbackEnabled=True)
        self.assertEqual(answer["status"], "Pending")
        until(self.is_at(id, "Stopped"), "the deployment is stopped")
        weights = self.stage.weights(self.stage.production)
        self.assertEqual([weight > 0 for weight in weights], [weight > 0 for weight in before])
        info = self.info(id)
        self.assertEqual(info["errorInformation"]["code"], "MANUAL_STOP")
        other = info["rollbackInfo"]["rollbackDeploymentId"]
        until(self.is_at(other, "Succeeded"), "the rollback says that it is done")
        back = self.info(other)
        self.assertEqual(back["creator"], "codeDeployRollback")
        self.assertEqual(back["rollbackInfo"]["rollbackTriggeringDeploymentId"], id)
        self.assertEqual(self.stage.service()["taskDefinition"], serving)
        until(lambda: len(self.stage.sets()) == 1, "the replacement is gone")
        self.deploy.delete_deployment_config(deploymentConfigName="quarters")

    def test_an_alarm_stops_a_deployment_and_rolls_it_back(self):
        composite = {"AlarmName": "deploy-gate", "AlarmRule": "FALSE"}
        lab.cloudwatch.put_composite_alarm(**composite)
        self.deploy.update_deployment_group(
            applicationName="shop",
            currentDeploymentGroupName="front",
            alarmConfiguration={"enabled": True, "alarms": [{"name": "deploy-gate"}]},
            autoRollbackConfiguration={"enabled": True, "events": ["DEPLOYMENT_STOP_ON_ALARM"]},
        )
        id = self.start(self.stage.second)
        until(self.is_at(id, "Ready"), "the deployment waits for leave")
        lab.cloudwatch.put_composite_alarm(**composite | {"AlarmRule": "TRUE"})
        until(self.is_at(id, "Stopped"), "the alarm stops the deployment")
        info = self.info(id)
        self.assertEqual(info["errorInformation"]["code"], "ALARM_ACTIVE")
        self.assertIn("deploy-gate", info["errorInformation"]["message"])
        until(self.is_at(info["rollbackInfo"]["rollbackDeploymentId"], "Succeeded"), "it is rolled back")
        lab.cloudwatch.delete_alarms(AlarmNames=["deploy-gate"])
        off = {"alarmConfiguration": {"enabled": False, "alarms": []}}
        self.deploy.update_deployment_group(applicationName="shop", currentDeploymentGroupName="front", **off)

    def test_what_cannot_be_deployed_is_refused_with_the_reason(self):
        create = self.deploy.create_deployment
        hooks = self.revision(self.stage.second, Hooks=[{"BeforeAllowTraffic": "check"}])
        refused = self.refuses("InvalidRevisionException", create, **self.name, revision=hooks)
        self.assertIn("no Lambda", refused["Error"]["Message"])
        self.refuses("RevisionRequiredException", create, **self.name)
        missing = {"applicationName": "shop", "deploymentGroupName": "nope"}
        self.refuses("DeploymentGroupDoesNotExistException", create, **missing, revision=hooks)
        self.refuses("ApplicationDoesNotExistException", self.deploy.get_application, applicationName="nope")
        self.refuses("DeploymentDoesNotExistException", self.deploy.get_deployment, deploymentId="d-000000000")
        group, code = self.deploy.create_deployment_group, "InvalidBlueGreenDeploymentConfigurationException"
        other = self.group | {"deploymentGroupName": "other"}
        refused = self.refuses(code, group, **other | self.waits("CONTINUE_DEPLOYMENT", 5, 5))
        self.assertIn("cannot be set to 'CONTINUE_DEPLOYMENT'", refused["Error"]["Message"])
        self.refuses("ECSServiceMappingLimitExceededException", group, **other)
        pair = other | {"ecsServices": [{"clusterName": lab.cluster.rsplit("/")[-1], "serviceName": lab.idle}]}
        self.refuses("InvalidECSServiceException", group, **pair)
        config = {"deploymentConfigName": "too-long", "computePlatform": "ECS"}
        canary = {"type": "TimeBasedCanary", "timeBasedCanary": {"canaryPercentage": 10, "canaryInterval": 2881}}
        code = "InvalidTrafficRoutingConfigurationException"
        self.refuses(code, self.deploy.create_deployment_config, **config, trafficRoutingConfig=canary)
        self.assertIn(
            "CodeDeployDefault.ECSCanary10Percent5Minutes",
            self.deploy.list_deployment_configs()["deploymentConfigsList"],
        )
        update = {"cluster": lab.cluster, "service": "deployed", "taskDefinition": self.stage.second}
        refused = self.refuses("InvalidParameterException", lab.ecs.update_service, **update)
        self.assertIn("on services with a CODE_DEPLOY deployment controller", refused["Error"]["Message"])

    def test_a_role_may_be_kept_from_deploying(self):
        allowed = {"Effect": "Allow", "Action": "codedeploy:Get*", "Resource": "*"}
        deploy, _ = lab.assume("codedeploy", allowed)
        self.assertEqual(deploy.get_application(applicationName="shop")["application"]["computePlatform"], "ECS")
        revision = self.revision(self.stage.second)
        self.refuses("AccessDeniedException", deploy.create_deployment, **self.name, revision=revision)


class Tags(Case):
    def test_rules_listeners_groups_and_balancers_have_tags_that_change(self):
        arns = [lab.rule, lab.listener, lab.idle_group, lab.balancer["LoadBalancerArn"]]
        told = lambda: {
            one["ResourceArn"]: {tag["Key"]: tag["Value"] for tag in one["Tags"]}
            for one in lab.elb.describe_tags(ResourceArns=arns)["TagDescriptions"]
        }
        before = told()
        lab.elb.add_tags(ResourceArns=arns, Tags=[{"Key": "epoch", "Value": "1"}, {"Key": "phase", "Value": "shift"}])
        lab.elb.add_tags(ResourceArns=[lab.rule], Tags=[{"Key": "epoch", "Value": "2"}])
        after = told()
        for arn in arns:
            epoch = "2" if arn == lab.rule else "1"
            self.assertEqual(after[arn], before[arn] | {"epoch": epoch, "phase": "shift"})
        lab.elb.remove_tags(ResourceArns=arns, TagKeys=["epoch", "phase"])
        self.assertEqual(told(), before)
        self.refuses("RuleNotFound", lab.elb.add_tags, ResourceArns=[lab.rule[:-1] + "z"], Tags=[{"Key": "a"}])


class Scaling(Case):
    """Application Auto Scaling: what must be suspended during a rollout, and given back after it."""

    KIND = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}

    def setUp(self):
        self.target = self.KIND | {"ResourceId": f"service/{lab.cluster.rsplit('/')[-1]}/{lab.serving}"}
        lab.scaling.register_scalable_target(**self.target, MinCapacity=2, MaxCapacity=12)
        self.addCleanup(lab.scaling.deregister_scalable_target, **self.target)

    def told(self):
        answer = lab.scaling.describe_scalable_targets(**self.KIND, ResourceIds=[self.target["ResourceId"]])
        return answer["ScalableTargets"][0]

    def suspended(self):
        state = self.told()["SuspendedState"]
        return [state[f"{kind}Suspended"] for kind in ("DynamicScalingIn", "DynamicScalingOut", "ScheduledScaling")]

    def test_what_is_not_given_stays_as_it_was(self):
        register = lab.scaling.register_scalable_target
        self.assertEqual(self.suspended(), [False, False, False])
        arn = register(**self.target, SuspendedState={"DynamicScalingInSuspended": True})["ScalableTargetARN"]
        register(**self.target, SuspendedState={"ScheduledScalingSuspended": True})
        self.assertEqual(self.suspended(), [True, False, True])
        register(**self.target, MinCapacity=3)
        told = self.told()
        self.assertEqual((told["MinCapacity"], told["MaxCapacity"], told["ScalableTargetARN"]), (3, 12, arn))
        register(**self.target, SuspendedState={"DynamicScalingInSuspended": False})
        self.assertEqual(self.suspended(), [False, False, True])
        self.refuses("ValidationException", register, **self.target, MinCapacity=13)
        nobody = self.target | {"ResourceId": "service/lab/nope"}
        self.refuses("ValidationException", register, **nobody, MinCapacity=1, MaxCapacity=2)
        idle = self.target | {"ResourceId": self.target["ResourceId"].replace(lab.serving, lab.idle)}
        self.refuses("ValidationException", register, **idle, MinCapacity=1)
        self.refuses("ObjectNotFoundException", lab.scaling.deregister_scalable_target, **idle)
        register(**idle, MinCapacity=0, MaxCapacity=2)
        self.addCleanup(lab.scaling.deregister_scalable_target, **idle)
        pages = lab.scaling.get_paginator("describe_scalable_targets").paginate
        pages = list(pages(ServiceNamespace="ecs", PaginationConfig={"PageSize": 1}))
        self.assertEqual([len(page["ScalableTargets"]) for page in pages], [1, 1])

    def test_a_tracked_service_grows_unless_that_is_suspended(self):
        group = lab.serving_group.split(":")[-1]
        label = lab.balancer["LoadBalancerArn"].split(":loadbalancer/")[1] + "/" + group
        metric = {"PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": label}
        config = {"TargetValue": 1.0, "PredefinedMetricSpecification": metric}
        policy = self.target | {"PolicyName": "track", "PolicyType": "TargetTrackingScaling"}
        policy |= {"TargetTrackingScalingPolicyConfiguration": config}
        before = lab.service(lab.serving)["desiredCount"]
        suspend = lambda yes: lab.scaling.register_scalable_target(
            **self.target, MaxCapacity=before + 1, SuspendedState={"DynamicScalingOutSuspended": yes}
        )
        suspend(True)
        arn = lab.scaling.put_scaling_policy(**policy)["PolicyARN"]
        self.assertEqual(lab.scaling.put_scaling_policy(**policy)["PolicyARN"], arn)
        told = lab.scaling.describe_scaling_policies(**self.target)["ScalingPolicies"]
        self.assertEqual([one["TargetTrackingScalingPolicyConfiguration"] for one in told], [config])
        began = lab.now()
        until(lambda: lab.now() > began + datetime.timedelta(minutes=4), "four minutes to pass")
        self.assertEqual(lab.service(lab.serving)["desiredCount"], before)
        suspend(False)
        until(lambda: lab.service(lab.serving)["desiredCount"] == before + 1, "a task more")
        lab.scaling.delete_scaling_policy(**self.target, PolicyName="track")
        gone = self.target | {"PolicyName": "track"}
        self.refuses("ObjectNotFoundException", lab.scaling.delete_scaling_policy, **gone)
        lab.ecs.update_service(cluster=lab.cluster, service=lab.serving, desiredCount=before)
        until(lambda: lab.is_stable(lab.serving), "stable again")


class Roles(Case):
    """STS: a fence is a role that is assumed for one change of one rule, until a moment."""

    def fence(self, minutes):
        until = (lab.now() + datetime.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
        statement = {"Effect": "Allow", "Action": "elasticloadbalancing:ModifyRule", "Resource": lab.rule}
        return statement | {"Condition": {"DateLessThan": {"aws:CurrentTime": until}}}

    def test_who_assumed_a_role_is_known_and_may_do_everything(self):
        tags = [{"Key": "epoch", "Value": "2"}]
        sts, answer = lab.assume("sts", SourceIdentity="ann", DurationSeconds=900, Tags=tags)
        arn = "arn:aws:sts::123456789012:assumed-role/writer/rollout-1-e2"
        self.assertEqual((answer["AssumedRoleUser"]["Arn"], answer["SourceIdentity"]), (arn, "ann"))
        self.assertEqual(sts.get_caller_identity()["Arn"], arn)
        ends = answer["Credentials"]["Expiration"]
        self.assertGreater(ends, datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=14))
        self.assertGreater(ends, lab.now())
        self.assertTrue(answer["Credentials"]["AccessKeyId"].startswith("ASIA"))
        lab.assume("elbv2")[0].modify_rule(RuleArn=lab.rule, Actions=lab.the_rule()["Actions"])

    def test_a_fenced_change_is_refused_after_its_time(self):
        elb, _ = lab.assume("elbv2", self.fence(2))
        change = {"RuleArn": lab.rule, "Actions": lab.the_rule()["Actions"]}
        elb.modify_rule(**change)
        before = lab.now()
        until(lambda: lab.now() > before + datetime.timedelta(minutes=2), "two minutes to pass")
        answer = self.refuses("AccessDenied", elb.modify_rule, **change)
        self.assertIn("is not authorized to perform: elasticloadbalancing:ModifyRule", answer["Error"]["Message"])
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 403)
        lab.elb.modify_rule(**change)

    def test_a_policy_lets_nothing_else_through_in_any_protocol(self):
        client = lambda service: lab.assume(service, self.fence(60))[0]
        elb = client("elbv2")
        self.refuses("AccessDenied", elb.delete_rule, RuleArn=lab.rule)
        self.refuses("AccessDenied", elb.describe_rules, RuleArns=[lab.rule])
        self.refuses("AccessDeniedException", client("ecs").list_clusters)
        self.refuses("AccessDenied", client("s3").put_object, Bucket="tidegate-lab", Key="k", Body=b"")
        self.refuses("AccessDeniedException", client("scheduler").get_schedule, Name="x")
        call = client("application-autoscaling").describe_scalable_targets
        self.refuses("AccessDeniedException", call, ServiceNamespace="ecs")
        self.refuses("AccessDenied", client("cloudwatch").describe_alarms)
        own = {"Effect": "Allow", "Action": "s3:*Object", "Resource": "arn:aws:s3:::tidegate-lab/own/*"}
        s3, _ = lab.assume("s3", own)
        s3.put_object(Bucket="tidegate-lab", Key="own/k", Body=b"")
        self.refuses("AccessDenied", s3.put_object, Bucket="tidegate-lab", Key="k", Body=b"")

    def test_policies_that_the_lab_cannot_hold_to_are_refused(self):
        odd = self.fence(1) | {"Condition": {"StringEquals": {"aws:ResourceTag/epoch": "1"}}}
        for policy in ("{", json.dumps({"Statement": [odd]})):
            self.refuses("MalformedPolicyDocument", lambda **more: lab.assume("sts", **more), Policy=policy)
        self.refuses("ValidationError", lambda **more: lab.assume("sts", **more), DurationSeconds=43_201)


class Protocol(Case):
    def post(self, headers, body):
        request = urllib.request.Request(lab.endpoint, data=body, headers=headers, method="POST")
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        with caught.exception as error:
            self.assertTrue(error.headers["x-amzn-requestid"])
            return error.code, error.read().decode()

    def test_what_is_not_served_is_refused_in_the_shape_of_its_protocol(self):
        json_type = {"content-type": "application/x-amz-json-1.1"}
        target = json_type | {"x-amz-target": "AmazonEC2ContainerServiceV20141113.MakeTea"}
        code, body = self.post(target, b"{}")
        self.assertEqual((code, json.loads(body)["__type"]), (400, "UnknownOperationException"))
        target = json_type | {"x-amz-target": "AmazonEC2ContainerServiceV20141113.ListClusters"}
        code, body = self.post(target, b"{")
        self.assertEqual((code, json.loads(body)["__type"]), (400, "SerializationException"))
        code, body = self.post({}, b"Action=MakeTea&Version=2015-12-01")
        self.assertEqual((code, "<Code>InvalidAction</Code>" in body), (400, True))

    def test_the_caller_has_an_account(self):
        self.assertRegex(lab.sts.get_caller_identity()["Account"], r"^\d{12}$")


class Cli(Case):
    def aws(self, *words):
        command = os.environ.get("AWS_CLI") or os.path.join(os.path.dirname(sys.executable), "aws")
        words = [command, "--endpoint-url", lab.endpoint, "--output", "json", *words]
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
        return done.returncode, json.loads(done.stdout) if done.returncode == 0 and done.stdout else done.stderr

    def test_the_cli_reads_and_writes(self):
        code, answer = self.aws("ecs", "describe-services", "--cluster", lab.cluster, "--services", lab.serving)
        self.assertEqual((code, answer["services"][0]["status"]), (0, "ACTIVE"), answer)
        code, answer = self.aws("elbv2", "describe-rules", "--rule-arns", lab.rule)
        self.assertEqual((code, answer["Rules"][0]["RuleArn"]), (0, lab.rule), answer)
        actions = json.dumps([lab.forward(100, 0)])
        code, answer = self.aws("elbv2", "modify-rule", "--rule-arn", lab.rule, "--actions", actions)
        self.assertEqual(code, 0, answer)
        actions = json.dumps([lab.forward(1000, 0)])
        code, answer = self.aws("elbv2", "modify-rule", "--rule-arn", lab.rule, "--actions", actions)
        self.assertIn("(ValidationError)", answer)
        self.assertNotEqual(code, 0)
        code, answer = self.aws("cloudwatch", "describe-alarms", "--max-items", "1")
        self.assertEqual(code, 0, answer)
        datum = ("--namespace", "clients", "--metric-name", "cli", "--value", "1")
        code, answer = self.aws("cloudwatch", "put-metric-data", *datum)
        self.assertEqual(code, 0, answer)
        code, answer = self.aws("ecs", "list-tasks", "--cluster", lab.cluster, "--service-name", lab.serving)
        self.assertTrue(answer["taskArns"], answer)

    def test_the_cli_finds_schedules_scaling_and_roles(self):
        code, answer = self.aws("scheduler", "get-schedule-group", "--name", "default")
        self.assertEqual((code, answer["State"]), (0, "ACTIVE"), answer)
        code, answer = self.aws("scheduler", "get-schedule", "--name", "nope")
        self.assertIn("(ResourceNotFoundException)", answer)
        scaling = ("application-autoscaling", "describe-scalable-targets", "--service-namespace", "ecs")
        code, answer = self.aws(*scaling)
        self.assertEqual((code, answer), (0, {"ScalableTargets": []}))
        role = ("--role-arn", "arn:aws:iam::123456789012:role/cli", "--role-session-name", "cli")
        code, answer = self.aws("sts", "assume-role", *role)
        self.assertEqual((code, len(answer["Credentials"]["AccessKeyId"])), (0, 20), answer)

    def test_the_cli_puts_and_gets_objects(self):
        with tempfile.TemporaryDirectory() as folder:
            there, back = os.path.join(folder, "there"), os.path.join(folder, "back")
            with open(there, "wb") as file:
                file.write(b"tide" * 1000)
            where = ("--bucket", "tidegate-lab", "--key", "cli/object")
            code, answer = self.aws("s3api", "put-object", *where, "--body", there, "--if-none-match", "*")
            self.assertEqual(code, 0, answer)
            code, answer = self.aws("s3api", "put-object", *where, "--body", there, "--if-none-match", "*")
            self.assertIn("(PreconditionFailed)", answer)
            code, answer = self.aws("s3api", "get-object", *where, back)
            self.assertEqual((code, answer["ContentLength"]), (0, 4000), answer)
            with open(back, "rb") as file:
                self.assertEqual(file.read(), b"tide" * 1000)
            code, answer = self.aws("s3api", "list-objects-v2", "--bucket", "tidegate-lab", "--prefix", "cli/")
            self.assertEqual([one["Key"] for one in answer["Contents"]], ["cli/object"], answer)
            code, answer = self.aws("s3api", "delete-object", *where)
            self.assertEqual(code, 0, answer)

    def test_the_cli_deploys_with_codedeploy(self):
        stage = Stage("by-cli", "CODE_DEPLOY", 9030)
        code, answer = self.aws("deploy", "create-application", "--application-name", "cli", "--compute-platform", "ECS")
        self.assertEqual(code, 0, answer)
        name = ("--application-name", "cli", "--deployment-group-name", "cli")
        pair = {
            "targetGroups": [{"name": "by-cli-blue"}, {"name": "by-cli-green"}],
            "prodTrafficRoute": {"listenerArns": [stage.production]},
        }
        group = {
            "serviceRoleArn": "arn:aws:iam::123456789012:role/deploy",
            "ecsServices": [{"clusterName": lab.cluster.rsplit("/")[-1], "serviceName": "by-cli"}],
            "deploymentStyle": {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
            "loadBalancerInfo": {"targetGroupPairInfoList": [pair]},
        } | CodeDeploys.waits("CONTINUE_DEPLOYMENT", 0, 0)
        code, answer = self.aws("deploy", "create-deployment-group", *name, "--cli-input-json", json.dumps(group))
        self.assertEqual(code, 0, answer)
        spec = "\n".join([
            "version: 0.0",
            "Resources:",
            "  - TargetService:",
            "      Type: AWS::ECS::Service",
            "      Properties:",
            f'        TaskDefinition: "{stage.second}"',
            "        LoadBalancerInfo:",
            '          ContainerName: "web"',
            "          ContainerPort: 8080",
        ])
        revision = json.dumps({"revisionType": "AppSpecContent", "appSpecContent": {"content": spec}})
        code, answer = self.aws("deploy", "create-deployment", *name, "--revision", revision)
        self.assertEqual(code, 0, answer)
        id = ("--deployment-id", answer["deploymentId"])
        code, answer = self.aws("deploy", "wait", "deployment-successful", *id)
        self.assertEqual(code, 0, answer)
        code, answer = self.aws("deploy", "get-deployment", *id)
        self.assertEqual((code, answer["deploymentInfo"]["status"]), (0, "Succeeded"), answer)
        self.assertEqual(answer["deploymentInfo"]["deploymentOverview"]["Succeeded"], 1, answer)
        code, answer = self.aws("deploy", "list-deployment-targets", *id)
        code, answer = self.aws("deploy", "get-deployment-target", *id, "--target-id", answer["targetIds"][0])
        states = [event["status"] for event in answer["deploymentTarget"]["ecsTarget"]["lifecycleEvents"]]
        self.assertEqual(states, ["Succeeded"] * 3 + ["Skipped"] * 2 + ["Succeeded"] * 3)
        self.assertEqual(stage.weights(stage.production), [0, 100])
        code, answer = self.aws("deploy", "stop-deployment", *id)
        self.assertIn("(DeploymentAlreadyCompletedException)", answer)


if __name__ == "__main__":
    unittest.main(verbosity=2)
