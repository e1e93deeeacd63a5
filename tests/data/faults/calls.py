#!/usr/bin/env python3
"""The table of what AWS can say no with: calls.tsv, a line for each call and code, with the source of the code.

    tests/data/faults/calls.py           prints the table
    tests/data/faults/calls.py --check   compares the table that is kept with what it would print (exit code 1 where they differ)

Needs botocore, whose data folder holds the API models (the virtual environment of tests/wire/setup has it). The calls are
the actions of docs/iam-policy.json, which a test of the library keeps equal to the calls that the adapters make.

Systems Manager, EFS and Auto Scaling list the errors of each operation in their models: those rows are complete by
construction. EC2's model lists none: its rows are written down below, by the pages of the EC2 API reference and the
reports that name them. So are the errors that every call of a service has in common, which no model lists.
"""

import gzip
import json
import os
import sys

import botocore

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(HERE, "calls.tsv")
POLICY = os.path.join(HERE, "../../../docs/iam-policy.json")

# No call of its own: EC2 asks for the permission where a request that makes something names tags.
NO_CALL = {"ec2:CreateTags"}

# The services whose models list errors: the folder of botocore, the version of the API.
MODELS = {
    "ssm": ("ssm", "2014-11-06"),
    "elasticfilesystem": ("efs", "2015-02-01"),
    "autoscaling": ("autoscaling", "2011-01-01"),
}

# "Common Errors" of the API references of Systems Manager, EFS and Auto Scaling.
COMMON = [
    "AccessDeniedException", "ExpiredTokenException", "IncompleteSignature", "InternalFailure",
    "MalformedHttpRequestException", "NotAuthorized", "OptInRequired", "RequestAbortedException",
    "RequestEntityTooLargeException", "RequestExpired", "RequestTimeoutException", "ServiceUnavailable",
    "ThrottlingException", "UnrecognizedClientException", "UnknownOperationException", "ValidationError",
]

# "Error codes for the Amazon EC2 API": common client error codes.
EC2_CLIENT = [
    "AuthFailure", "Blocked", "IdempotentParameterMismatch", "IncompleteSignature", "InvalidAction",
    "InvalidCharacter", "InvalidClientTokenId", "InvalidPaginationToken", "InvalidParameter",
    "InvalidParameterCombination", "InvalidParameterValue", "InvalidQueryParameter", "MalformedQueryString",
    "MissingAction", "MissingAuthenticationToken", "MissingParameter", "OptInRequired", "PendingVerification",
    "RequestExpired", "UnauthorizedOperation", "UnknownParameter", "UnsupportedOperation", "UnsupportedProtocol",
    "ValidationError",
]
# The same page: server error codes (those of addresses and volumes belong to no call here).
EC2_SERVER = [
    "BandwidthLimitExceeded", "InternalError", "InternalFailure", "RequestLimitExceeded", "ServiceUnavailable",
    "Unavailable",
]
# Tokens of the Security Token Service and of a clock that is off; not on the page, and answered all the same.
EC2_SEEN = ["ExpiredToken", "SignatureDoesNotMatch"]

PAGE = "EC2 API, error codes: "
ACTIONS = PAGE + "client error codes for specific actions"
SERVER = PAGE + "server error codes"
INSTANCE = {
    "InvalidInstanceID.Malformed": ACTIONS,
    "InvalidInstanceID.NotFound": ACTIONS,
}
# What single calls answer besides.
EC2 = {
    "DescribeInstances": INSTANCE,
    "DescribeInstanceAttribute": INSTANCE,
    "DescribeInstanceStatus": INSTANCE,
    "DescribeInstanceTypes": {"InvalidInstanceType": "EC2 API, DescribeInstanceTypes"},
    "DescribeInstanceTypeOfferings": {"InvalidInstanceType": "EC2 API, DescribeInstanceTypes"},
    "DescribePlacementGroups": {"InvalidPlacementGroup.Unknown": ACTIONS},
    "DescribeSpotInstanceRequests": {"InvalidSpotInstanceRequestID.NotFound": ACTIONS},
    "DescribeCapacityReservations": {
        "InvalidCapacityReservationId.Malformed": ACTIONS,
        "InvalidCapacityReservationId.NotFound": ACTIONS,
    },
    "CancelCapacityReservation": {
        "InvalidCapacityReservationId.Malformed": ACTIONS,
        "InvalidCapacityReservationId.NotFound": ACTIONS,
    },
    "CreateCapacityReservation": {
        "InstanceLimitExceeded": ACTIONS,
        "InsufficientInstanceCapacity": "EC2 API, CreateCapacityReservation",
        "TagLimitExceeded": ACTIONS,
        "Unsupported": ACTIONS,
        "VcpuLimitExceeded": ACTIONS,
    },
    "StopInstances": INSTANCE | {
        "IncorrectInstanceState": ACTIONS,
        "IncorrectSpotRequestState": ACTIONS,
        "OperationNotPermitted": ACTIONS,
        "UnsupportedHibernationConfiguration": ACTIONS,
    },
    "ModifyInstanceAttribute": INSTANCE | {
        "IncorrectInstanceState": ACTIONS,
        "InvalidInstanceAttributeValue": ACTIONS,
        "OperationNotPermitted": ACTIONS,
        "Unsupported": ACTIONS,
    },
    "StartInstances": INSTANCE | {
        "EncryptedVolumesNotSupported": ACTIONS,
        "IncorrectInstanceState": ACTIONS,
        "IncorrectSpotRequestState": ACTIONS,
        "IncorrectState": ACTIONS,
        "InstanceLimitExceeded": ACTIONS,
        "InsufficientCapacity": SERVER,
        "InsufficientHostCapacity": SERVER,
        "InsufficientInstanceCapacity": SERVER,
        "InsufficientReservedInstanceCapacity": SERVER,
        "InvalidParameterValue": "terraform-provider-aws #16433, boto3 #2190: the start before the changed type is known everywhere",
        "OperationNotPermitted": ACTIONS,
        "ReservationCapacityExceeded": ACTIONS,
        "Unsupported": "seek-oss/aec #228: EbsOptimized at a type that does not support it",
        "VcpuLimitExceeded": ACTIONS,
    },
    "GetConsoleOutput": INSTANCE,
}


def model(service):
    folder, version = MODELS[service]
    path = os.path.join(os.path.dirname(botocore.__file__), "data", folder, version, "service-2.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    with gzip.open(path + ".gz", "rt", encoding="utf-8") as file:
        return json.load(file)


def of_model(service, operation):
    """Code and source of what the model lists for an operation."""
    shapes = model(service)
    for error in shapes["operations"][operation].get("errors", []):
        shape = error["shape"]
        code = shapes["shapes"][shape].get("error", {}).get("code", shape)
        yield code, f"API model {service} {MODELS[service][1]}"


def codes(call):
    service, operation = call.split(":")
    found = {}
    if service == "ec2":
        for code, source in EC2.get(operation, {}).items():
            found.setdefault(code, source)
        for code in EC2_CLIENT:
            found.setdefault(code, PAGE + "common client error codes")
        for code in EC2_SERVER:
            found.setdefault(code, SERVER)
        for code in EC2_SEEN:
            found.setdefault(code, "Signature Version 4 and temporary credentials, any service")
    else:
        for code, source in of_model(service, operation):
            found.setdefault(code, source)
        for code in COMMON:
            found.setdefault(code, f"API reference {service}, common errors")
    return found


def calls():
    with open(POLICY, encoding="utf-8") as file:
        statements = json.load(file)["Statement"]
    found = set()
    for statement in statements:
        action = statement["Action"]
        found.update([action] if isinstance(action, str) else action)
    return sorted(found - NO_CALL)


def table():
    lines = ["call\tcode\tsource"]
    for call in calls():
        lines += [f"{call}\t{code}\t{source}" for code, source in sorted(codes(call).items())]
    return "\n".join(lines) + "\n"


def main():
    made = table()
    if sys.argv[1:] != ["--check"]:
        sys.stdout.write(made)
        return 0
    with open(TABLE, encoding="utf-8") as file:
        kept = file.read()
    here, there = set(kept.splitlines()), set(made.splitlines())
    for line in sorted(there - here):
        print(f"missing: {line}")
    for line in sorted(here - there):
        print(f"not in the models: {line}")
    print(f"faults: {len(there) - 1} rows of {len(calls())} calls")
    return int(kept != made)


if __name__ == "__main__":
    sys.exit(main())
