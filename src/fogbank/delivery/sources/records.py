"""Records as events: SQS's, Kinesis's, DynamoDB's.

Source: "Using Lambda with Amazon SQS", "... Kinesis Data Streams" and "... DynamoDB" in the Lambda Developer Guide.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

Event = dict[str, Any]


def _attribute(given: Mapping[str, Any]) -> Event:
    """A message attribute."""
    made: Event = {"stringListValues": [], "binaryListValues": [], "dataType": given["DataType"]}
    if given.get("StringValue") is not None:
        made["stringValue"] = given["StringValue"]
    if given.get("BinaryValue") is not None:
        made["binaryValue"] = base64.b64encode(given["BinaryValue"]).decode()
    return made


def of_message(message: Mapping[str, Any], source_arn: str, region: str) -> Event:
    """A record of a queue's message, from ReceiveMessage's answer."""
    made: Event = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes") or {}),
        "messageAttributes": {name: _attribute(given) for name, given in (message.get("MessageAttributes") or {}).items()},
    }
    if message.get("MD5OfMessageAttributes"):
        made["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    made |= {"md5OfBody": message["MD5OfBody"], "eventSource": "aws:sqs", "eventSourceARN": source_arn, "awsRegion": region}
    return made


def of_kinesis(record: Mapping[str, Any], shard: str, source_arn: str, region: str, role_arn: str) -> Event:
    """A record of a Kinesis stream, from GetRecords's answer."""
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": base64.b64encode(record["Data"]).decode(),
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"] / 1000,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": role_arn,
        "awsRegion": region,
        "eventSourceARN": source_arn,
    }


def of_dynamodb(record: Mapping[str, Any], source_arn: str) -> Event:
    """A record of a table's stream, from GetRecords's answer."""
    change = dict(record["dynamodb"])
    change["ApproximateCreationDateTime"] = change["ApproximateCreationDateTime"] // 1000
    made = {**record, "dynamodb": change, "eventSourceARN": source_arn}
    identity = made.pop("userIdentity", None)
    if identity is not None:
        made["userIdentity"] = {"principalId": identity["PrincipalId"], "type": identity["Type"]}
    return made
