"""Replays: an archive's events are sent to its bus again, in the order of the times in them, a minute at a time."""

from __future__ import annotations

from itertools import islice
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.events import encryption, paged, routing
from fogbank.services.events.addresses import (
    Address,
    address_of_arn,
    arn,
    bad,
    bus_arn,
    get_archive,
    get_bus,
    get_rule,
    missing,
    over_limit,
    rule_of_arn,
    there,
)
from fogbank.services.events.archives import one_filter
from fogbank.services.events.event import Event
from fogbank.services.events.state import ARCHIVED, REPLAYS, Archived, Replay
from fogbank.store import change

MINUTE_MS = 60_000
PORTION = 50
"""Events sent in one transaction."""
AT_ONCE_LIMIT = 10
"""Replays of an account in a region that are under way."""
UNDER_WAY = ("STARTING", "RUNNING")


def _arn(replay: Replay) -> str:
    return arn(replay.account, replay.region, f"replay/{replay.name}")


@operation("StartReplay")
def start_replay(ctx: Context, req: Any) -> Answer:
    """Sends archived events with times from EventStartTime up to EventEndTime to their bus again: to all of its rules, or to some.

    The events have `replay-name` besides. Limits: 10 replays at a time.
    Errors: ResourceNotFoundException (no such archive, or rule), ResourceAlreadyExistsException, LimitExceededException,
    ValidationException (another bus; an end before the start). Source: API reference, StartReplay.
    """
    if REPLAYS.get(ctx, ctx.account, ctx.region, req.ReplayName) is not None:
        raise there(f"Replay {req.ReplayName}")
    archive = get_archive(ctx, req.EventSourceArn)
    if archive is None or archive.account != ctx.account or archive.region != ctx.region:
        raise missing(f"Archive {req.EventSourceArn.rpartition('/')[2]}")
    if address_of_arn(req.Destination.Arn) is None:
        raise bad("Destination.Arn", "Must contain an event bus ARN.")
    if req.Destination.Arn != bus_arn(Address(archive.account, archive.region, archive.bus)):
        raise bad("Destination.Arn", "Cross event bus replay is not permitted.")
    if req.EventStartTime >= req.EventEndTime:
        raise bad("EventEndTime", "EventStartTime must be before EventEndTime.")
    for text in req.Destination.FilterArns or ():
        found = rule_of_arn(text)
        if found is None or found[0].name != archive.bus or get_rule(ctx, *found) is None:
            raise missing(f"Rule {text}")
    if sum(replay.state in UNDER_WAY for replay in REPLAYS.scan(ctx, ctx.account, ctx.region)) >= AT_ONCE_LIMIT:
        raise over_limit()
    replay = Replay(
        account=ctx.account,
        region=ctx.region,
        name=req.ReplayName,
        archive=archive.name,
        bus_arn=req.Destination.Arn,
        started_at_ms=ctx.now,
        from_ms=req.EventStartTime,
        until_ms=req.EventEndTime,
        description=req.Description or "",
        rules=tuple(req.Destination.FilterArns or ()),
    )
    REPLAYS.put(ctx, replay)
    _go_on(ctx, replay, replay.from_ms, 0)
    return {"ReplayArn": _arn(replay), "State": replay.state, "ReplayStartTime": replay.started_at_ms}


def _go_on(ctx: Context, replay: Replay, at_ms: int, number: int) -> None:
    payload = {"account": replay.account, "region": replay.region, "replay": replay.name, "started_at_ms": replay.started_at_ms}
    ctx.later("events.replay", {**payload, "at_ms": at_ms, "number": number})


@task("replay")
def replay(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Sends the next events of a replay: at most a minute's, and a portion of that. Then the next, as another task."""
    one = REPLAYS.get(ctx, payload["account"], payload["region"], payload["replay"])
    if one is None or one.started_at_ms != payload["started_at_ms"] or one.state not in (*UNDER_WAY, "CANCELLING"):
        return None
    archive = get_archive(ctx, arn(one.account, one.region, f"archive/{one.archive}"))
    where = address_of_arn(one.bus_arn)
    bus = get_bus(ctx, where) if where is not None else None
    if one.state == "CANCELLING":
        _end(ctx, one, "CANCELLED")
    elif archive is None or bus is None:
        _end(ctx, one, "FAILED", "The archive or the event bus does not exist any more.")
    else:
        place = (payload["at_ms"], payload["number"])
        found = list(islice(ARCHIVED.scan(ctx, archive.id, after=place, before=one.until_ms), PORTION))
        if not found:
            _end(ctx, one, "COMPLETED")
            return None
        minute = found[0].at_ms // MINUTE_MS
        sent = [archived for archived in found if archived.at_ms // MINUTE_MS == minute]
        room = PORTION
        for archived in sent:
            room = routing.route(ctx, bus, _event(ctx, one, archived), only=one.rules, room=room)
        REPLAYS.put(ctx, change(one, state="RUNNING", last_at_ms=sent[-1].at_ms))
        _go_on(ctx, one, sent[-1].at_ms, sent[-1].number)
    return None


def _event(ctx: Context, one: Replay, archived: Archived) -> Event:
    return Event.read(encryption.opened(ctx, archived.event), archived.at_ms, ctx.now).replayed(one.name)


def _end(ctx: Context, one: Replay, state: str, reason: str = "") -> None:
    REPLAYS.put(ctx, change(one, state=state, reason=reason, ended_at_ms=ctx.now))


def replay_at(ctx: Context, name: str) -> Replay:
    """Raises ResourceNotFoundException."""
    one = REPLAYS.get(ctx, ctx.account, ctx.region, name)
    if one is None:
        raise missing(f"Replay {name}")
    return one


@operation("CancelReplay")
def cancel_replay(ctx: Context, req: Any) -> Answer:
    """Ends a replay that is under way. Errors: ResourceNotFoundException, IllegalStatusException (it is not). Source: CancelReplay."""
    one = replay_at(ctx, req.ReplayName)
    if one.state not in UNDER_WAY:
        raise ServiceException("IllegalStatusException", f"Replay {one.name} is not in a valid state for this operation.")
    REPLAYS.put(ctx, change(one, state="CANCELLING"))
    return {"ReplayArn": _arn(one), "State": "CANCELLING"}


def _shown(one: Replay) -> dict[str, Any]:
    return {
        "ReplayName": one.name,
        "EventSourceArn": arn(one.account, one.region, f"archive/{one.archive}"),
        "State": one.state,
        "StateReason": one.reason or None,
        "EventStartTime": one.from_ms,
        "EventEndTime": one.until_ms,
        "EventLastReplayedTime": one.last_at_ms or None,
        "ReplayStartTime": one.started_at_ms,
        "ReplayEndTime": one.ended_at_ms or None,
    }


@operation("DescribeReplay")
def describe_replay(ctx: Context, req: Any) -> Answer:
    """A replay, and how far it has come. Errors: ResourceNotFoundException. Source: API reference, DescribeReplay."""
    one = replay_at(ctx, req.ReplayName)
    destination = {"Arn": one.bus_arn, "FilterArns": list(one.rules) or None}
    return {**_shown(one), "ReplayArn": _arn(one), "Description": one.description or None, "Destination": destination}


@operation("ListReplays")
def list_replays(ctx: Context, req: Any) -> Answer:
    """The replays of the account in the region, or those of an archive, in a state, or with a prefix; one filter at a time.

    Errors: ValidationException (more than one filter). Source: API reference, ListReplays.
    """
    one_filter(req, "NamePrefix", "EventSourceArn", "State")
    found = REPLAYS.scan(ctx, ctx.account, ctx.region, starting=req.NamePrefix or "", after=paged.after(req))
    wanted = (one for one in map(_shown, found) if all(getattr(req, n) in (None, one[n]) for n in ("EventSourceArn", "State")))
    page, token = paged.page(req, wanted, lambda one: str(one["ReplayName"]))
    return {"Replays": page, "NextToken": token}
