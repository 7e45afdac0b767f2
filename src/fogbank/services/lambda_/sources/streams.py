"""Reading a shard: record after record, each taken or given up before those that follow it (by key, with parallelization).

Source: "How Lambda processes records from stream and queue-based event sources" in the Lambda Developer Guide.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, Wait, Waiting, Watch, task
from fogbank.services.lambda_ import making, metrics, running
from fogbank.services.lambda_.addresses import version_at
from fogbank.services.lambda_.sources import batches, failures, filters, mappings, shards, windows
from fogbank.services.lambda_.sources.batches import Entry, Queue, Unit
from fogbank.services.lambda_.sources.lanes import Lanes, count
from fogbank.services.lambda_.sources.state import CHECKPOINTS, MAPPINGS, Checkpoint, Mapping
from fogbank.store import change

PAYLOAD_BYTES = 6_000_000
TROUBLE_MS = 10_000
LONGEST_MS = 60_000
REFRESH_MS = 240_000
"""An iterator is good for five minutes: a poller that waits renews it before."""


class Lane:
    """One shard's poller. `read`: what was read and is not yet under way; `parts`: what is, by keys; `through`: how far it goes."""

    def __init__(self) -> None:
        self.place = ""
        self.read: list[Entry] = []
        self.size = 0
        self.since_ms = 0
        self.looked_ms = 0
        self.parts: list[Queue] = []
        self.through = ""
        self.ended = False
        self.named = 0
        self.troubles = 0

    def unit(self, entries: list[Entry], *, final: bool = False) -> Unit:
        self.named += 1
        return Unit(entries, f"unit {self.named}", final=final)


class Turn:
    """One run of a poller: for which mapping and shard, and by whom."""

    __slots__ = ("checkpoint", "lane", "mapping", "role", "watch")

    def __init__(self, mapping: Mapping, checkpoint: Checkpoint, lane: Lane, role: Role) -> None:
        self.mapping = mapping
        self.checkpoint = checkpoint
        self.lane = lane
        self.role = role
        self.watch: Watch = MAPPINGS.watch(mapping.account, mapping.region, mapping.id)

    def reach(self, ctx: Context, **fields: Any) -> None:
        """Moves the checkpoint on."""
        self.checkpoint = change(self.checkpoint, **fields)
        CHECKPOINTS.put(ctx, self.checkpoint)


_lanes: Lanes[Lane] = Lanes(Lane)


@task("poll_shard")
def poll_shard(ctx: Context, item: list[Any]) -> Answer | Wait:
    """Reads a shard for a function: `[account, region, mapping, number, shard]`."""
    mapping = mappings.current(ctx, item)
    checkpoint = CHECKPOINTS.get(ctx, *item[:3], item[4])
    if mapping is None or checkpoint is None or checkpoint.finished:
        _lanes.leave(ctx, *item[:3], item[4])
        return None
    lane = _lanes.enter(ctx, *item[:3], item[4])
    if lane is None:  # the poller of before is at its last batch
        return Wait((MAPPINGS.watch(*item[:3]),), ctx.now + 1000)
    try:
        version = version_at(ctx, mappings.function_of(mapping))
        turn = Turn(mapping, checkpoint, lane, making.role_of(version))
        if not checkpoint.begun:
            return _begin(ctx, turn)
        wait = None if lane.parts else _gather(ctx, turn)
        if wait is None and not lane.parts and lane.ended:
            turn.reach(ctx, finished=True)
            ctx.later("lambda.find_shards", item[:4])
            _lanes.leave(ctx, *item[:3], item[4])
            return None
        wait = wait or _work(ctx, turn)
        lane.troubles = 0
    except ServiceException as problem:
        return _trouble(ctx, mapping, lane, problem)
    return wait


def _trouble(ctx: Context, mapping: Mapping, lane: Lane, problem: ServiceException) -> Wait:
    """The source cannot be read: again later, from the checkpoint on."""
    watch = MAPPINGS.watch(mapping.account, mapping.region, mapping.id)
    if problem.code in ("ProvisionedThroughputExceededException", "LimitExceededException"):
        return Wait((watch,), ctx.now + 1000)
    lane.place = ""
    if problem.code == "ExpiredIteratorException":
        return Wait((watch,), ctx.now)
    lane.troubles += 1
    mappings.note(ctx, mapping, f"PROBLEM: {problem.code}: {problem.message}")
    return Wait((watch,), ctx.now + min(TROUBLE_MS * lane.troubles, LONGEST_MS))


# gathering


def _gather(ctx: Context, turn: Turn) -> Wait | None:
    """Reads until there is something to do: None then, with units made, or at the shard's end. Else what to wait for."""
    mapping, lane = turn.mapping, turn.lane
    most = mapping.batch_size * mapping.parallelization
    watch = _read(ctx, turn, most)
    if mapping.tumbling_s and windows.closes(turn.checkpoint, mapping, lane.read, ctx.now, ended=lane.ended):
        lane.parts, lane.through = [deque([lane.unit([], final=True)])], turn.checkpoint.sequence
        return None
    over_ms = lane.since_ms + mapping.window_s * 1000
    wanted = sum(1 for entry in lane.read if entry.event is not None)
    if wanted and (wanted >= most or lane.ended or lane.size >= PAYLOAD_BYTES or ctx.now >= over_ms):
        _arrange(turn, most)
        return None
    if lane.read and not wanted:  # all of it was filtered out
        turn.reach(ctx, sequence=lane.read[-1].sequence)
        lane.read, lane.size = [], 0
    if lane.ended:
        return None
    instants = [ctx.now + REFRESH_MS]
    if wanted:
        instants.append(over_ms)
    if turn.checkpoint.window_ms:
        instants.append(windows.end_of(turn.checkpoint.window_ms, mapping))
    return Wait((*watch, turn.watch), min(instants))


def _read(ctx: Context, turn: Turn, most: int) -> tuple[Watch, ...]:
    """Reads what there is, as far as it is wanted now; what is written when there is more."""
    mapping, lane, checkpoint = turn.mapping, turn.lane, turn.checkpoint
    if not lane.place and not lane.ended:
        lane.place = _place(ctx, turn)
    watch: tuple[Watch, ...] = ()
    while not lane.ended and len(lane.read) < most and lane.size < PAYLOAD_BYTES:
        limit = most - len(lane.read)
        lane.looked_ms = ctx.now
        page = shards.read(ctx, mapping, turn.role, checkpoint.shard, lane.place, limit)
        watch, lane.place, lane.ended = page.watch, page.next, not page.next
        left_out = 0
        for entry in page.entries:
            if not filters.wanted(mapping.kind, mapping.filters, entry.event or {}):
                entry.event = None
                left_out += 1
            if not lane.read:
                lane.since_ms = ctx.now
            lane.read.append(entry)
            lane.size += entry.size
        count(ctx, mapping, "PolledEventCount", len(page.entries))
        count(ctx, mapping, "FilteredOutEventCount", left_out)
        if len(page.entries) < limit:
            break
    return watch


def _place(ctx: Context, turn: Turn) -> str:
    """Where to read on: after what has been read; else after when we looked last, since all that came later would have woken us."""
    checkpoint, lane = turn.checkpoint, turn.lane
    if lane.read:
        checkpoint = change(checkpoint, sequence=lane.read[-1].sequence)
    elif lane.looked_ms and checkpoint.since_ms:
        checkpoint = change(checkpoint, since_ms=min(lane.looked_ms + 1, ctx.now))
    return shards.iterator(ctx, turn.mapping, turn.role, checkpoint)


def _begin(ctx: Context, turn: Turn) -> Wait:
    """A shard's very first turn fixes where its reading begins: what is written from now on must not be lost."""
    if turn.mapping.starting == "LATEST" and turn.checkpoint.since_ms:
        turn.lane.place = shards.newest(ctx, turn.mapping, turn.role, turn.checkpoint.shard)
        turn.lane.looked_ms = ctx.now
    turn.reach(ctx, begun=True)
    return Wait((turn.watch,), ctx.now)


def _arrange(turn: Turn, most: int) -> None:
    """Makes units of what was read: batches, for each part of the keys; of a tumbling window only what is in it."""
    mapping, lane = turn.mapping, turn.lane
    taken = lane.read[:most]
    if mapping.tumbling_s:
        taken = windows.first(taken, mapping, turn.checkpoint.window_ms)
    lane.through = taken[-1].sequence
    lane.read = lane.read[len(taken) :]
    lane.size = sum(entry.size for entry in lane.read)
    wanted = [entry for entry in taken if entry.event is not None]
    size = mapping.batch_size
    lane.parts = [
        deque(lane.unit(part[start : start + size]) for start in range(0, len(part), size))
        for part in batches.spread(wanted, mapping.parallelization)
    ]


# handling


def _work(ctx: Context, turn: Turn) -> Wait:
    """Goes on with the first unit of every part: what to wait for then. Raises Waiting where nothing has come of any yet."""
    lane = turn.lane
    pending: list[Wait] = []
    moved = not lane.parts
    for part in lane.parts:
        if part[0].not_before_ms > ctx.now:
            pending.append(Wait((turn.watch,), part[0].not_before_ms))
            continue
        try:
            _handle(ctx, turn, part)
            moved = True
        except Waiting as waiting:
            pending.append(waiting.wait)
    lane.parts = [part for part in lane.parts if part]
    if not lane.parts:
        turn.reach(ctx, sequence=lane.through)
    if moved and len(pending) < max(1, len(lane.parts)):
        return Wait((turn.watch,), ctx.now)
    wait = Wait(tuple(watch for one in pending for watch in one.on), min(one.until_ms for one in pending))
    if moved or all(one.on == (turn.watch,) for one in pending):
        return wait
    raise Waiting(wait)


def _handle(ctx: Context, turn: Turn, part: Queue) -> None:
    """Has the function handle a unit; it goes, or others come in its place. May raise Waiting, before anything else."""
    mapping, unit = turn.mapping, part[0]
    old = batches.too_old(unit, mapping, ctx.now)
    if old:
        _give_up(ctx, turn, unit, old, "RecordAgeExceeded", None)
        unit.entries = unit.entries[len(old) :]
        if not unit.entries:
            part.popleft()
        return
    unit.request_id = unit.request_id or ctx.random.uuid()
    where = mappings.function_of(mapping)
    try:
        ran = running.run(ctx, where, _event(turn, unit), what=unit.attempt, request_id=unit.request_id)
    except ServiceException as problem:
        unit.throttles += 1
        unit.put_off(ctx.now, unit.throttles - 1)
        mappings.note(ctx, mapping, f"PROBLEM: {problem.code}: {problem.message}")
        return
    if unit.entries:
        metrics.measure(ctx, where, "IteratorAge", max(0, ctx.now - unit.entries[-1].at_ms), "Milliseconds")
    count(ctx, mapping, "InvokedEventCount", len(unit.entries))
    mappings.note(ctx, mapping, "PROBLEM: Function call failed" if ran.outcome.error else "OK")
    part.popleft()
    if ran.outcome.error and unit.final:
        _final_failed(ctx, turn, part, unit)
        return
    left = _left(mapping, unit, ran)
    if left:
        count(ctx, mapping, "FailedInvokeEventCount", len(left))
        again = batches.retried(unit, left, mapping, ctx.now)
        if not again:
            _give_up(ctx, turn, unit, left, "RetryAttemptsExhausted", ran)
        part.extendleft(reversed(again))
    _keep(ctx, turn, unit, ran, left)


def _event(turn: Turn, unit: Unit) -> bytes:
    events = [entry.event for entry in unit.entries]
    mapping, checkpoint = turn.mapping, turn.checkpoint
    if not mapping.tumbling_s:
        return msgspec.json.encode({"Records": events})
    start_ms = checkpoint.window_ms or windows.start_of(unit.entries[0], mapping)
    return windows.event(mapping, checkpoint, checkpoint.shard, events, start_ms, final=unit.final)


def _left(mapping: Mapping, unit: Unit, ran: running.Ran) -> list[Entry]:
    """The records that the function did not take."""
    if ran.outcome.error:
        return unit.entries
    if not mapping.report_failures:
        return []
    failed = batches.failed_items(ran.outcome.payload)
    left = None if failed is None else batches.left_after(unit, failed)
    return unit.entries if left is None else left


def _keep(ctx: Context, turn: Turn, unit: Unit, ran: running.Ran, left: list[Entry]) -> None:
    """Moves the checkpoint behind what was taken (with one part of the keys), and keeps what a window's function handed on."""
    fields: dict[str, Any] = {}
    taken = unit.entries[: len(unit.entries) - len(left)]
    if turn.mapping.parallelization == 1 and taken:
        fields["sequence"] = taken[-1].sequence
    if turn.mapping.tumbling_s:
        if unit.final:
            fields |= {"window_ms": 0, "window_state": b""}
        elif taken:
            start_ms = turn.checkpoint.window_ms or windows.start_of(taken[0], turn.mapping)
            fields |= {"window_ms": start_ms, "window_state": windows.state_of(ran.outcome.payload)}
    if fields:
        turn.reach(ctx, **fields)


def _final_failed(ctx: Context, turn: Turn, part: Queue, unit: Unit) -> None:
    """A window could not be closed: again later, as often as batches are tried."""
    unit.tries += 1
    if 0 <= turn.mapping.retries < unit.tries:
        turn.reach(ctx, window_ms=0, window_state=b"")
        return
    unit.put_off(ctx.now, unit.tries - 1)
    unit.request_id = ""
    part.appendleft(unit)


def _give_up(ctx: Context, turn: Turn, unit: Unit, entries: list[Entry], condition: str, ran: running.Ran | None) -> None:
    failures.send(
        ctx,
        turn.mapping,
        turn.checkpoint.shard,
        entries,
        condition,
        turn.role,
        tries=unit.tries + (ran is not None),
        request_id=unit.request_id or ctx.random.uuid(),
        ran=ran,
    )
