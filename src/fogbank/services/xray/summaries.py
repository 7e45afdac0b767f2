"""Finding traces: summaries, by time and by filter expressions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.xray import encryption, filters
from fogbank.services.xray.state import SEGMENTS, TRACES, TRACES_BY_START, Started
from fogbank.services.xray.traces import Node, Trace, assembled

SPAN_MS = 86_400_000
PAGE = 100
_LOOKED_AT = 20_000
"""Traces of a page that a filter expression is tried on."""
_MARGIN_MS = 3_600_000
"""A trace that began earlier may have an event in the time that is asked for."""


def refused(message: str) -> ServiceException:
    return ServiceException("InvalidRequestException", message)


def between(ctx: Context, req: Any, limit_ms: int) -> tuple[int, int]:
    """The time asked for. Errors: InvalidRequestException."""
    start_ms, end_ms = int(req.StartTime), int(req.EndTime)
    if end_ms < start_ms:
        raise refused("Invalid time range: the end time must be after the start time.")
    if end_ms - start_ms > limit_ms:
        raise refused(f"Time range cannot be longer than {limit_ms // 3_600_000} hours")
    return start_ms, end_ms


def compiled(expression: str | None) -> filters.Test | None:
    """A filter expression's test. Errors: InvalidRequestException."""
    if not expression or not expression.strip():
        return None
    try:
        return filters.compiled(expression)
    except filters.Invalid as problem:
        raise refused(f"Invalid filter expression: {problem}") from None


def trace_of(ctx: Context, started: Started) -> Trace:
    """A trace with all its segments."""
    found = SEGMENTS.scan(ctx, started.account, started.region, started.trace)
    documents = [encryption.opened(ctx, s.account, s.region, s.document, s.key) for s in found]
    return assembled(started.trace, documents, started.account, started.revision)


def traces_between(ctx: Context, start_ms: int, end_ms: int) -> Iterator[Trace]:
    """Those that began in a time, in order."""
    for started in TRACES_BY_START.scan(ctx, ctx.account, ctx.region, at=start_ms, before=end_ms + 1):
        yield trace_of(ctx, started)


@operation("GetTraceSummaries")
def get_trace_summaries(ctx: Context, req: Any) -> Answer:
    """The traces of a time (up to 24 hours) that a filter expression selects, as summaries.

    By default a trace belongs to the time that its id says; with TimeRangeType "Event" to when it happened, "Service" likewise.
    Sampling of the answer is not done: all are given, 100 a page; a page of which an expression selects few is shorter.
    Errors: InvalidRequestException. Source: API reference, GetTraceSummaries.
    """
    start_ms, end_ms = between(ctx, req, SPAN_MS)
    test = compiled(req.FilterExpression)
    by_id = (req.TimeRangeType or "TraceId") == "TraceId"
    after = paging.place(req.NextToken, lambda: refused("Invalid next token"))
    margin_ms = _MARGIN_MS if by_id else 0
    found: list[dict[str, Any]] = []
    processed, last, more = 0, "", False
    first_ms, seen = start_ms - margin_ms, ""
    if after is not None:
        at, _, seen = after.partition(" ")
        first_ms = max(first_ms, paging.number(at, lambda: refused("Invalid next token")))
    for started in TRACES_BY_START.scan(ctx, ctx.account, ctx.region, at=first_ms, before=end_ms + margin_ms + 1):
        if started.start_ms == first_ms and started.trace <= seen:
            continue
        if by_id and not start_ms // 1000 <= _told_by_id(started) <= end_ms // 1000:
            continue
        if len(found) == PAGE or processed == _LOOKED_AT:
            more = True
            break
        processed, last = processed + 1, f"{started.start_ms} {started.trace}"
        trace = trace_of(ctx, started)
        if test is None or test(trace):
            found.append(summary(trace))
    return {
        "TraceSummaries": found,
        "ApproximateTime": ctx.now,
        "TracesProcessedCount": processed,
        "NextToken": paging.token(last) if more else None,
    }


def _told_by_id(started: Started) -> int:
    return int(started.trace[2:10], 16)


def summary(trace: Trace) -> dict[str, Any]:
    """What GetTraceSummaries says of a trace."""
    root = trace.root
    http = root.http
    arns = {str(arn) for n in trace.nodes if (arn := (n.document.get("aws") or {}).get("resource_arn"))}
    return {
        "Id": trace.id,
        "StartTime": round(trace.start * 1000),
        "Duration": round(trace.duration, 3),
        "ResponseTime": round(trace.response_time, 3),
        "HasFault": trace.fault,
        "HasError": trace.error,
        "HasThrottle": trace.throttle,
        "IsPartial": trace.partial,
        "Http": {
            "HttpURL": http.get("url"),
            "HttpStatus": http.get("status"),
            "HttpMethod": http.get("method"),
            "UserAgent": http.get("user_agent"),
            "ClientIp": http.get("client_ip"),
        },
        "Annotations": _annotations(trace),
        "Users": _users(trace),
        "ServiceIds": _distinct(trace.nodes),
        "ResourceARNs": [{"ARN": arn} for arn in sorted(arns)],
        "EntryPoint": service_id(root),
        "FaultRootCauses": _causes(trace, "fault"),
        "ErrorRootCauses": _causes(trace, "error"),
        "Revision": trace.revision,
        "MatchedEventTime": round(trace.start * 1000),
    }


def service_id(node: Node) -> dict[str, Any]:
    return {"Name": node.name, "Names": [node.name], "AccountId": node.account, "Type": node.type or None}


def _distinct(nodes: list[Node]) -> list[dict[str, Any]]:
    return [service_id(node) for node in {n.key: n for n in nodes}.values()]


def _annotations(trace: Trace) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for node in trace.nodes:
        for key, value in node.annotations.items():
            kind = "BooleanValue" if isinstance(value, bool) else "NumberValue" if isinstance(value, int | float) else "StringValue"
            found.setdefault(key, []).append({"AnnotationValue": {kind: value}, "ServiceIds": [service_id(node)]})
    return found


def _users(trace: Trace) -> list[dict[str, Any]]:
    users: dict[str, list[Node]] = {}
    for node in trace.nodes:
        if user := node.document.get("user"):
            users.setdefault(str(user), []).append(node)
    return [{"UserName": user, "ServiceIds": _distinct(nodes)} for user, nodes in users.items()]


def _causes(trace: Trace, kind: str) -> list[dict[str, Any]]:
    """From the root to each service where it began, with its exceptions."""
    found = []
    for cause in filters.causes(trace, kind):
        services = []
        for node in trace.path_to(cause):
            exceptions = [{"Name": e.get("type"), "Message": e.get("message")} for e in node.exceptions]
            path = [{"Name": node.name, "Exceptions": exceptions if node is cause else [], "Remote": node.type == "remote"}]
            services.append({**service_id(node), "EntityPath": path, "Inferred": node.inferred})
        found.append({"Services": services, "ClientImpacting": bool(getattr(trace.root, kind))})
    return found


def started_of(ctx: Context, ids: list[str]) -> list[Started]:
    """The traces with these ids that are there."""
    return [s for id in ids if (s := TRACES.get(ctx, ctx.account, ctx.region, id)) is not None]
