"""Reading a shard: record after record, each taken or given up before those that follow it (by key, with parallelization).

Source: "How Lambda processes records from stream and queue-based event sources" in the Lambda Developer Guide.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Generic

from fogbank.delivery.sources import batches, shards, windows
from fogbank.delivery.sources.batches import Queue, Unit
from fogbank.delivery.sources.lanes import Lanes
from fogbank.delivery.sources.reading import Checkpoint, Consumer, Entry, Handled, Item, R
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, Wait, Waiting, Watch
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


class Turn(Generic[R]):
    """One run of a poller: for which reading and shard, and by whom."""

    __slots__ = ("checkpoint", "consumer", "lane", "reading", "role", "watch")

    def __init__(self, consumer: Consumer[R], reading: R, checkpoint: Checkpoint, lane: Lane, role: Role, watch: Watch) -> None:
        self.consumer = consumer
        self.reading = reading
        self.checkpoint = checkpoint
        self.lane = lane
        self.role = role
        self.watch = watch

    def reach(self, ctx: Context, **fields: Any) -> None:
        """Moves the checkpoint on."""
        self.checkpoint = change(self.checkpoint, **fields)
        self.consumer.checkpoints.put(ctx, self.checkpoint)


_lanes: Lanes[Lane] = Lanes(Lane)


def poll(ctx: Context, consumer: Consumer[R], item: Item) -> Answer | Wait:
    """Reads a shard: `[account, region, id, number, shard]`."""
    work = (consumer.service, *item[:3], item[4])
    reading = consumer.current(ctx, item)
    checkpoint = consumer.checkpoints.get(ctx, *item[:3], item[4])
    if reading is None or checkpoint is None or checkpoint.finished:
        _lanes.leave(ctx, *work)
        return None
    watch = consumer.watch(item)
    lane = _lanes.enter(ctx, *work)
    if lane is None:  # the poller of before is at its last batch
        return Wait((watch,), ctx.now + 1000)
    try:
        turn = Turn(consumer, reading, checkpoint, lane, consumer.role(ctx, reading), watch)
        if not checkpoint.begun:
            return _begin(ctx, turn)
        wait = None if lane.parts else _gather(ctx, turn)
        if wait is None and not lane.parts and lane.ended:
            turn.reach(ctx, finished=True)
            ctx.later(f"{consumer.service}.find_shards", item[:4])
            _lanes.leave(ctx, *work)
            return None
        wait = wait or _work(ctx, turn)
        lane.troubles = 0
    except ServiceException as problem:
        wait = _trouble(ctx, lane, watch, problem)
        if lane.troubles:
            consumer.note(ctx, reading, f"PROBLEM: {problem.code}: {problem.message}")
    return wait


def _trouble(ctx: Context, lane: Lane, watch: Watch, problem: ServiceException) -> Wait:
    """The source cannot be read: again later, from the checkpoint on."""
    if problem.code in ("ProvisionedThroughputExceededException", "LimitExceededException"):
        return Wait((watch,), ctx.now + 1000)
    lane.place = ""
    if problem.code == "ExpiredIteratorException":
        return Wait((watch,), ctx.now)
    lane.troubles += 1
    return Wait((watch,), ctx.now + min(TROUBLE_MS * lane.troubles, LONGEST_MS))


# gathering


def _gather(ctx: Context, turn: Turn[R]) -> Wait | None:
    """Reads until there is something to do: None then, with units made, or at the shard's end. Else what to wait for."""
    reading, lane = turn.reading, turn.lane
    most = reading.batch_size * reading.parallelization
    watch = _read(ctx, turn, most)
    if reading.tumbling_s and windows.closes(turn.checkpoint, reading, lane.read, ctx.now, ended=lane.ended):
        lane.parts, lane.through = [deque([lane.unit([], final=True)])], turn.checkpoint.sequence
        return None
    over_ms = lane.since_ms + reading.window_s * 1000
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
        instants.append(windows.end_of(turn.checkpoint.window_ms, reading))
    return Wait((*watch, turn.watch), min(instants))


def _read(ctx: Context, turn: Turn[R], most: int) -> tuple[Watch, ...]:
    """Reads what there is, as far as it is wanted now; what is written when there is more."""
    reading, lane, checkpoint = turn.reading, turn.lane, turn.checkpoint
    if not lane.place and not lane.ended:
        lane.place = _place(ctx, turn)
    watch: tuple[Watch, ...] = ()
    while not lane.ended and len(lane.read) < most and lane.size < PAYLOAD_BYTES:
        limit = most - len(lane.read)
        lane.looked_ms = ctx.now
        page = shards.read(ctx, reading, turn.role, checkpoint.shard, lane.place, limit)
        watch, lane.place, lane.ended = page.watch, page.next, not page.next
        left_out = 0
        for entry in page.entries:
            if not turn.consumer.wanted(ctx, reading, entry.event or {}):
                entry.event = None
                left_out += 1
            if not lane.read:
                lane.since_ms = ctx.now
            lane.read.append(entry)
            lane.size += entry.size
        turn.consumer.count(ctx, reading, "PolledEventCount", len(page.entries))
        turn.consumer.count(ctx, reading, "FilteredOutEventCount", left_out)
        if len(page.entries) < limit:
            break
    return watch


def _place(ctx: Context, turn: Turn[R]) -> str:
    """Where to read on: after what has been read; else after when we looked last, since all that came later would have woken us."""
    checkpoint, lane = turn.checkpoint, turn.lane
    if lane.read:
        checkpoint = change(checkpoint, sequence=lane.read[-1].sequence)
    elif lane.looked_ms and checkpoint.since_ms:
        checkpoint = change(checkpoint, since_ms=min(lane.looked_ms + 1, ctx.now))
    return shards.iterator(ctx, turn.reading, turn.role, checkpoint)


def _begin(ctx: Context, turn: Turn[R]) -> Wait:
    """A shard's very first turn fixes where its reading begins: what is written from now on must not be lost."""
    if turn.reading.starting == "LATEST" and turn.checkpoint.since_ms:
        turn.lane.place = shards.newest(ctx, turn.reading, turn.role, turn.checkpoint.shard)
        turn.lane.looked_ms = ctx.now
    turn.reach(ctx, begun=True)
    return Wait((turn.watch,), ctx.now)


def _arrange(turn: Turn[R], most: int) -> None:
    """Makes units of what was read: batches, for each part of the keys; of a tumbling window only what is in it."""
    reading, lane = turn.reading, turn.lane
    taken = lane.read[:most]
    if reading.tumbling_s:
        taken = windows.first(taken, reading, turn.checkpoint.window_ms)
    lane.through = taken[-1].sequence
    lane.read = lane.read[len(taken) :]
    lane.size = sum(entry.size for entry in lane.read)
    wanted = [entry for entry in taken if entry.event is not None]
    size = reading.batch_size
    lane.parts = [
        deque(lane.unit(part[start : start + size]) for start in range(0, len(part), size))
        for part in batches.spread(wanted, reading.parallelization)
    ]


# handling


def _work(ctx: Context, turn: Turn[R]) -> Wait:
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


def _handle(ctx: Context, turn: Turn[R], part: Queue) -> None:
    """Has a unit handled; it goes, or others come in its place. May raise Waiting, before anything else."""
    reading, consumer, unit = turn.reading, turn.consumer, part[0]
    old = batches.too_old(unit, reading, ctx.now)
    if old:
        _give_up(ctx, turn, unit, old, "RecordAgeExceeded", None)
        unit.entries = unit.entries[len(old) :]
        if not unit.entries:
            part.popleft()
        return
    unit.request_id = unit.request_id or ctx.random.uuid()
    try:
        handled = consumer.handle_records(ctx, reading, turn.role, turn.checkpoint, unit)
    except ServiceException as problem:
        unit.throttles += 1
        unit.put_off(ctx.now, unit.throttles - 1)
        consumer.note(ctx, reading, f"PROBLEM: {problem.code}: {problem.message}")
        return
    consumer.count(ctx, reading, "InvokedEventCount", len(unit.entries))
    part.popleft()
    if handled.failed and unit.final:
        _final_failed(ctx, turn, part, unit)
        return
    left = handled.left
    if left:
        consumer.count(ctx, reading, "FailedInvokeEventCount", len(left))
        again = batches.retried(unit, left, reading, ctx.now)
        if not again:
            _give_up(ctx, turn, unit, left, "RetryAttemptsExhausted", handled)
        part.extendleft(reversed(again))
    _keep(ctx, turn, unit, handled)


def _keep(ctx: Context, turn: Turn[R], unit: Unit, handled: Handled) -> None:
    """Moves the checkpoint behind what was taken (with one part of the keys), and keeps what a window's function handed on."""
    fields: dict[str, Any] = {}
    taken = unit.entries[: len(unit.entries) - len(handled.left)]
    if turn.reading.parallelization == 1 and taken:
        fields["sequence"] = taken[-1].sequence
    if turn.reading.tumbling_s:
        if unit.final:
            fields |= {"window_ms": 0, "window_state": b""}
        elif taken:
            start_ms = turn.checkpoint.window_ms or windows.start_of(taken[0], turn.reading)
            fields |= {"window_ms": start_ms, "window_state": handled.state}
    if fields:
        turn.reach(ctx, **fields)


def _final_failed(ctx: Context, turn: Turn[R], part: Queue, unit: Unit) -> None:
    """A window could not be closed: again later, as often as batches are tried."""
    unit.tries += 1
    if 0 <= turn.reading.retries < unit.tries:
        turn.reach(ctx, window_ms=0, window_state=b"")
        return
    unit.put_off(ctx.now, unit.tries - 1)
    unit.request_id = ""
    part.appendleft(unit)


def _give_up(ctx: Context, turn: Turn[R], unit: Unit, entries: list[Entry], condition: str, handled: Handled | None) -> None:
    unit.request_id = unit.request_id or ctx.random.uuid()
    turn.consumer.give_up(ctx, turn.reading, turn.role, turn.checkpoint.shard, unit, entries, condition, handled)
