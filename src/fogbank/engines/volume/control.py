"""How fogbank speaks with the process: JSON lines over a unix socket. Every question is answered by its number; what happens is told to
all.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fogbank.engines.volume import loop as events
from fogbank.engines.volume.loop import Loop, Promise
from fogbank.engines.volume.replication import Fenced
from fogbank.engines.volume.volume import Limit, Volume

_USER = "rdsadmin"
Said = dict[str, Any]
Verb = Callable[[Volume, Said], Promise[Any] | Said]


def _status(volume: Volume, said: Said) -> Said:
    return volume.status()


def _begin(volume: Volume, said: Said) -> Said:
    volume.begin(int(said["timeline"]), int(said["position"]), str(said["system"]))
    return {}


def _follow(volume: Volume, said: Said) -> Promise[Any]:
    return volume.upstream.follow(str(said["socket"]), int(said.get("port", 5432)), str(said.get("user", _USER)))


def _detach(volume: Volume, said: Said) -> Said:
    volume.upstream.detach()
    return {}


def _seal(volume: Volume, said: Said) -> Promise[Said]:
    return volume.seal()


def _gate(volume: Volume, said: Said) -> Said:
    volume.upstream.gate = int(said["position"]) if "position" in said else None
    volume.upstream.feedback()
    return {}


def _limit(volume: Volume, said: Said) -> Said:
    volume.hold(Limit(int(said["timeline"]), int(said["position"])) if "position" in said else None)
    return {}


VERBS: dict[str, Verb] = {
    "status": _status,
    "begin": _begin,
    "follow": _follow,
    "detach": _detach,
    "seal": _seal,
    "gate": _gate,
    "limit": _limit,
}


class Control:
    """The socket, and who is connected."""

    def __init__(self, path: Path, loop: Loop, volume: Volume) -> None:
        self._path = path
        self._loop = loop
        self._volume = volume
        self._callers: list[Caller] = []
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._listener.bind(str(path))
        os.chmod(path, 0o700)
        self._listener.listen(16)
        loop.watch(self._listener.fileno(), self._accept)

    def tell(self, event: str, **what: Any) -> None:
        """Something happened."""
        for caller in [*self._callers]:
            caller.say({"event": event, **what})

    def close(self) -> None:
        self._loop.leave(self._listener.fileno())
        self._listener.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def _accept(self, _: int) -> None:
        with contextlib.suppress(BlockingIOError):
            link, _address = self._listener.accept()
            link.setblocking(False)
            self._callers.append(Caller(link, self._loop, self._volume, self._callers))


class Caller:
    """One connection."""

    def __init__(self, link: socket.socket, loop: Loop, volume: Volume, callers: list[Caller]) -> None:
        self._link: socket.socket | None = link
        self._loop = loop
        self._volume = volume
        self._callers = callers
        self._came = b""
        self._rest = b""
        loop.watch(link.fileno(), self._ready)

    def say(self, what: Said) -> None:
        """One line."""
        link = self._link
        if link is None:
            return
        self._rest += json.dumps(what).encode() + b"\n"
        try:
            self._rest = self._rest[link.send(self._rest) :]
        except BlockingIOError:
            pass
        except OSError:
            self._close()
            return
        self._loop.change(link.fileno(), events.READ | events.WRITE if self._rest else events.READ)

    def _ready(self, mask: int) -> None:
        link = self._link
        if link is None:
            return
        if mask & events.WRITE and self._rest:
            with contextlib.suppress(OSError):
                self._rest = self._rest[link.send(self._rest) :]
            if not self._rest:
                self._loop.change(link.fileno(), events.READ)
        if not mask & ~events.WRITE:
            return
        try:
            came = link.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            came = b""
        if not came:
            self._close()
            return
        *lines, self._came = (self._came + came).split(b"\n")
        for line in lines:
            self._do(line)

    def _do(self, line: bytes) -> None:
        number: Any = None
        try:
            said = json.loads(line)
            number = said.get("id")
            name, own = str(said.get("do", "")), self._volume.verbs
            if name in own:
                result = own[name](said)
            elif name in VERBS:
                result = VERBS[name](self._volume, said)
            else:
                raise ValueError(f"there is no {name!r}: {', '.join(sorted({*VERBS, *own}))}")
        except (ValueError, LookupError, TypeError, AttributeError) as problem:
            self.say({"id": number, "error": f"{problem}"})
            return
        if isinstance(result, dict):
            self.say({"id": number, **result})
        else:
            result.then(lambda done: self.say({"id": number, **_answer(done)}))

    def _close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            self._loop.leave(link.fileno())
            link.close()
            self._callers.remove(self)


def _answer(done: Promise[Any]) -> Said:
    if done.error is None:
        return done.value or {}
    return {"error": str(done.error), "fenced": isinstance(done.error, Fenced)}
