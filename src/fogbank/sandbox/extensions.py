"""AWS's Extensions API (2020-01-01) and Telemetry API (2022-07-01), on the same listener as the Runtime API.

External extensions are programs of a layer, started before the runtime by `runtimes/launcher.py`, which runs in the box; internal
ones are threads of the runtime. Telemetry has to be brought to where an extension listens, in a network that nothing
from outside leads into: the launcher asks for it here and delivers it there.
"""

from __future__ import annotations

import json
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fogbank.sandbox.output import LINE_BYTES
from fogbank.sandbox.reports import event, named

if TYPE_CHECKING:
    from fogbank.sandbox.environment import Environment
    from fogbank.sandbox.framing import Request
    from fogbank.sandbox.runtime_api import Connection
    from fogbank.sandbox.turn import Turn

_ROOT = "/2020-01-01/extension/"
_LAUNCHER = "/launcher/"
_EVENTS = {"INVOKE", "SHUTDOWN"}
_TYPES = {"platform", "function", "extension"}
SHUTDOWN_S = 2.0
_EXTENSIONS = 10
_LINES = 2000
_ORDERS_BYTES = 4 << 20
_NONSENSE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading a document of somebody else's can come to."""


class Extension:
    """One that has registered. `asking`: the connection on which it waits for its next event; `due`: an event that it has not had."""

    def __init__(self, name: str, events: set[str], *, external: bool) -> None:
        self.id = str(uuid.uuid4())
        self.name = name
        self.events = events
        self.external = external
        self.asking: Connection | None = None
        self.due: dict[str, Any] | None = None

    def tell(self) -> None:
        """Hands over what is due, where it waits for it; who is at work is told when it asks."""
        connection, said = self.asking, self.due
        if connection is not None and said is not None:
            self.asking = self.due = None
            connection.reply(200, said, f"Lambda-Extension-Event-Identifier: {uuid.uuid4()}\r\n")
            connection.unpark()


class Subscription:
    """What telemetry an extension wants, where, and what has been gathered for it."""

    def __init__(self, said: dict[str, Any]) -> None:
        destination = said["destination"]
        self.types = set(said["types"])
        buffering = said.get("buffering") or {}
        self.items = int(buffering.get("maxItems", 10_000))
        self.bytes = int(buffering.get("maxBytes", 262_144))
        self.seconds = int(buffering.get("timeoutMs", 1000)) / 1000
        if not self.types or not self.types <= _TYPES or not 1000 <= self.items <= 10_000:
            raise ValueError("types or buffering are out of range")
        if not 262_144 <= self.bytes <= 1_048_576 or not 25 <= self.seconds * 1000 <= 30_000:
            raise ValueError("types or buffering are out of range")
        self.protocol = destination["protocol"]
        if self.protocol == "HTTP":
            where = urlsplit(destination["URI"])
            if where.hostname not in ("sandbox.localdomain", "sandbox", "localhost", "127.0.0.1"):
                raise ValueError("the destination is not in the sandbox")
            self.port, self.path = where.port or 80, where.path or "/"
        elif self.protocol == "TCP":
            self.port, self.path = int(destination["port"]), ""
        else:
            raise ValueError("no such protocol")
        self.gathered: list[dict[str, Any]] = []
        self.size = 0
        self.dropped = (0, 0)
        """Records that nobody fetched in time, and their bytes."""


class Extensions:
    """An environment's."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._registered: dict[str, Extension] = {}
        self._awaited = set(environment.prepared.extensions)
        """External ones that have not registered."""
        self._launcher: Connection | None = None
        self._starter: Connection | None = None
        self._orders: deque[tuple[dict[str, Any], int]] = deque()
        self._ordered = 0
        """Their size."""
        self._subscriptions: dict[str, Subscription] = {}

    # what the environment asks

    def busy(self) -> bool:
        """Whether one has not come to rest: started but not registered, or working on an event."""
        return bool(self._awaited) or any(e.asking is None for e in self._registered.values())

    def invoked(self, turn: Turn, deadline_ms: int) -> None:
        if not self._registered:
            return
        invocation = turn.invocation
        said: dict[str, Any] = {"eventType": "INVOKE", "deadlineMs": deadline_ms, "requestId": invocation.request_id}
        said["invokedFunctionArn"] = invocation.arn or self._environment.function.arn
        if invocation.trace:
            said["tracing"] = {"type": "X-Amzn-Trace-Id", "value": invocation.trace}
        self._send("INVOKE", said)

    def shutdown(self, reason: str) -> bool:
        """Asks them to end. Whether there is anybody who wants to know, and the environment's end must wait."""
        if not any("SHUTDOWN" in e.events for e in self._registered.values()):
            return False
        self._order({"signal": "TERM" if reason == "spindown" else "KILL"})
        deadline_ms = int((time.time() + SHUTDOWN_S) * 1000)
        for subscription in self._subscriptions.values():
            self._flush(subscription)
        self._send("SHUTDOWN", {"eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": deadline_ms})
        return True

    def printed(self, lines: list[str], kind: str = "function") -> None:
        if self._subscriptions:
            now_ms = time.time_ns() // 1_000_000
            for line in lines:
                self.event(now_ms, kind, line)

    def event(self, at_ms: int, kind: str, record: Any) -> None:
        """Something that can be subscribed to."""
        group = kind.partition(".")[0]
        for subscription in self._subscriptions.values():
            if group in subscription.types:
                said = event(at_ms, kind, record)
                if not subscription.gathered:
                    self._environment.house.loop.call_later(subscription.seconds, self._flush, subscription)
                subscription.gathered.append(said)
                subscription.size += len(str(record)) + 80
                if len(subscription.gathered) >= subscription.items or subscription.size >= subscription.bytes:
                    self._flush(subscription)

    def left(self, connection: Connection) -> None:
        if connection is self._launcher:
            self._launcher = None

    # what comes from the box

    def take(self, connection: Connection, request: Request) -> bool:
        """Whether the request was one of ours."""
        path = request.path
        if path.startswith(_ROOT):
            self._extension(connection, request, path[len(_ROOT) :])
        elif path.rstrip("/") == "/2022-07-01/telemetry" and request.method == "PUT":
            self._subscribe(connection, request)
        elif path.startswith(_LAUNCHER):
            self._launched(connection, request, path[len(_LAUNCHER) :])
        elif path.startswith("/2020-08-15/logs"):
            connection.reply(202, {"errorMessage": "Logs API is not supported: use the Telemetry API", "errorType": "Logs.NotSupported"})
        else:
            return False
        return True

    def _extension(self, connection: Connection, request: Request, path: str) -> None:
        if path == "register":
            self._register(connection, request)
            return
        extension = self._registered.get(request.headers.get("lambda-extension-identifier", ""))
        if extension is None:
            connection.refuse(403, "Extension.UnknownExtensionIdentifier", "Unknown extension identifier")
        elif path == "event/next":
            extension.asking = connection
            connection.parked = True
            extension.tell()
            self._environment.settled()
        elif path in ("init/error", "exit/error"):
            error_type = request.headers.get("lambda-extension-function-error-type", "Extension.Unknown")
            connection.accept()
            self._gone(extension.name, named(error_type))
        else:
            connection.refuse(404, "ResourceNotFound", f"There is no {request.path}")

    def _register(self, connection: Connection, request: Request) -> None:
        name = request.headers.get("lambda-extension-name", "")
        try:
            events = set(json.loads(request.body or b"{}").get("events", ()))
        except _NONSENSE:
            events = {"?"}
        external = name in self._environment.prepared.extensions
        if not name or not events <= _EVENTS:
            connection.refuse(400, "InvalidEventType", "An extension has a name, and registers for INVOKE and SHUTDOWN")
        elif self._environment.stage != "starting":
            connection.refuse(403, "Extension.RegistrationForbidden", "Extensions can only register during initialization")
        elif not external and "SHUTDOWN" in events:
            connection.refuse(400, "ShutdownEventNotSupportedForInternalExtension", "An internal extension cannot register for SHUTDOWN")
        elif any(e.name == name for e in self._registered.values()):
            connection.refuse(403, "Extension.AlreadyRegistered", f"{name} has registered already")
        elif len(self._registered) >= _EXTENSIONS:
            connection.refuse(403, "Extension.TooManyExtensions", f"There can be {_EXTENSIONS} extensions")
        else:
            extension = Extension(name, events, external=external)
            self._registered[extension.id] = extension
            self._awaited.discard(name)
            function = self._environment.function
            said = {"functionName": function.name, "functionVersion": function.version, "handler": function.handler}
            if "accountId" in request.headers.get("lambda-extension-accept-feature", ""):
                said["accountId"] = function.account
            connection.reply(200, said, f"Lambda-Extension-Identifier: {extension.id}\r\n")
            record = {"name": name, "state": "Registered", "events": sorted(events)}
            self._environment.journal.extension(record)
            self._go_on()

    def _gone(self, name: str, error_type: str) -> None:
        """One has ended, or says that it will: no environment goes on without its extensions."""
        self._registered = {key: e for key, e in self._registered.items() if e.name != name}
        self._awaited.discard(name)
        self._go_on()
        self._environment.extension_ended(name, error_type, last=not any(e.external for e in self._registered.values()))

    def _send(self, kind: str, said: dict[str, Any]) -> None:
        for extension in self._registered.values():
            if kind in extension.events:
                extension.due = said
                extension.tell()

    # telemetry

    def _subscribe(self, connection: Connection, request: Request) -> None:
        extension = self._registered.get(request.headers.get("lambda-extension-identifier", ""))
        if extension is None:
            connection.refuse(403, "Extension.UnknownExtensionIdentifier", "Unknown extension identifier")
            return
        if not self._environment.prepared.extensions:
            # Nothing but the launcher can bring telemetry to a listener inside, and it comes with external extensions.
            connection.reply(202, {"errorMessage": "Telemetry needs an external extension", "errorType": "Telemetry.NotSupported"})
            return
        try:
            subscription = Subscription(json.loads(request.body))
        except _NONSENSE as problem:
            connection.refuse(400, "ValidationError", f"Bad subscription: {problem}")
            return
        self._subscriptions[extension.id] = subscription
        self._environment.journal.listener = self.event
        connection.reply(200, "OK")
        self._environment.journal.subscribed({"name": extension.name, "state": "Subscribed", "types": sorted(subscription.types)})

    def _flush(self, subscription: Subscription) -> None:
        """Gives what has been gathered to the launcher; of what that does not come to fetch, only how much it was is kept."""
        if not subscription.gathered:
            return
        events, size = subscription.gathered, subscription.size
        subscription.gathered, subscription.size = [], 0
        records, lost = subscription.dropped
        if self._ordered + size > _ORDERS_BYTES:
            subscription.dropped = records + len(events), lost + size
            return
        if records:
            said = {"droppedRecords": records, "droppedBytes": lost, "reason": "Consumer seems to have fallen behind"}
            events.insert(0, event(time.time_ns() // 1_000_000, "platform.logsDropped", said))
            subscription.dropped = 0, 0
        self._order({"protocol": subscription.protocol, "port": subscription.port, "path": subscription.path, "events": events}, size)

    # the launcher

    def _launched(self, connection: Connection, request: Request, path: str) -> None:
        """It asks whether the runtime may start, what there is to do, and says what extensions print and when they end."""
        if path == "start":
            self._starter = connection
            connection.parked = True
            self._go_on()
        elif path == "next":
            self._launcher = connection
            connection.parked = True
            self._give()
        elif path.startswith("printed/"):
            lines = request.body[:LINE_BYTES].decode("utf-8", "replace").splitlines()[:_LINES]
            self._environment.allowance.spend(len(lines) / 4)
            self._environment.journal.printed(lines)
            self.printed(lines, "extension")
            connection.accept()
        elif path.startswith("ended/"):
            connection.accept()
            self._gone(named(path.removeprefix("ended/")), "Extension.Crash")
        else:
            connection.refuse(404, "ResourceNotFound", f"There is no {request.path}")

    def _go_on(self) -> None:
        if self._starter is not None and not self._awaited:
            self._starter.reply(200, {})
            self._starter.unpark()
            self._starter = None

    def _order(self, order: dict[str, Any], size: int = 100) -> None:
        if self._environment.prepared.extensions:
            self._orders.append((order, size))
            self._ordered += size
            self._give()

    def _give(self) -> None:
        if self._launcher is not None and self._orders:
            launcher, self._launcher = self._launcher, None
            order, size = self._orders.popleft()
            self._ordered -= size
            launcher.reply(200, order)
            launcher.unpark()
