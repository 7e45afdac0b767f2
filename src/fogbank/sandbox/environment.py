"""An execution environment: a box in which a function's code is initialised once, and then handles one event after another.

Its life: *starting* until the runtime asks for its first event, then by turns *idle* and *busy*, at last *over*. An
environment that fails to initialise by itself is tried a second time, with an invocation whose time it then spends (`turn`
from the start): that is why a failing start shows twice in a log, as it does on AWS.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, Protocol

from fogbank.sandbox import reports
from fogbank.sandbox.allowance import INVOCATION, Allowance
from fogbank.sandbox.box import Box, CannotStart, Driver, Ended
from fogbank.sandbox.extensions import SHUTDOWN_S, Extensions
from fogbank.sandbox.function import Credentials, Function, Lines, Outcome
from fogbank.sandbox.journal import Journal
from fogbank.sandbox.output import Output
from fogbank.sandbox.preparing import Prepared, personal
from fogbank.sandbox.runtime_api import Connection, event_head
from fogbank.sandbox.turn import Turn, ended_why, told

INIT_S = 10.0
_LONG_INIT_S = 130.0
"""Where nobody waits for the initialisation: this, or the function's timeout if that is longer."""
_MEASURED_S = 0.2
"""How old a figure of the memory used may be."""


class House(Protocol):
    """What an environment needs of who keeps it."""

    loop: asyncio.AbstractEventLoop
    billing_ms: int

    def tell(self, lines: Lines) -> None: ...

    def open_cloud(self, listener: Any, environment: Environment) -> Any: ...

    def ready(self, environment: Environment) -> None:
        """It is idle."""

    def failed(self, environment: Environment, status: str, failure: bytes, error_type: str) -> None:
        """It could not initialise."""

    def refused(self, environment: Environment, reason: str) -> None:
        """The driver could not start it."""

    def over(self, environment: Environment) -> None: ...


class Environment:
    """See the module. `turn`: the invocation that it handles now."""

    def __init__(
        self,
        house: House,
        function: Function,
        prepared: Prepared,
        credentials: Credentials,
        *,
        origin: str,
        log_stream: str,
        turn: Turn | None = None,
    ) -> None:
        self.house = house
        self.function = function
        self.prepared = prepared
        self.credentials = credentials
        self.origin = origin
        self.log_stream = log_stream
        self.turn = turn
        self.stage = "starting"
        self.idle_since = 0.0
        self.paused = False
        self.memory_bytes = 0
        self.changed_at = ""
        """What hot code looked like when this was started."""
        self.allowance = Allowance()
        self.extensions = Extensions(self)
        self.journal = Journal(house, function, log_stream)
        self._loop = house.loop
        self._box: Box | None = None
        self.peer = ""
        """The only address that the runtime connects from; "": any, since nobody else can."""
        self._output: Output | None = None
        self._servers: list[Any] = []
        self._runtime: Connection | None = None
        """The one that waits for an event."""
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._began = 0.0
        self._init_ms = 0.0
        self._failure: tuple[bytes, str] | None = None
        """What the runtime said of its own failure to begin."""
        self._peak_mb = 0
        self._measured = 0.0
        self._fresh = True
        """No invocation has ended here yet."""

    # its life

    def start(self, driver: Driver) -> None:
        self._task = self._loop.create_task(self._live(driver))

    async def _live(self, driver: Driver) -> None:
        function, prepared = self.function, self.prepared
        self._began = time.monotonic()
        self._set_timer(self._init_seconds(), self._late)
        if self.turn is not None:
            self._start_turn(self.turn)
        self.journal.init_start(prepared.version, self._phase(), self.origin)
        own = personal(function, self.credentials, self.log_stream, self.origin)
        spec = prepared.spec._replace(environment={**prepared.spec.environment, **own})
        try:
            box = await driver.start(spec)
        except (CannotStart, OSError) as problem:
            self._end_timer()
            self.stage = "over"
            self.house.refused(self, str(problem))
            self.house.over(self)
            return
        self._box = box
        if self.stage == "over":
            box.kill()
        else:
            self._output = Output(self._loop, box.output, self._printed)
            self.peer = box.peer
            api, *cloud = box.listeners
            self._servers.append(await self._loop.create_server(lambda: Connection(self), sock=api))
            self._servers += [self.house.open_cloud(listener, self) for listener in cloud]
        self._ended(await box.ended())

    def _init_seconds(self) -> float:
        timeout_s = self.function.timeout_ms / 1000
        if self.turn is not None:
            return timeout_s
        return INIT_S if self.origin == "on-demand" else max(timeout_s, _LONG_INIT_S)

    def _phase(self) -> str:
        return "init" if self.turn is None else "invoke"

    def end(self, reason: str = "spindown") -> None:
        """Ends it: at once, or when extensions that wanted to know have had their time."""
        self.stage = "over"
        self._end_timer()
        if self._box is None:
            return
        if self.paused:
            self.resume()
        if self.extensions.shutdown(reason):
            self._set_timer(SHUTDOWN_S, self._box.kill)
        else:
            self._box.kill()

    def abandon(self) -> None:
        """Ends it without a word to anybody: everything is being closed."""
        self.stage = "over"
        self._end_timer()
        if self._box is not None:
            self._box.kill()
        self._close()
        if self._task is not None:
            self._task.cancel()

    def _ended(self, ended: Ended) -> None:
        if self._output is not None:
            self._output.drain(limit=1024)
        self._end_timer()
        was, self.stage = self.stage, "over"
        turn = self.turn
        if ended.why == "memory":  # (the last look at it may have been before it had all)
            self._peak_mb = self.function.memory_mb
        if was == "starting":
            self._could_not_begin("error", ended)
        elif turn is not None and was == "busy":
            if turn.answer is None:
                turn.fail(
                    told(f"RequestId: {turn.invocation.request_id} Error: {ended_why(ended)}", "Runtime.ExitError"), "Runtime.ExitError"
                )
                self.journal.platform_line(f"RequestId: {turn.invocation.request_id} Error: {ended_why(ended)}\nRuntime.ExitError")
                turn.status = "error"
            self._finish(turn, "Runtime.OutOfMemory" if ended.why == "memory" else "")
        self.journal.flush()
        self._close()
        self.house.over(self)

    def _close(self) -> None:
        if self._output is not None:
            self._output.close()
        for server in self._servers:
            if server is not None:
                server.close()
        self._servers.clear()

    # beginning

    def asked(self, runtime: Connection) -> bool:
        """The runtime asks for an event. False: it has one that it has not answered."""
        turn = self.turn
        if turn is not None and turn.delivered and turn.answer is None:
            return False
        self._runtime = runtime
        if self.stage == "starting" or (turn is not None and turn.answer is not None):
            self.settled()
        elif turn is not None and self.stage == "busy":
            self._deliver(turn)
        return True

    def settled(self) -> None:
        """The runtime or an extension has come to rest: perhaps all have now."""
        if self._runtime is None or self.extensions.busy():
            return
        if self.stage == "starting":
            self._begun()
        elif self.stage == "busy" and self.turn is not None and self.turn.answer is not None:
            self._finish(self.turn)

    def _begun(self) -> None:
        self._end_timer()
        self._init_ms = (time.monotonic() - self._began) * 1000
        if self._box is not None:
            self._box.settle()
        self.journal.init_done(self._init_ms, self._phase(), self.origin)
        if self.turn is not None:
            self._set_timer(self.turn.started + self.function.timeout_ms / 1000 - time.monotonic(), self._late)
            self._init_ms = 0.0
            self.stage = "busy"
            self._deliver(self.turn)
            return
        self._rest()

    def failed_to_begin(self, failure: bytes, error_type: str) -> None:
        """The runtime says that it could not initialise; it will end."""
        if self.stage == "starting":
            self._failure = (failure, error_type)

    def _could_not_begin(self, status: str, ended: Ended | None) -> None:
        duration_ms = (time.monotonic() - self._began) * 1000
        turn = self.turn
        if self._failure is not None:
            failure, error_type = self._failure
        elif status == "timeout":
            failure, error_type = b"", "Sandbox.Timedout"
        else:
            request = f"RequestId: {turn.invocation.request_id} " if turn is not None else ""
            failure, error_type = told(f"{request}Error: {ended_why(ended or Ended(None, 9))}", "Runtime.ExitError"), "Runtime.ExitError"
        self.journal.init_failed(duration_ms, self._phase(), status, error_type, self.origin)
        if turn is not None and status != "timeout":
            turn.fail(failure, error_type)
            self._finish(turn)
        elif turn is None:
            self.house.failed(self, status, failure, error_type)

    # invocations

    def begin(self, turn: Turn) -> None:
        """Hands an event to the runtime, which waits for it."""
        self.turn = turn
        self.stage = "busy"
        self._start_turn(turn)
        self._set_timer(self.function.timeout_ms / 1000, self._late)
        if self.paused:
            self.resume()
        self._deliver(turn)

    def _start_turn(self, turn: Turn) -> None:
        turn.started = time.monotonic()
        self.allowance.spend(INVOCATION)
        self.journal.turn = turn
        self.journal.start(turn)

    def _deliver(self, turn: Turn) -> None:
        runtime, self._runtime = self._runtime, None
        if runtime is None:  # its connection has gone: it will ask again, or end
            return
        turn.delivered = True
        left_ms = self.function.timeout_ms - int((time.monotonic() - turn.started) * 1000)
        deadline_ms = time.time_ns() // 1_000_000 + left_ms
        self.extensions.invoked(turn, deadline_ms)
        runtime.deliver(event_head(turn, self.function.arn, deadline_ms), turn.invocation.payload)

    def answered(self, turn: Turn, answer: bytes, error_type: str) -> None:
        """The runtime has posted how an invocation ended; the invocation is over when it asks for the next event."""
        if error_type:
            turn.fail(answer, error_type)
        else:
            turn.answer = answer

    def _late(self) -> None:
        """The initialisation's time is over, or the invocation's."""
        self._timer = None
        turn = self.turn
        starting = self.stage == "starting"
        self.measure()
        self.end("timeout")
        if self._output is not None:
            self._output.drain()
        if starting:
            self._could_not_begin("timeout", None)
        if turn is not None and turn.answer is None:
            request_id, timeout_ms = turn.invocation.request_id, self.function.timeout_ms
            self.journal.platform_line(reports.timeout_text(time.time_ns() // 1_000_000, request_id, timeout_ms))
            turn.fail(
                told(f"RequestId: {request_id} Error: Task timed out after {timeout_ms / 1000:.2f} seconds", "Sandbox.Timedout"),
                "Sandbox.Timedout",
            )
            turn.status = "timeout"
        if turn is not None:
            self._finish(turn)
        self.journal.flush()

    def _finish(self, turn: Turn, reported: str = "") -> None:
        """The invocation is over: its report, its outcome."""
        duration_ms = (time.monotonic() - turn.started) * 1000
        self._end_timer()
        if turn.status == "timeout":
            duration_ms = float(self.function.timeout_ms)
        if self._output is not None:
            self._output.drain()
        fresh, self._fresh = self._fresh, False
        init_ms = self._init_ms if fresh and self.origin == "on-demand" else 0.0
        billed_ms = reports.billed(duration_ms, init_ms, self.house.billing_ms)
        figures = reports.Figures(
            turn.invocation.request_id,
            duration_ms,
            billed_ms,
            self.function.memory_mb,
            self._peak(),
            init_ms,
            turn.status,
            reported or turn.error_type,
            turn.invocation.trace,
            self.stage == "over",
        )
        log = self.journal.end(turn, figures)
        outcome = Outcome(
            payload=turn.answer or b"",
            error="Unhandled" if turn.error_type else "",
            log=log,
            log_stream=self.log_stream,
            duration_ms=duration_ms,
            billed_ms=billed_ms,
            init_ms=self._init_ms if fresh else 0.0,
            peak_memory_mb=figures.peak_mb,
            cold=fresh,
            timed_out=turn.status == "timeout",
            content_type=turn.content_type,
            streamed=turn.streamed and turn.invocation.piece is not None,
            error_type=turn.error_type,
            origin=self.origin,
        )
        self.turn = None
        self.journal.turn = None
        if self.stage == "busy":
            self._rest()
        turn.done(outcome)

    def _rest(self) -> None:
        self.stage = "idle"
        self.idle_since = time.monotonic()
        self.house.ready(self)

    def extension_ended(self, name: str, error_type: str, *, last: bool) -> None:
        """None may end before its environment does: the environment then ends with it."""
        if self.stage == "over":
            if last and self._box is not None:
                self._box.kill()
            return
        turn = self.turn
        request = f"RequestId: {turn.invocation.request_id} " if turn is not None else ""
        failure = told(f"{request}Error: the extension {name} has ended", error_type)
        if self.stage == "starting":
            self._failure = self._failure or (failure, error_type)
        elif turn is not None and turn.answer is None:
            turn.fail(failure, error_type)
        if self._box is not None:
            self._box.kill()

    def flooding(self) -> None:
        """It has us do so much that nobody else would get their turn."""
        if self._box is not None:
            self._box.kill()

    def left(self, connection: Connection) -> None:
        """A connection has gone."""
        if self._runtime is connection:
            self._runtime = None
        self.extensions.left(connection)

    # what it uses

    def pause(self) -> None:
        if self._box is not None and not self.paused:
            self.paused = True
            with contextlib.suppress(OSError):
                self._box.pause()

    def resume(self) -> None:
        self.paused = False
        if self._box is not None:
            with contextlib.suppress(OSError):
                self._box.resume()

    def measure(self) -> None:
        """Looks at the memory that it uses."""
        if self._box is None:
            return
        with contextlib.suppress(OSError, ValueError):
            usage = self._box.usage()
            self.memory_bytes = usage.memory_bytes
            self._peak_mb = max(self._peak_mb, -(-usage.peak_memory_bytes >> 20))
        self._measured = time.monotonic()

    def _peak(self) -> int:
        if time.monotonic() - self._measured > _MEASURED_S:
            self.measure()
        return max(min(self._peak_mb, self.function.memory_mb), 1)

    def _printed(self, lines: list[str]) -> None:
        self.journal.printed(lines)
        self.extensions.printed(lines)

    def _set_timer(self, seconds: float, act: Any) -> None:
        self._end_timer()
        self._timer = self._loop.call_later(max(seconds, 0), act)

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
