"""SQL to a postmaster over its unix socket: a few connections kept for each database, results as the rest of Fogbank knows them."""

from __future__ import annotations

import contextlib
import select
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncCursor
from psycopg.types.string import TextLoader

from fogbank.engines.spec import Column, Refused, Result, Statement

SUPERUSER = "rdsadmin"
PORT = 5432
"""Part of the socket's name only: `.s.PGSQL.5432`."""
_KEPT = 4
_ORIGINS = (
    "select a.attrelid::int8, a.attnum, not a.attnotnull, c.relname, n.nspname from pg_catalog.pg_attribute a"
    " join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
    " where a.attrelid = any(%s)"
)

_Raw = AsyncConnection[tuple[Any, ...]]


class Connection:
    """A connection in which each statement is a transaction, unless one says otherwise."""

    def __init__(self, raw: _Raw) -> None:
        self.raw = raw

    async def run(self, statement: Statement, *, origins: bool = False) -> Result:
        """Runs a statement: what its last result is. Refused: the server's words.

        origins  also asks which table's columns those of the result are (`Column.nullable`, `table`, `schema`)
        """
        try:
            async with self.raw.cursor() as cursor:
                if statement.many is not None:
                    await cursor.executemany(statement.sql, statement.many)
                else:
                    await cursor.execute(statement.sql, statement.parameters or None)
                    while cursor.nextset():
                        pass
                result = await _result(self.raw, cursor)
                return result._replace(columns=await _origins(self.raw, cursor, result.columns)) if origins and result.columns else result
        except psycopg.Error as problem:
            raise Refused(_said(problem), problem.sqlstate or "") from None

    async def one(self, statement: str, *given: Any) -> Any:
        """The first value of the first row; None where there is none. For ourselves (a failure is psycopg's)."""
        async with self.raw.cursor() as cursor:
            await cursor.execute(statement, given or None)
            row = await cursor.fetchone() if cursor.description else None
            return row[0] if row else None

    @property
    def ended(self) -> bool:
        """Whether the server has closed it, or says something unasked."""
        return self.raw.closed or bool(select.select([self.raw.fileno()], [], [], 0)[0])

    async def cancel(self) -> None:
        """Stops the statement that runs in it."""
        with contextlib.suppress(psycopg.Error):
            await self.raw.cancel_safe(timeout=5.0)

    async def reset(self) -> bool:
        """Makes it as it was when it was new, where no transaction is open in it: whether that was done."""
        if self.raw.closed or self.raw.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            return False
        try:
            await self.raw.execute("discard all")
        except psycopg.Error:
            return False
        self.raw.prepare_threshold = None  # (it would go on to name statements that are gone)
        return True

    async def close(self) -> None:
        """Ends it; what is open in it is rolled back."""
        await self.raw.close()


async def connect(socket: Path, user: str = "", password: str = "", database: str = "", name: str = "fogbank") -> Connection:
    """A connection to the server whose socket is in that folder. Refused: the server's words (code: SQLSTATE; "08006" when there is none).

    user  "": the superuser, whom nobody else can come in as
    """
    if user == SUPERUSER:
        raise Refused(f'password authentication failed for user "{SUPERUSER}"', "28P01")
    try:
        connection = await AsyncConnection.connect(
            host=str(socket),
            port=PORT,
            user=user or SUPERUSER,
            password=password or None,
            dbname=database or "postgres",
            application_name=name,
            autocommit=True,
            sslmode="disable",
            gssencmode="disable",
            connect_timeout=10,
        )
    except psycopg.OperationalError as problem:
        raise Refused(_said(problem), problem.sqlstate or _state_of(str(problem))) from None
    for kind in ("json", "jsonb"):  # as the engine writes it
        connection.adapters.register_loader(kind, TextLoader)
    return Connection(connection)


class Pool:
    """The superuser's connections to one postmaster, a few per database kept open."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._idle: dict[str, list[Connection]] = {}

    @contextlib.asynccontextmanager
    async def connection(self, database: str = "") -> AsyncIterator[Connection]:
        """One of them. It is kept afterwards when it is whole and outside of a transaction."""
        idle = self._idle.setdefault(database, [])
        while idle and idle[-1].ended:
            await idle.pop().close()
        taken = idle.pop() if idle else await connect(self._socket, database=database)
        try:
            yield taken
        finally:
            idle = self._idle.setdefault(database, [])
            if not taken.raw.closed and len(idle) < _KEPT and taken.raw.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
                idle.append(taken)
            else:
                await taken.close()

    async def sql(self, statement: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None, database: str = "") -> Result:
        """Runs a statement as the superuser."""
        async with self.connection(database) as connection:
            return await connection.run(Statement(statement, parameters))  # type: ignore[arg-type]

    async def close(self) -> None:
        """Closes what is idle."""
        for idle in self._idle.values():
            for connection in idle:
                await connection.close()
        self._idle.clear()

    def forget(self) -> None:
        """As `close`, where the server is gone."""
        for idle in self._idle.values():
            for connection in idle:
                connection.raw.pgconn.finish()
        self._idle.clear()


async def _result(connection: _Raw, cursor: AsyncCursor[tuple[Any, ...]]) -> Result:
    if cursor.description is None:
        return Result((), [], max(cursor.rowcount, 0))
    rows = await cursor.fetchall()
    known = connection.adapters.types
    unknown = {one.type_code for one in cursor.description if known.get(one.type_code) is None}
    named = await _names(connection, unknown) if unknown else {}
    columns = []
    for one in cursor.description:
        registered = known.get(one.type_code)
        array = registered is not None and registered.array_oid == one.type_code
        name = named.get(one.type_code, "") if registered is None else ("_" if array else "") + registered.name
        columns.append(Column(one.name, name, one.type_code, True, one.precision or 0, one.scale or 0))
    changed = 0 if (cursor.statusmessage or "").startswith(("SELECT", "SHOW", "FETCH")) else max(cursor.rowcount, 0)
    return Result(tuple(columns), rows, changed)


async def _names(connection: _Raw, codes: set[int]) -> dict[int, str]:
    """Names of types that are of the database itself. (Nothing can be asked in a transaction that has failed.)"""
    async with connection.cursor() as cursor:
        await cursor.execute("select oid::int8, typname from pg_catalog.pg_type where oid = any(%s)", [list(codes)])
        return dict(await cursor.fetchall())


async def _origins(connection: _Raw, cursor: AsyncCursor[tuple[Any, ...]], columns: tuple[Column, ...]) -> tuple[Column, ...]:
    told = cursor.pgresult
    assert told is not None
    places = [(told.ftable(n), told.ftablecol(n)) for n in range(len(columns))]
    async with connection.cursor() as other:
        await other.execute(_ORIGINS, [[table for table, _ in places if table]])
        found = {(row[0], row[1]): row[2:] for row in await other.fetchall()}
    return tuple(
        column._replace(nullable=found[place][0], table=found[place][1], schema=found[place][2]) if place in found else column
        for column, place in zip(columns, places, strict=True)
    )


def _said(problem: psycopg.Error) -> str:
    """The server's message as psql shows it, without its "ERROR:"."""
    told = problem.diag
    if not told.message_primary:
        return str(problem).strip()
    position = f"; Position: {told.statement_position}" if told.statement_position else ""
    lines = [
        told.message_primary,
        told.message_detail and f"Detail: {told.message_detail}",
        told.message_hint and f"Hint: {told.message_hint}",
    ]
    return "\n  ".join(line for line in lines if line) + position


def _state_of(message: str) -> str:
    """libpq does not tell the SQLSTATE of a refused connection: what its message is known by."""
    for state, words in (
        ("28P01", "password authentication failed"),
        ("28P01", "no password supplied"),
        ("3D000", "does not exist"),
        ("57P03", "starting up"),
        ("57P03", "not accepting connections"),
        ("57P03", "shutting down"),
        ("53300", "too many clients"),
        ("53300", "remaining connection slots"),
        ("28000", "no pg_hba.conf entry"),
        ("28000", "rejects connection"),
    ):
        if words in message:
            return state
    return "08006"
