"""One of the two writers: an ordinary cluster of one node on a volume of its own, and what makes it half of a pair.

Its connections to the other are PostgreSQL's own: a publication of all tables, a slot that the other reads from, a subscription to the
other's. All is made when the two come together, and goes when one is left alone: nothing of it has to survive a node's disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
from psycopg import sql

from fogbank.engines.masters.claiming import Claimer
from fogbank.engines.masters.door import Door
from fogbank.engines.masters.way import SUBSCRIPTION
from fogbank.engines.postgres.connections import SUPERUSER, Connection, connect
from fogbank.engines.postgres.control import lsn, written
from fogbank.engines.runner import Notice, Runner
from fogbank.engines.spec import Cluster, Failed, Node, Refused
from fogbank.engines.volumes import Volume

_FORCED = {"wal_level": "logical", "max_prepared_transactions": "0", "wal_sender_timeout": "60s"}
"""Decoding, and no transaction that outlives its session: what such a one holds could not be told."""
_PATIENCE_S = 120
_OTHERS = ("postgres", "template1")
"""Databases in which nothing is made, as only one has two writers; new ones are copies of the last."""

_REFUSING = """
create or replace function public.fogbank_refuse() returns event_trigger language plpgsql as $$
begin
  if session_user <> 'rdsadmin' then
    raise exception using errcode = 'feature_not_supported', message = 'only one database of a multi-master cluster can have tables: {}';
  end if;
end $$;
drop event trigger if exists fogbank_refuse;
create event trigger fogbank_refuse on ddl_command_start execute function public.fogbank_refuse()
"""


class Side(Runner):
    """See the module. `number`: 1 or 2; `mended`: has the pair look at what died."""

    def __init__(
        self,
        number: int,
        node: Node,
        volume: Volume,
        claimer: Claimer,
        routes: Callable[[], None],
        noticed: Notice,
        mended: Callable[[], None],
    ) -> None:
        async def found(_: object) -> Volume:
            return volume

        super().__init__(volume.record.name, found, found, routes, noticed)
        self.number = number
        self.node = node
        self.home = volume
        self.failing = False
        self.claimer = claimer
        self.door: Door | None = None
        self._mended = mended

    def half(self, wanted: Cluster, node: Node) -> Cluster:
        """What it should be by itself."""
        self.node = node._replace(parameters={**node.parameters, **_FORCED})
        return wanted._replace(nodes=(self.node,), writer=node.id, endpoints=(), fork=None, follows="", existing=False)

    @property
    def dead(self) -> bool:
        return self.failing or bool(self._lacking()) or not self.running

    async def _mend(self) -> None:
        if self.dead:
            self._mended()
        else:
            await super()._mend()

    async def revive(self) -> None:
        """Made anew from its own volume: it is alone."""
        await super()._mend()

    def shut(self) -> None:
        """No more rows are asked for."""
        self.claimer.end()
        if self.door is not None:
            self.door.close()
            self.door = None

    async def fence(self) -> None:
        """It writes no more, and nothing more of it becomes durable; its clients are gone."""
        self.closed = True
        self.shut()
        for one in self.running.values():
            one.expected, one.state = True, "stopped"
            one.server.kill()
        await self.close()

    def call_aws(self, truth: Volume) -> None:
        """Where its SQL functions call AWS: there is one place for both."""
        for one in self.running.values():
            place = one.folder / "aws"
            place.unlink(missing_ok=True)
            place.symlink_to(truth.run.resolve() / "aws")

    # its database

    @property
    def _database(self) -> str:
        return (self.wanted.database if self.wanted is not None else "") or "postgres"

    @property
    def _socket(self) -> Path:
        one = self.running.get(self.writer)
        if one is None or one.state != "running":
            raise Failed(f"{self.node.id} does not run")
        return one.server.socket

    @property
    def door_path(self) -> Path:
        return self._socket.parent / "masters" / ".s.PGSQL.5432"

    @contextlib.asynccontextmanager
    async def asking(self, database: str = "") -> AsyncIterator[Connection]:
        """A connection whose commits wait for nobody: what it does is made again where it is lost. Raises Failed."""
        try:
            connection = await connect(self._socket, database=database or self._database)
            try:
                await connection.one(f"set synchronous_commit = local; set statement_timeout = '{_PATIENCE_S}s'")
                yield connection
            finally:
                await connection.close()
        except (psycopg.Error, Refused) as problem:
            raise Failed(f"{self.node.id}: {problem}") from None

    async def prepare(self) -> None:
        """It can be one of two from now on; it is alone."""
        assert self.wanted is not None
        async with self.asking() as connection:
            await self._part(connection)
            await connection.one("create extension if not exists aurora_masters")
            owner = sql.Identifier(self.wanted.user).as_string(connection.raw)
            await connection.one(f"alter table aurora_masters.commands owner to {owner}")
            await connection.one("delete from aurora_masters.commands")
            await connection.one("revoke set on parameter session_replication_role from rds_superuser")
            await connection.one(f"alter role {owner} nocreatedb nocreaterole")
            if not await connection.one(f"select true from pg_publication where pubname = '{SUBSCRIPTION}'"):
                await connection.one(f"create publication {SUBSCRIPTION} for all tables")
            await self._be(connection)  # (the truth may have been the second's)
            await connection.one("select aurora_masters._settle()")
        for other in _OTHERS:
            if other != self._database:
                async with self.asking(other) as connection:
                    await connection.raw.execute(_REFUSING.replace("{}", self._database).encode())

    async def _be(self, connection: Connection) -> None:
        """It has this number, and its sequences go on in that one's way."""
        if await connection.one("select aurora_masters.number()") != self.number:
            await connection.one(
                f"create or replace function aurora_masters.number() returns int language sql stable as 'select {self.number}'"
            )
            await connection.one("select aurora_masters._step_over()")

    async def part(self) -> None:
        """Nothing comes from the other any more, and nothing is kept for it."""
        async with self.asking() as connection:
            await self._part(connection)

    async def _part(self, connection: Connection) -> None:
        if await connection.one(f"select true from pg_subscription where subname = '{SUBSCRIPTION}'"):
            await connection.one(f"alter subscription {SUBSCRIPTION} disable")
            await connection.one(f"alter subscription {SUBSCRIPTION} set (slot_name = none)")
            await connection.one(f"drop subscription {SUBSCRIPTION}")  # (waits for its worker to end: nothing more is applied)
        ours = f"from pg_replication_slots where slot_name = '{SUBSCRIPTION}'"
        await connection.one(f"select pg_terminate_backend(active_pid, 5000) {ours} and active_pid is not null")
        await connection.one(f"select pg_drop_replication_slot(slot_name) {ours}")

    async def keep_for(self) -> None:
        """From here on all it writes is kept for the other. (It waits for the transactions that run.)"""
        async with self.asking() as connection:
            await connection.one(f"select pg_create_logical_replication_slot('{SUBSCRIPTION}', 'pgoutput')")

    async def begun(self) -> int:
        """Where it left the log that it was made from: it has all that was committed before."""
        folder = self._socket.parent / "data" / "pg_wal"
        newest = max(folder.glob("*.history"))
        return lsn(newest.read_text().split("\n")[-2].split("\t")[1])

    async def take_from(self, other: Side, since: int) -> None:
        """Applies what the other commits: after `since`, where that is known, else from now on.

        Where the other is found lies beside the node's data (in which a server works): a fork of its volume has the subscription too, and
        is not to take anything away.
        """
        options = "copy_data = false, origin = none, streaming = off, synchronous_commit = local, run_as_owner = false"
        made = "create_slot = true" if not since else "create_slot = false, enabled = false"
        link = self._socket.parent / "other"
        link.unlink(missing_ok=True)
        link.symlink_to(other._socket)
        conninfo = f"host=/proc/self/cwd/../other port=5432 user={SUPERUSER} dbname={other._database} sslmode=disable gssencmode=disable"
        async with self.asking() as connection:
            await connection.one(
                f"create subscription {SUBSCRIPTION} connection '{conninfo}' publication {SUBSCRIPTION}"
                f" with ({made}, slot_name = {SUBSCRIPTION}, {options})"
            )
            if since:
                origin = "'pg_' || (select oid from pg_subscription where subname = '" + SUBSCRIPTION + "')"
                await connection.one(f"select pg_replication_origin_advance({origin}, '{written(since)}')")
                await connection.one(f"alter subscription {SUBSCRIPTION} enable")

    async def become(self) -> None:
        """It is a copy of the other writer, and becomes the one that it is."""
        async with self.asking() as connection:
            await self._be(connection)

    # what the other has to have

    async def last(self) -> int:
        """The place in the log behind all that was committed so far."""
        async with self.asking() as connection:
            return int(await connection.one("select pg_logical_emit_message(false, 'aurora_masters', '', true) - '0/0'::pg_lsn"))

    async def begun_before(self, number: int) -> bool:
        """Whether transactions still run that began before one that has this number."""
        async with self.asking() as connection:
            return bool(await connection.one("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint < %s", number))

    async def newest(self) -> int:
        """The number that the next transaction gets."""
        async with self.asking() as connection:
            return int(await connection.one("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint"))

    async def gate(self, closed: bool) -> None:
        """Closed: nothing is acknowledged before somebody has said that the other has it."""
        assert self.volume is not None
        self.volume.gated = closed
        await self.volume.ask("gate", **({"position": 0} if closed else {}))
