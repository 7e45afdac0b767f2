"""What a volume does first: it finds out from the nodes what is durable, makes that so on four of them, and that whatever lies beyond
never was.

With three nodes it can be read; to write it waits for a fourth. A node that comes later is told then (`Volume.admit`).
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from fogbank.engines.fleet import frames
from fogbank.engines.volume import quorum
from fogbank.engines.volume.loop import Task
from fogbank.engines.volume.nodes import Link, Lost, Refused, State
from fogbank.engines.volume.quorum import COPIES, READ_QUORUM, WRITE_QUORUM, Lineage, Plan, Turn

if TYPE_CHECKING:
    from fogbank.engines.volume.volume import Volume

_POLL_S = 0.004
_GRACE_S = 0.06
_PATIENCE_S = 3.0
_BY_HAND_BYTES = 64 << 20
"""A node that lacks more than that gets it from its peers."""


def recover(volume: Volume) -> Task[None]:
    """Until it is done, however long that takes."""
    while True:
        try:
            yield from _enough(volume)
            if (yield from _attempt(volume)):
                break
        except (Lost, Refused):
            yield volume.loop.sleep(_POLL_S)
    yield from volume.recovered()
    volume.live = True
    if not volume.ready.done:
        volume.ready.keep(None)


def _enough(volume: Volume) -> Task[None]:
    """Four nodes have told what they hold, and those that are about to as well. With three, readers are served meanwhile."""
    began = monotonic()
    while len(volume.states) < COPIES:
        late = monotonic() - began > _GRACE_S
        if late and len(volume.states) >= WRITE_QUORUM:
            break
        if late and len(volume.states) == READ_QUORUM and not volume.ready.done:
            states = dict(volume.states)
            held = {number: state.held for number, state in states.items()}
            known = yield from _lineage(volume, states)
            if known is not None:
                _adopt(volume, known, quorum.recover(held, known))
                yield from volume.recovered()
                volume.ready.keep(None)
        yield volume.loop.sleep(_POLL_S)


def _attempt(volume: Volume) -> Task[bool]:
    """One try; False: too many nodes went away meanwhile."""
    epoch = max(state.epoch for state in volume.states.values())
    volume.epoch = max(epoch, volume.epoch) + 1
    asked = len(volume.states)
    volume.states.clear()
    for link in volume.links:
        link.epoch = volume.epoch
        if link.up:
            link.open()
    began = monotonic()
    while len(volume.states) < asked:
        span = monotonic() - began
        if span > _PATIENCE_S or (span > _GRACE_S and len(volume.states) >= WRITE_QUORUM):
            break
        yield volume.loop.sleep(_POLL_S)
    if len(volume.states) < WRITE_QUORUM:
        return False
    states = dict(volume.states)
    lineage = yield from _lineage(volume, states)
    if lineage is None:
        volume.cut = (1, 0)
        return True
    plan = quorum.recover({number: state.held for number, state in states.items()}, lineage)
    _adopt(volume, lineage, plan)
    volume.cut = (plan.timeline, plan.durable)
    for number in states:
        volume.instruct(volume.links[number])
        if number not in plan.lacks:
            volume.tracker.acknowledge(number, plan.timeline, plan.durable)
    for number, place in plan.lacks.items():
        volume.loop.run_task(_fill(volume, volume.links[number], place, plan))
    while volume.tracker.complete() < WRITE_QUORUM:
        if sum(volume.states.get(number) is state for number, state in states.items()) < WRITE_QUORUM:
            return False
        yield volume.loop.sleep(_POLL_S)
    _join(volume, states, plan)
    return True


def _join(volume: Volume, states: dict[int, State], plan: Plan) -> None:
    volume.live = True
    for number, state in volume.states.items():
        if states.get(number) is state:
            volume.copies.join(volume.links[number], plan.durable)
        else:
            volume.admit(volume.links[number], state)


def _adopt(volume: Volume, lineage: Lineage, plan: Plan) -> None:
    volume.lineage = lineage
    volume.tracker.begin(plan.timeline, plan.durable)
    volume.hot.begin(plan.timeline, plan.durable)
    volume.copies.begin()


def _lineage(volume: Volume, states: dict[int, State]) -> Task[Lineage | None]:
    """What timelines there are: what the nodes keep of that, the newest of it, as far as the log goes (a fork ends before its origin)."""
    from fogbank.engines.volume.volume import LINEAGE, Known

    found: Lineage | None = None
    name = msgspec.msgpack.encode({"name": LINEAGE})
    for number in states:
        try:
            answer = yield volume.links[number].ask(frames.GET, name)
        except Refused:
            continue
        known = msgspec.json.decode(answer.payload, type=Known)
        lineage = Lineage(tuple(Turn(*turn) for turn in known.turns))
        if lineage.turns and (found is None or lineage.newest.timeline > found.newest.timeline):
            found = lineage
        volume.system = known.system or volume.system
        volume.written = volume.written or known.written == volume.name
    newest = max(state.held.timeline for state in states.values())
    if not newest:
        return None
    if found is not None and found.newest.timeline >= newest:
        spans = [state.held.spans[0] for state in states.values() if state.held.spans]
        return found.until(newest).since(Turn(*min(spans)[:2])) if spans else found.until(newest)
    return quorum.derive(state.held for state in states.values())


def _fill(volume: Volume, link: Link, place: tuple[int, int], plan: Plan) -> Task[None]:
    """Gives a node what it lacks, up to what is durable."""
    spans = _spans(volume.lineage, place, plan)
    if sum(end - start for _, start, end in spans) > _BY_HAND_BYTES:
        return
    for timeline, at, end in spans:
        while at < end:
            piece = yield volume.read(timeline, at, end - at)
            link.write(timeline, at, piece)
            at += len(piece)
    state = State.of((yield link.ask(frames.ASK)).payload)
    volume.tracker.acknowledge(link.number, state.held.timeline, state.held.position)


def _spans(lineage: Lineage, place: tuple[int, int], plan: Plan) -> list[tuple[int, int, int]]:
    spans = []
    for turn in lineage.turns:
        end = lineage.end(turn.timeline)
        end = plan.durable if end is None else end
        start = max(turn.start, place[1]) if turn.timeline == place[0] else turn.start
        if turn.timeline >= place[0] and start < end:
            spans.append((turn.timeline, start, end))
    return spans
