"""One cloud: a branch of the store, a clock, chance, and everything that waits for one of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

from fogbank.delivery import outbox
from fogbank.gateway.authenticate import Callers, Identities
from fogbank.gateway.authorise import About, Authoriser, Decided
from fogbank.gateway.gathering import Gathering
from fogbank.gateway.tasks import Tasks
from fogbank.gateway.tracing import Tracing
from fogbank.kernel.beside import Beside
from fogbank.kernel.chance import Chance
from fogbank.kernel.clock import Clock, Setting
from fogbank.kernel.meters import Meters
from fogbank.kernel.operation import Wait
from fogbank.store import Record, Table
from fogbank.store.store import Store
from fogbank.store.tables import At
from fogbank.store.transaction import Transaction

if TYPE_CHECKING:
    from fogbank.gateway.listen import Connection
    from fogbank.gateway.pipeline import Gateway

REMEMBERED = 1000
"""Decisions that can still be explained."""
FEW = 64


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

    __slots__ = ("again", "gone", "tasks", "until_ms", "watches")

    def __init__(self, wait: Wait, again: Callable[[], None], tasks: Tasks | None) -> None:
        self.tasks = tasks
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
        self.beside = Beside(gateway.ready_soon)
        self.gathering = Gathering(gateway, self)
        self.tasks = Tasks(gateway, self)
        self.tracing = Tracing(gateway, self, seed)
        self.decisions: deque[tuple[str, Decided, About | None]] = deque(maxlen=REMEMBERED)
        self._gateway = gateway
        self._loop = gateway.loop
        self._parked: dict[int, dict[int, dict[bytes, dict[Parked, None]]]] = {}
        """By table, length of the key's prefix, and prefix; in the order in which they came."""
        self._timed: set[Parked] = set()
        self._by_time: list[tuple[int, int, Parked]] = []
        """A heap of instants; those who have left stay until they come up, or are too many."""
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._workshop: Any = None
        self._databases: Any = None
        self.connections: set[Connection] = set()
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
        if tx.told is not None:
            self.gathering.take(tx.told)
        if not tx.commit():
            return
        self._gateway.turn.schedule()
        spaces, rules = self.callers.spaces, self.tracing.spaces
        parked = self._parked
        for space, key, _ in writes:
            if space in spaces:
                self.callers.forget()
                self.authoriser.forget()
                spaces = frozenset()
            if space in rules:
                self.tracing.forget()
            if space in parked:
                self.wake(space, key)
            elif space == outbox.OUTBOX.space:
                self.tasks.look()

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
        self.beside.forget()
        if self._databases is not None:
            self._databases.left()
        self.gathering.forget()
        self.tracing.forget()
        for parked in [p for p in self._timed if p.tasks is not None]:
            self.leave(parked)
        self.tasks.awake()
        self.retime()
        for parked in list(self._timed):
            if parked.tasks is None:
                self._release(parked)

    def _make_root_key(self) -> None:
        """A key for the root user, unless there was one before a reset."""
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
        self.root_key = self.root_key or ("AKIA" + self.chance.text(16, alphabet), self.chance.text(40, alphabet + alphabet.lower()))
        tx = self.begin()
        ROOT_KEY.put(tx, RootKey(access_key_id=self.root_key[0], secret=self.root_key[1]))
        self.commit(tx)

    def remember(self, request_id: str, decided: Decided, about: About | None = None) -> None:
        """Keeps a decision for `explain`. `about`: what was asked, where the decision is one that was made before."""
        self.decisions.append((request_id, decided, about))

    # the clock

    def clock_changes(self) -> None:
        """To be called before: what happened so far happened at its time."""
        self.gathering.flush()

    def clock_changed(self) -> None:
        """Writes the clock's settings down, and looks at everything that waits for an instant."""
        tx = self.begin()
        CLOCK.put(tx, ClockSettings(settings=[(s.wall_ms, s.cloud_ms, s.running) for s in self.clock.settings]))
        self.commit(tx)
        self.retime()

    # waiting calls

    def park(self, wait: Wait, again: Callable[[], None], tasks: Tasks | None = None) -> Parked:
        """Has `again` called once, when what it waits for has come. `tasks`: it is one of them."""
        parked = Parked(wait, again, tasks)
        for space, prefix in wait.on:
            self._parked.setdefault(space, {}).setdefault(len(prefix), {}).setdefault(prefix, {})[parked] = None
        self._timed.add(parked)
        if len(self._by_time) > 2 * len(self._timed) + FEW:
            self._by_time = [entry for entry in self._by_time if not entry[2].gone]
            heapify(self._by_time)
        self._count += 1
        heappush(self._by_time, (parked.until_ms, self._count, parked))
        self.alarm(parked.until_ms)
        return parked

    def leave(self, parked: Parked) -> None:
        """Nobody waits any more."""
        if parked.gone:
            return
        parked.gone = True
        self._timed.discard(parked)
        for space, prefix in parked.watches:
            lengths = self._parked.get(space, {})
            prefixes = lengths.get(len(prefix), {})
            waiting = prefixes.get(prefix, {})
            waiting.pop(parked, None)
            if not waiting and prefixes.pop(prefix, None) is not None and not prefixes:
                del lengths[len(prefix)]
                if not lengths:
                    del self._parked[space]

    def _release(self, parked: Parked) -> None:
        self.leave(parked)
        if parked.tasks is not None:
            parked.tasks.resuming += 1
        self._loop.call_soon(parked.again)

    def wake(self, space: int, key: bytes) -> None:
        """Runs those again who wait for a key."""
        lengths = self._parked.get(space)
        if lengths is None:
            return
        for length, prefixes in list(lengths.items()):
            for parked in list(prefixes.get(key[:length], ())):
                self._release(parked)

    # instants

    def retime(self) -> None:
        """Sets the timer anew: the clock was moved."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.tasks.look()
        self._alarm_next()

    def _alarm_next(self) -> None:
        """Sees to the next of those who wait."""
        waiting = self._by_time
        while waiting and waiting[0][2].gone:
            heappop(waiting)
        if waiting:
            self.alarm(waiting[0][0])

    def alarm(self, instant_ms: int) -> None:
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
        waiting = self._by_time
        while waiting and (waiting[0][2].gone or waiting[0][0] <= now):
            parked = heappop(waiting)[2]
            if not parked.gone:
                self._release(parked)
        self.tasks.run_due()
        self._alarm_next()

    # at rest

    def idle(self) -> bool:
        """Nothing that is due is left to do, nothing is under way, and everybody has been told what there is to tell."""
        due_ms, now_ms = self.tasks.due_ms, self.clock.now_ms()
        if (due_ms is not None and due_ms <= now_ms) or self.tasks.resuming or self.beside.busy or self.gathering.waiting:
            return False
        return not any(parked.tasks is not None and parked.until_ms <= now_ms for parked in self._timed)

    @property
    def workshop(self) -> Any:
        """Where this cloud's functions run; made when first used."""
        if self._workshop is None and self._gateway.make_workshop is not None:
            self._workshop = self._gateway.make_workshop(self)
        return self._workshop

    @property
    def databases(self) -> Any:
        """Where this cloud's database clusters run; made when first used."""
        if self._databases is None and self._gateway.make_databases is not None:
            self._databases = self._gateway.make_databases(self)
        return self._databases

    def close(self) -> None:
        self.gathering.close()
        if self._workshop is not None:
            self._workshop.close()
        if self._databases is not None:
            self._databases.close()
        if self._timer is not None:
            self._timer.cancel()
        for parked in list(self._timed):
            self.leave(parked)
        for connection in list(self.connections):
            connection.leave()
        self.decisions.clear()
        self.authoriser.forget()  # (no collector follows a query to what it asks for)


def notes(cloud: Cloud, request_id: str) -> list[Decided]:
    """The decisions about one request that are still remembered."""
    found = [(decided, about) for known, decided, about in cloud.decisions if known == request_id]
    return [decided if about is None else about.decided(decided) for decided, about in found]
