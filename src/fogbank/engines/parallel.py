"""Parallel query: a filter and aggregates over one large table, evaluated beside the storage (docs/design/parallel-query.md).

    pages       up to three *page readers*, one in each zone: hidden standbys of the volume, made when first asked for
    asked       a query of `aurora_parallel.query`, with who asks, that one's settings, and the writer's position
    split       by `splitting`, where the table and its functions allow it; else `{"why": ...}`, and the writer runs it
    one state   all parts see the snapshot of one page reader: it is handed to the others, which have repeated at least as much

The parts run as the user who asks, in that user's own right: row security, grants and the session's settings hold.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from fogbank.engines.running import together
from fogbank.engines.spec import ZONES, Failed, Refused

if TYPE_CHECKING:
    from fogbank.engines.postgres.connections import Connection
    from fogbank.engines.postgres.instance import Instance
    from fogbank.engines.runner import Runner
    from fogbank.engines.splitting import Query

IDLE_S = 300.0
MOST_BYTES = 8 << 20
"""More than this is not shipped: the writer reads it by itself."""
_FETCHED = 5000
_OWN = {"shared_buffers": "32MB", "max_parallel_workers_per_gather": "0", "autovacuum": "off"}

_TABLE = (
    "select c.oid::int8, c.relname, c.relkind = 'r' and c.relpersistence = 'p' and not c.relhassubclass,"
    " pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int, pg_catalog.row_security_active(c.oid),"
    " (select pg_catalog.array_agg(a.attname::text) from pg_catalog.pg_attribute a where a.attrelid = c.oid and not a.attisdropped),"
    " exists(select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and a.attcollation not in (0, 100))"
    " from pg_catalog.pg_class c where c.oid = pg_catalog.to_regclass(%s)"
)
_FUNCTIONS = (
    "select proname::text from pg_catalog.pg_proc where proname = any(%s) group by 1 having pg_catalog.bool_and(prokind = 'f'"
    " and not proretset and (provolatile = 'i' or provolatile = 's' and pronamespace = 'pg_catalog'::regnamespace and proname = any(%s)))"
)
_POLICIES = "select pg_catalog.pg_get_expr(polqual, polrelid) from pg_catalog.pg_policy where polrelid = %s and polqual is not null"
_TYPES = (
    "select pg_catalog.format_type(t.o, t.m) from rows from (unnest(%s::oid[]), unnest(%s::int[])) with ordinality as t(o, m, n) order by n"
)


class Page(NamedTuple):
    """A page reader."""

    zone: str
    server: Instance

    async def reach(self, position: int) -> None:
        """Waits until it has repeated all up to a position, of whatever timeline the writer is on. Raises Failed."""
        await self.server.reach(0, position)


class Pages:
    """The page readers of one cluster. They are storage, not nodes: nobody else sees them."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._there: dict[str, Page] = {}
        self._lock = asyncio.Lock()
        self._used = 0
        self._idle: asyncio.TimerHandle | None = None

    @contextlib.asynccontextmanager
    async def use(self) -> AsyncIterator[list[Page]]:
        """They are not ended meanwhile. Raises Failed where they cannot be had."""
        self._used += 1
        try:
            async with self._lock:
                runner = self._runner
                if runner.closed or runner.volume is None or not runner.writer:
                    raise Failed("the cluster has no writer now")
                self._there = {zone: page for zone, page in self._there.items() if page.server.process and page.server.process.alive}
                await together(self._make(zone) for zone in ZONES if zone not in self._there)
                there = [self._there[zone] for zone in ZONES]
            yield there
        except Failed:
            for page in self._there.values():
                if page.server.stands_still():  # (made anew the next time)
                    page.server.kill()
            raise
        finally:
            self._used -= 1
            self._rest()

    async def _make(self, zone: str) -> None:
        from fogbank.engines.kinds import instance

        volume, writer = self._runner.volume, self._runner.running[self._runner.writer]
        assert volume is not None
        folder = volume.room.folder("volumes", volume.record.name, "pages", zone)
        await asyncio.to_thread(shutil.rmtree, folder / "data", True)  # (what the log asked for of the last one is kept)
        with volume.held(volume.newest()) as image:
            await volume.kind.engine.copy(image, folder / "data")
        server: Any = instance(volume.kind, volume.room.short(folder), volume.binaries, volume.room.loop)
        server.trusting = True
        try:
            await server.start({**writer.settings, **_OWN}, upstream=volume.run)
        except BaseException:
            server.kill()
            raise
        self._there[zone] = Page(zone, server)

    def _rest(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        loop = asyncio.get_running_loop()
        self._idle = None if self._used or not self._there else loop.call_later(IDLE_S, lambda: loop.create_task(self.close(idle=True)))

    async def close(self, *, idle: bool = False) -> None:
        """Ends them (`idle`: unless they are used); what they have on disk goes."""
        async with self._lock:
            if idle and self._used:
                return
            if self._idle is not None:
                self._idle.cancel()
            pages, self._there = self._there, {}
            for page in pages.values():
                page.server.kill()
                await asyncio.to_thread(shutil.rmtree, page.server.folder.resolve(), True)


async def answer(pages: Pages, asked: dict[str, Any]) -> dict[str, Any]:
    """What `aurora_parallel._ask` gives: how the parts' rows are put together, and the rows; or why it is not split."""
    from fogbank.engines import splitting

    try:
        query = splitting.read(splitting.still(asked["sql"], asked["session"]["now"]))
        async with pages.use() as there:
            return await _Asking(asked, query).answer(there)
    except (splitting.Whole, Failed, Refused, psycopg.Error) as problem:
        return {"why": str(problem).strip()}


@contextlib.asynccontextmanager
async def _one_state(pages: list[Page], position: int, database: str) -> AsyncIterator[list[str]]:
    """A snapshot of the same state in each of them, not older than a position: their names, while this lasts. Raises Failed.

    PostgreSQL gives a snapshot to other sessions of one server, by a file. The first one's content is valid in the others, too: each keeps
    back there what it may see (by an older snapshot of its own), and has repeated the log at least as far.
    """
    first, *others = pages
    async with contextlib.AsyncExitStack() as stack:
        held = await asyncio.gather(*(_hold(stack, page, position, database) for page in others))
        taken = await _hold(stack, first, max([position, *(reached for _, reached in held)]), database)
        said = _snapshot(first, taken[0]).read_text().splitlines()
        for page, (name, _) in zip(others, held, strict=True):
            await page.reach(taken[1])
            file = _snapshot(page, name)
            whose = file.read_text().splitlines()[:2]  # (vxid and pid: the session that keeps it)
            file.write_text("\n".join([*whose, *said[2:]]) + "\n")
        yield [taken[0], *(name for name, _ in held)]


def _snapshot(page: Page, name: str) -> Path:
    return page.server.data / "pg_snapshots" / name


async def _hold(stack: contextlib.AsyncExitStack, page: Page, position: int, database: str) -> tuple[str, int]:
    """Has a page reader keep a snapshot that is not older than a position: its name, and a position that is not older than it."""
    await page.reach(position)
    connection = await stack.enter_async_context(page.server.pool.connection(database))
    stack.push_async_callback(connection.raw.rollback)
    await connection.one("begin isolation level repeatable read read only")
    name = str(await connection.one("select pg_export_snapshot()"))
    return name, int(await connection.one("select pg_last_wal_replay_lsn() - '0/0'::pg_lsn"))


class _Asking:
    """One query, by one user."""

    def __init__(self, asked: dict[str, Any], query: Query) -> None:
        self._sql = str(asked["sql"])
        self._user = str(asked["user"])
        self._database = str(asked["database"])
        high, low = str(asked["position"]).split("/")
        self._position = (int(high, 16) << 32) + int(low, 16)
        self._settings: dict[str, str] = asked["session"].get("settings") or {}
        self._temporary: list[str] = asked["session"].get("temporary") or []
        self._explains = asked["do"] == "explain"
        self._query = query
        self._bytes = 0

    async def answer(self, pages: list[Page]) -> dict[str, Any]:
        """See `answer`. Raises Whole, Failed, Refused, psycopg.Error."""
        from fogbank.engines import splitting

        if self._settings.get("standard_conforming_strings") == "off":
            raise splitting.Whole("backslashes in its literals mean something")
        await together(page.reach(self._position) for page in pages)  # (who asks, and the database, may be new)
        async with contextlib.AsyncExitStack() as stack:
            state = stack.enter_async_context(_one_state(pages, self._position, self._database))
            names, *users = await _all(state, *(self._come_in(stack, page) for page in pages))
            await asyncio.gather(*(_look(user, name) for user, name in zip(users, names, strict=True)))
            blocks, columns = await self._table(users[0])
            whole = splitting.joined(self._query, await _types(users[0], f"select * from (\n{self._query.text}\n) as q limit 0"), columns)
            types = await _types(users[0], whole.part.replace(splitting.RANGE, "false"))
            parts = [whole.part.replace(splitting.RANGE, where) for where in self._ranges(blocks, len(users))]
            found = await _all(*(self._run(user, part) for user, part in zip(users, parts, strict=True)))
        if self._explains:
            sizes = [blocks * (n + 1) // len(pages) - blocks * n // len(pages) for n in range(len(pages))]
            return {
                "zones": [
                    {"zone": page.zone, "part": part, "blocks": size, "rows_scanned": rows[0], "rows_shipped": rows[1]}
                    for page, part, size, rows in zip(pages, parts, sizes, found, strict=True)
                ]
            }
        return {"final": splitting.final(whole, types), "rows": [row for rows in found for row in rows]}

    async def _come_in(self, stack: contextlib.AsyncExitStack, page: Page) -> Connection:
        """A connection as who asks, with that one's settings."""
        from fogbank.engines.postgres.connections import connect
        from fogbank.engines.splitting import Whole

        connection = await connect(page.server.socket, self._user, "", self._database, "parallel query")
        stack.push_async_callback(connection.close)
        if await connection.one("select current_user::text") != self._user:
            raise Whole(f"{self._user} comes in as another role")
        names = list(self._settings)
        settings = [names, [self._settings[name] for name in names]]
        await connection.one(
            "select pg_catalog.count(pg_catalog.set_config(n, v, false)) from unnest(%s::text[], %s::text[]) as t(n, v)", *settings
        )
        return connection

    async def _table(self, user: Connection) -> tuple[int, frozenset[str]]:
        """How many blocks its table has, and its columns. Raises Whole where it, or a function, does not allow it to be split."""
        from fogbank.engines import splitting

        async with user.raw.cursor() as cursor:
            found = await (await cursor.execute(_TABLE, [self._query.table])).fetchone()
            if found is None or found[1] in self._temporary:
                raise splitting.Whole(f"{self._query.table} is not stored")
            oid, _, plain, blocks, secured, columns, collated = found
            if not plain:
                raise splitting.Whole(f"{self._query.table} is no ordinary table")
            if collated:
                raise splitting.Whole("a column has a collation of its own")
            asked = [self._query]
            if secured:
                policies = await (await cursor.execute(_POLICIES, [oid])).fetchall()
                asked += [splitting.read(f"select 1 from {self._query.table} where {policy}") for (policy,) in policies]
            calls = set().union(*(one.calls for one in asked)) - (splitting.MERGED if self._query.aggregates else set())
            known = await (await cursor.execute(_FUNCTIONS, [list(calls), splitting.STABLE])).fetchall()
            for name in sorted(calls - {name for (name,) in known}):
                raise splitting.Whole(f"what {name}() gives may depend on more than its row")
            for name in sorted(set().union(*(one.columns for one in asked)) - set(columns)):
                raise splitting.Whole(f"{name} is no column of its table")
        return blocks, frozenset(columns)

    def _ranges(self, blocks: int, count: int) -> list[str]:
        """Which blocks each part reads; the last one to the end."""
        row, bounds = self._query.row, [blocks * n // count for n in range(count)]
        after = [f" and {row}.ctid < '({bound},0)'" for bound in bounds[1:]]
        return [f"{row}.ctid >= '({bound},0)'{end}" for bound, end in zip(bounds, [*after, ""], strict=True)]

    async def _run(self, user: Connection, part: str) -> list[Any]:
        """A part's rows, as text. Of one that is explained: how many it looked at, and how many it has."""
        from fogbank.engines.splitting import Whole

        rows: list[Any] = []
        async with user.raw.cursor() as cursor:
            if self._explains:
                told = await (await cursor.execute(f"explain (analyze, timing off, format json) {part}".encode())).fetchone()
                assert told is not None
                return _looked(json.loads(told[0])[0]["Plan"])
            await cursor.execute(f"declare part no scroll cursor for {part}".encode())
            while True:
                result = (await cursor.execute(f"fetch forward {_FETCHED} from part".encode())).pgresult
                assert result is not None
                width = range(result.nfields)
                fresh = [[_text(result.get_value(n, c)) for c in width] for n in range(result.ntuples)]
                self._bytes += sum(len(value or "") + 4 for row in fresh for value in row)
                if self._bytes > MOST_BYTES:
                    raise Whole(f"more than {MOST_BYTES >> 20} MB would have to be shipped")
                rows += fresh
                if len(fresh) < _FETCHED:
                    return rows


async def _look(user: Connection, snapshot: str) -> None:
    """Has a connection see a snapshot from now on."""
    await user.one("begin isolation level repeatable read read only")
    await user.one(f"set transaction snapshot '{snapshot}'")


async def _all(*works: Any) -> list[Any]:
    """What comes of all; when one fails the others are stopped."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _types(user: Connection, sql: str) -> list[str]:
    """The types of a query's columns."""
    async with user.raw.cursor() as cursor:
        result = (await cursor.execute(sql.encode())).pgresult
        assert result is not None
        codes = [[result.ftype(n), result.fmod(n)] for n in range(result.nfields)]
        columns = [list(column) for column in zip(*codes, strict=True)]
        return [name for (name,) in await (await cursor.execute(_TYPES, columns)).fetchall()]


def _text(value: bytes | None) -> str | None:
    return value.decode() if value is not None else None


def _looked(plan: dict[str, Any]) -> list[int]:
    """Rows that the scan at the bottom of a plan saw, and rows that came out at its top."""
    bottom = plan
    while bottom.get("Plans"):
        bottom = bottom["Plans"][0]
    seen = bottom["Actual Rows"] + bottom.get("Rows Removed by Filter", 0) + bottom.get("Rows Removed by Index Recheck", 0)
    return [int(seen * bottom["Actual Loops"]), int(plan["Actual Rows"] * plan["Actual Loops"])]
