"""One cloud: a branch of the store, a clock, chance, and everything that waits for one of them."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from fogbank.delivery import outbox
from fogbank.gateway.authenticate import Callers, Identities
from fogbank.gateway.authorise import Authoriser, Decided
from fogbank.kernel.chance import Chance
from fogbank.kernel.clock import Clock, Setting
from fogbank.kernel.meters import Meters
from fogbank.kernel.operation import Wait, Waiting
from fogbank.store import Record, Table
from fogbank.store.store import Store
from fogbank.store.tables import At
from fogbank.store.transaction import Transaction

if TYPE_CHECKING:
    from fogbank.gateway.pipeline import Gateway

REMEMBERED = 1000
"""Decisions that can still be explained."""
TURN_S = 0.002
"""How long tasks that are due may keep requests waiting."""


class ClockSettings(Record, frozen=True, kw_only=True):
    """The clock, as the log has it."""

    name: str = "clock"
    settings: list[tuple[int, int, bool]]


CLOCK = Table("gateway.clock", ClockSettings, key=("name",))


class RootKey(Record, frozen=True, kw_only=True):
    """The root user's key of a cloud that is open to other machines."""

    name: str = "root"
    access_key_id: str
    secret: str


ROOT_KEY = Table("gateway.root_key", RootKey, key=("name",))


class Parked:
    """A call that waits: run again when a key under one of its watches is written, or when its instant comes."""

    __slots__ = ("again", "gone", "until_ms", "watches")

    def __init__(self, wait: Wait, again: Callable[[], None]) -> None:
        self.watches = wait.on
        self.until_ms = wait.until_ms
        self.again = again
        self.gone = False


class Cloud:
    """What a port of the gateway stands for."""

    def __init__(
        self, gateway: Gateway, name: str, store: Store, load: Callable[[], Identities], *, strict: bool, seed: int | None = None
    ) -> None:
        self.name = name
        self.store = store
        self.chance = Chance(seed)
        self.clock = Clock()
        self.endpoint = "http://localhost:4566"
        self.root_key: tuple[str, str] | None = None
        self.meters = Meters()
        self.decisions: deque[tuple[str, Decided]] = deque(maxlen=REMEMBERED)
        self._gateway = gateway
        self._loop = gateway.loop
        self._parked: dict[int, list[Parked]] = {}
        self._timed: set[Parked] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._due_ms: int | None = None
        self._running = False
        self.strict = strict
        self.callers = Callers(self, load, strict=strict)
        self.authoriser = Authoriser(self)
        if name not in store.heads:
            store.create(name, self.clock.now_ms())
        self.awake()

    # the store

    def begin(self) -> Transaction:
        return self.store.begin(self.name, self.clock.now_ms())

    def reader(self) -> At:
        """Somewhere to read the present from."""
        return self.begin()

    def past(self, at_ms: int, sequence: int | None = None) -> At:
        """Somewhere to read this cloud as it was at an instant of its clock. Raises LookupError where that is not kept."""
        return self.store.past_of(self.name, at_ms, sequence)

    def commit(self, tx: Transaction) -> None:
        """Commits, and tells whoever watches. The log is written at the end of the turn."""
        writes = tx.writes
        if not tx.commit():
            return
        self._gateway.turn.schedule()
        spaces = self.callers.spaces
        parked = self._parked
        for space, key, _ in writes:
            if space in spaces:
                self.callers.forget()
                self.authoriser.forget()
                spaces = frozenset()
            if space in parked:
                self.wake(space, key)
            elif space == outbox.OUTBOX.space:
                self.look_at_outbox()

    def undo(self, tx: Transaction) -> None:
        """Takes a transaction back, and with it what was learnt of callers from its writes."""
        if not self.callers.spaces.isdisjoint([space for space, _, _ in tx.writes]):
            self.callers.forget()
            self.authoriser.forget()
        tx.undo()

    def awake(self) -> None:
        """The branch under the cloud is another one now (or the first): everything remembered of the old one goes."""
        tx = self.begin()
        kept = CLOCK.get(tx, "clock")
        self.clock = Clock([Setting(*s) for s in kept.settings] if kept is not None else None)
        key = ROOT_KEY.get(tx, "root")
        if key is not None:
            self.root_key = (key.access_key_id, key.secret)
        elif self.strict:
            self._make_root_key()
        self.callers.forget()
        self.authoriser.forget()
        self.decisions.clear()
        self._due_ms = None
        self.retime()
        for parked in list({p for waiting in self._parked.values() for p in waiting}):
            self._release(parked)

    def _make_root_key(self) -> None:
        """A key for the root user, unless there was one before a reset."""
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
        self.root_key = self.root_key or ("AKIA" + self.chance.text(16, alphabet), self.chance.text(40, alphabet + alphabet.lower()))
        tx = self.begin()
        ROOT_KEY.put(tx, RootKey(access_key_id=self.root_key[0], secret=self.root_key[1]))
        self.commit(tx)

    def remember(self, request_id: str, decided: Decided) -> None:
        """Keeps a decision for `explain`."""
        self.decisions.append((request_id, decided))

    # the clock

    def clock_changed(self) -> None:
        """Writes the clock's settings down, and looks at everything that waits for an instant."""
        tx = self.begin()
        CLOCK.put(tx, ClockSettings(settings=[(s.wall_ms, s.cloud_ms, s.running) for s in self.clock.settings]))
        self.commit(tx)
        self.retime()

    # waiting calls

    def park(self, wait: Wait, again: Callable[[], None]) -> Parked:
        """Has `again` called once, when what it waits for has come."""
        parked = Parked(wait, again)
        for space, _ in wait.on:
            self._parked.setdefault(space, []).append(parked)
        self._timed.add(parked)
        self._alarm(parked.until_ms)
        return parked

    def leave(self, parked: Parked) -> None:
        """Nobody waits any more."""
        if parked.gone:
            return
        parked.gone = True
        self._timed.discard(parked)
        for space, _ in parked.watches:
            waiting = self._parked.get(space)
            if waiting is not None and parked in waiting:
                waiting.remove(parked)
                if not waiting:
                    del self._parked[space]

    def _release(self, parked: Parked) -> None:
        self.leave(parked)
        self._loop.call_soon(parked.again)

    def wake(self, space: int, key: bytes) -> None:
        """Runs those again who wait for a key."""
        for parked in list(self._parked.get(space, ())):
            if any(s == space and key.startswith(prefix) for s, prefix in parked.watches):
                self._release(parked)

    # instants

    def look_at_outbox(self) -> None:
        """The outbox has changed: its first item may be due earlier than we thought."""
        if not self._running:
            item = outbox.first(self.reader())
            self._due_ms = item.due_ms if item is not None else None
            if self._due_ms is not None:
                self._alarm(self._due_ms)

    def retime(self) -> None:
        """Sets the timer anew: the clock was moved."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.look_at_outbox()
        for parked in self._timed:
            self._alarm(parked.until_ms)

    def _alarm(self, instant_ms: int) -> None:
        """Makes sure that `_ring` is called at an instant of the cloud's clock (never while it stands still before it)."""
        left_s = self.clock.until_s(instant_ms)
        if left_s is None:
            return
        at = self._loop.time() + left_s
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer, self._timer_at = self._loop.call_at(at, self._ring), at

    def _ring(self) -> None:
        self._timer = None
        now = self.clock.now_ms()
        for parked in [p for p in self._timed if p.until_ms <= now]:
            self._release(parked)
        if self._due_ms is not None and self._due_ms <= now:
            self._run_due()
        for parked in self._timed:
            self._alarm(parked.until_ms)
        if self._due_ms is not None:
            self._alarm(self._due_ms)

    # the outbox

    def _run_due(self) -> None:
        """Carries out what is due, some at a time so that requests come through."""
        self._running = True
        try:
            end = self._loop.time() + TURN_S
            while self._loop.time() < end:
                item = outbox.first(self.reader())
                if item is None or item.due_ms > self.clock.now_ms():
                    break
                self._carry_out(item)
        finally:
            self._running = False
            self.look_at_outbox()

    def _carry_out(self, item: outbox.Item) -> None:
        tx = self.begin()
        try:
            outbox.done(tx, item)
            wait = self._gateway.perform_task(self, tx, item)
            if wait is not None:
                outbox.put(tx, item.task, outbox.payload(item), wait.until_ms, item.account, item.region)
            self.commit(tx)
        except Waiting as waiting:
            self.undo(tx)
            again = self.begin()
            outbox.done(again, item)
            outbox.put(again, item.task, outbox.payload(item), min(waiting.wait.until_ms, again.at_ms + 1000), item.account, item.region)
            self.commit(again)
        except Exception as problem:
            self.undo(tx)
            failing = self.begin()
            after = outbox.failed(failing, item, f"{type(problem).__name__}: {problem}", self.clock.now_ms())
            self.commit(failing)
            if after.attempts >= outbox.ATTEMPTS:
                print(f"fogbank: task {item.task} given up after {after.attempts} attempts: {after.error}", file=sys.stderr)

    def idle(self) -> bool:
        """Nothing in the outbox is due."""
        return self._due_ms is None or self._due_ms > self.clock.now_ms()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for parked in list(self._timed):
            self.leave(parked)


def notes(cloud: Cloud, request_id: str) -> list[Decided]:
    """The decisions about one request that are still remembered."""
    return [decided for known, decided in cloud.decisions if known == request_id]
