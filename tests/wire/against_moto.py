"""The same calls, made of the lab and of moto, which other people wrote: where the two differ, and who is right.

`moto-differences.txt` has every difference with its reason. One that is not there fails the test, and so does a row
that no longer differs. What moto does not implement is not compared.
"""

import fnmatch
import pathlib
import unittest

import boto3
from moto.server import ThreadedMotoServer

import calls
import clients
import contract
import refusals

TABLE = pathlib.Path(__file__).parent / "moto-differences.txt"
# How moto says that it does not implement an operation.
NOT_THERE = ("NotImplemented", "NotYetImplemented", "404", "500", "501", "InvalidAction", "UnknownOperationException")

ours = theirs = None  # what came of all calls, set by setUpModule


def setUpModule():
    global ours, theirs
    endpoint = contract.start()
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    unittest.addModuleCleanup(server.stop)
    host, port = server.get_host_and_port()
    both = [call for call in calls.MADE + refusals.REFUSED + calls.GONE if not call.alone]
    lab = calls.Caller(endpoint, contract.HERE)
    ours = [lab.make(call) for call in calls.MADE + refusals.REFUSED + calls.GONE]
    ours = [answer for answer in ours if not answer.call.alone]
    moto = calls.Caller(f"http://{host}:{port}", there(f"http://{host}:{port}"))
    theirs = [moto.make(call, patience=1) for call in both]


def there(endpoint):
    """What moto has at the start, made where it has nothing."""
    client = lambda service: boto3.client(service, region_name=clients.REGION, endpoint_url=endpoint)
    subnets = client("ec2").describe_subnets()["Subnets"][:2]
    groups = client("ec2").describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [subnets[0]["VpcId"]]}])
    certificate = client("acm").request_certificate(DomainName="calls.example.com")["CertificateArn"]
    client("iam").create_role(RoleName="calls", AssumeRolePolicyDocument="{}")
    return {"subnet": subnets[0]["SubnetId"], "subnet2": subnets[1]["SubnetId"], "vpc": subnets[0]["VpcId"],
            "firewall": groups["SecurityGroups"][0]["GroupId"], "certificate": certificate}


def is_there(answer):
    status = (answer.raw or {}).get("status_code")
    return answer.code not in NOT_THERE and status not in (404, 500, 501) or answer.code == "OK" or (
        status == 404 and answer.call.code == answer.code)


def members(value, path=""):
    """The paths of all members of an answer, elements of lists under one name. To clients an empty list is none."""
    if isinstance(value, dict):
        inner = [members(one, f"{path}.{name}".lstrip(".")) for name, one in value.items() if name != "ResponseMetadata"]
        return set().union({path}, *inner)
    if isinstance(value, list):
        return set().union(*[members(one, f"{path}[]") for one in value])
    return {path}


def alone(here, there):
    """What is here alone, without what lies below that."""
    found = here - there
    return {path for path in found if not any(path.startswith(f"{other}{mark}") for other in found for mark in ".[")}


def differences():
    """What differs, as a row begins, with the operations that differ so."""
    found = {}
    for ours_one, theirs_one in zip(ours, theirs):
        service, operation = ours_one.call.service, ours_one.call.operation
        if not theirs_one.raw or not is_there(theirs_one):
            continue
        if ours_one.code != theirs_one.code:
            what = ours_one.call.why or "a call that is right"
            keys = [f"{service} {operation} with {what}: {ours_one.code} here, {theirs_one.code} there"]
        elif ours_one.code == "OK":
            here, there = members(ours_one.parsed), members(theirs_one.parsed)
            keys = [f"{service} {operation} tells {path}: here alone" for path in alone(here, there)]
            keys += [f"{service} {operation} tells {path}: there alone" for path in alone(there, here)]
        else:
            continue
        for key in keys:
            found[key] = theirs_one.message
    return found


def rows():
    """The rows of the table: a pattern of what differs, and the reason."""
    lines = [line for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split(" | ", 1) for line in lines)


def meets(difference, row):
    return fnmatch.fnmatchcase(difference.replace("[]", "()"), row.replace("[]", "()"))


class Moto(clients.Case):
    def test_the_two_differ_only_where_the_table_says_so_and_why(self):
        found, table = differences(), rows()
        unsaid = [one for one in found if not any(meets(one, row) for row in table)]
        self.assertEqual(sorted(unsaid), [], "they differ, and no row says who is right")
        self.assertEqual([row for row in table if not any(meets(one, row) for one in found)], [], "they no longer differ")
        self.assertEqual([row for row, reason in table.items() if reason.split(":")[0] not in ("AWS", "moto", "nobody")], [])

    def test_moto_implements_enough_to_be_worth_asking(self):
        implemented = {(one.call.service, one.call.operation) for one in theirs if one.raw and is_there(one)}
        self.assertGreater(len(implemented), 80)


if __name__ == "__main__":
    unittest.main(verbosity=2)
