"""The process: doors as the table says, back doors of the clusters, and counts told back."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

from .backdoor import BackDoor
from .door import Door
from .link import Link
from .table import Endpoint, Table

_TELL_S = 0.5
_AGAIN_S = 1.0


class Front:
    """All doors of a cloud."""

    def __init__(self) -> None:
        self.link = Link(self._on_table)
        self.tls: ssl.SSLContext | None = None
        self.keys: dict[bytes, Callable[[], Coroutine[Any, Any, None]]] = {}
        self._doors: dict[tuple[str, int], Door] = {}
        self._back: dict[str, BackDoor] = {}
        self._barred: set[tuple[str, int]] = set()
        """Places of the table that somebody else listens on: tried again now and then, told once."""
        self._again: asyncio.TimerHandle | None = None
        self._certified: tuple[object, ...] = ()
        self._tables: asyncio.Queue[tuple[Table, int]] = asyncio.Queue()
        self._told: dict[str, Any] = {}

    async def run(self) -> None:
        """Until fogbank is gone."""
        tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._tell())]
        await self.link.ended.wait()
        for task in tasks:
            task.cancel()

    def _on_table(self, row: dict[str, Any], number: int) -> None:
        self._tables.put_nowait((Table.of(row), number))

    def _try_again(self, table: Table, number: int) -> None:
        if self._tables.empty():  # (else there is a newer one)
            self._tables.put_nowait((table, number))

    async def _follow(self) -> None:
        while True:
            table, number = await self._tables.get()
            try:
                await self._become(table, number)
            except Exception as mistake:
                self.link.problem(f"{type(mistake).__name__}: {mistake}")
            self.link.tell({"say": "table", "number": number})

    async def _become(self, table: Table, number: int) -> None:
        if self._again is not None:
            self._again.cancel()
        self._certify(table)
        for place in [place for place, door in self._doors.items() if _other(door.endpoint, table.endpoints.get(place))]:
            self._doors.pop(place).close()
        for place, endpoint in table.endpoints.items():
            if place in self._doors:
                if self._doors[place].endpoint != endpoint:
                    self._doors[place].update(endpoint)
            else:
                await self._open(endpoint)
        self._barred &= set(table.endpoints)
        if self._barred:
            self._again = asyncio.get_running_loop().call_later(_AGAIN_S, self._try_again, table, number)
        for cluster in [cluster for cluster, back in self._back.items() if table.back_doors.get(cluster) != back.folder]:
            await self._back.pop(cluster).close()
        for cluster, folder in table.back_doors.items():
            if cluster not in self._back:
                await self._open_back(cluster, folder)

    async def _open(self, endpoint: Endpoint) -> None:
        door, place = opened(self, endpoint), (endpoint.address, endpoint.port)
        try:
            await door.open()
        except OSError as why:
            if place not in self._barred:
                self._barred.add(place)
                self.link.problem(f"Cannot listen on {endpoint.name}: {why.strerror}.", endpoint=endpoint.name, cluster=endpoint.cluster)
        else:
            self._barred.discard(place)
            self._doors[place] = door

    async def _open_back(self, cluster: str, folder: str) -> None:
        back = BackDoor(cluster, folder, self.link)
        try:
            await back.open()
        except OSError as why:
            self.link.problem(f"Cannot listen below {folder}: {why.strerror}.", cluster=cluster)
        else:
            self._back[cluster] = back

    def _certify(self, table: Table) -> None:
        """Loads the certificate where it is another than before."""
        if not table.certificate:
            return
        try:
            stamp = os.stat(table.certificate)
            seen = (table.certificate, table.key, stamp.st_mtime_ns, stamp.st_ino)
            if seen != self._certified:
                self.tls = certified(table.certificate, table.key)
                self._certified = seen
        except OSError as why:
            self.link.problem(f"The certificate {table.certificate} cannot be used: {why}.")

    async def _tell(self) -> None:
        """What proxies count, twice a second, when it changed."""
        while True:
            await asyncio.sleep(_TELL_S)
            doors = {door.endpoint.name: door for door in self._doors.values()}
            told = {"say": "counts", "proxies": {name: door.shared.counts() for name, door in doors.items() if door.shared is not None}}
            if told != self._told:
                self._told = told
                self.link.tell(told)


def _other(had: Endpoint, wanted: Endpoint | None) -> bool:
    """Whether the door cannot go on as it is."""
    return wanted is None or (had.engine, had.cluster, had.proxy is None) != (wanted.engine, wanted.cluster, wanted.proxy is None)


def opened(front: Front, endpoint: Endpoint) -> Door:
    """The door that an endpoint needs; what it is made of is loaded with the first of its kind."""
    if endpoint.engine == "postgres":
        from .postgres import welcome as postgres

        return Door(front, endpoint, postgres.serve)
    from .mysql import welcome as mysql

    return Door(front, endpoint, mysql.serve)


def certified(certificate: str, key: str) -> ssl.SSLContext:
    """TLS as both engines' servers do it: 1.2 and later, no session tickets; ALPN for PostgreSQL's direct TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    context.set_alpn_protocols(["postgresql"])
    return context
