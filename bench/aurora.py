#!/usr/bin/env python3
"""Commits per second of PostgreSQL on the quorum volume, side by side with vanilla PostgreSQL.

    python bench/aurora.py [--seconds 3] [--rounds 5] [--clients 1,8,32] [--modes fsync,standby,volume,zone,cache] [--mix]

Every server is up all the time and one is measured at a time, each round in a new order; ratios are taken within a round, so that a machine
that has other work at times does little harm. The modes:

    fsync    vanilla, no copy: the local disk is synced at each commit
    standby  vanilla, with one synchronous standby on the same disk
    volume   `fsync=off`, six storage nodes that sync each batch, a commit returns when four have it
    zone     the same while the two nodes of a zone are dead
    cache    `fsync=off` and nothing else: no durability, the ceiling

Load: pgbench -N -M prepared (simple update), or with --mix what sysbench calls oltp_write_only. Bytes and syncs are counted where they are
asked for: `pg_stat_io` of the servers, STATUS of the storage nodes. CPU is that of the server's processes and of ours, in us per commit.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from fogbank.engines import processes
from fogbank.engines.fleet.client import Connection
from fogbank.engines.fleet.frames import ZONES
from fogbank.engines.postgres.programs import binaries

SEGMENT = 16 << 20
MIX = r"""
\set a random(1, 100000 * :scale)
\set b random(1, 100000 * :scale)
\set c random(1, 100000 * :scale)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :a;
UPDATE pgbench_accounts SET filler = md5(:b::text) WHERE aid = :b;
DELETE FROM pgbench_accounts WHERE aid = :c;
INSERT INTO pgbench_accounts (aid, bid, abalance, filler) VALUES (:c, 1, 0, '') ON CONFLICT DO NOTHING;
COMMIT;
"""
ENVIRONMENT = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/tmp"}


class Taken(NamedTuple):
    """One measurement."""

    rate: float
    p50_ms: float
    p99_ms: float
    bytes: float
    syncs: float
    server_us: float
    ours_us: float


class Rig:
    """The servers, below a folder."""

    def __init__(self, folder: Path, scale: int, mix: bool) -> None:
        self.folder = folder
        self.scale = scale
        self.bin = binaries().folder
        self.owner = processes.owner()
        self.running: list[subprocess.Popen[bytes]] = []
        self.script = folder / "mix.sql"
        self.mix = mix
        self.script.write_text(MIX)
        self.template = self.place("template")
        self.run("initdb", "-D", self.template, "-U", "rdsadmin", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")

    def place(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(mode=0o700, exist_ok=True)
        processes.give(path)
        return path

    def run(self, program: str, *arguments: str | Path | int) -> str:
        command = [str(self.bin / program), *map(str, arguments)]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, cwd=self.place("cwd"), **self.dropped())
        if done.returncode:
            sys.exit(f"{program}: {done.stdout}{done.stderr}")
        return done.stdout

    def dropped(self) -> dict[str, Any]:
        return {} if self.owner is None else {"user": self.owner[0], "group": self.owner[1], "extra_groups": []}

    def spawn(self, command: list[str | Path], log: Path, *, drop: bool) -> subprocess.Popen[bytes]:
        with open(log, "ab") as out:
            options = self.dropped() if drop else {}
            process = subprocess.Popen(
                [str(word) for word in command], env=ENVIRONMENT, stdout=out, stderr=out, start_new_session=True, **options
            )
        self.running.append(process)
        return process

    def close(self) -> None:
        for process in self.running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGQUIT if b"postgres" in _command(process.pid) else signal.SIGKILL)
        for process in self.running:
            process.wait(20)


class Server:
    """A postmaster."""

    def __init__(self, rig: Rig, name: str, data: Path | None = None, **settings: str) -> None:
        self.rig = rig
        self.name = name
        self.data = data or rig.folder / name
        self.socket = rig.place(f"{name}.s")
        self.others: list[Server] = []
        if data is None:
            subprocess.run(["cp", "-a", rig.template, self.data], check=True)
        given = {
            "unix_socket_directories": f"'{self.socket}'",
            "listen_addresses": "''",
            "shared_buffers": "'192MB'",
            "max_wal_size": "'4GB'",
            "wal_keep_size": "'1GB'",
            "max_connections": "120",
            "autovacuum": "off",
            **settings,
        }
        with open(self.data / "postgresql.auto.conf", "a") as file:
            file.writelines(f"{key} = {value}\n" for key, value in given.items())
        self.process = rig.spawn([rig.bin / "postgres", "-D", self.data], rig.folder / f"{name}.log", drop=True)
        until = time.monotonic() + 30
        while True:
            try:
                self.link = psycopg.connect(host=str(self.socket), user="rdsadmin", dbname="postgres", autocommit=True)
                break
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > until:
                    sys.exit((rig.folder / f"{name}.log").read_text()[-2000:])
                time.sleep(0.02)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        cursor = self.link.execute(statement)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []

    def set(self, name: str, value: str) -> None:
        self.sql(f"alter system set {name} = '{value}'")
        self.sql("select pg_reload_conf()")

    def fill(self) -> None:
        self.rig.run("pgbench", "-h", self.socket, "-U", "rdsadmin", "-i", "-q", "-s", self.rig.scale, "postgres")
        self.sql("checkpoint")

    def written(self) -> tuple[float, float]:
        """Bytes and syncs that it has asked for; statistics of others are there a second late at most."""
        (row,) = self.sql(
            "select coalesce(sum(coalesce(write_bytes, 0) + coalesce(extend_bytes, 0)), 0)::float8, coalesce(sum(fsyncs), 0)::float8"
            " from pg_stat_io"
        )
        more = [other.written() for other in self.others]
        return row[0] + sum(one[0] for one in more), row[1] + sum(one[1] for one in more)

    def cpu_s(self) -> float:
        return _cpu_s(self.process.pid, True) + sum(other.cpu_s() for other in self.others)

    def ours_s(self) -> float:
        return 0.0

    def before(self) -> None:
        """What is to be so while it is measured."""

    def after(self) -> None:
        """And not any more."""


class OnVolume(Server):
    """A writer on a quorum volume."""

    def __init__(self, rig: Rig, name: str) -> None:
        fleet = rig.folder / f"{name}.fleet"
        folder = rig.place(f"{name}.v")
        self.ours: list[subprocess.Popen[bytes]] = []
        self.fleet = fleet
        self.dead_zone = False
        for number, zone in enumerate(ZONES):
            place = fleet / f"{zone}{number}"
            place.mkdir(parents=True)
            (place / "settings.json").write_text(json.dumps({"number": number, "zone": zone}))
            command = processes.python("fogbank.engines.fleet.node", place)
            self.ours.append(rig.spawn(command, place / "log", drop=False))
        (folder / "settings.json").write_text(json.dumps({"volume": name, "fleet": str(fleet)}))
        self.ours.append(rig.spawn(processes.python("fogbank.engines.volume", folder), folder / "log", drop=False))
        self.control = _Control(folder / "control")
        said = rig.run("pg_controldata", rig.template)
        system = re.search(r"system identifier:\s+(\d+)", said)
        segment = re.search(r"REDO WAL file:\s+(\w+)", said)
        assert system is not None
        assert segment is not None
        position = (int(segment[1][8:16], 16) * 256 + int(segment[1][16:], 16)) * SEGMENT
        self.control.ask("begin", timeline=1, position=position, system=system[1])
        super().__init__(rig, name, fsync="off", full_page_writes="off")
        self.control.ask("follow", socket=str(self.socket), port=5432)
        self.set("synchronous_standby_names", "volume")

    def written(self) -> tuple[float, float]:
        """What the nodes have; what the server writes to its own files is a cache."""
        counts = asyncio.run(self._counts())
        return float(sum(one["bytes"] for one in counts)), float(sum(one["batches"] for one in counts))

    async def _counts(self) -> list[dict[str, int]]:
        counts = []
        for number in range(len(ZONES)):
            with contextlib.suppress(ConnectionError):
                node = await Connection.to(self.fleet, number, 0.3)
                with contextlib.suppress(asyncio.TimeoutError):
                    counts.append((await asyncio.wait_for(node.status(), 0.3))["counts"])
                node.close()
        return counts

    def ours_s(self) -> float:
        return sum(_cpu_s(process.pid) for process in self.ours)


class Zone:
    """The same, while a zone's two nodes do not answer."""

    def __init__(self, whole: OnVolume) -> None:
        self.whole = whole

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)

    def before(self) -> None:
        for process in self.whole.ours[2:4]:
            process.send_signal(signal.SIGSTOP)
        time.sleep(0.1)

    def after(self) -> None:
        for process in self.whole.ours[2:4]:
            process.send_signal(signal.SIGCONT)
        time.sleep(0.3)


class _Control:
    """The volume's verbs."""

    def __init__(self, path: Path) -> None:
        until = time.monotonic() + 20
        while True:
            link = socket.socket(socket.AF_UNIX)
            try:
                link.connect(str(path))
                break
            except OSError:
                link.close()
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)
        self._link = link
        self._lines = link.makefile("r")

    def ask(self, do: str, **what: Any) -> dict[str, Any]:
        self._link.sendall(json.dumps({"do": do, "id": 1, **what}).encode() + b"\n")
        while True:
            said: dict[str, Any] = json.loads(self._lines.readline())
            if "error" in said:
                sys.exit(f"{do}: {said['error']}")
            if "id" in said:
                return said


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _cpu_s(pid: int, children: bool = False) -> float:
    """CPU seconds of a process; with those of its children, also those that have ended."""
    total = 0
    for entry in Path("/proc").iterdir() if children else [Path(f"/proc/{pid}")]:
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if entry.name == str(pid):
                    total += sum(int(word) for word in words[11 : 15 if children else 13])
                elif int(words[1]) == pid:
                    total += int(words[11]) + int(words[12])
    return total / os.sysconf("SC_CLK_TCK")


def measure(server: Any, clients: int, seconds: int) -> Taken:
    """pgbench against one server."""
    rig: Rig = server.rig
    where = rig.place("log")
    load = ["-f", str(rig.script), "-D", f"scale={rig.scale}"] if rig.mix else ["-N"]
    server.before()
    bytes_before, syncs_before = server.written()
    server_before, ours_before = server.cpu_s(), server.ours_s()
    rig.run(
        *(
            "pgbench",
            "-h",
            server.socket,
            "-U",
            "rdsadmin",
            "-n",
            "-M",
            "prepared",
            "-c",
            clients,
            "-j",
            min(2, clients),
            "-T",
            seconds,
            *load,
        ),
        *("-l", f"--log-prefix={where}/l", "postgres"),
    )
    bytes_after, syncs_after = server.written()
    server_us, ours_us = (server.cpu_s() - server_before) * 1e6, (server.ours_s() - ours_before) * 1e6
    server.after()
    took: list[int] = []
    for file in where.iterdir():
        took += [int(line.split()[2]) for line in file.read_text().splitlines()]
        file.unlink()
    took.sort()
    count = len(took)
    return Taken(
        count / seconds,
        took[count // 2] / 1000,
        took[count * 99 // 100] / 1000,
        (bytes_after - bytes_before) / count,
        (syncs_after - syncs_before) / count,
        server_us / count,
        ours_us / count,
    )


def standby(rig: Rig) -> Server:
    """A vanilla server and its synchronous standby."""
    writer = Server(rig, "primary")
    rig.run("pg_basebackup", "-h", writer.socket, "-U", "rdsadmin", "-D", rig.place("copy"), "-c", "fast", "-R", "--no-sync")
    copy = Server(
        rig, "copy", rig.folder / "copy", primary_conninfo=f"'host={writer.socket} user=rdsadmin application_name=copy'", hot_standby="on"
    )
    writer.set("synchronous_standby_names", "copy")
    writer.others.append(copy)
    return writer


def servers(rig: Rig, modes: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if "fsync" in modes:
        made["fsync"] = Server(rig, "vanilla")
    if "standby" in modes:
        made["standby"] = standby(rig)
    if "volume" in modes or "zone" in modes:
        made["volume"] = OnVolume(rig, "volume")
    if "cache" in modes:
        made["cache"] = Server(rig, "cache", fsync="off", full_page_writes="off")
    for server in made.values():
        server.fill()
    if "zone" in modes:
        made["zone"] = Zone(made["volume"])
    return {mode: made[mode] for mode in modes}


def table(found: dict[tuple[str, int], list[Taken]], modes: list[str], clients: list[int]) -> None:
    """What came of it: medians; ratios within rounds."""

    def times(mode: str, other: str, count: int) -> str:
        if other not in modes:
            return "-"
        pairs = zip(found[mode, count], found[other, count], strict=True)
        return f"{statistics.median(mine.rate / theirs.rate for mine, theirs in pairs):.2f}"

    print(
        "| mode | clients | commits/s | p50 ms | p99 ms | times standby | times fsync | bytes | syncs | server us | volume and nodes us |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for count in clients:
        for mode in modes:
            middle = Taken(*(statistics.median(column) for column in zip(*found[mode, count], strict=True)))
            print(
                f"| {mode} | {count} | {middle.rate:,.0f} | {middle.p50_ms:.2f} | {middle.p99_ms:.2f} | {times(mode, 'standby', count)} |"
                f" {times(mode, 'fsync', count)} | {middle.bytes:,.0f} | {middle.syncs:.2f} |"
                f" {middle.server_us:.0f} | {middle.ours_us:.0f} |"
            )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=int, default=3)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--clients", default="1,8,32")
    options.add_argument("--modes", default="fsync,standby,volume,zone,cache")
    options.add_argument("--scale", type=int, default=10)
    options.add_argument("--mix", action="store_true")
    options.add_argument("--folder", type=Path, default=Path("/tmp"))
    given = options.parse_args()
    modes, clients = given.modes.split(","), [int(count) for count in given.clients.split(",")]
    folder = Path(tempfile.mkdtemp(prefix="aurora-", dir=given.folder))
    folder.chmod(0o711)
    found: dict[tuple[str, int], list[Taken]] = {}
    rig = Rig(folder, given.scale, given.mix)
    try:
        made = servers(rig, modes)
        for _ in range(given.rounds):
            for count in clients:
                for mode in random.sample(modes, len(modes)):
                    found.setdefault((mode, count), []).append(measure(made[mode], count, given.seconds))
        table(found, modes, clients)
    finally:
        rig.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
