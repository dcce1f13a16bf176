"""ECS's own deployments in the lab, driven by boto3 and the AWS CLI.

Give it TIDEGATE_BIN and TIDEGATE_SPEC: it starts a lab of its own in which one service shifts its traffic between
two target groups, and where an hour passes in a minute.
"""

import json
import os
import subprocess
import unittest

import boto3
import botocore.config
import botocore.exceptions

import clients
from clients import CREDENTIALS, REGION, until

FLAGS = "--speed 60 --rps 10 --lab-services ecs"
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-0lab0a"], "assignPublicIp": "ENABLED"}}
OVER = ("SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")
BEFORE_SHIFTS = "PRE_PRODUCTION_TRAFFIC_SHIFT"

endpoint = None  # set by setUpModule


def setUpModule():
    global endpoint
    os.environ.update(CREDENTIALS)
    os.environ["LAB_FLAGS"] = FLAGS
    endpoint, process = clients.start()
    unittest.addModuleCleanup(clients.stop, process)


def client(service, **credentials):
    config = botocore.config.Config(retries={"total_max_attempts": 1})
    return boto3.client(service, region_name=REGION, endpoint_url=endpoint, config=config, **credentials)


def aws(*words):
    """What the AWS CLI answers."""
    command = [os.environ.get("AWS_CLI", "aws"), "--endpoint-url", endpoint, "--output", "json", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout) if done.stdout.strip() else {}


def pause(*stages, **timeout):
    hook = {"targetType": "PAUSE", "lifecycleStages": list(stages)}
    return [hook | {"timeoutConfiguration": timeout} if timeout else hook]


def canary(**more):
    share = {"canaryPercent": 12.5, "canaryBakeTimeInMinutes": 1}
    return {"strategy": "CANARY", "bakeTimeInMinutes": 1, "canaryConfiguration": share, "lifecycleHooks": []} | more


class Case(unittest.TestCase):
    """One service, found at rest and left at rest."""

    def setUp(self):
        self.ecs, self.elb, self.cloudwatch = map(client, ("ecs", "elbv2", "cloudwatch"))
        self.cluster = self.ecs.list_clusters()["clusterArns"][0]
        self.name = self.ecs.list_services(cluster=self.cluster)["serviceArns"][0].split("/")[-1]
        place = self.service()["loadBalancers"][0]
        self.groups = (place["targetGroupArn"], place["advancedConfiguration"]["alternateTargetGroupArn"])
        self.rule = place["advancedConfiguration"]["productionListenerRule"]
        current = self.service()["currentServiceDeployment"]
        until(lambda: self.describe(current)["status"] in OVER, "the deployment before is over")
        self.serving = self.group_of(self.describe(current))

    def service(self):
        return self.ecs.describe_services(cluster=self.cluster, services=[self.name])["services"][0]

    def describe(self, arn):
        return self.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"][0]

    def group_of(self, deployment):
        """The target group of the revision that serves, once a deployment is over."""
        back = deployment["status"] != "SUCCESSFUL"
        of = deployment["sourceServiceRevisions"][0] if back else deployment["targetServiceRevision"]
        found = self.ecs.describe_service_revisions(serviceRevisionArns=[of["arn"]])["serviceRevisions"][0]
        resolved = found["resolvedConfiguration"]["loadBalancers"][0]
        self.assertEqual(resolved["productionListenerRule"], self.rule)
        return resolved["targetGroupArn"]

    def weight(self):
        """The weight of the group that did not serve, as a share of both."""
        rule = self.elb.describe_rules(RuleArns=[self.rule])["Rules"][0]
        weights = {group["TargetGroupArn"]: group["Weight"] for group in rule["Actions"][-1]["ForwardConfig"]["TargetGroups"]}
        return sum(weight for arn, weight in weights.items() if arn != self.serving) / sum(weights.values())

    def revision(self, behaviour="healthy"):
        """A new revision of the task definition that serves."""
        found = self.ecs.describe_task_definition(taskDefinition=self.service()["taskDefinition"])["taskDefinition"]
        container = found["containerDefinitions"][0]
        container["environment"] = [{"name": "LAB_BEHAVIOUR", "value": behaviour}]
        kept = {key: found[key] for key in ("family", "networkMode", "cpu", "memory", "requiresCompatibilities")}
        answer = self.ecs.register_task_definition(containerDefinitions=found["containerDefinitions"], **kept)
        return answer["taskDefinition"]["taskDefinitionArn"]

    def deploy(self, configuration, behaviour="healthy"):
        revision = self.revision(behaviour)
        answer = self.ecs.update_service(
            cluster=self.cluster, service=self.name, taskDefinition=revision, deploymentConfiguration=configuration
        )
        self.assertEqual(answer["service"]["taskDefinition"], revision)
        return answer["service"]["currentServiceDeployment"]

    def paused(self, arn):
        """Waits for a pause hook, and gives the deployment and the hook."""

        def asked():
            found = self.describe(arn)
            self.assertNotIn(found["status"], OVER, found.get("statusReason"))
            hooks = [hook for hook in found["lifecycleHookDetails"] if hook["status"] == "AWAITING_ACTION"]
            return (found, hooks[0]) if hooks else None

        return until(asked, "a pause hook")

    def ended(self, arn, status):
        found = until(lambda: (one := self.describe(arn))["status"] in OVER and one, f"it is {status}")
        self.assertEqual(found["status"], status, found.get("statusReason"))
        return found

    def refused(self, code, said, call, **members):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(**members)
        error = caught.exception.response["Error"]
        self.assertEqual(error["Code"], code)
        self.assertIn(said, error["Message"])


class Shifts(Case):
    def test_a_canary_is_continued_before_each_shift_and_swaps_the_groups(self):
        arn = self.deploy(canary(lifecycleHooks=pause(BEFORE_SHIFTS, timeoutInMinutes=600, action="ROLLBACK")))
        listed = self.ecs.list_service_deployments(cluster=self.cluster, service=self.name, status=["PENDING", "IN_PROGRESS"])
        self.assertEqual([one["serviceDeploymentArn"] for one in listed["serviceDeployments"]], [arn])
        found, first = self.paused(arn)
        self.assertEqual((found["lifecycleStage"], self.weight()), (BEFORE_SHIFTS, 0))
        self.assertEqual((first["targetType"], first["timeoutAction"]), ("PAUSE", "ROLLBACK"))
        self.assertRegex(first["hookId"], "^ecs-pause-.{43}$")
        target, source = found["targetServiceRevision"], found["sourceServiceRevisions"][0]
        wanted = self.service()["desiredCount"]
        self.assertEqual([target["requestedTaskCount"], target["runningTaskCount"], source["runningTaskCount"]], [wanted] * 3)
        self.assertEqual((target["requestedProductionTrafficWeight"], source["requestedProductionTrafficWeight"]), (0, 100))
        self.ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId=first["hookId"], action="CONTINUE")
        found, second = until(lambda: (it := self.paused(arn))[1]["hookId"] != first["hookId"] and it, "the next pause")
        self.assertEqual(self.weight(), 0.125)
        self.assertEqual(found["targetServiceRevision"]["requestedProductionTrafficWeight"], 12.5)
        self.refused("InvalidParameterException", "not active", self.ecs.continue_service_deployment,
                     serviceDeploymentArn=arn, hookId=first["hookId"])
        aws("ecs", "continue-service-deployment", "--service-deployment-arn", arn, "--hook-id", second["hookId"])
        found = self.ended(arn, "SUCCESSFUL")
        self.assertEqual((self.weight(), found["lifecycleStage"]), (1, "CLEAN_UP"))
        self.assertNotEqual(self.group_of(found), self.serving)
        self.assertEqual(len(self.service()["deployments"]), 1)

    def test_a_linear_deployment_goes_step_by_step_and_really_moves_requests(self):
        steps = {"stepPercent": 50.0, "stepBakeTimeInMinutes": 2}
        given = canary(strategy="LINEAR", linearConfiguration=steps)
        del given["canaryConfiguration"]
        arn = self.deploy(given)
        until(lambda: self.weight() == 0.5, "half of the traffic")
        before = self.requests()
        until(lambda: self.requests() > before + 20, "the other group gets requests")
        self.ended(arn, "SUCCESSFUL")
        self.assertEqual(self.weight(), 1)

    def requests(self):
        other = next(group for group in self.groups if group != self.serving).split("/")[1]
        seen = json.load(clients.urllib.request.urlopen(f"{endpoint}/_lab/traffic"))["by_target_group"]
        return next((one["requests"] for name, one in seen.items() if other in name), 0)


class Returns(Case):
    def test_a_person_stops_a_deployment_with_the_cli(self):
        arn = self.deploy(canary(lifecycleHooks=pause("POST_PRODUCTION_TRAFFIC_SHIFT")))
        self.paused(arn)
        self.assertEqual(self.weight(), 1)
        answer = aws("ecs", "stop-service-deployment", "--service-deployment-arn", arn, "--stop-type", "ROLLBACK")
        self.assertEqual(answer["serviceDeploymentArn"], arn)
        found = self.ended(arn, "ROLLBACK_SUCCESSFUL")
        self.assertEqual((self.weight(), found["lifecycleHookDetails"][0]["status"]), (0, "FAILED"))
        self.assertEqual(found["rollback"]["serviceRevisionArn"], found["sourceServiceRevisions"][0]["arn"])
        self.refused("ConflictException", "cannot be stopped", self.ecs.stop_service_deployment, serviceDeploymentArn=arn)
        told = aws("ecs", "describe-service-deployments", "--service-deployment-arns", arn)["serviceDeployments"][0]
        self.assertEqual(told["statusReason"], found["rollback"]["reason"])

    def test_a_hook_is_answered_with_a_rollback(self):
        arn = self.deploy(canary(lifecycleHooks=pause("POST_SCALE_UP")))
        hook = self.paused(arn)[1]["hookId"]
        aws("ecs", "continue-service-deployment", "--service-deployment-arn", arn, "--hook-id", hook, "--action", "ROLLBACK")
        found = self.ended(arn, "ROLLBACK_SUCCESSFUL")
        self.assertIn(hook, found["statusReason"])

    def test_a_hook_times_out(self):
        arn = self.deploy(canary(lifecycleHooks=pause("POST_SCALE_UP", timeoutInMinutes=1)))
        found = self.ended(arn, "ROLLBACK_SUCCESSFUL")
        self.assertEqual(found["lifecycleHookDetails"][0]["status"], "TIMED_OUT")

    def test_an_alarm_turns_a_deployment_back(self):
        name = "own-deployment"
        metric = {"Namespace": "Own", "MetricName": "m", "Period": 60, "Statistic": "Sum", "TreatMissingData": "ignore"}
        self.cloudwatch.put_metric_alarm(AlarmName=name, ComparisonOperator="GreaterThanThreshold", Threshold=1,
                                         EvaluationPeriods=1, **metric)
        self.addCleanup(self.cloudwatch.delete_alarms, AlarmNames=[name])
        alarms = {"alarmNames": [name], "enable": True, "rollback": True}
        arn = self.deploy(canary(alarms=alarms, lifecycleHooks=pause("POST_PRODUCTION_TRAFFIC_SHIFT")))
        self.assertEqual(self.paused(arn)[0]["alarms"]["status"], "MONITORING")
        self.cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="by hand")
        found = self.ended(arn, "ROLLBACK_SUCCESSFUL")
        self.assertEqual(found["alarms"], {"status": "TRIGGERED", "alarmNames": [name], "triggeredAlarmNames": [name]})
        self.assertIn(name, found["rollback"]["reason"])
        self.deploy_at_rest(canary(alarms=alarms | {"enable": False}))

    def deploy_at_rest(self, configuration):
        """Sets a configuration; without a new revision that deploys nothing."""
        before = self.service()["currentServiceDeployment"]
        self.ecs.update_service(cluster=self.cluster, service=self.name, deploymentConfiguration=configuration)
        self.assertEqual(self.service()["currentServiceDeployment"], before)

    def test_the_circuit_breaker_turns_a_crashing_release_back(self):
        breaker = {"enable": True, "rollback": True, "thresholdConfiguration": {"type": "COUNT", "value": 2}}
        arn = self.deploy(canary(deploymentCircuitBreaker=breaker), behaviour="crash")
        found = self.ended(arn, "ROLLBACK_SUCCESSFUL")
        self.assertEqual(found["deploymentCircuitBreaker"]["status"], "TRIGGERED")
        self.assertIn("circuit breaker", found["statusReason"])
        self.deploy_at_rest(canary(deploymentCircuitBreaker={"enable": False, "rollback": False}))

    def test_a_new_deployment_supersedes_and_reconciles(self):
        first = self.deploy(canary(lifecycleHooks=pause("POST_PRODUCTION_TRAFFIC_SHIFT")))
        self.paused(first)
        second = self.deploy(canary(lifecycleHooks=pause("RECONCILE_SERVICE")))
        self.assertEqual(self.describe(first)["status"], "STOPPED")
        found, hook = self.paused(second)
        self.assertEqual((found["lifecycleStage"], len(found["sourceServiceRevisions"])), ("RECONCILE_SERVICE", 2))
        self.ecs.continue_service_deployment(serviceDeploymentArn=second, hookId=hook["hookId"])
        self.ended(second, "SUCCESSFUL")


class Refusals(Case):
    def update(self, **configuration):
        return dict(cluster=self.cluster, service=self.name, deploymentConfiguration=configuration)

    def test_configurations_keep_to_the_bounds_of_the_reference(self):
        wrong = "InvalidParameterException"
        for said, given in [
            ("from 0 to 1440", {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1441}),
            ("multiple of 0.1", {"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 0.25}}),
            ("from 3.0 to 100.0", {"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 2.0}}),
            ("cannot be used", {"strategy": "CANARY", "lifecycleHooks": pause("PRODUCTION_TRAFFIC_SHIFT")}),
            ("20160", {"strategy": "CANARY", "lifecycleHooks": pause("POST_SCALE_UP", timeoutInMinutes=20161)}),
        ]:
            self.refused(wrong, said, self.ecs.update_service, **self.update(**given))
        hook = {"hookTargetArn": "arn:aws:lambda:eu-west-1:1:function:f", "roleArn": "arn:aws:iam::1:role/r",
                "lifecycleStages": ["POST_SCALE_UP"]}
        self.refused("NotPlayedByTheLab", "no Lambda", self.ecs.update_service,
                     **self.update(strategy="CANARY", lifecycleHooks=[hook]))

    def test_a_service_that_shifts_traffic_needs_both_groups_and_the_rule(self):
        place = self.service()["loadBalancers"][0]
        bare = {key: place[key] for key in ("targetGroupArn", "containerName", "containerPort")}
        create = dict(cluster=self.cluster, serviceName="refused", taskDefinition=self.service()["taskDefinition"],
                      desiredCount=1, networkConfiguration=NETWORK,
                      deploymentConfiguration={"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0})
        self.refused("InvalidParameterException", "advancedConfiguration", self.ecs.create_service, loadBalancers=[bare], **create)
        half = bare | {"advancedConfiguration": {"alternateTargetGroupArn": self.groups[1], "roleArn": "arn:aws:iam::1:role/r"}}
        self.refused("InvalidParameterException", "productionListenerRule", self.ecs.create_service, loadBalancers=[half], **create)

    def test_what_is_not_there_is_said_to_be_missing(self):
        arn = self.service()["currentServiceDeployment"][:-1] + "x"
        answer = self.ecs.describe_service_deployments(serviceDeploymentArns=[arn])
        self.assertEqual(answer["failures"], [{"arn": arn, "reason": "MISSING"}])
        for call, more in [(self.ecs.stop_service_deployment, {}), (self.ecs.continue_service_deployment, {"hookId": "h"})]:
            self.refused("ServiceDeploymentNotFoundException", "not found", call, serviceDeploymentArn=arn, **more)

    def test_a_session_policy_names_service_deployments(self):
        arn = self.service()["currentServiceDeployment"]
        allowed = {"Effect": "Allow", "Action": "ecs:DescribeServiceDeployments", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
        role = {"RoleArn": "arn:aws:iam::123456789012:role/writer", "RoleSessionName": "rollout", "Policy": policy}
        keys = client("sts").assume_role(**role)["Credentials"]
        narrow = client("ecs", aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"],
                        aws_session_token=keys["SessionToken"])
        self.assertEqual(len(narrow.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"]), 1)
        self.refused("AccessDeniedException", "ecs:StopServiceDeployment", narrow.stop_service_deployment, serviceDeploymentArn=arn)


class Made(Case):
    def test_a_service_is_made_deployed_and_deleted(self):
        vpc = self.elb.describe_target_groups()["TargetGroups"][0]["VpcId"]
        groups = [
            self.elb.create_target_group(Name=name, Protocol="HTTP", Port=8080, VpcId=vpc, TargetType="ip",
                                         HealthCheckPath="/healthz")["TargetGroups"][0]["TargetGroupArn"]
            for name in ("own-a", "own-b")
        ]
        listener = self.elb.describe_rules(RuleArns=[self.rule])["Rules"][0]["RuleArn"].replace(":listener-rule/", ":listener/")
        forward = [{"Type": "forward", "TargetGroupArn": groups[0]}]
        rule = self.elb.create_rule(ListenerArn=listener.rsplit("/", 1)[0], Priority=77, Actions=forward,
                                    Conditions=[{"Field": "path-pattern", "Values": ["/own"]}])["Rules"][0]["RuleArn"]
        advanced = {"alternateTargetGroupArn": groups[1], "productionListenerRule": rule, "roleArn": "arn:aws:iam::1:role/r"}
        place = self.service()["loadBalancers"][0] | {"targetGroupArn": groups[0], "advancedConfiguration": advanced}
        made = self.ecs.create_service(
            cluster=self.cluster, serviceName="own", taskDefinition=self.service()["taskDefinition"], desiredCount=1,
            loadBalancers=[place], deploymentConfiguration={"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0},
            networkConfiguration=NETWORK,
        )["service"]
        self.assertEqual(made["loadBalancers"], [place])
        first = self.ended(made["currentServiceDeployment"], "SUCCESSFUL")
        self.assertEqual(first["sourceServiceRevisions"], [])
        second = self.ecs.update_service(cluster=self.cluster, service="own", forceNewDeployment=True)["service"]
        self.ended(second["currentServiceDeployment"], "SUCCESSFUL")
        shown = self.elb.describe_rules(RuleArns=[rule])["Rules"][0]["Actions"][0]["ForwardConfig"]["TargetGroups"]
        self.assertEqual({one["TargetGroupArn"]: one["Weight"] for one in shown}, {groups[0]: 0, groups[1]: 100})
        pages = [page["serviceDeployments"] for page in self.pages("own")]
        self.assertEqual([len(page) for page in pages], [1, 1])
        self.ecs.delete_service(cluster=self.cluster, service="own", force=True)

    def pages(self, service):
        token = {}
        while token is not None:
            page = self.ecs.list_service_deployments(cluster=self.cluster, service=service, maxResults=1, **token)
            yield page
            token = {"nextToken": page["nextToken"]} if page.get("nextToken") else None


if __name__ == "__main__":
    unittest.main()
