"""An invocation: from a version to what the workshop runs, and back. It is begun in the request's first attempt and answered in a later
one; it writes no rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.sandbox.function import Function as Runnable
from fogbank.sandbox.function import Invocation, Outcome
from fogbank.services.lambda_ import lineage, making, metrics, tracing
from fogbank.services.lambda_.addresses import Address, alias_of, arn, arn_of, function_at, get_version, number_of, version_at
from fogbank.services.lambda_.aliases import chosen
from fogbank.services.lambda_.concurrency import ready_for, reserved
from fogbank.services.lambda_.faults import refusal
from fogbank.services.lambda_.memory import memory_of, workshop_of
from fogbank.services.lambda_.state import CONCURRENCY, UNRESERVED_LEAST, Function, Version

ANSWER_BYTES = 6_291_556
_REFUSED = {"runtime": ("InvalidRuntimeException", 502), "code": ("InvalidZipFileException", 502)}
"""Why the workshop does not run something -> code and status."""
_LOOP = (
    "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services resources and stopped your "
    "function's invocation."
)


Done = Callable[[Any], None]
Begin = Callable[[Done], None]


class Ran(NamedTuple):
    """Which version it was, how it ended, and how it was followed."""

    version: str
    outcome: Outcome
    followed: tracing.Followed | None = None


def picked(ctx: Context, where: Address) -> Version:
    """The version that an invocation goes to: by an alias's weights where it has some. Raises ResourceNotFoundException."""
    if number_of(where.qualifier) is None:
        alias = alias_of(ctx, where)
        if alias is not None and alias.weights:
            version = get_version(ctx, where, chosen(ctx, alias))
            if version is not None:
                return version
    return version_at(ctx, where)


class Stream:
    """Where the pieces of a streamed answer are taken; the loop's alone. `content_type` is there with the first piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.content_type = ""
        self.version = ""
        self.end: Ran | None = None
        self.asked = 0
        self._waiting: Done | None = None

    def began(self, content_type: str) -> None:
        self.content_type = content_type

    def take(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self._tell()

    def over(self, end: Ran) -> None:
        self.end = end
        self._tell()

    def wait(self, done: Done) -> None:
        """Has it told when there is something to take."""
        self._waiting = done
        if self.pieces or self.end is not None:
            self._tell()

    def wait_for_more(self, done: Done) -> None:
        """As `wait`, where what is there already is not enough."""
        self._waiting = done

    def _tell(self) -> None:
        if self._waiting is not None:
            done, self._waiting = self._waiting, None
            done(self)


def run(ctx: Context, where: Address, payload: bytes, *, what: str, request_id: str, client_context: str = "") -> Ran:
    """Runs a function with an event, and answers how it ended; raises Waiting until then.

    `what` tells the invocations of one request apart. Errors: ResourceNotFoundException, TooManyRequestsException,
    RecursiveInvocationException, KMSAccessDeniedException, InvalidRuntimeException, InvalidZipFileException, ServiceException.
    """
    begin = _begun if ctx.under_way(what) else _beginning(ctx, where, payload, request_id, client_context, None)
    return ended(ctx, where, ctx.outside(what, begin))


def stream(ctx: Context, where: Address, payload: bytes, *, request_id: str, client_context: str = "") -> Stream:
    """Runs a function with an event, and answers when the first piece of its answer is there, or its end. Errors: as for `run`."""
    begin_both = _begun
    if not ctx.under_way("stream"):
        made = Stream()
        begin = _beginning(ctx, where, payload, request_id, client_context, made)

        def begin_both(done: Done) -> None:
            made.wait(done)
            begin(made.over)

    found: Stream = ctx.outside("stream", begin_both)
    if found.end is not None:
        check_ran(ctx, where, found.end)
    return found


def _begun(done: Done) -> None:
    """Stands where there is nothing to begin any more."""


def check_ran(ctx: Context, where: Address, ran: Ran) -> None:
    """Raises why it did not run at all."""
    kind, payload = ran.outcome.refused, ran.outcome.payload
    if kind == "room":
        metrics.measure(ctx, where, "Throttles", 1)
        if ran.followed is not None:
            tracing.tell_throttled(ctx, ran.followed)
        raise refusal("TooManyRequestsException", "Rate Exceeded.", Reason=payload.decode())
    if kind:
        code, status = _REFUSED.get(kind, ("ServiceException", 500))
        raise ServiceException(code, payload.decode("utf-8", "replace"), status=status, Type="Service")


def ended(ctx: Context, where: Address, ran: Ran) -> Ran:
    """An invocation that is over, measured and told of. Raises why it did not run at all."""
    check_ran(ctx, where, ran)
    _measure(ctx, where, ran.outcome)
    if ran.followed is not None:
        tracing.tell(ctx, ran.followed, ran.outcome)
    return ran._replace(outcome=_within(ran.outcome))


def _beginning(ctx: Context, where: Address, payload: bytes, request_id: str, client_context: str, stream: Stream | None) -> Begin:
    """What begins an invocation."""
    function = function_at(ctx, where)
    version = picked(ctx, where)
    function_arn = arn_of(function)
    if function.recursion == "Terminate" and lineage.times(ctx.trace, function_arn) >= lineage.TIMES:
        metrics.measure(ctx, where, "RecursiveInvocationsDropped", 1)
        raise refusal("RecursiveInvocationException", _LOOP)
    ready = making.runnable(ctx, function, version)
    credentials = making.credentials(ctx, version)
    header, followed = tracing.begin(ctx, version, request_id)
    invocation = Invocation(
        request_id=request_id,
        payload=payload,
        credentials=credentials,
        trace=lineage.carried_on(header, function_arn),
        client_context=client_context,
        arn=arn(*where),
        piece=stream.take if stream is not None else None,
        began=stream.began if stream is not None else None,
    )
    if stream is not None:
        stream.version = version.label
    return _where_there_is_room(ctx, function, version, ready, invocation, followed)


def _where_there_is_room(
    ctx: Context, function: Function, version: Version, ready: Runnable, invocation: Invocation, followed: tracing.Followed | None
) -> Begin:
    """What begins the invocation, where there is room for it: whether there is, is counted only then."""
    name = (function.account, function.region, function.name)
    workshop, memory = workshop_of(ctx), memory_of(ctx)
    limit = function.reserved
    counted = limit is None
    pool = CONCURRENCY
    if counted and memory.unreserved.get(name[:2], 0) >= UNRESERVED_LEAST:
        pool -= reserved(ctx, *name[:2])
    warm = ready_for(ctx, function, version.number) if version.number else 0

    def begin(done: Done) -> None:
        full = ""
        if limit is not None and memory.functions.get(name, 0) >= limit:
            full = "ReservedFunctionConcurrentInvocationLimitExceeded"
        elif counted and memory.unreserved.get(name[:2], 0) >= pool:
            full = "ConcurrentInvocationLimitExceeded"
        if full:
            done(Ran(version.label, Outcome(full.encode(), refused="room"), followed))
            return
        if warm and memory.warmed.get(ready.key) != warm:
            memory.warmed[ready.key] = warm
            workshop.warm(ready, warm, invocation.credentials)
        memory.enter(name, counted=counted)

        def over(outcome: Outcome) -> None:
            memory.leave(name, counted=counted)
            done(Ran(version.label, outcome, followed))

        workshop.invoke(ready, invocation, over)

    return begin


def _measure(ctx: Context, where: Address, outcome: Outcome) -> None:
    metrics.measure(ctx, where, "Invocations", 1)
    metrics.measure(ctx, where, "Errors", 1 if outcome.error else 0)
    metrics.measure(ctx, where, "Duration", outcome.duration_ms, "Milliseconds")
    metrics.measure(ctx, where, "ConcurrentExecutions", memory_of(ctx).functions.get(where[:3], 0) + 1)
    if outcome.origin == "provisioned-concurrency":
        metrics.measure(ctx, where, "ProvisionedConcurrencyInvocations", 1, all_functions=False)


def _within(outcome: Outcome) -> Outcome:
    """An answer that is too large is an error of the function."""
    if outcome.streamed or len(outcome.payload) <= ANSWER_BYTES:
        return outcome
    sentence = f"Response payload size exceeded maximum allowed payload size ({ANSWER_BYTES} bytes)."
    body = f'{{"errorMessage":"{sentence}","errorType":"Function.ResponseSizeTooLarge"}}'.encode()
    return outcome._replace(payload=body, error="Unhandled")
