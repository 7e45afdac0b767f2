"""Bringing events to where a subscription leads: as AWS packs them, by a task, tried again for a day.

A package is gzipped JSON {messageType, owner, logGroup, logStream, subscriptionFilters, logEvents}. A function gets it as
{"awslogs": {"data": Base64}}, a stream and a delivery stream as a record. What is on its way lies in the outbox, sealed.

Source: "Log group-level subscription filters" in the CloudWatch Logs User Guide.
"""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Sequence
from hashlib import md5
from typing import Any

import msgspec

from fogbank.delivery.attempts import Attempts, RetryPolicy, after_failure
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Acting, Context, Role
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.kernel.telemetry import MEASURES, Measure
from fogbank.services.logs.chunks import Event
from fogbank.services.logs.destinations import destination_by
from fogbank.services.logs.faults import invalid
from fogbank.services.logs.names import group_arn
from fogbank.services.logs.pointers import event_id
from fogbank.services.logs.state import BY_ID, SUBSCRIPTION_FILTERS, Group, Stream
from fogbank.services.logs.ways import OF_ACCOUNT, Way, kind_of, subscription_of

PACKAGE_BYTES = 900_000
"""Of messages that go into one package: what is made of them has to go into a record."""
PATIENCE = RetryPolicy(maximum_age_s=86_400, maximum_attempts=10_000)
UNREACHABLE = {
    "lambda": "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function.",
    "kinesis": "Could not deliver test message to specified Kinesis stream. Check if the given kinesis stream is in ACTIVE state.",
    "firehose": "Could not deliver test message to specified Firehose stream. Check if the given Firehose stream is in ACTIVE state.",
    "logs": "Could not deliver test message to specified destination. Check if the destination is valid.",
}
_encode = msgspec.json.Encoder().encode


def begin(
    ctx: Context,
    group: Group,
    stream: Stream,
    events: Sequence[tuple[Event, dict[str, str] | None]],
    name: str,
    way: Way,
    level: str,
) -> None:
    """Puts events aside that a subscription is to bring. `events` with the fields that a space-delimited pattern found."""
    run: list[dict[str, Any]] = []
    size = 0
    for event, fields in events:
        one: dict[str, Any] = {"id": event_id(stream, event), "timestamp": event.at_ms, "message": event.seen}
        if fields is not None:
            one["extractedFields"] = fields
        more = len(event.seen.encode())
        if run and size + more > PACKAGE_BYTES:
            _put_aside(ctx, group, stream, run, name, way, level)
            run, size = [], 0
        run.append(one)
        size += more
    _put_aside(ctx, group, stream, run, name, way, level)


def _put_aside(ctx: Context, group: Group, stream: Stream, events: list[dict[str, Any]], name: str, way: Way, level: str) -> None:
    package = {
        "messageType": "DATA_MESSAGE",
        "owner": group.account,
        "logGroup": group.name,
        "logStream": stream.name,
        "subscriptionFilters": [name],
        "logEvents": events,
    }
    if level == OF_ACCOUNT:
        package["policyLevel"] = level
    payload = {
        "group": group.id,
        "name": name,
        "level": level,
        "key": md5(stream.name.encode(), usedforsecurity=False).hexdigest(),
        "events": len(events),
        "sealed": ctx.vault.seal(_packed(package)),
        "attempts": Attempts(ctx.now),
    }
    ctx.later("logs.forward", payload)


def _packed(package: dict[str, Any]) -> bytes:
    return gzip.compress(_encode(package), 6, mtime=0)


@task("forward")
def forward(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Brings a package to where its subscription leads now; tries again, later and later, for 24 hours."""
    group = BY_ID.first(ctx, payload["group"])
    way = _way(ctx, group, payload) if group is not None else None
    if group is None or way is None:
        return None
    content: bytes = ctx.vault.open(payload["sealed"])
    kind = str(kind_of(way.destination_arn))
    by = tuple(sorted({"LogGroupName": group.name, "DestinationType": _KINDS[kind], "FilterName": payload["name"]}.items()))
    try:
        send(ctx, group.account, group.region, group.name, way, content, payload["key"])
    except ServiceException as refused:
        throttled = "Throttl" in refused.code or "TooMany" in refused.code or "Exceeded" in refused.code
        _measure(ctx, group, "DeliveryThrottling" if throttled else "DeliveryErrors", by, payload["events"], "None")
        again = after_failure(Attempts(*payload["attempts"]), PATIENCE, ctx.now, ctx.random)
        if not again.exhausted:
            ctx.later("logs.forward", {**payload, "attempts": again.attempts}, at_ms=again.at_ms)
        return None
    _measure(ctx, group, "ForwardedLogEvents", by, payload["events"], "None")
    _measure(ctx, group, "ForwardedBytes", by, len(content), "Bytes")
    return None


_KINDS = {"lambda": "Lambda", "kinesis": "Kinesis", "firehose": "Firehose", "logs": "Destination"}


def _measure(ctx: Context, group: Group, name: str, by: tuple[tuple[str, str], ...], value: float, unit: str) -> None:
    ctx.tell(MEASURES, Measure(group.account, group.region, "AWS/Logs", name, by, value, unit, ctx.now))


def _way(ctx: Context, group: Group, payload: dict[str, Any]) -> Way | None:
    """Where the subscription leads by now; None where it is not there any more."""
    if payload["level"] == OF_ACCOUNT:
        policy = subscription_of(ctx, group)
        return policy.way if policy is not None and policy.name == payload["name"] else None
    found = SUBSCRIPTION_FILTERS.get(ctx, group.id, payload["name"])
    return Way(found.destination_arn, found.role_arn, found.distribution) if found is not None else None


def send(ctx: Context, account: str, region: str, group_name: str, way: Way, content: bytes, key: str) -> None:
    """Brings a package there. Errors: those of the target's operation, and of the role."""
    kind = kind_of(way.destination_arn)
    if kind == "logs":
        destination = destination_by(ctx, way.destination_arn)
        kind = kind_of(destination.target_arn)
        way = way._replace(destination_arn=destination.target_arn, role_arn=destination.role_arn)
    arn = way.destination_arn
    where = arn.split(":")[3]
    if kind == "lambda":
        acting = Acting("logs.amazonaws.com", f"{group_arn(account, region, group_name)}:*", account)
        event = _encode({"awslogs": {"data": b64encode(content).decode()}})
        ctx.call("lambda", "Invoke", {"FunctionName": arn, "InvocationType": "Event", "Payload": event}, acting=acting, region=where)
        return
    role = Role(way.role_arn, f"logs.{region}.amazonaws.com", "CloudWatchLogs", f"{group_arn(account, region, group_name)}:*", account)
    if kind == "kinesis":
        spread = ctx.random.hex(32) if way.distribution == "Random" else key
        ctx.call("kinesis", "PutRecord", {"StreamARN": arn, "Data": content, "PartitionKey": spread}, acting=role, region=where)
    else:
        name = arn.rpartition("/")[2]
        ctx.call("firehose", "PutRecord", {"DeliveryStreamName": name, "Record": {"Data": content}}, acting=role, region=where)


def test(ctx: Context, account: str, group_name: str, way: Way) -> None:
    """Sends what AWS sends to find out whether a destination can be reached: to a function nothing, but whether it could be called.

    Errors: those of `send`.
    """
    if kind_of(way.destination_arn) == "lambda":
        acting = Acting("logs.amazonaws.com", f"{group_arn(account, ctx.region, group_name)}:*", account)
        members = {"FunctionName": way.destination_arn, "InvocationType": "DryRun"}
        ctx.call("lambda", "Invoke", members, acting=acting, region=way.destination_arn.split(":")[3])
        return
    event = {"id": "", "timestamp": ctx.now, "message": "CWL CONTROL MESSAGE: Checking health of destination."}
    package = {
        "messageType": "CONTROL_MESSAGE",
        "owner": "CloudwatchLogs",
        "logGroup": "",
        "logStream": "",
        "subscriptionFilters": [],
        "logEvents": [event],
    }
    send(ctx, account, ctx.region, group_name, way, _packed(package), ctx.random.hex(32))


def check_way(ctx: Context, account: str, group_name: str, way: Way, passed: str = "") -> None:
    """That a destination is one, that the caller may pass its role, and that it can be reached. `passed`: the role it has already."""
    arn = Arn.parse(way.destination_arn)
    if arn is None or kind_of(way.destination_arn) is None:
        raise invalid("Invalid destinationArn: it must be a Kinesis stream, a Firehose stream, a Lambda function or a destination.")
    kind = kind_of(way.destination_arn)
    if kind == "logs":
        destination_by(ctx, way.destination_arn)
    elif arn.account != account:
        raise invalid("destinationArn for vendor " + arn.service + " cannot be used with another account's resource")
    if kind in ("kinesis", "firehose") and not way.role_arn:
        raise invalid(f"destinationArn for vendor {kind} cannot be used without roleArn")
    if kind == "lambda" and way.role_arn:
        raise invalid("destinationArn for vendor lambda cannot be used with roleArn")
    if way.role_arn and way.role_arn != passed:
        ctx.authorize("iam:PassRole", way.role_arn, iam__PassedToService=f"logs.{ctx.region}.amazonaws.com")
    try:
        test(ctx, account, group_name, way)
    except NotImplementedOperation:
        raise
    except ServiceException:
        raise invalid(UNREACHABLE[str(kind)]) from None
