"""A PostgreSQL for tests, and a stand-in for `ctx.databases` on it: one server, no volume, no front."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from fogbank.engines.postgres import binaries, connect
from fogbank.engines.processes import give, owner
from fogbank.engines.sessions import Sessions
from fogbank.engines.spec import Actual, Done, NodeState, Refused, Result, Statement

SUPERUSER = "rdsadmin"


class Server:
    """A PostgreSQL that runs in a folder of its own until `close`. Whoever reaches its socket is let in."""

    def __init__(self, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fogbank-pg-", dir="/tmp"))
        give(self.folder)
        self.socket = self.folder / "socket"
        self.socket.mkdir(mode=0o755)
        give(self.socket)
        self.data = self.folder / "data"
        found = binaries()
        self._run(found.folder / "initdb", "-D", self.data, "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-sync")
        given = {"listen_addresses": "", "unix_socket_directories": str(self.socket), "fsync": "off", "max_wal_size": "64MB", **settings}
        arguments = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
        who = owner()
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [str(found.folder / "postgres"), "-D", str(self.data), *arguments],
                stdout=subprocess.DEVNULL,
                stderr=log,
                user=who[0] if who else None,
                group=who[1] if who else None,
                extra_groups=[] if who else None,
            )
        atexit.register(self.close)
        while not (self.data / "postmaster.pid").exists() or b"ready" not in (self.data / "postmaster.pid").read_bytes():
            if self._process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text())

    @staticmethod
    def _run(*command: str | Path) -> None:
        who = owner()
        subprocess.run(
            [str(word) for word in command],
            check=True,
            stdout=subprocess.DEVNULL,
            user=who[0] if who else None,
            group=who[1] if who else None,
            extra_groups=[] if who else None,
            cwd="/",
        )

    def connect(self, user: str = SUPERUSER, database: str = "postgres") -> Any:
        """A psycopg connection in which each statement is a transaction."""
        import psycopg

        return psycopg.connect(host=str(self.socket), user=user, dbname=database, autocommit=True)

    def close(self) -> None:
        """Stops it, and removes its folder."""
        atexit.unregister(self.close)
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)


class Databases:
    """One cluster, whose one node is a server; what `engines.spec.Databases` has of statements."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.ended: list[str] = []
        self.asked: list[str] = []
        self.state = "running"
        self._loop = loop
        self._sessions = Sessions(loop)
        self._tasks: set[Any] = set()

    def _begin(self, work: Coroutine[Any, Any, Any], done: Done) -> None:
        async def finish() -> None:
            try:
                result = await work
            except Exception as problem:
                done(problem)
            else:
                done(result)

        task = self._loop.create_task(finish())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def execute(self, cluster: str, user: str, password: str, database: str, session: str, statement: Statement, done: Done) -> None:
        key = (self.server.socket, user, password, database)

        async def execute() -> Result:
            if self.state != "running":
                raise Refused("the cluster has no writer now", "WRITER")
            return await self._sessions.execute(session, key, lambda: connect(*key), statement)

        self._begin(execute(), done)

    def end(self, cluster: str, session: str, done: Done) -> None:
        self.ended.append(session)
        self._begin(self._sessions.end(session), done)

    def ask(self, cluster: str, node: str, sql: str, done: Done) -> None:
        self.asked.append(sql)

        async def ask() -> Result:
            connection = await connect(self.server.socket)
            try:
                return await connection.run(Statement(sql))
            finally:
                await connection.close()

        self._begin(ask(), done)

    def look(self, cluster: str) -> Actual | None:
        return Actual(cluster, "18.6", "node-1", (NodeState("node-1", "a", self.state, True),), None)

    def close(self) -> None:
        """The cloud is closed."""
