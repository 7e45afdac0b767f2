"""Records transformed by a Lambda function."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import processing, processor
from .test_processing import PARTITIONED

ARN = "arn:aws:lambda:us-east-1:000000000000:function:transform"
SOURCE = """
import base64, json

def handler(event, context):
    records = []
    for record in event["records"]:
        data = base64.b64decode(record["data"])
        if data == b"raise":
            raise ValueError("no")
        if data == b"drop":
            records.append({"recordId": record["recordId"], "result": "Dropped"})
        elif data == b"fail":
            records.append({"recordId": record["recordId"], "result": "ProcessingFailed", "data": record["data"]})
        else:
            records.append({
                "recordId": record["recordId"],
                "result": "Ok",
                "data": base64.b64encode(data.upper() + b"\\n").decode(),
                "metadata": {"partitionKeys": {"first": data[:1].decode()}},
            })
    return {"records": records}
"""


@pytest.fixture
def function(cloud: Any, allow: Callable[..., None], role: str) -> Any:
    """The client of Lambda, where there is a function `transform` that the delivery role may invoke."""
    iam, client = cloud.client("iam"), cloud.client("lambda")
    statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": statement}
    made = iam.create_role(RoleName="function", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("main.py", SOURCE)
    client.create_function(
        FunctionName="transform", Runtime="python3.11", Role=made, Handler="main.handler", Code={"ZipFile": out.getvalue()}, Timeout=60
    )
    cloud.settle()
    allow("s3:PutObject", "lambda:InvokeFunction")
    return client


def lambda_processor(**parameters: str) -> dict[str, Any]:
    return processor("Lambda", LambdaArn=ARN, **{"BufferSizeInMBs": "1", "BufferIntervalInSeconds": "60", **parameters})


def test_outcomes(function: Any, make: Any, put: Any, objects: Any, cloud: Any) -> None:
    """Ok goes on as the function gave it, Dropped is gone, ProcessingFailed goes to the error output with the record as it came."""
    make(extended=processing(lambda_processor()))
    put(b"one", b"drop", b"fail", b"two")
    cloud.advance(60)
    cloud.advance(60)
    found = {"processing-failed/" in key: content for key, content in objects().items()}
    assert found[False] == b"ONE\nTWO\n"
    said = json.loads(found[True])
    assert (said["errorCode"], said["lambdaArn"]) == ("Lambda.ProcessingFailedStatus", ARN)
    assert base64.b64decode(said["rawData"]) == b"fail"


def test_a_function_that_fails(function: Any, make: Any, put: Any, objects: Any, cloud: Any) -> None:
    """A function that raises is tried again as often as NumberOfRetries says; then all of its records are errors."""
    make(extended=processing(lambda_processor(NumberOfRetries="2")))
    put(b"one", b"raise")
    for _ in range(5):
        cloud.advance(60)
    ((key, content),) = objects().items()
    assert key.startswith("processing-failed/")
    said = [json.loads(line) for line in content.splitlines()]
    assert [base64.b64decode(one["rawData"]) for one in said] == [b"one", b"raise"]
    assert {(one["errorCode"], one["attemptsMade"]) for one in said} == {("Lambda.FunctionError", 3)}


def test_without_permission_it_waits(function: Any, make: Any, put: Any, objects: Any, cloud: Any, allow: Any) -> None:
    """Where the role may not invoke the function, records are kept and tried again."""
    allow("s3:PutObject")
    make(extended=processing(lambda_processor()))
    put(b"one")
    cloud.advance(600)
    assert objects() == {}
    allow("s3:PutObject", "lambda:InvokeFunction")
    cloud.advance(600)
    cloud.advance(60)
    assert list(objects().values()) == [b"ONE\n"]


def test_keys_of_a_function(function: Any, make: Any, put: Any, objects: Any, cloud: Any) -> None:
    """A function may give partition keys."""
    partitioned = {**PARTITIONED, "Prefix": "first=!{partitionKeyFromLambda:first}/"}
    make(extended={**partitioned, **processing(lambda_processor())})
    put(b"alpha", b"beta", b"apple")
    cloud.advance(60)
    cloud.advance(60)
    found = {key.rpartition("/")[0]: content for key, content in objects().items()}
    assert found == {"first=a": b"ALPHA\nAPPLE\n", "first=b": b"BETA\n"}


def test_large_batches(function: Any, make: Any, firehose: Any, objects: Any, cloud: Any) -> None:
    """However much comes at once, a function gets no more than its buffer holds: its payloads stay within Lambda's 6 MB."""
    make(extended=processing(lambda_processor(BufferSizeInMBs="3")))
    for count in (300, 460):
        firehose.put_record_batch(DeliveryStreamName="stream", Records=[{"Data": b"x" * 9_000} for _ in range(count)])
        cloud.advance(1)
    cloud.advance(61)
    cloud.advance(61)
    assert sum(map(len, objects().values())) == 760 * 9_001
    assert all(content.startswith(b"XXX") for content in objects().values())
