"""Live Tail: events as they come in, every second, for at most three hours.

A session is the process's: it listens while its client does. Events reach it after their commit (`Arrived`), masked where they are
protected; of more than 500 in a second a sample is shown.

Source: API reference, StartLiveTail.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.flow import Flow
from fogbank.kernel.operation import Answer, Wait, operation
from fogbank.services.logs import patterns
from fogbank.services.logs.faults import invalid
from fogbank.services.logs.names import arn_of, group_by
from fogbank.services.logs.state import STANDARD, Group

SHOWN_EVENTS = 500
HELD_EVENTS = 5000
EVERY_MS = 1000
LONGEST_MS = 3 * 3_600_000


class Arrived(NamedTuple):
    """Events that came into a stream; `where` is the store and its branch."""

    where: tuple[int, int]
    group: int
    stream: str
    events: tuple[tuple[int, int, str], ...]


class Session:
    """What one client wants to see, and what it has not been sent yet."""

    def __init__(self, req: Any, where: tuple[int, int], groups: list[Group]) -> None:
        self.where = where
        self.groups = {group.id: f"{group.account}:{group.name}" for group in groups}
        self.names = set(req.logStreamNames or ())
        self.prefixes = tuple(req.logStreamNamePrefixes or ())
        self.matches = patterns.read(req.logEventFilterPattern or "").matches
        self.waiting: list[dict[str, Any]] = []
        self.started = False

    def take(self, arrived: Arrived) -> None:
        log = self.groups.get(arrived.group)
        if log is None or arrived.where != self.where:
            return
        if (self.names and arrived.stream not in self.names) or (self.prefixes and not arrived.stream.startswith(self.prefixes)):
            return
        for at_ms, ingested_at_ms, message in arrived.events:
            if self.matches(message):
                self.waiting.append(
                    {
                        "logStreamName": arrived.stream,
                        "logGroupIdentifier": log,
                        "message": message,
                        "timestamp": at_ms,
                        "ingestionTime": ingested_at_ms,
                    }
                )
        del self.waiting[:-HELD_EVENTS]

    def update(self) -> dict[str, Any]:
        """What has come since the last one."""
        events, self.waiting = self.waiting, []
        sampled = len(events) > SHOWN_EVENTS
        if sampled:
            events = [events[n * len(events) // SHOWN_EVENTS] for n in range(SHOWN_EVENTS)]
        return {"sessionUpdate": {"sessionMetadata": {"sampled": sampled}, "sessionResults": events}}


sessions: set[Session] = set()


def here(ctx: Context) -> tuple[int, int]:
    """What tells one cloud of this process from another."""
    return id(ctx.blobs), ctx.tx.branch.number


@operation("StartLiveTail", authorized_here=True)
def start_live_tail(ctx: Context, req: Any) -> Answer:
    """A stream of the events that come into at most 10 STANDARD groups, named by ARN; of some streams, where it is one group.

    Errors: ResourceNotFoundException, InvalidParameterException, InvalidOperationException. Source: API reference, StartLiveTail.
    """
    for identifier in req.logGroupIdentifiers:
        if not identifier.startswith("arn:") or identifier.endswith("*"):
            raise invalid("Each log group must be given by its ARN, without a * at the end.")
    groups = [group_by(ctx, identifier) for identifier in dict.fromkeys(req.logGroupIdentifiers)]
    for group in groups:
        ctx.authorize("logs:StartLiveTail", f"{arn_of(group)}:log-stream:")
        if group.log_class != STANDARD:
            message = f"Live Tail is not supported for log groups of the class {group.log_class}."
            raise ServiceException("InvalidOperationException", message)
    if req.logStreamNames and req.logStreamNamePrefixes:
        raise invalid("You can't specify both logStreamNames and logStreamNamePrefixes.")
    if (req.logStreamNames or req.logStreamNamePrefixes) and len(groups) > 1:
        raise invalid("Log streams can be specified only for one log group.")
    session = Session(req, here(ctx), groups)
    start = {
        "requestId": ctx.request_id,
        "sessionId": ctx.random.uuid(),
        "logGroupIdentifiers": [f"{group.account}:{group.name}" for group in groups],
        "logStreamNames": req.logStreamNames,
        "logStreamNamePrefixes": req.logStreamNamePrefixes,
        "logEventFilterPattern": req.logEventFilterPattern,
    }
    sessions.add(session)
    return {"responseStream": Flow(lambda ctx: _next(ctx, session, start), lambda ctx: sessions.discard(session))}


def _next(ctx: Context, session: Session, start: dict[str, Any]) -> tuple[list[dict[str, Any]], Wait]:
    wait = Wait((), ctx.now + EVERY_MS)
    if not session.started:
        session.started = True
        return [{"sessionStart": {name: value for name, value in start.items() if value is not None}}], wait
    if ctx.now >= ctx.started_ms + LONGEST_MS:
        raise ServiceException("SessionTimeoutException", "The Live Tail session has timed out after three hours.")
    return [session.update()], wait


def gather(ctx: Context, items: list[Any]) -> None:
    """Tells the sessions of events that came in."""
    for item in items:
        for session in sessions:
            session.take(item)
