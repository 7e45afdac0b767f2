"""X-Ray: which invocations are followed, under what header their functions run, and the segments that tell of them.

A caller's decision is kept. Where there is none, a function whose tracing is Active is followed once a second, and one time in
twenty beyond that. An invocation is a segment of the service (AWS::Lambda) and, where the function's role may put segments, one
of the function (AWS::Lambda::Function) with its phases; what the function causes comes beneath that.
Source: "Visualize Lambda function invocations using AWS X-Ray" in the Lambda Developer Guide, "AWS X-Ray segment documents" in the
X-Ray Developer Guide.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.telemetry import SPANS
from fogbank.sandbox.function import Outcome
from fogbank.services.lambda_.addresses import arn_of
from fogbank.services.lambda_.roles import may
from fogbank.services.lambda_.state import Version

_RATE_PER_S, _ONE_IN = 1, 20
_INVOKING = frozenset({"Invoke", "InvokeWithResponseStream"})
"""Operations whose own span is the service's segment, where they are called from outside."""

Document = dict[str, Any]


class Followed(NamedTuple):
    """An invocation that is followed: where it stands in its trace, and what will be told of it.

    service     the id of the service's segment, or "" where the call to Invoke has one already
    function    the id of the function's segment, or "" where its role may put none
    """

    trace: str
    parent: str
    service: str
    function: str
    name: str
    arn: str
    account: str
    region: str
    began_ms: int
    request_id: str


def begin(ctx: Context, version: Version, request_id: str) -> tuple[str, Followed | None]:
    """The header that a function runs under, and how its invocation is followed."""
    said = _parts(ctx.trace)
    decision = said.get("Sampled", "")
    sampled = decision == "1" or (decision != "0" and version.tracing == "Active" and _samples(ctx, version))
    digits = ctx.random.hex
    trace = said.get("Root") or f"1-{ctx.now // 1000:08x}-{digits(24)}"
    rest = "".join(f";{name}={value}" for name, value in said.items() if name not in ("Root", "Parent", "Sampled", "Self", ""))
    if not sampled:
        return f"Root={trace};Parent={said.get('Parent') or digits(16)};Sampled=0{rest}", None
    parent = said.get("Parent", "")
    called = decision == "1" and ctx.request is not None and ctx.operation in _INVOKING
    service = "" if called else digits(16)
    function = digits(16) if _may_tell(ctx, version) else ""
    followed = Followed(
        trace, parent, service, function, version.name, arn_of(version), version.account, version.region, ctx.now, request_id
    )
    return f"Root={trace};Parent={function or service or parent};Sampled=1{rest}", followed


def _parts(header: str) -> dict[str, str]:
    return dict(part.strip().partition("=")[::2] for part in header.split(";"))


def _samples(ctx: Context, version: Version) -> bool:
    key = f"lambda:trace:{arn_of(version)}"
    return ctx.spend(key, 1, _RATE_PER_S, _RATE_PER_S) or int.from_bytes(ctx.random.bytes(2)) % _ONE_IN == 0


def _may_tell(ctx: Context, version: Version) -> bool:
    try:
        return may(ctx, version, "xray:PutTraceSegments", "*")
    except ServiceException:
        return False


def tell(ctx: Context, followed: Followed, outcome: Outcome) -> None:
    """Tells of an invocation that is over."""
    start_ms, init_ms = float(followed.began_ms), outcome.init_ms if outcome.cold else 0.0
    running_ms = start_ms + init_ms
    over_ms = running_ms + outcome.duration_ms
    end_ms = max(over_ms, float(ctx.now))
    failed = _failed(ctx, outcome)
    _tell_service(ctx, followed, start_ms, end_ms, 200, {"error": True} if failed else {})
    if not followed.function:
        return
    document = _segment(followed, followed.function, followed.service or followed.parent, "AWS::Lambda::Function", start_ms, end_ms)
    about = {"function_arn": followed.arn}
    document["aws"] = {
        **about,
        "account_id": followed.account,
        "request_id": followed.request_id,
        "resource_names": [followed.name],
        "region": followed.region,
    }
    phases = [("Invocation", running_ms, over_ms, failed), ("Overhead", over_ms, end_ms, {})]
    if init_ms:
        phases.insert(0, ("Initialization", start_ms, running_ms, {}))
    document["subsegments"] = [
        {"id": ctx.random.hex(16), "name": name, "start_time": _s(first), "end_time": _s(last), "aws": about, **more}
        for name, first, last, more in phases
    ]
    _put(ctx, followed, document | ({"fault": True} if failed else {}))


def tell_throttled(ctx: Context, followed: Followed) -> None:
    """Tells of an invocation that there was no room for."""
    _tell_service(ctx, followed, followed.began_ms, ctx.now, 429, {"error": True, "throttle": True})


def _tell_service(ctx: Context, followed: Followed, start_ms: float, end_ms: float, status: int, more: Document) -> None:
    """The service's segment. A task has a span in each of its attempts, of which the last is told: that is the parent."""
    if not followed.service:
        return
    parent = _parts(ctx.trace).get("Parent") or followed.parent
    document = _segment(followed, followed.service, parent, "AWS::Lambda", start_ms, end_ms)
    about = {"resource_arn": followed.arn, "http": {"response": {"status": status}}, "aws": {"request_id": followed.request_id}}
    _put(ctx, followed, document | about | more)


def _segment(followed: Followed, id: str, parent: str, origin: str, start_ms: float, end_ms: float) -> Document:
    made: Document = {"id": id, "trace_id": followed.trace, "name": followed.name, "origin": origin}
    if parent:
        made["parent_id"] = parent
    return {**made, "start_time": _s(start_ms), "end_time": _s(end_ms)}


def _failed(ctx: Context, outcome: Outcome) -> Document:
    """What a segment says of an error."""
    if not outcome.error:
        return {}
    try:
        said = msgspec.json.decode(outcome.payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = None
    message = said.get("errorMessage") if isinstance(said, dict) else None
    exception = {"id": ctx.random.hex(16), "type": outcome.error_type or outcome.error, "message": str(message or "")}
    return {"fault": True, "cause": {"exceptions": [exception]}}


def _put(ctx: Context, followed: Followed, document: Document) -> None:
    ctx.tell(SPANS, (followed.account, followed.region, document))


def _s(at_ms: float) -> float:
    return round(at_ms / 1000, 6)
