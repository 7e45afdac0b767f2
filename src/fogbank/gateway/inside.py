"""The cloud from inside a box: a listening socket made in an empty network, on which this cloud answers as on its port."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from fogbank.gateway.listen import Connection

if TYPE_CHECKING:
    from fogbank.gateway.cloud import Cloud
    from fogbank.gateway.pipeline import Gateway


class Inside:
    """Listens until `close`."""

    def __init__(self, gateway: Gateway, cloud: Cloud, listener: socket.socket) -> None:
        self._gateway = gateway
        self._cloud = cloud
        self._listener = listener
        self._server: asyncio.Server | None = None
        self._opening = gateway.loop.create_task(self._open())

    async def _open(self) -> None:
        self._server = await self._gateway.loop.create_server(lambda: Connection(self._gateway, self._cloud), sock=self._listener)

    def close(self) -> None:
        self._opening.cancel()
        if self._server is not None:
            self._server.close()
        else:
            self._listener.close()
