"""The workshop: a cloud's execution environments. Warm ones are kept and used again; new ones are started as they are needed.

Environments of one version of a function make a pool. An invocation takes the one that was used last (so that those which are too many
grow old and end); where none is idle one is started, and the invocation goes to whichever is ready first.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fogbank.sandbox.box import CannotStart, Driver
from fogbank.sandbox.environment import Environment
from fogbank.sandbox.function import Credentials, Function, Invocation, Lines, Outcome
from fogbank.sandbox.hot import look
from fogbank.sandbox.pools import Counts, Pool
from fogbank.sandbox.preparing import BadEntry, Prepared, prepare
from fogbank.sandbox.runtimes import NotHere
from fogbank.sandbox.turn import Turn, told
from fogbank.sandbox.unpacking import BadCode, Shelf

IDLE_S = 300.0
_PAUSED_AFTER_S = 0.1
_SWEEP_S = 0.1
_MEASURED_EACH_S = 5.0
_RENEWED_MS = 600_000
"""An environment is replaced when an invocation's credentials outlive its own by this."""
_STARTING_AT_ONCE = max(4, 2 * (os.cpu_count() or 1))
_GUESS_BYTES = 16 << 20
"""What an environment uses until it has been looked at."""

Opener = Callable[[socket.socket], Any]


class Workshop:
    """See the module. Everything but `prepare` runs in the loop.

    driver_choice  a name for `sandbox.driver`, or a driver that several workshops share: whoever made it closes it
    tell     is given the lines of logs
    api      is given each socket that listens on the cloud's address inside a box; `close()` of what it answers is called when
             the box is gone
    daemon   likewise, each socket that takes X-Ray's datagrams; and the access key and region that segments are sent on with
    folder   for unpacked code; nothing else may lie there. Or a shelf that several workshops share
    """

    def __init__(
        self,
        driver_choice: str | Driver,
        loop: asyncio.AbstractEventLoop,
        *,
        tell: Callable[[Lines], None],
        api: Opener | None = None,
        daemon: Callable[[socket.socket, str, str], Any] | None = None,
        folder: Path | Shelf | None = None,
        memory_bytes: int = 0,
        idle_s: float = IDLE_S,
        billing_ms: int = 1,
    ) -> None:
        self.loop = loop
        self.tell = tell
        self.billing_ms = billing_ms
        self.idle_s = idle_s
        self.memory_bytes = memory_bytes or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4 * 3
        self.shelf = folder if isinstance(folder, Shelf) else Shelf(folder)
        self._own_shelf = self.shelf is not folder
        self._driver_choice = driver_choice
        self._driver: Driver | None = None
        self._api = api
        self._daemon = daemon
        self._pools: dict[str, Pool] = {}
        self._queue: deque[tuple[Pool, Environment]] = deque()
        """Environments that wait for others to have started."""
        self._slots = _STARTING_AT_ONCE
        self._starting: set[Environment] = set()
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._measured_at = 0.0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._threads = ThreadPoolExecutor(2, "fogbank-workshop")
        self._closed = False

    # what services ask for

    def invoke(self, function: Function, invocation: Invocation, done: Callable[[Outcome], None]) -> None:
        """Has an event handled. `done` is called once, in the loop, perhaps before this returns."""
        pool = self._pools.get(function.key)
        if pool is None:
            pool = self._pools[function.key] = Pool(function)
        pool.credentials = invocation.credentials
        turn = Turn(invocation, done)
        environment = self._fit(pool, invocation)
        if environment is not None:
            pool.busy.add(environment)
            environment.begin(turn)
        else:
            pool.waiting.append(turn)
            self._need(pool)

    def expect(self, function: Function) -> None:
        """A function that will be invoked: its code is unpacked and its interpreter started now, so that the first need not wait."""
        pool = self._pools.get(function.key)
        if pool is None:
            pool = self._pools[function.key] = Pool(function)
            self._prepare(pool)

    def warm(self, function: Function, count: int, credentials: Credentials) -> int:
        """Keeps so many environments of a function initialised (provisioned concurrency). Answers how many are: ask again later."""
        pool = self._pools.get(function.key)
        if pool is None:
            if not count:
                return 0
            pool = self._pools[function.key] = Pool(function)
        if pool.provisioned != count:
            pool.failing = ""
        pool.credentials = credentials
        pool.provisioned = count
        self._provision(pool)
        return pool.kept(ready=True)

    def failing(self, key: str) -> str:
        """Why a function's provisioned environments cannot be initialised; "" where they can."""
        pool = self._pools.get(key)
        return pool.failing if pool is not None else ""

    def forget(self, key: str) -> None:
        """This version will not be invoked any more: environments end as they become idle."""
        pool = self._pools.get(key)
        if pool is None:
            return
        pool.forgotten = True
        pool.provisioned = 0
        for environment in list(pool.idle):
            self._end(pool, environment)
        self._drop_if_empty(pool)

    def busy(self, key: str) -> int:
        """How many invocations of a version are under way."""
        pool = self._pools.get(key)
        return len(pool.busy) + len(pool.waiting) if pool is not None else 0

    def counts(self) -> dict[str, Counts]:
        """What there is, by key."""
        return {key: Counts(len(pool.starting), len(pool.idle), len(pool.busy), pool.kept(ready=True)) for key, pool in self._pools.items()}

    @property
    def driver(self) -> Driver:
        """How boxes are made here; chosen when first used."""
        if self._driver is None:
            _allow_descriptors()
            choice = self._driver_choice
            if isinstance(choice, str):
                from fogbank.sandbox import driver

                self._driver = driver(choice)
            else:
                self._driver = choice
        return self._driver

    def close(self) -> None:
        """Ends everything. Where the loop runs on, the driver's processes end in a moment; else before this returns."""
        self._closed = True
        if self.loop.is_running():
            self._tasks.add(self.loop.create_task(self._close()))
        elif not self.loop.is_closed():
            self.loop.run_until_complete(self._close())

    async def _close(self) -> None:
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        for pool in list(self._pools.values()):
            pool.let_go(self.shelf)
            for environment in pool.members():
                environment.abandon()
        self._pools.clear()
        if self._driver is not None and self._driver is not self._driver_choice:
            await self._driver.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._own_shelf:
            self.shelf.close()

    # finding one, and starting some

    def _fit(self, pool: Pool, invocation: Invocation) -> Environment | None:
        """An idle environment that will do; those that will not do any more are ended."""
        watched = pool.prepared.watched if pool.prepared is not None else None
        seen = look(watched) if watched is not None and pool.idle else ""
        until_ms = invocation.credentials.expires_at_ms - _RENEWED_MS
        while pool.idle:
            environment = pool.idle.pop()
            if environment.credentials.expires_at_ms >= until_ms and environment.changed_at == seen:
                return environment
            self._end(pool, environment)
        return None

    def _need(self, pool: Pool) -> None:
        """Starts as many environments as invocations wait for."""
        if not pool.hold(self.shelf):
            self._prepare(pool)
            return
        starting = sum(environment.turn is None and environment.origin != "provisioned-concurrency" for environment in pool.starting)
        for _ in range(len(pool.waiting) - starting):
            self._start(pool, pool.function.origin)

    def _provision(self, pool: Pool) -> None:
        """Brings the number of provisioned environments to what it is to be."""
        if pool.forgotten or self._closed:
            return
        surplus = pool.kept() - pool.provisioned
        for environment in list(pool.idle):
            if surplus > 0 and environment.origin == "provisioned-concurrency":
                self._end(pool, environment)
                surplus -= 1
        if surplus < 0 and not pool.failing:
            if not pool.hold(self.shelf):
                self._prepare(pool)
                return
            for _ in range(-surplus):
                self._start(pool, "provisioned-concurrency")

    def _prepare(self, pool: Pool) -> None:
        if not pool.preparing:
            pool.preparing = True
            task = self.loop.create_task(self._prepared(pool))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _prepared(self, pool: Pool) -> None:
        try:
            pool.prepared = await self.loop.run_in_executor(self._threads, prepare, pool.function, self.shelf)
        except NotHere as problem:
            self._refuse(pool, "runtime", str(problem))
        except BadCode as problem:
            self._refuse(pool, "code", str(problem))
        except BadEntry as problem:
            self._misfit(pool, str(problem))
        except Exception as problem:
            self._refuse(pool, "sandbox", f"The code cannot be prepared: {problem}")
        finally:
            pool.preparing = False
        if pool.prepared is not None and not self._closed:
            if not pool.waiting:
                await self._ready_driver(pool.prepared)
            self._need(pool)
            self._provision(pool)

    async def _ready_driver(self, prepared: Prepared) -> None:
        with contextlib.suppress(CannotStart):
            await self.driver.prepare(prepared.spec.zygote)

    def _start(self, pool: Pool, origin: str, turn: Turn | None = None, log_stream: str = "") -> None:
        """An environment is born; it begins when few enough others are beginning."""
        prepared, credentials = pool.prepared, pool.credentials
        assert prepared is not None
        assert credentials is not None
        if turn is not None:
            credentials = turn.invocation.credentials
        stream = log_stream or _log_stream(pool.function.version)
        environment = Environment(self, pool.function, prepared, credentials, origin=origin, log_stream=stream, turn=turn)
        if prepared.watched is not None:
            environment.changed_at = look(prepared.watched)
        pool.starting.add(environment)
        self._queue.append((pool, environment))
        self._start_more()

    def _start_more(self) -> None:
        while self._queue and len(self._starting) < self._slots and not self._closed:
            pool, environment = self._queue.popleft()
            if environment.stage == "over" or environment not in pool.starting:
                continue
            self._make_room()
            try:
                driver = self.driver
            except CannotStart as problem:
                pool.starting.discard(environment)
                self.refused(environment, str(problem))
                continue
            self._starting.add(environment)
            environment.start(driver)
            self._watch()

    def _make_room(self) -> None:
        """Ends idle environments, the oldest first, while there is too little memory for one more."""
        every = [(pool, environment) for pool in self._pools.values() for environment in pool.members()]
        used = sum(environment.memory_bytes or _GUESS_BYTES for _, environment in every)
        if used <= self.memory_bytes:
            return
        idle = [(pool, e) for pool, e in every if e.stage == "idle" and e.origin != "provisioned-concurrency"]
        for pool, environment in sorted(idle, key=lambda pair: pair[1].idle_since):
            used -= environment.memory_bytes or _GUESS_BYTES
            self._end(pool, environment)
            if used <= self.memory_bytes:
                break

    # what environments say

    def open_cloud(self, listener: socket.socket, environment: Environment) -> Any:
        if listener.type == socket.SOCK_DGRAM and self._daemon is not None:
            return self._daemon(listener, environment.credentials.access_key_id, environment.function.region)
        if listener.type == socket.SOCK_DGRAM or self._api is None:
            listener.close()
            return None
        return self._api(listener)

    def ready(self, environment: Environment) -> None:
        """It has been initialised, or has handled its event."""
        pool = self._pools[environment.function.key]
        self._begun(environment, pool)
        pool.busy.discard(environment)
        if pool.forgotten and not pool.waiting:
            self._end(pool, environment)
            self._drop_if_empty(pool)
        elif pool.waiting:
            turn = pool.waiting.popleft()
            pool.busy.add(environment)
            environment.begin(turn)
        else:
            pool.idle.append(environment)

    def _begun(self, environment: Environment, pool: Pool) -> None:
        if environment in pool.starting:
            pool.starting.discard(environment)
            self._starting.discard(environment)
            self._start_more()

    def failed(self, environment: Environment, status: str, failure: bytes, error_type: str) -> None:
        """It could not initialise: an invocation that waits spends its own time on a second try."""
        pool = self._pools[environment.function.key]
        pool.starting.discard(environment)
        if environment.origin == "provisioned-concurrency":
            pool.failing = failure.decode("utf-8", "replace") or "The initialisation timed out."
        elif pool.waiting:
            self._start(pool, environment.origin, pool.waiting.popleft(), environment.log_stream)

    def refused(self, environment: Environment, reason: str) -> None:
        """The driver cannot make a box: nor would it for the next."""
        pool = self._pools[environment.function.key]
        if environment.turn is not None:
            pool.waiting.appendleft(environment.turn)
        pool.failing = reason
        self._refuse(pool, "sandbox", reason)

    def over(self, environment: Environment) -> None:
        """Nothing is left of it."""
        pool = self._pools.get(environment.function.key)
        self._starting.discard(environment)
        if pool is not None:
            pool.starting.discard(environment)
            pool.busy.discard(environment)
            if environment in pool.idle:
                pool.idle.remove(environment)
            if not self._closed:
                self._provision(pool)
                if pool.waiting:
                    self._need(pool)
            if not pool.members():
                pool.let_go(self.shelf)
            self._drop_if_empty(pool)
        self._start_more()

    def _refuse(self, pool: Pool, kind: str, reason: str) -> None:
        waiting, pool.waiting = pool.waiting, deque()
        pool.failing = reason
        for turn in waiting:
            turn.done(Outcome(reason.encode(), refused=kind))
        self._drop_if_empty(pool)

    def _misfit(self, pool: Pool, reason: str) -> None:
        """The code has nothing that could be run: AWS finds out by running it."""
        waiting, pool.waiting = pool.waiting, deque()
        pool.failing = reason
        for turn in waiting:
            request_id = turn.invocation.request_id
            failure = told(f"RequestId: {request_id} Error: {reason}", "Runtime.InvalidEntrypoint")
            turn.done(Outcome(failure, error="Unhandled", error_type="Runtime.InvalidEntrypoint", billed_ms=self.billing_ms))
        self._drop_if_empty(pool)

    # ending, and resting

    def _end(self, pool: Pool, environment: Environment) -> None:
        if environment in pool.idle:
            pool.idle.remove(environment)
        environment.end()

    def _drop_if_empty(self, pool: Pool) -> None:
        key = pool.function.key
        used = pool.waiting or pool.provisioned or pool.preparing or pool.members()
        if not used and (pool.forgotten or pool.prepared is None) and self._pools.get(key) is pool:
            del self._pools[key]

    def _watch(self) -> None:
        if self._sweep_timer is None and not self._closed:
            self._sweep_timer = self.loop.call_later(_SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        """Idle environments are paused after a moment, and end after a while. Once in a few seconds memory is looked at."""
        self._sweep_timer = None
        now = time.monotonic()
        measure = now - self._measured_at > _MEASURED_EACH_S
        if measure:
            self._measured_at = now
        any_left = False
        for pool in list(self._pools.values()):
            for environment in list(pool.idle):
                idle_s = now - environment.idle_since
                if idle_s > self.idle_s and environment.origin != "provisioned-concurrency":
                    self._end(pool, environment)
                elif idle_s > _PAUSED_AFTER_S and not environment.paused:
                    environment.measure()
                    environment.pause()
            any_left = any_left or bool(pool.members())
            if measure:
                for environment in pool.busy:
                    environment.measure()
        if any_left:
            self._watch()


def _allow_descriptors() -> None:
    """An environment takes about eight of this process's descriptors: as many are allowed as can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _log_stream(version: str) -> str:
    return f"{time.strftime('%Y/%m/%d', time.gmtime())}/[{version}]{os.urandom(16).hex()}"
