"""SNS and the change calendars of Systems Manager in the lab, by boto3.

Give it TIDEGATE_BIN and TIDEGATE_SPEC: it starts a lab of its own.
"""

import json
import os
import unittest
import urllib.parse
import urllib.request

import boto3
import botocore.config
import botocore.exceptions

import clients
from clients import CREDENTIALS, REGION

endpoint = None  # set by setUpModule


def setUpModule():
    global endpoint
    os.environ.update(CREDENTIALS)
    endpoint, process = clients.start()
    unittest.addModuleCleanup(clients.stop, process)


def client(service):
    config = botocore.config.Config(retries={"total_max_attempts": 1})
    return boto3.client(service, region_name=REGION, endpoint_url=endpoint, config=config)


def calendar(name, value):
    query = urllib.parse.urlencode({"name": name, "value": value})
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/_lab/calendar?{query}", method="POST")).read()


class Notices(unittest.TestCase):
    def test_what_is_published_is_kept_with_its_topic(self):
        sns = client("sns")
        topic = sns.create_topic(Name="deployments")["TopicArn"]
        self.assertEqual(sns.create_topic(Name="deployments")["TopicArn"], topic)
        self.assertIn({"TopicArn": topic}, sns.list_topics()["Topics"])
        message = json.dumps({"default": "for programs", "email": "for people"})
        attributes = {"on": {"DataType": "String", "StringValue": "breach"}}
        sent = sns.publish(TopicArn=topic, Subject="web: breach", Message=message, MessageStructure="json",
                           MessageAttributes=attributes)
        kept = json.load(urllib.request.urlopen(f"{endpoint}/_lab/published"))[topic][-1]
        self.assertEqual((kept["id"], kept["text"], kept["subject"]), (sent["MessageId"], "for programs", "web: breach"))

    def test_wrong_messages_are_refused_as_sns_refuses_them(self):
        sns = client("sns")
        topic = sns.create_topic(Name="refused")["TopicArn"]
        for wrong, code in [
            ({"TopicArn": topic + "-not"}, "NotFound"),
            ({"TopicArn": topic, "Subject": "a\nb"}, "InvalidParameter"),
            ({"TopicArn": topic, "Message": "no JSON", "MessageStructure": "json"}, "InvalidParameter"),
        ]:
            with self.assertRaises(botocore.exceptions.ClientError) as caught:
                sns.publish(**({"Message": "m"} | wrong))
            self.assertEqual(caught.exception.response["Error"]["Code"], code)

    def test_calendars_are_open_only_when_all_are(self):
        ssm = client("ssm")
        calendar("one", "open")
        calendar("two", "open")
        names = ["one", f"arn:aws:ssm:{REGION}:123456789012:document/two"]
        self.assertEqual(ssm.get_calendar_state(CalendarNames=names)["State"], "OPEN")
        calendar("two", "closed:2h")
        answer = ssm.get_calendar_state(CalendarNames=names)
        self.assertEqual(answer["State"], "CLOSED")
        self.assertTrue(answer["NextTransitionTime"] > answer["AtTime"])
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            ssm.get_calendar_state(CalendarNames=["three"])
        self.assertEqual(caught.exception.response["Error"]["Code"], "InvalidDocument")


if __name__ == "__main__":
    unittest.main(verbosity=2)
