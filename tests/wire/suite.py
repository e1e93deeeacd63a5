#!/usr/bin/env python3
"""A second opinion on the wire: the same calls, by boto3 and by the AWS CLI, to the sandbox and to moto_server.

    suite.py PROGRAM [--show] [--hold]

PROGRAM is the built geusemaker. Needs boto3, awscli and moto 5.2 in the Python that runs it (tests/wire/setup makes such a
one). Each case says what EC2, EFS and Systems Manager answer, and both have to; where moto answers otherwise the case
says what moto says instead, and fails once that is over. --show prints what was found. --hold then prints where both are, in
JSON, and leaves them there until standard input ends.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

import boto3
import botocore.config
import botocore.exceptions
import botocore.parsers

NEW, OLD = "t3.large", "t3.medium"


class Side:
    """One of the two, with an instance that runs and a file system that is mounted in its zone."""

    def __init__(self, name, endpoint, region, key, secret):
        self.name, self.region, self.endpoint = name, region, endpoint
        self.env = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_EC2_METADATA_DISABLED": "true",
            # Nothing of the caller.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_MAX_ATTEMPTS": "1",
        }
        self.session = boto3.Session(key, secret, region_name=region)
        self.ec2, self.efs, self.ssm, self.sts = (self.client(s) for s in ("ec2", "efs", "ssm", "sts"))
        self.instance = self.file_system = None
        self.reserved = "cr-0123456789abcdef0"

    def client(self, service):
        config = botocore.config.Config(retries={"total_max_attempts": 1}, parameter_validation=False)
        return self.session.client(service, endpoint_url=self.endpoint, config=config)

    def cli(self, *words):
        """The AWS CLI: what it prints, or the code in the error that it says."""
        words = [sys.executable, "-m", "awscli", *words, "--output", "json"]
        env = {"PATH": os.environ["PATH"], "HOME": os.devnull, **self.env}
        ran = subprocess.run(words, env=env, capture_output=True, text=True)
        if ran.returncode == 0:
            return json.loads(ran.stdout) if ran.stdout.strip() else None
        said = ran.stderr.strip()
        code = said.partition("An error occurred (")[2].partition(")")[0]
        raise Failed(code or said)

    def one(self):
        found = self.ec2.describe_instances(InstanceIds=[self.instance])
        return found["Reservations"][0]["Instances"][0]

    def state(self):
        return self.one()["State"]["Name"]

    def where(self):
        return {
            "name": self.name,
            "endpoint": self.endpoint,
            "region": self.region,
            "key": self.env["AWS_ACCESS_KEY_ID"],
            "secret": self.env["AWS_SECRET_ACCESS_KEY"],
            "instance": self.instance,
            "file_system": self.file_system,
        }

    def wait(self, state):
        """The SDK's own waiter, looking often."""
        waiter = self.ec2.get_waiter("instance_" + state)
        waiter.wait(InstanceIds=[self.instance], WaiterConfig={"Delay": 0.1, "MaxAttempts": 100})


class Failed(Exception):
    """The code of a refusal."""


def answer(call, *args):
    """What was found: a value, or the code of the refusal in angle brackets."""
    try:
        return call(*args)
    except botocore.exceptions.ClientError as error:
        return "<" + error.response["Error"]["Code"] + ">"
    except Failed as error:
        return f"<{error}>"
    except botocore.parsers.ResponseParserError:
        # moto's web server, of a call that it has not.
        return "<no answer>"


CASES = []


def case(expected, moto=None):
    """Both answer `expected`, but where moto is said to answer `moto`."""

    def register(call):
        CASES.append((call, expected, expected if moto is None else moto, moto is not None))
        return call

    return register


# --- looks

@case("running")
def an_instance_is_described(s):
    return s.state()


@case("<InvalidInstanceID.NotFound>")
def an_instance_that_is_not_there(s):
    return s.ec2.describe_instances(InstanceIds=["i-0123456789abcdef0"])


@case("<InvalidInstanceID.Malformed>", moto="<InvalidInstanceID.NotFound>")
def an_id_that_is_none(s):
    return s.ec2.describe_instances(InstanceIds=["i-xyz"])


@case([])
def a_filter_that_nothing_meets(s):
    filters = [{"Name": "tag:Name", "Values": ["nobody"]}]
    return s.ec2.describe_instances(Filters=filters)["Reservations"]


@case([OLD, "ebs", "hvm"])
def the_facts_of_an_instance(s):
    one = s.one()
    return [one["InstanceType"], one["RootDeviceType"], one["VirtualizationType"]]


@case([2, 8192, ["x86_64"], ["hvm"], True, "required", "supported"])
def the_facts_of_a_type(s):
    of = s.ec2.describe_instance_types(InstanceTypes=[NEW])["InstanceTypes"][0]
    return [
        of["VCpuInfo"]["DefaultVCpus"],
        of["MemoryInfo"]["SizeInMiB"],
        of["ProcessorInfo"]["SupportedArchitectures"],
        of["SupportedVirtualizationTypes"],
        of["CurrentGeneration"],
        of["NetworkInfo"]["EnaSupport"],
        # t3: optimized by default.
        {"default": "supported"}.get(of["EbsInfo"]["EbsOptimizedSupport"]),
    ]


@case("<InvalidInstanceType>")
def a_type_that_there_is_not(s):
    return s.ec2.describe_instance_types(InstanceTypes=["t9.huge"])


@case([NEW])
def a_type_is_offered_in_the_zone(s):
    zone = s.one()["Placement"]["AvailabilityZone"]
    filters = [{"Name": "location", "Values": [zone]}, {"Name": "instance-type", "Values": [NEW]}]
    of = s.ec2.describe_instance_type_offerings(LocationType="availability-zone", Filters=filters)
    return [o["InstanceType"] for o in of["InstanceTypeOfferings"]]


@case([])
def a_type_that_is_offered_nowhere(s):
    filters = [{"Name": "instance-type", "Values": ["t9.huge"]}]
    of = s.ec2.describe_instance_type_offerings(LocationType="availability-zone", Filters=filters)
    return of["InstanceTypeOfferings"]


@case(["ok", "ok", "running"])
def the_status_checks(s):
    for _ in range(50):
        of = s.ec2.describe_instance_status(InstanceIds=[s.instance])["InstanceStatuses"][0]
        found = [of["InstanceStatus"]["Status"], of["SystemStatus"]["Status"], of["InstanceState"]["Name"]]
        if "initializing" not in found:
            break
        time.sleep(0.1)
    return found


@case(False)
def no_stop_protection(s):
    of = s.ec2.describe_instance_attribute(InstanceId=s.instance, Attribute="disableApiStop")
    return of["DisableApiStop"]["Value"]


@case(12)
def an_account_has_twelve_digits(s):
    return len(s.sts.get_caller_identity()["Account"])


# --- the file system

@case("available")
def the_file_system(s):
    return s.efs.describe_file_systems(FileSystemId=s.file_system)["FileSystems"][0]["LifeCycleState"]


@case("<FileSystemNotFound>")
def a_file_system_that_is_not_there(s):
    return s.efs.describe_file_systems(FileSystemId="fs-0123456789abcdef0")


@case(["available", True])
def a_mount_target_in_the_zone(s):
    zone = s.one()["Placement"]["AvailabilityZone"]
    all_of_it = s.efs.describe_mount_targets(FileSystemId=s.file_system)["MountTargets"]
    return [all_of_it[0]["LifeCycleState"], all_of_it[0]["AvailabilityZoneName"] == zone]


# --- what the caller may, before anything is done

@case("<DryRunOperation>")
def a_dry_run_of_a_stop(s):
    return s.ec2.stop_instances(InstanceIds=[s.instance], DryRun=True)


@case("<DryRunOperation>")
def a_dry_run_of_a_type(s):
    return s.ec2.modify_instance_attribute(InstanceId=s.instance, InstanceType={"Value": NEW}, DryRun=True)


@case("<DryRunOperation>")
def a_dry_run_of_a_start(s):
    return s.ec2.start_instances(InstanceIds=[s.instance], DryRun=True)


@case("running")
def dry_runs_did_nothing(s):
    return s.state()


# --- a change of the type

@case("<IncorrectInstanceState>", moto="accepted")
def the_type_of_an_instance_that_runs(s):
    s.ec2.modify_instance_attribute(InstanceId=s.instance, InstanceType={"Value": NEW})
    # What was taken wrongly is taken back.
    s.ec2.modify_instance_attribute(InstanceId=s.instance, InstanceType={"Value": OLD})
    return "accepted"


@case(["running", "stopping"])
def a_stop_by_the_cli(s):
    of = s.cli("ec2", "stop-instances", "--instance-ids", s.instance)["StoppingInstances"][0]
    return [of["PreviousState"]["Name"], of["CurrentState"]["Name"]]


@case("stopped")
def it_stops(s):
    s.wait("stopped")
    return s.state()


@case(["stopped", "stopped"], moto=["stopped", "stopping"])
def a_stop_of_one_that_is_stopped(s):
    of = s.ec2.stop_instances(InstanceIds=[s.instance])["StoppingInstances"][0]
    return [of["PreviousState"]["Name"], of["CurrentState"]["Name"]]


@case([])
def its_status_is_not_told_unasked(s):
    return s.ec2.describe_instance_status(InstanceIds=[s.instance])["InstanceStatuses"]


@case("stopped")
def its_status_is_told_where_it_is_asked(s):
    of = s.ec2.describe_instance_status(InstanceIds=[s.instance], IncludeAllInstances=True)
    return of["InstanceStatuses"][0]["InstanceState"]["Name"]


@case([None, OLD])
def no_public_address_while_it_is_stopped(s):
    one = s.one()
    return [one.get("PublicIpAddress"), one["InstanceType"]]


@case("<InvalidInstanceAttributeValue>", moto="accepted")
def a_type_that_there_is_not_is_not_set(s):
    s.ec2.modify_instance_attribute(InstanceId=s.instance, InstanceType={"Value": "t9.huge"})
    s.ec2.modify_instance_attribute(InstanceId=s.instance, InstanceType={"Value": OLD})
    return "accepted"


@case(NEW)
def the_type_is_set_by_the_cli_and_reads_back(s):
    words = ("--instance-id", s.instance, "--instance-type", json.dumps({"Value": NEW}))
    s.cli("ec2", "modify-instance-attribute", *words)
    return s.one()["InstanceType"]


@case(NEW)
def the_attribute_says_so_too(s):
    of = s.ec2.describe_instance_attribute(InstanceId=s.instance, Attribute="instanceType")
    return of["InstanceType"]["Value"]


@case(["stopped", "pending"])
def a_start(s):
    of = s.ec2.start_instances(InstanceIds=[s.instance])["StartingInstances"][0]
    return [of["PreviousState"]["Name"], of["CurrentState"]["Name"]]


@case(["running", NEW, True])
def it_runs_at_the_new_type_with_an_address(s):
    s.wait("running")
    one = s.one()
    return [one["State"]["Name"], one["InstanceType"], bool(one.get("PublicIpAddress"))]


@case("text")
def the_console(s):
    output = s.cli("ec2", "get-console-output", "--instance-id", s.instance).get("Output", "")
    return "text" if isinstance(output, str) else output


# --- reservations

@case(["active", 1, NEW, "open", "limited"], moto="<no answer>")
def a_reservation(s):
    zone = s.one()["Placement"]["AvailabilityZone"]
    of = s.ec2.create_capacity_reservation(
        InstanceType=NEW,
        InstancePlatform="Linux/UNIX",
        AvailabilityZone=zone,
        InstanceCount=1,
        EndDateType="limited",
        EndDate=time.time() + 3600,
        InstanceMatchCriteria="open",
        ClientToken="suite-1",
    )["CapacityReservation"]
    s.reserved = of["CapacityReservationId"]
    return [of[k] for k in ("State", "TotalInstanceCount", "InstanceType", "InstanceMatchCriteria", "EndDateType")]


@case(True, moto="<no answer>")
def a_reservation_is_released(s):
    return s.ec2.cancel_capacity_reservation(CapacityReservationId=s.reserved)["Return"]


@case("cancelled", moto="<no answer>")
def and_is_no_more(s):
    of = s.ec2.describe_capacity_reservations(CapacityReservationIds=[s.reserved])
    return of["CapacityReservations"][0]["State"]


# --- parameters (the lease is one) and commands

@case(1)
def a_parameter(s):
    return s.ssm.put_parameter(Name="/geusemaker/suite", Value="a", Type="String")["Version"]


@case("<ParameterAlreadyExists>")
def a_parameter_again(s):
    return s.ssm.put_parameter(Name="/geusemaker/suite", Value="b", Type="String")


@case(["a", 1])
def it_has_its_first_value(s):
    of = s.cli("ssm", "get-parameter", "--name", "/geusemaker/suite")["Parameter"]
    return [of["Value"], of["Version"]]


@case(2)
def it_is_overwritten_where_that_is_asked(s):
    put = s.ssm.put_parameter
    return put(Name="/geusemaker/suite", Value="c", Type="String", Overwrite=True)["Version"]


@case(200)
def it_goes(s):
    of = s.ssm.delete_parameter(Name="/geusemaker/suite")
    return of["ResponseMetadata"]["HTTPStatusCode"]


@case("<ParameterNotFound>")
def and_is_gone(s):
    return s.ssm.get_parameter(Name="/geusemaker/suite")


@case("<InvocationDoesNotExist>", moto="<InvalidCommandId>")
def a_command_that_nobody_sent(s):
    command = "11111111-2222-3333-4444-555555555555"
    return s.ssm.get_command_invocation(CommandId=command, InstanceId=s.instance)


@case("<InvalidInstanceId>", moto="accepted")
def a_command_for_nobody(s):
    words = {"commands": ["true"]}
    on = ["i-0123456789abcdef0"]
    s.ssm.send_command(InstanceIds=on, DocumentName="AWS-RunShellScript", Parameters=words)
    return "accepted"


@contextlib.contextmanager
def started(words, **more):
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, **more)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def sandbox(program, folder):
    words = [program, "--sandbox", "--state", folder, "sandbox", "serve"]
    with started(words, stdout=subprocess.PIPE, text=True) as process:
        said = json.loads(process.stdout.readline())
        side = Side("the sandbox", said["endpoint"], said["region"], said["access_key_id"], said["secret_access_key"])
        side.instance = side.ec2.describe_instances()["Reservations"][0]["Instances"][0]["InstanceId"]
        side.file_system = side.efs.describe_file_systems()["FileSystems"][0]["FileSystemId"]
        yield side


@contextlib.contextmanager
def moto(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with open(os.path.join(folder, "moto.log"), "w") as log, started(words, stdout=log, stderr=log):
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        side = Side("moto", f"http://127.0.0.1:{port}", "us-east-1", "key", "secret")
        image = side.ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        made = side.ec2.run_instances(ImageId=image, InstanceType=OLD, MinCount=1, MaxCount=1)["Instances"][0]
        side.instance = made["InstanceId"]
        side.file_system = side.efs.create_file_system(CreationToken="suite")["FileSystemId"]
        side.efs.create_mount_target(FileSystemId=side.file_system, SubnetId=made["SubnetId"])
        side.wait("running")
        yield side


def main():
    program = os.path.abspath(sys.argv[1])
    show = "--show" in sys.argv
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        with sandbox(program, os.path.join(folder, "state")) as ours, moto(folder) as theirs:
            for call, ours_expected, theirs_expected, excepted in CASES:
                for side, expected in ((ours, ours_expected), (theirs, theirs_expected)):
                    found = answer(call, side)
                    if show:
                        print(f"{call.__name__}: {side.name}: {found!r}")
                    if found != expected:
                        why = " (an exception that is over?)" if excepted and side is theirs else ""
                        wrong.append(f"{call.__name__}: {side.name} is to say {expected!r}{why}, found {found!r}")
            exceptions = [call.__name__ for call, _, _, excepted in CASES if excepted]
            print(f"wire: {len(CASES)} cases by boto3 and the AWS CLI, on the sandbox and on moto; moto is let off in {len(exceptions)}: {', '.join(exceptions)}")
            for line in wrong:
                print(f"wrong: {line}")
            if "--hold" in sys.argv:
                print(json.dumps([side.where() for side in (ours, theirs)]), flush=True)
                sys.stdin.read()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
