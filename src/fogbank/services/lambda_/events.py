"""Asynchronous events: taken, tried, tried again, and at last recorded where their function says.

An event is a task. A failure of the function is tried again after one and two minutes; throttling and trouble of our own are tried
again with back-off until the event is too old (six hours, or less). What is given up, and what went well, is recorded by the
function's role at the destinations, and in the dead-letter queue.
Source: "Error handling for asynchronous invocation" and "Capturing records of Lambda asynchronous invocations" in the Lambda
Developer Guide.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.delivery import targets
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.services.lambda_ import metrics, running
from fogbank.services.lambda_.addresses import Address, arn, iso, version_at
from fogbank.services.lambda_.roles import role_of
from fogbank.services.lambda_.state import EVENT_INVOKES, FUNCTIONS, LATEST, EventInvoke

AGE_S = 21_600
RETRIES = 2
RETRY_MS = 60_000
LONGEST_MS = 300_000
ERROR_CHARACTERS = 1024
RECORD_PAYLOAD_BYTES = 262_144


def accept(ctx: Context, where: Address, payload: bytes, request_id: str) -> None:
    """Takes an event."""
    metrics.measure(ctx, where, "AsyncEventsReceived", 1, all_functions=False)
    ctx.later("lambda.event", {"where": list(where), "payload": payload, "id": request_id, "at_ms": ctx.now, "tries": 0, "delays": 0})


@task("event")
def event(ctx: Context, item: dict[str, Any]) -> Answer:
    """Runs a function with an event."""
    where = Address(*item["where"])
    config = _config(ctx, where)
    age_ms = ctx.now - item["at_ms"]
    if FUNCTIONS.get(ctx, *where[:3]) is None:
        return None
    if age_ms > (config.age_s or AGE_S) * 1000:
        _give_up(ctx, where, config, item, "EventAgeExceeded", None)
        return None
    metrics.measure(ctx, where, "AsyncEventAge", age_ms, "Milliseconds", all_functions=False)
    try:
        ran = running.run(ctx, where, item["payload"], what="event", request_id=item["id"])
    except ServiceException as problem:
        _hindered(ctx, where, config, item, problem)
        return None
    if not ran.outcome.error:
        if config.on_success:
            _send(ctx, where, config.on_success, _record(ctx, where, item, "Success", ran), success=True)
        return None
    if item["tries"] < (RETRIES if config.retries is None else config.retries):
        tries = item["tries"] + 1
        ctx.later("lambda.event", {**item, "tries": tries}, at_ms=ctx.now + tries * RETRY_MS)
        return None
    _give_up(ctx, where, config, item, "RetriesExhausted", ran)
    return None


def _config(ctx: Context, where: Address) -> EventInvoke:
    qualifier = "" if where.qualifier == LATEST else where.qualifier
    found = EVENT_INVOKES.get(ctx, where.account, where.region, where.name, qualifier)
    if found is None:
        found = EventInvoke(account=where.account, region=where.region, function=where.name, qualifier=qualifier, modified_at_ms=0)
    return found


def _hindered(ctx: Context, where: Address, config: EventInvoke, item: dict[str, Any], problem: ServiceException) -> None:
    """The function did not run: again later, as long as the event is not too old. One that goes in circles, or nowhere, is given up."""
    if problem.code == "RecursiveInvocationException":
        _give_up(ctx, where, config, item, "RecursiveInvocation", None, problem)
        return
    if problem.code == "ResourceNotFoundException":
        return
    delay_ms = min(1000 * 2 ** item["delays"], LONGEST_MS)
    at_ms = min(ctx.now + delay_ms, item["at_ms"] + (config.age_s or AGE_S) * 1000 + 1)
    ctx.later("lambda.event", {**item, "delays": item["delays"] + 1}, at_ms=at_ms)


def _json(payload: bytes) -> msgspec.Raw:
    return msgspec.Raw(payload or b"null")


def _record(ctx: Context, where: Address, item: dict[str, Any], condition: str, ran: running.Ran | None) -> dict[str, Any]:
    """What destinations are told."""
    count = item["tries"] + (1 if ran is not None else 0)
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": iso(ctx.now),
        "requestContext": {
            "requestId": item["id"],
            "functionArn": arn(*where._replace(qualifier=where.qualifier or LATEST)),
            "condition": condition,
            "approximateInvokeCount": count,
        },
        "requestPayload": _json(item["payload"]),
    }
    if ran is not None:
        context: dict[str, Any] = {"statusCode": 200, "executedVersion": ran.version}
        if ran.outcome.error:
            context["functionError"] = ran.outcome.error
        record["responseContext"] = context
        record["responsePayload"] = _json(ran.outcome.payload)
    return record


def _give_up(
    ctx: Context,
    where: Address,
    config: EventInvoke,
    item: dict[str, Any],
    condition: str,
    ran: running.Ran | None,
    problem: ServiceException | None = None,
) -> None:
    metrics.measure(ctx, where, "AsyncEventsDropped", 1, all_functions=False)
    if config.on_failure:
        _send(ctx, where, config.on_failure, _record(ctx, where, item, condition, ran), success=False)
    try:
        version = version_at(ctx, where)
    except ServiceException:
        return
    if not version.dead_letter_arn:
        return
    said = problem.message if problem is not None else ran.outcome.payload.decode("utf-8", "replace") if ran is not None else condition
    about = {
        "RequestID": {"DataType": "String", "StringValue": item["id"]},
        "ErrorCode": {"DataType": "Number", "StringValue": "200" if ran is not None else "429"},
        "ErrorMessage": {"DataType": "String", "StringValue": _message(said)},
    }
    body = item["payload"].decode()
    try:
        targets.send(ctx, version.dead_letter_arn, body, role_of(version), parameters={"MessageAttributes": about})
    except ServiceException:
        metrics.measure(ctx, where, "DeadLetterErrors", 1, all_functions=False)


def _message(said: str) -> str:
    """The `errorMessage` of a function's error, cut to 1 KB."""
    try:
        found = msgspec.json.decode(said)
    except msgspec.DecodeError:
        found = None
    message = found.get("errorMessage") if isinstance(found, dict) else None
    return str(message or said)[:ERROR_CHARACTERS] or "-"


def _send(ctx: Context, where: Address, target: str, record: dict[str, Any], *, success: bool) -> None:
    """Brings a record to a destination, as the function's role."""
    try:
        version = version_at(ctx, where)
        send_record(ctx, target, record, role_of(version), where, success=success)
    except ServiceException:
        metrics.measure(ctx, where, "DestinationDeliveryFailures", 1, all_functions=False)


def send_record(ctx: Context, target: str, record: dict[str, Any], role: Any, where: Address, *, success: bool, prefix: str = "") -> None:
    """Brings an invocation record to a queue, topic, function, bus or bucket. Errors: the target's."""
    message = msgspec.json.encode(record).decode()
    parsed = Arn.parse(target)
    if parsed is not None and parsed.service == "s3":
        at = iso(ctx.now)
        key = f"{prefix or f'aws/lambda/async/{where.name}'}/{at[:10].replace('-', '/')}/{at[:19].replace(':', '.')}-{ctx.random.uuid()}"
        ctx.call("s3", "PutObject", {"Bucket": parsed.resource, "Key": key, "Body": message.encode()}, acting=role)
        return
    function_arn = arn(*where._replace(qualifier=where.qualifier or LATEST))
    kind = "Success" if success else "Failure"
    parameters = {
        "Source": "lambda",
        "DetailType": f"Lambda Function Invocation Result - {kind}",
        "Resources": [target, function_arn],
    }
    targets.send(ctx, target, message, role, parameters=parameters if parsed is not None and parsed.service == "events" else None)
