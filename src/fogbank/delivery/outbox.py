"""The outbox: what happens later is a row.

A task is put in with the transaction that wants it, and carried out at its instant or soon after, at least once. Its
row is deleted by the transaction that carries it out, so what a task does to the store it does exactly once. One that
fails is tried again, later and later; after ATTEMPTS it becomes a dead letter, which stays until somebody looks.

A task that waits for more than an instant (for a row to be written, for a function to answer) is parked: its row lies
among PARKED until it is over, so that it is begun again when the process was killed meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from fogbank.store import Record, Table, change
from fogbank.store.tables import At

ATTEMPTS = 12
"""With the back-off below: about an hour and a half."""


LOOK_AHEAD = 5000
"""Tasks that are looked at for one that counts."""


class Item(Record, frozen=True, kw_only=True):
    """A task to carry out at `due_ms`; `payload` is msgpack."""

    due_ms: int
    number: int
    task: str
    payload: bytes
    account: str
    region: str
    attempts: int = 0
    error: str = ""
    trace: str = ""
    parked: bool = False


OUTBOX = Table("delivery.outbox", Item, key=("due_ms", "number"))
PARKED = Table("delivery.parked", Item, key=("number",))
DEAD = Table("delivery.dead", Item, key=("due_ms", "number"))

_encode = msgspec.msgpack.Encoder().encode


def put(at: At, task: str, payload: Any, due_ms: int, account: str, region: str, trace: str = "") -> None:
    """Adds a task, in the transaction."""
    number, packed = at.tx.unique(), _encode(payload)
    OUTBOX.put(at, Item(due_ms=due_ms, number=number, task=task, payload=packed, account=account, region=region, trace=trace))


def first(at: At) -> Item | None:
    """The task that is due next, or None. One that is parked is not."""
    return next(OUTBOX.scan(at), None)


def work_ms(at: At, now_ms: int, besides: Collection[str]) -> int:
    """When the first of what is due will be done, of which some tasks do not count; now, where nothing else is due."""
    seen = 0
    for item in OUTBOX.scan(at, before=now_ms + 1):
        if item.task not in besides or (seen := seen + 1) == LOOK_AHEAD:
            return item.due_ms
    return now_ms


def done(at: At, item: Item) -> None:
    """To be said in the transaction that carries the task out."""
    (PARKED if item.parked else OUTBOX).delete(at, item)


def park(at: At, item: Item) -> Item:
    """The task waits: the row it is now."""
    if item.parked:
        return item
    OUTBOX.delete(at, item)
    parked = change(item, parked=True)
    PARKED.put(at, parked)
    return parked


def put_off(at: At, item: Item, due_ms: int) -> None:
    """The task is run again at an instant."""
    done(at, item)
    OUTBOX.put(at, change(item, parked=False, due_ms=due_ms, attempts=0))


def unpark(at: At, now_ms: int) -> None:
    """Nothing is under way any more: all that was parked is begun again."""
    for item in list(PARKED.scan(at)):
        put_off(at, item, now_ms)


def payload(item: Item) -> Any:
    return msgspec.msgpack.decode(item.payload)


def failed(at: At, item: Item, error: str, now_ms: int) -> Item:
    """Puts the task off, or among the dead letters: the row it is now."""
    done(at, item)
    after = change(item, parked=False, attempts=item.attempts + 1, error=error, due_ms=now_ms + backoff_ms(item.attempts))
    (OUTBOX if after.attempts < ATTEMPTS else DEAD).put(at, after)
    return after


def dead(at: At) -> list[Item]:
    """The tasks that were given up."""
    return list(DEAD.scan(at))


def revive(at: At, now_ms: int) -> int:
    """Puts every dead letter back, to be tried from the beginning; how many there were."""
    items = dead(at)
    for item in items:
        DEAD.delete(at, item)
        OUTBOX.put(at, change(item, attempts=0, due_ms=now_ms))
    return len(items)


def backoff_ms(attempts: int) -> int:
    """1 s, 2 s, 4 s ... at most 15 minutes."""
    return int(min(1000 * 2**attempts, 900_000))
