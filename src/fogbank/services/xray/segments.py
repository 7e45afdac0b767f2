"""Segments: what applications send, and what the door tells of every call that is followed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.kernel.telemetry import Span
from fogbank.services.xray import encryption, insights
from fogbank.services.xray.spans import document_of
from fogbank.services.xray.state import KEPT_MS, SEGMENTS, TOLD, TRACES, Segment, Started, Told
from fogbank.store.tables import change

DOCUMENT_BYTES = 64 << 10
TRACE_BYTES = 500 << 10
_TRACE = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}")
_ID = re.compile(r"[0-9a-f]{16}")
_AHEAD_MS = 600_000
_SEALED_FOR = b"xray spans"
_pack = msgspec.msgpack.Encoder().encode
_spans = msgspec.msgpack.Decoder(list[Span]).decode


class Wrong(Exception):
    """A document that cannot be taken: AWS's code and sentence for it."""


@operation("PutTraceSegments")
def put_trace_segments(ctx: Context, req: Any) -> Answer:
    """Takes segment documents, complete or in progress; each by itself: what is wrong is named and the others are kept.

    Up to 64 KB each; a subsegment sent by itself has type "subsegment" and a parent. A document with the id of an earlier one replaces it.
    Errors: InvalidRequestException. Source: "AWS X-Ray segment documents" in the X-Ray Developer Guide.
    """
    refused = []
    for text in req.TraceSegmentDocuments:
        found = ""
        try:
            document = _parsed(text)
            found = str(document.get("id") or "")
            keep(ctx, ctx.account, ctx.region, _checked(ctx, document), text.encode())
        except Wrong as wrong:
            code, message = wrong.args
            refused.append({"Id": found or None, "ErrorCode": code, "Message": message})
    return {"UnprocessedTraceSegments": refused}


def _parsed(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        raise Wrong("ParseError", "Invalid segment. ErrorCode: ParseError") from None
    if not isinstance(document, dict):
        raise Wrong("ParseError", "Invalid segment. ErrorCode: ParseError")
    return document


def _checked(ctx: Context, document: dict[str, Any]) -> dict[str, Any]:
    """The document, where it has what each must have."""
    for name, pattern in (("trace_id", _TRACE), ("id", _ID)):
        if not isinstance(document.get(name), str) or not pattern.fullmatch(document[name]):
            raise Wrong("MissingId" if not document.get(name) else "InvalidId", f"Invalid segment. ErrorCode: Invalid{name.title()}")
    start = document.get("start_time")
    if not isinstance(start, int | float) or isinstance(start, bool):
        raise Wrong("InvalidTime", "Invalid segment. ErrorCode: InvalidStartTime")
    end = document.get("end_time")
    if end is None:
        if document.get("in_progress") is not True:
            raise Wrong("InvalidTime", "Invalid segment. ErrorCode: InvalidEndTime")
    elif not isinstance(end, int | float) or end < start:
        raise Wrong("InvalidTime", "Invalid segment. ErrorCode: InvalidEndTime")
    if not isinstance(document.get("name"), str) or not document["name"]:
        raise Wrong("MissingName", "Invalid segment. ErrorCode: MissingName")
    if document.get("type") == "subsegment" and not document.get("parent_id"):
        raise Wrong("MissingParentId", "Invalid segment. ErrorCode: MissingParentId")
    if not ctx.now - KEPT_MS <= start * 1000 <= ctx.now + _AHEAD_MS:
        raise Wrong("InvalidTime", "Invalid segment. ErrorCode: TimestampOutOfRange")
    if len(msgspec.json.encode(document)) > DOCUMENT_BYTES:
        raise Wrong("SegmentTooLarge", "Invalid segment. ErrorCode: SegmentTooLarge")
    return document


def keep(ctx: Context, account: str, region: str, document: dict[str, Any], packed: bytes) -> None:
    """Adds a segment to its trace."""
    trace, start_ms = document["trace_id"], document["start_time"] * 1000
    end_ms = (document.get("end_time") or 0) * 1000
    content, key = encryption.sealed(ctx, account, region, packed)
    segment = Segment(
        account=account, region=region, trace=trace, id=document["id"], start_ms=start_ms, end_ms=end_ms, document=content, key=key
    )
    SEGMENTS.put(ctx, segment)
    insights.look_soon(ctx, account, region)
    known = TRACES.get(ctx, account, region, trace)
    if known is None:
        _begin_forgetting(ctx)
        TRACES.put(ctx, Started(account=account, region=region, trace=trace, at_ms=ctx.now, start_ms=int(start_ms)))
    else:
        TRACES.put(ctx, change(known, start_ms=min(known.start_ms, int(start_ms)), revision=known.revision + 1))


def _begin_forgetting(ctx: Context) -> None:
    """The first of all traces has the forgetting begin."""
    if next(TRACES.scan(ctx), None) is None and next(TOLD.scan(ctx), None) is None:
        ctx.later("xray.forget", None, at_ms=ctx.now + KEPT_MS)


def gather(ctx: Context, told: list[Any]) -> None:
    """Spans of calls are kept as they are; documents that services tell of, `(account, region, document)`, are segments."""
    spans: dict[tuple[str, str], list[Span]] = {}
    for what in told:
        if isinstance(what, Span):
            spans.setdefault((what.account, what.region), []).append(what)
        else:
            _take(ctx, *what)
    for (account, region), few in spans.items():
        _begin_forgetting(ctx)
        try:
            content, key = encryption.sealed(ctx, account, region, _pack(few))
        except ServiceException:
            continue  # the account's key cannot be used: these are lost
        sealed = ctx.vault.seal(content, _SEALED_FOR)
        TOLD.insert(ctx, Told(account=account, region=region, at_ms=ctx.now, number=ctx.tx.unique(), sealed=sealed, key=key))
        insights.look_soon(ctx, account, region)


def _take(ctx: Context, account: str, region: str, document: dict[str, Any]) -> None:
    """A segment from inside, if it is one."""
    try:
        keep(ctx, account, region, _checked(ctx, document), msgspec.json.encode(document))
    except (Wrong, ServiceException):
        return


def before_reading(ctx: Context, req: Any) -> None:
    """The operations that show traces find spans as segments."""
    if ctx.operation.startswith(("Get", "BatchGet")):
        spread(ctx)


def spread(ctx: Context) -> None:
    """The spans that were told become segments."""
    for told in list(TOLD.scan(ctx, ctx.account, ctx.region)):
        content = encryption.opened(ctx, told.account, told.region, ctx.vault.open(told.sealed, _SEALED_FOR), told.key)
        for span in _spans(content):
            document = document_of(span)
            keep(ctx, told.account, told.region, document, msgspec.json.encode(document))
        TOLD.delete(ctx, told)


@operation("BatchGetTraces")
def batch_get_traces(ctx: Context, req: Any) -> Answer:
    """Up to five traces with their segments. Those that do not exist are left out.

    Errors: InvalidRequestException. Source: API reference, BatchGetTraces.
    """
    if len(req.TraceIds) > 5:
        raise ServiceException("InvalidRequestException", "The request can have at most 5 trace IDs.")
    traces = []
    for trace in dict.fromkeys(req.TraceIds):
        if not re.fullmatch(r"(1-[0-9a-f]{8}-[0-9a-f]{24}|[0-9a-f]{32})", trace):
            raise ServiceException("InvalidRequestException", f"{trace} is not a valid trace ID.")
        found = list(SEGMENTS.scan(ctx, ctx.account, ctx.region, trace))
        if not found:
            continue
        ends = [s.end_ms for s in found if s.end_ms]
        size = sum(len(s.document) for s in found)
        traces.append(
            {
                "Id": trace,
                "Duration": round((max(ends) - min(s.start_ms for s in found)) / 1000, 3) if ends else None,
                "LimitExceeded": size > TRACE_BYTES,
                "Segments": [
                    {"Id": s.id, "Document": encryption.opened(ctx, s.account, s.region, s.document, s.key).decode()}
                    for s in _in_order(found)
                ],
            }
        )
    return {"Traces": traces, "UnprocessedTraceIds": []}


def _opened(ctx: Context, segment: Segment) -> str:
    return encryption.opened(ctx, segment.account, segment.region, segment.document, segment.key).decode()


def _in_order(segments: Iterable[Segment]) -> list[Segment]:
    return sorted(segments, key=lambda s: (s.start_ms, s.id))


@operation("PutTelemetryRecords")
def put_telemetry_records(ctx: Context, req: Any) -> Answer:
    """Takes what a daemon says of itself, as metrics of AWS/X-Ray: segments received, sent, spilt and rejected."""
    for record in req.TelemetryRecords:
        for name in ("SegmentsReceivedCount", "SegmentsSentCount", "SegmentsSpilloverCount", "SegmentsRejectedCount"):
            if (value := getattr(record, name)) is not None:
                ctx.measure("AWS/X-Ray", name, value)
    return {}
