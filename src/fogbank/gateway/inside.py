"""The cloud from inside a box: a listening socket made in an empty network, on which this cloud answers as on its port.

Who speaks there is people's code: it may be anybody whose keys it was given, but not the root user whose keys everybody knows, it
does not control the cloud, and what it can have us keep in memory is bounded.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from fogbank.gateway.listen import Connection
from fogbank.kernel.errors import ServiceException

if TYPE_CHECKING:
    from fogbank.gateway.cloud import Cloud
    from fogbank.gateway.pipeline import Gateway

CONNECTIONS = 128
HELD_BYTES = 96 << 20
"""Of all requests of a box that have not come whole: the largest that AWS takes, and some beside it."""


class Inside:
    """Listens until `close`."""

    def __init__(self, gateway: Gateway, cloud: Cloud, listener: socket.socket) -> None:
        self._gateway = gateway
        self._cloud = cloud
        self._listener = listener
        self._server: asyncio.Server | None = None
        self.connections: set[Visitor] = set()
        self.held = 0
        self._opening = gateway.loop.create_task(self._open())

    async def _open(self) -> None:
        self._server = await self._gateway.loop.create_server(lambda: Visitor(self._gateway, self._cloud, self), sock=self._listener)

    def close(self) -> None:
        self._opening.cancel()
        if self._server is not None:
            self._server.close()
        else:
            self._listener.close()
        for connection in [*self.connections]:
            connection.abort()


class Visitor(Connection):
    """A connection out of a box."""

    __slots__ = ("_held", "_within")
    inside = True

    def __init__(self, gateway: Gateway, cloud: Cloud, within: Inside) -> None:
        super().__init__(gateway, cloud)
        self._within = within
        self._held = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._within.connections.add(self)
        if len(self._within.connections) > CONNECTIONS:
            transport.abort()

    def connection_lost(self, problem: Exception | None) -> None:
        self._within.connections.discard(self)
        self._within.held -= self._held
        super().connection_lost(problem)

    def get_buffer(self, hint: int) -> memoryview:
        buffer = super().get_buffer(hint)
        if self.held != self._held:
            self._within.held += self.held - self._held
            self._held = self.held
            if self._within.held > HELD_BYTES:
                self.abort()
        return buffer

    def abort(self) -> None:
        self._transport.abort()


class Daemon(asyncio.DatagramProtocol):
    """Sends the segments that come on with PutTraceSegments, as the role whose access key this is: what it may not send is lost.

    A datagram is a line {"format": "json", "version": 1}, then a document.
    """

    def __init__(self, gateway: Gateway, cloud: Cloud, listener: socket.socket, access_key: str, region: str) -> None:
        self._gateway = gateway
        self._cloud = cloud
        self._access_key = access_key
        self._region = region
        self._transport: asyncio.BaseTransport | None = None
        listener.setblocking(False)
        self._opening = gateway.loop.create_task(self._open(listener))

    async def _open(self, listener: socket.socket) -> None:
        self._transport, _ = await self._gateway.loop.create_datagram_endpoint(lambda: self, sock=listener)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        header, _, document = data.partition(b"\n")
        if not header.startswith(b"{") or not document:
            return
        gateway, cloud = self._gateway, self._cloud
        credential = cloud.callers.find(self._access_key)
        if credential is None:
            return
        who = credential.principal
        tx = cloud.begin()
        ctx = gateway.context(cloud, tx, None, who, who.account, self._region, "xray", "daemon", cloud.chance.request_id())
        try:
            ctx.call("xray", "PutTraceSegments", {"TraceSegmentDocuments": [document.decode("utf-8", "replace")]})
            cloud.commit(tx)
        except ServiceException:
            cloud.undo(tx)
        except Exception:
            cloud.undo(tx)
            gateway.report("xray: a datagram")

    def close(self) -> None:
        self._opening.cancel()
        if self._transport is not None:
            self._transport.close()
