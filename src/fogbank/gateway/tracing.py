"""Traces: which calls are followed, under what header, and the spans that say how long each took.

The header is X-Ray's: "Root=1-<seconds>-<24 digits>;Parent=<16 digits>;Sampled=1". A caller's own decision is kept; where there
is none, the Default sampling rule decides: so many traces a second, and a share of what is more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from fogbank.kernel.chance import Chance
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.telemetry import ANSWERED, NAMING, SPANS, TRAIL, UNHEARD, Heard, Span

if TYPE_CHECKING:
    from fogbank.gateway.call import Entry
    from fogbank.gateway.cloud import Cloud
    from fogbank.gateway.pipeline import Gateway


class Traced(NamedTuple):
    """A call that is followed: where it stands in its trace, and when it began (cloud's clock; `perf_counter`)."""

    root: str
    id: str
    parent: str
    rest: str
    began_ms: int
    began: float

    @property
    def header(self) -> str:
        """What travels on: this span is the parent of what comes of it."""
        return f"Root={self.root};Parent={self.id};Sampled=1{self.rest}"


class Tracing:
    """One cloud's decisions about what to follow."""

    def __init__(self, gateway: Gateway, cloud: Cloud, seed: int | None) -> None:
        self._gateway = gateway
        self._cloud = cloud
        self.spaces: frozenset[int] = frozenset()
        """The tables of the rules that were asked."""
        self._rates: tuple[float, float] | None = None
        self._trailed: dict[Entry, int] = {}
        self._follows: Callable[[str, str], int] | None = None
        self._second = self._left = 0.0
        """The second that runs, and how many calls of it will be followed whatever chance says."""
        self._beyond = 0.0
        self._chance = Chance(seed)  # of its own: what is followed must not change what happens

    def forget(self) -> None:
        """Rules may have changed."""
        self._rates = self._follows = None
        self._trailed.clear()

    def _ask(self) -> tuple[float, float]:
        manifest = self._gateway.manifest(SPANS)
        if manifest is None or manifest.rates is None:
            self._rates = 1.0, 0.05
        else:
            *rates, wait = manifest.rates(self._cloud.reader())
            self._rates = rates[0], rates[1]
            self.spaces |= {space for space, _ in wait.on}
        return self._rates

    def trailed(self, entry: Entry) -> int:
        """How much a trail records of calls of an operation."""
        known = self._trailed.get(entry)
        if known is None:
            manifest = self._gateway.manifest(TRAIL)
            if manifest is None or manifest.follows is None or entry.protocol == "http":  # a site's visits are no calls
                return UNHEARD
            if self._follows is None:
                self._follows, wait = manifest.follows(self._cloud.reader())
                self.spaces |= {space for space, _ in wait.on}
            known = self._trailed[entry] = self._follows(entry.service, entry.operation)
        return known

    def begin(self, header: str | None, now_ms: int) -> Traced | None:
        """A call from outside: what follows it, or None."""
        if header:
            return self.follow(header)
        rate, share = self._rates or self._ask()
        second = now_ms // 1000
        if second != self._second:
            self._second, self._left = second, rate
        if self._left >= 1:
            self._left -= 1
        else:
            self._beyond += share
            if self._beyond < 1:
                return None
            self._beyond -= 1
        digits = self._chance.hex
        return Traced(f"1-{now_ms // 1000:08x}-{digits(24)}", digits(16), "", "", now_ms, time.perf_counter())

    def follow(self, header: str) -> Traced | None:
        """What comes of a call under this header, as a span of its own; None where it is not sampled."""
        if "Sampled=1" not in header:
            return None
        root, parent, rest = "", "", ""
        for part in header.split(";"):
            name, _, value = part.strip().partition("=")
            if name == "Root":
                root = value
            elif name == "Parent":
                parent = value
            elif name not in ("Sampled", "Self", ""):
                rest += f";{name}={value}"
        if not root:
            return None
        return Traced(root, self._chance.hex(16), parent, rest, self._cloud.clock.now_ms(), time.perf_counter())


def told(traced: Traced, kind: str, ctx: Context, members: Any, status: int, error: str, message: str) -> tuple[str, Span]:
    """The span of a call that is over, to be told."""
    took_ms = (time.perf_counter() - traced.began) * 1000
    start_ms = float(traced.began_ms)
    end_ms = max(float(ctx.now), start_ms + took_ms)
    request = ctx.request
    headers = request.headers if request is not None else {}
    return SPANS, Span(
        kind,
        traced.root,
        traced.id,
        traced.parent,
        ctx.account,
        ctx.region,
        ctx.service,
        ctx.operation,
        start_ms,
        end_ms,
        status,
        error,
        message,
        ctx.request_id,
        ctx.principal.arn,
        ctx.via,
        request.client if request is not None else "",
        headers.get("user-agent", ""),
        request.method if request is not None else "",
        f"{ctx.endpoint}{request.path}" if request is not None else "",
        _about(members),
    )


def _about(members: Any) -> dict[str, str]:
    """What a request names."""
    found = {name: value for name in _naming(members.__class__) if isinstance(value := getattr(members, name), str)}
    tables = getattr(members, "RequestItems", None)  # of a batch
    if isinstance(tables, dict) and tables:
        found["TableName"] = next(iter(tables))
    return found


@cache
def _naming(kind: Hashable) -> tuple[str, ...]:
    """Which of a request's members name something."""
    there = getattr(kind, "__struct_fields__", ())
    return tuple(name for name in NAMING if name in there)


LARGE_BYTES = 256 << 10
"""A call that is larger is told without what it asked for and was answered: no trail shows as much."""
_pack = msgspec.msgpack.Encoder(enc_hook=lambda body: None).encode


def recorded(ctx: Context, entry: Entry, heard: int, members: Any, answer: Any, problem: ServiceException | None) -> Heard:
    """A call that is over, as the trail is told of it."""
    request = ctx.request
    if request is None:
        caller = ctx.principal, ctx.door.access_key, "", "", ""
    else:
        header = request.headers.get
        caller = ctx.principal, ctx.door.access_key, request.client, header("user-agent", ""), header("host", "")
    error, message = ("", "") if problem is None else (problem.code, problem.message)
    try:
        packed = _pack((ctx.now, ctx.request_id, ctx.via, error, message, members, answer if heard == ANSWERED else None))
    except (ValueError, OverflowError, TypeError):  # half a surrogate pair, a number beyond 64 bits
        packed = b""
    if not packed or len(packed) > LARGE_BYTES:
        packed = _pack((ctx.now, ctx.request_id, ctx.via, error, message.encode("utf-8", "replace").decode(), None, None))
    return ctx.account, ctx.region, entry.name, caller, packed
