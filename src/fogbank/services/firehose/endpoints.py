"""Parcels sent to an HTTP endpoint, which has to confirm each; what it does not take in time goes to the backup bucket.

Source: developer guide, Understand HTTP endpoint delivery request and response specifications.
"""

from __future__ import annotations

import base64
import gzip
from typing import Any

import msgspec

from fogbank.delivery.http import Fetched, fetch
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Wait
from fogbank.services.firehose import ingesting, lanes, logging, metrics
from fogbank.services.firehose.addresses import arn_of, role, where
from fogbank.services.firehose.processing import Failed
from fogbank.services.firehose.state import PARCELS, Lane, Stream
from fogbank.store import change

TIMEOUT_S = 180
PAUSE_MS = 1000
LONGEST_PAUSE_MS = 120_000
_encode = msgspec.json.encode


def send(ctx: Context, stream: Stream, parcel: Lane, records: list[bytes]) -> Wait | None:
    """Sends a parcel. It is tried again for as long as RetryOptions say, counted from the first failure."""
    request_id = f"{parcel.id:032x}"
    request_id = f"{request_id[:8]}-{request_id[8:12]}-{request_id[12:16]}-{request_id[16:20]}-{request_id[20:]}"
    try:
        headers = _headers(ctx, stream, request_id)
        body = _body(parcel, records, request_id)
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.compress(body, mtime=0)
        url = stream.destination["EndpointConfiguration"]["Url"]
        answer = fetch(ctx, "POST", url, headers, body, timeout_s=TIMEOUT_S, what=f"parcel {parcel.id} {parcel.attempts}")
        _check(answer, request_id)
    except Failed as problem:
        _failed(ctx, stream, parcel, records, problem)
        return None
    metrics.delivered(ctx, stream, parcel, success=True)
    lanes.done(ctx, parcel)
    return None


def _headers(ctx: Context, stream: Stream, request_id: str) -> dict[str, str]:
    asked = stream.destination.get("RequestConfiguration") or {}
    headers = {
        "Content-Type": "application/json",
        "X-Amz-Firehose-Protocol-Version": "1.0",
        "X-Amz-Firehose-Request-Id": request_id,
        "X-Amz-Firehose-Source-Arn": arn_of(stream),
        "User-Agent": "Amazon Kinesis Data Firehose Agent/1.0",
    }
    key = _access_key(ctx, stream)
    if key:
        headers["X-Amz-Firehose-Access-Key"] = key
    attributes = {one["AttributeName"]: one["AttributeValue"] for one in asked.get("CommonAttributes") or ()}
    if attributes:
        headers["X-Amz-Firehose-Common-Attributes"] = _encode({"commonAttributes": attributes}).decode()
    if asked.get("ContentEncoding") == "GZIP":
        headers["Content-Encoding"] = "gzip"
    return headers


def _access_key(ctx: Context, stream: Stream) -> str:
    """The endpoint's access key: from Secrets Manager where that is configured. Raises Failed."""
    manager = stream.destination.get("SecretsManagerConfiguration") or {}
    if not manager.get("Enabled"):
        return ctx.vault.open(stream.secret).decode() if stream.secret else ""
    acting = role(stream, manager.get("RoleARN") or stream.destination["RoleARN"])
    try:
        answer = ctx.call("secretsmanager", "GetSecretValue", {"SecretId": manager["SecretARN"]}, acting=acting)
        return str(msgspec.json.decode(answer["SecretString"])["api_key"])
    except ServiceException as refused:
        raise Failed("SecretsManager.AccessDenied", refused.message) from None
    except (msgspec.MsgspecError, KeyError, TypeError):
        raise Failed("SecretsManager.InvalidSecret", "The secret must be a JSON document with api_key.") from None


def _body(parcel: Lane, records: list[bytes], request_id: str) -> bytes:
    shown = [{"data": base64.b64encode(record).decode()} for record in records]
    return _encode({"requestId": request_id, "timestamp": parcel.closed_at_ms, "records": shown})


def _check(answer: Fetched, request_id: str) -> None:
    """Raises Failed for an answer that does not confirm the request."""
    if answer.problem:
        raise Failed("HttpEndpoint.DestinationException", f"The endpoint could not be reached: {answer.problem}")
    if answer.status == 413:
        raise Failed("HttpEndpoint.RequestTooLarge", "The endpoint says that the request is too large.")
    if answer.status != 200:
        raise Failed(
            f"HttpEndpoint.{'ServerError' if answer.status >= 500 else 'ClientError'}",
            f"The endpoint returned HTTP status code {answer.status}.",
        )
    try:
        said: Any = msgspec.json.decode(answer.body)
        confirmed = said["requestId"] == request_id and isinstance(said["timestamp"], int)
    except (msgspec.MsgspecError, KeyError, TypeError):
        confirmed = False
    if not confirmed:
        message = "The response received from the endpoint is invalid: it must be JSON with the requestId of the request and a timestamp."
        raise Failed("HttpEndpoint.InvalidResponseFromDestination", message)


def _failed(ctx: Context, stream: Stream, parcel: Lane, records: list[bytes], problem: Failed) -> None:
    url = stream.destination["EndpointConfiguration"]["Url"]
    logging.say(ctx, stream, problem, url)
    metrics.delivered(ctx, stream, parcel, success=False)
    since_ms = parcel.failing_since_ms or ctx.now
    duration_ms = (stream.destination.get("RetryOptions") or {}).get("DurationInSeconds", 300) * 1000
    if ctx.now < since_ms + duration_ms:
        PARCELS.put(ctx, change(parcel, attempts=parcel.attempts + 1, failing_since_ms=since_ms))
        at_ms = min(ctx.now + min(PAUSE_MS * 2**parcel.attempts, LONGEST_PAUSE_MS), since_ms + duration_ms)
        ctx.later("firehose.deliver", {**where(stream), "parcel": parcel.id}, at_ms=at_ms)
        return
    further = {"EndpointUrl": url, "arrived_ms": parcel.since_ms, "attempts": parcel.attempts + 1}
    for record in records:
        ingesting.fail(ctx, stream, "http-endpoint-failed", record, problem, **further)
    lanes.done(ctx, parcel)
