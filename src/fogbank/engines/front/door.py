"""A door: one endpoint's address, who has come in by it, and where it leads."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Protocol

from .channel import Channel, Ended, reach
from .link import Link
from .table import Endpoint

HOLD_S = 60.0
"""How long a client is held where there is no target."""
_AGAIN_S = 0.05
_GREETING_S = 60.0
_SILENT_S = 3.0
_BACKLOG = 1024


class Unreachable(Exception):
    """There was no target in time."""


class Conversation(Protocol):
    """A client that is led to a target. `target` is "" while it is led to none."""

    target: str

    def drop(self) -> None:
        """Ends it at once: its target is not the endpoint's any more."""


class Shared(Protocol):
    """What a proxy's clients share."""

    def update(self, endpoint: Endpoint) -> None:
        """The endpoint is another now."""

    def close(self) -> None:
        """It is no more."""

    def counts(self) -> dict[str, float]:
        """Its metrics, by AWS's names."""


class House(Protocol):
    """What all doors share: the line to fogbank, the TLS certificate, and cancel keys -> what cancels."""

    link: Link
    tls: ssl.SSLContext | None
    keys: dict[bytes, Callable[[], Coroutine[Any, Any, None]]]


class Door:
    """Listens, and keeps its conversations. `serve` greets who comes; `shared` is what the clients of a proxy have in common."""

    def __init__(self, house: House, endpoint: Endpoint, serve: Callable[[Door, Channel], Coroutine[Any, Any, None]]) -> None:
        self.house = house
        self.endpoint = endpoint
        self.conversations: set[Conversation] = set()
        self.changed = asyncio.Event()
        self.shared: Shared | None = None
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._waking: asyncio.Future[dict[str, Any]] | None = None
        self._turn = 0

    async def open(self) -> None:
        """Listens. OSError where the address cannot be had."""
        listener = socket.socket(socket.AF_INET)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.endpoint.address, self.endpoint.port))
        except OSError:
            listener.close()
            raise
        self._server = await asyncio.get_running_loop().create_server(lambda: Channel(self._opened), sock=listener, backlog=_BACKLOG)

    def close(self) -> None:
        """Ends the listening and all conversations."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        for conversation in list(self.conversations):
            conversation.drop()
        if self.shared is not None:
            self.shared.close()

    def update(self, endpoint: Endpoint) -> None:
        """Leads elsewhere from now on; conversations with targets that it leads to no more are dropped."""
        self.endpoint = endpoint
        self.changed.set()
        self.changed = asyncio.Event()
        for conversation in list(self.conversations):
            if conversation.target and conversation.target not in endpoint.reachable:
                conversation.drop()
        if self.shared is not None:
            self.shared.update(endpoint)

    @property
    def patience_s(self) -> float | None:
        """How long a target may be silent at first, where there is another."""
        return _SILENT_S if len(self.endpoint.reachable) > 1 else None

    def enter(self, conversation: Conversation) -> None:
        self.conversations.add(conversation)

    def leave(self, conversation: Conversation) -> None:
        self.conversations.discard(conversation)

    @staticmethod
    def mind(client: Channel) -> None:
        """From now until it is led somewhere, nobody is waited for on behalf of a client that has gone."""
        task = asyncio.current_task()
        assert task is not None
        if client.closed:
            raise Ended
        client.lost = functools.partial(_cancel, task)

    async def attempts(self, timeout_s: float = HOLD_S) -> AsyncIterator[tuple[str, Channel]]:
        """Connections to the targets in turn, for the caller to keep one of; Unreachable when there is none in time, or never will be."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while loop.time() < deadline:
            changed = self.changed
            targets = self.endpoint.reachable
            self._turn += 1
            for number in range(len(targets)):
                target = targets[(self._turn + number) % len(targets)]
                try:
                    channel = await reach(socket_path(self.endpoint.engine, target))
                except OSError:
                    continue
                yield target, channel
            if targets:
                await _until(changed, min(_AGAIN_S, deadline - loop.time()))
            elif not self.endpoint.held:
                break
            else:
                await self._hold(changed, deadline - loop.time())
        raise Unreachable

    async def _hold(self, changed: asyncio.Event, timeout_s: float) -> None:
        """Asks for the cluster to run, once for all who wait, and waits until the table says where."""
        if self._waking is None or self._waking.done():
            self._waking = asyncio.ensure_future(self.house.link.ask("wake", HOLD_S, cluster=self.endpoint.cluster))
            self._waking.add_done_callback(lambda done: done.cancelled() or done.exception())
        await _until(changed, timeout_s)

    def _opened(self, channel: Channel) -> None:
        task = asyncio.get_running_loop().create_task(self._greet(channel))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _greet(self, channel: Channel) -> None:
        try:
            async with asyncio.timeout(HOLD_S + _GREETING_S):
                await self._serve(self, channel)
        except (OSError, Unreachable, TimeoutError, asyncio.CancelledError):
            channel.close()
        except Exception as mistake:
            self.house.link.problem(f"{type(mistake).__name__}: {mistake}", endpoint=self.endpoint.name)
            channel.abort()


def socket_path(engine: str, target: str) -> str:
    """Where a target listens: PostgreSQL's targets are folders, MariaDB's the sockets themselves."""
    return f"{target}/.s.PGSQL.5432" if engine == "postgres" else target


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


async def _until(event: asyncio.Event, timeout_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
