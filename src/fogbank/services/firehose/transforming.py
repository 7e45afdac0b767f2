"""Records transformed by a Lambda function: all of a parcel in one invocation, which says of each what became of it.

Source: developer guide, Transform source data in Amazon Data Firehose.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Wait
from fogbank.services.firehose import ingesting, lanes, logging, processing
from fogbank.services.firehose.addresses import arn_of, role, where
from fogbank.services.firehose.processing import Failed, Step
from fogbank.services.firehose.state import DAY_MS, PARCELS, Lane, Origin, Stream
from fogbank.store import change

RETRIES = 3
PAUSE_MS = 1000
KEYS_LIMIT = 2000
_encode = msgspec.json.encode
_decode = msgspec.json.decode


def transform(ctx: Context, stream: Stream, parcel: Lane, given: list[tuple[bytes, Origin | None]]) -> Wait | None:
    """Invokes the function with a parcel's records; a Wait where it is to be done again later."""
    chain = processing.steps(stream.destination)
    function = next((one for one in chain if one.type == "Lambda"), None)
    if function is None:  # the destination was changed meanwhile
        ingesting.finish(ctx, stream, chain, [(record, {}) for record, _ in given], parcel.since_ms)
        lanes.done(ctx, parcel)
        return None
    try:
        answer = _invoke(ctx, stream, function, _event(ctx, stream, parcel, given))
        if isinstance(answer, Wait):
            return answer
        outcomes = _outcomes(answer, len(given))
    except Failed as problem:
        return _failed(ctx, stream, parcel, function, given, problem)
    _take(ctx, stream, parcel, chain, given, outcomes)
    lanes.done(ctx, parcel)
    return None


def _record_id(parcel: Lane, index: int) -> str:
    return f"{parcel.id:030d}{index:08d}000000"


def _event(ctx: Context, stream: Stream, parcel: Lane, given: list[tuple[bytes, Origin | None]]) -> bytes:
    records: list[dict[str, Any]] = []
    for index, (data, origin) in enumerate(given):
        record: dict[str, Any] = {
            "recordId": _record_id(parcel, index),
            "approximateArrivalTimestamp": parcel.since_ms if origin is None else origin.at_ms,
            "data": base64.b64encode(data).decode(),
        }
        if origin is not None:
            record["kinesisRecordMetadata"] = {
                "sequenceNumber": origin.sequence,
                "subsequenceNumber": 0,
                "partitionKey": origin.key,
                "shardId": origin.shard,
                "approximateArrivalTimestamp": origin.at_ms,
            }
        records.append(record)
    event: dict[str, Any] = {"invocationId": f"{parcel.id:032x}", "deliveryStreamArn": arn_of(stream), "region": stream.region}
    if stream.source is not None:
        event["sourceKinesisStreamArn"] = stream.source.stream_arn
    return _encode({**event, "records": records})


def _invoke(ctx: Context, stream: Stream, function: Step, event: bytes) -> Any:
    """The function's answer; a Wait while it runs. Raises Failed."""
    acting = role(stream, function.parameters.get("RoleArn") or stream.destination["RoleARN"])
    members = {"FunctionName": function.parameters["LambdaArn"], "InvocationType": "RequestResponse", "Payload": event}
    try:
        answer = ctx.call("lambda", "Invoke", members, acting=acting)
    except NotImplementedOperation:
        raise
    except ServiceException as refused:
        code = "Lambda.InvokeAccessDenied" if "AccessDenied" in refused.code else "Lambda.ResourceNotFound"
        raise Failed(
            code if refused.status in (403, 404) or "Denied" in refused.code else f"Lambda.{refused.code}", refused.message
        ) from None
    if isinstance(answer, Wait):
        return answer
    payload = answer.get("Payload") or b""
    if answer.get("FunctionError"):
        raise Failed(
            "Lambda.FunctionError", f"The Lambda function was successfully invoked but it returned an error result. {payload[:500]!r}"
        )
    return payload


def _outcomes(payload: Any, count: int) -> dict[str, dict[str, Any]]:
    """What became of each record, by its id. Raises Failed where that is not what a function has to answer."""
    try:
        records = _decode(payload)["records"]
        found = {record["recordId"]: record for record in records}
    except (msgspec.MsgspecError, KeyError, TypeError):
        message = "Error parsing the records in the Lambda function output. Check that the function returns valid JSON with records."
        raise Failed("Lambda.JsonProcessingException", message) from None
    if len(found) != len(records):
        raise Failed("Lambda.DuplicatedRecordId", "The Lambda function returned the same record ID more than once.")
    if len(found) < count:
        message = "One or more record IDs were not returned. Ensure that the Lambda function returns all received record IDs."
        raise Failed("Lambda.MissingRecordId", message)
    return found


def _take(
    ctx: Context,
    stream: Stream,
    parcel: Lane,
    chain: tuple[Step, ...],
    given: list[tuple[bytes, Origin | None]],
    outcomes: dict[str, dict[str, Any]],
) -> None:
    """Ok goes on, Dropped is gone, ProcessingFailed goes to the error output."""
    function = next(one for one in chain if one.type == "Lambda")
    further = {"lambdaArn": function.parameters["LambdaArn"], "arrived_ms": parcel.since_ms, "attempts": parcel.attempts + 1}
    kept: list[tuple[bytes, dict[str, str]]] = []
    for index, (data, _) in enumerate(given):
        outcome = outcomes.get(_record_id(parcel, index))
        try:
            found = _outcome(outcome)
        except Failed as problem:
            ingesting.fail(ctx, stream, "processing-failed", data, problem, **further)
            continue
        if found is not None:
            kept.append(found)
    if kept:
        ingesting.finish(ctx, stream, chain, kept, parcel.since_ms)


def _outcome(outcome: dict[str, Any] | None) -> tuple[bytes, dict[str, str]] | None:
    """A record's new data and its partition keys; None where it is dropped. Raises Failed."""
    result = outcome.get("result") if outcome is not None else None
    if outcome is None:
        raise Failed("Lambda.MissingRecordId", "The record ID was not returned by the Lambda function.")
    if result == "Dropped":
        return None
    if result == "ProcessingFailed":
        raise Failed("Lambda.ProcessingFailedStatus", "ProcessingFailed status set for record")
    if result != "Ok":
        raise Failed("Lambda.InvalidResultStatus", "The result must be Ok, Dropped or ProcessingFailed.")
    keys = (outcome.get("metadata") or {}).get("partitionKeys") or {}
    try:
        data = base64.b64decode(outcome["data"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise Failed("Lambda.JsonProcessingException", "The data of the record is not in base64.") from None
    if any(not isinstance(value, str) or not value for value in keys.values()):
        raise Failed("DynamicPartitioning.MetadataExtractionFailed", "partitionKeys values must not be null or empty")
    return data, {f"partitionKeyFromLambda:{name}": value for name, value in keys.items()}


def _failed(
    ctx: Context, stream: Stream, parcel: Lane, function: Step, given: list[tuple[bytes, Origin | None]], problem: Failed
) -> Wait | None:
    """The invocation failed: again, or to the error output. What may not be invoked is tried for 24 hours."""
    logging.say(ctx, stream, problem, "S3")
    waits = problem.code in ("Lambda.InvokeAccessDenied", "Lambda.ResourceNotFound")
    again = parcel.attempts < int(function.parameters.get("NumberOfRetries", RETRIES))
    if waits:
        again = ctx.now < parcel.closed_at_ms + DAY_MS
    if again:
        PARCELS.put(ctx, change(parcel, attempts=parcel.attempts + 1))
        pause_ms = PAUSE_MS * 2 ** min(parcel.attempts, 8 if waits else 4)
        ctx.later("firehose.deliver", {**where(stream), "parcel": parcel.id}, at_ms=ctx.now + pause_ms)
        return None
    further = {"lambdaArn": function.parameters["LambdaArn"], "arrived_ms": parcel.since_ms, "attempts": parcel.attempts + 1}
    for data, _ in given:
        ingesting.fail(ctx, stream, "processing-failed", data, problem, **further)
    lanes.done(ctx, parcel)
    return None
