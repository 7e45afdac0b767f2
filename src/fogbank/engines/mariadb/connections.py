"""SQL to a server over its unix socket: PyMySQL, in threads, with what it gives in the words of `engines.spec`."""

from __future__ import annotations

import asyncio
import contextlib
import select
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pymysql
from pymysql.constants import FIELD_TYPE, FLAG

from fogbank.engines.mariadb.accounts import SUPERUSER
from fogbank.engines.spec import Column, Refused, Result, Statement

T = TypeVar("T")
_THREADS = ThreadPoolExecutor(64, thread_name_prefix="mariadb")
_OWN_THREADS = ThreadPoolExecutor(64, thread_name_prefix="mariadb-own")
"""The superuser's, who does not wait for what users' statements take."""
_IDLE = 4
_LASTING = "SET SESSION wait_timeout = 31536000, max_statement_time = 0"
"""Whatever parameters say of clients."""
_RESET_CONNECTION = 0x1F
_BINARY = 63
"""The character set of what is no text."""
_NAMES = {
    FIELD_TYPE.DECIMAL: "DECIMAL", FIELD_TYPE.NEWDECIMAL: "DECIMAL", FIELD_TYPE.TINY: "TINYINT", FIELD_TYPE.SHORT: "SMALLINT",
    FIELD_TYPE.LONG: "INT", FIELD_TYPE.FLOAT: "FLOAT", FIELD_TYPE.DOUBLE: "DOUBLE", FIELD_TYPE.NULL: "NULL",
    FIELD_TYPE.TIMESTAMP: "TIMESTAMP", FIELD_TYPE.LONGLONG: "BIGINT", FIELD_TYPE.INT24: "MEDIUMINT", FIELD_TYPE.DATE: "DATE",
    FIELD_TYPE.TIME: "TIME", FIELD_TYPE.DATETIME: "DATETIME", FIELD_TYPE.YEAR: "YEAR", FIELD_TYPE.NEWDATE: "DATE", FIELD_TYPE.BIT: "BIT",
    FIELD_TYPE.JSON: "JSON", FIELD_TYPE.ENUM: "ENUM", FIELD_TYPE.SET: "SET", FIELD_TYPE.GEOMETRY: "GEOMETRY",
}  # fmt: skip
_TEXTS = {
    FIELD_TYPE.VARCHAR: ("VARCHAR", "VARBINARY"), FIELD_TYPE.VAR_STRING: ("VARCHAR", "VARBINARY"), FIELD_TYPE.STRING: ("CHAR", "BINARY"),
    FIELD_TYPE.TINY_BLOB: ("TINYTEXT", "TINYBLOB"), FIELD_TYPE.BLOB: ("TEXT", "BLOB"), FIELD_TYPE.MEDIUM_BLOB: ("MEDIUMTEXT", "MEDIUMBLOB"),
    FIELD_TYPE.LONG_BLOB: ("LONGTEXT", "LONGBLOB"),
}  # fmt: skip


class Connection:
    """A connection as one user. One statement at a time."""

    def __init__(self, wire: pymysql.Connection[Any], threads: ThreadPoolExecutor) -> None:
        self._wire = wire
        self._threads = threads

    async def run(self, statement: Statement) -> Result:
        """Runs a statement. Raises Refused."""
        return await threaded(self._threads, lambda: _run(self._wire, statement))

    async def cancel(self) -> None:
        """Stops the statement that runs in it."""

        def kill() -> None:
            wire: Any = self._wire
            with pymysql.connect(unix_socket=wire.unix_socket, user=wire.user, password=wire.password) as other:
                other.cursor().execute(f"kill query {wire.thread_id()}")

        await threaded(_OWN_THREADS, lambda: _quietly(kill))

    @property
    def ended(self) -> bool:
        """Whether the server has closed it, or says something unasked."""
        wire: Any = self._wire
        return not wire.open or bool(select.select([wire._sock], [], [], 0)[0])

    async def reset(self) -> bool:
        """Makes it as it was when it was new: whether that was done."""
        return await threaded(self._threads, lambda: _reset(self._wire))

    async def close(self) -> None:
        """What is open in it is rolled back."""
        await threaded(self._threads, lambda: _quietly(self._wire.close))

    def drop(self) -> None:
        """Without a word to the server."""
        _quietly(self._wire._force_close)  # type: ignore[attr-defined]


async def connect(socket: Path, user: str = "", password: str = "", database: str = "") -> Connection:
    """A connection; user "": the superuser. Raises Refused."""
    first, threads = None, _THREADS if user else _OWN_THREADS
    if not user:
        user, password, first = SUPERUSER, secret(socket), _LASTING

    def open_() -> pymysql.Connection[Any]:
        try:
            return pymysql.connect(
                unix_socket=str(socket),
                user=user,
                password=password,
                database=database or None,
                charset="utf8mb4",
                autocommit=True,
                init_command=first,
            )
        except (pymysql.MySQLError, OSError) as problem:
            raise _refused(problem) from None

    return Connection(await threaded(threads, open_), threads)


class Pool:
    """The superuser's connections to one server, kept for the next statement."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._idle: dict[str, list[Connection]] = {}

    async def run(self, sql: str, parameters: Any = None, database: str = "") -> Result:
        """One statement. Raises Refused."""
        idle = self._idle.setdefault(database, [])
        one = idle.pop() if idle else await connect(self._socket, database=database)
        try:
            result = await one.run(Statement(sql, parameters))
        except Refused as problem:
            if not problem.code or problem.code == "HY000":
                one.drop()
            else:
                idle.append(one)
            raise
        except BaseException:
            one.drop()
            raise
        if len(idle) < _IDLE:
            idle.append(one)
        else:
            one.drop()
        return result

    def close(self) -> None:
        for idle in self._idle.values():
            for one in idle:
                one.drop()
        self._idle.clear()


def secret(socket: Path) -> str:
    """The superuser's password: it lies with the data of the server, where only that one and we can read it."""
    try:
        return (socket.parent.parent / "data" / "fogbank.secret").read_text()
    except OSError:
        return ""


async def threaded(threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    """What blocks, in a thread."""
    return await asyncio.get_running_loop().run_in_executor(threads, work)


def _quietly(work: Callable[[], Any]) -> None:
    with contextlib.suppress(pymysql.MySQLError, OSError):
        work()


def _reset(wire: Any) -> bool:
    """The server leaves role and database: where those are other ones, it is not as it was."""
    try:
        wire._execute_command(_RESET_CONNECTION, b"")
        wire._read_ok_packet()
        wire.set_character_set("utf8mb4")
        wire.autocommit(True)
        with wire.cursor() as cursor:
            cursor.execute("select current_role() is null and database() <=> %s", [wire.db])
            return bool(cursor.fetchone() == (1,))
    except (pymysql.MySQLError, OSError):
        return False


def _run(wire: pymysql.Connection[Any], statement: Statement) -> Result:
    try:
        with wire.cursor() as cursor:
            if statement.many is None:
                cursor.execute(statement.sql, _values(statement.parameters))
                return _result(cursor)
            changed, keys = 0, []
            for parameters in statement.many:
                cursor.execute(statement.sql, _values(parameters))
                changed += max(cursor.rowcount, 0)
                keys += [cursor.lastrowid] if cursor.lastrowid else []
            return Result((), [], changed, tuple(keys))
    except (pymysql.MySQLError, OSError) as problem:
        raise _refused(problem) from None


def _values(parameters: Any) -> Any:
    if isinstance(parameters, Mapping):
        return {name: _value(value) for name, value in parameters.items()}
    return parameters


def _value(value: Any) -> Any:
    if isinstance(value, uuid.UUID):
        return str(value)
    return [_value(one) for one in value] if isinstance(value, list) else value


def _result(cursor: Any) -> Result:
    if cursor.description is None:
        return Result((), [], max(cursor.rowcount, 0), (cursor.lastrowid,) if cursor.lastrowid else ())
    return Result(tuple(_column(field) for field in cursor._result.fields), list(cursor.fetchall()), 0)


def _column(field: Any) -> Column:
    binary, code = field.charsetnr == _BINARY, field.type_code
    if code in _TEXTS:
        name = _TEXTS[code][binary]
        name = "ENUM" if field.flags & FLAG.ENUM else "SET" if field.flags & FLAG.SET else name
    else:
        name = _NAMES.get(code, "VARCHAR")
        if field.flags & FLAG.UNSIGNED and name != "YEAR":
            name += " UNSIGNED"
    nullable = not field.flags & FLAG.NOT_NULL
    return Column(field.name, name, code, nullable, field.length, field.scale, field.org_table, _text(field.db))


def _refused(problem: Exception) -> Refused:
    """The server's own message and SQLSTATE; "" where it was not the server who said no."""
    if isinstance(problem, pymysql.MySQLError) and len(problem.args) > 1:
        number, message = problem.args[0], problem.args[1]
        state = getattr(problem, "sqlstate", None) or ""
        state = state.decode() if isinstance(state, bytes) else str(state)
        refused = Refused(str(message), "" if number in (2003, 2006, 2013, 2014) else state or "HY000")
        refused.number = int(number)  # type: ignore[attr-defined]
        return refused
    return Refused(str(problem))


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
