"""The document of Enhanced Monitoring: what one node's processes use of the machine, by AWS's names. Pure.

A node has no machine of its own. Memory, load, swap and file system are those of the machine that all share; `user` and `system` are the
node's own share of the processors, and `steal` is what everything else on the machine has of them: to a DB instance, that is other
virtual machines. Of disks there is what the node's processes had read and written; how long that took, the device does not say for them
alone. `network` is empty: clients reach a node by a socket of the machine itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from fogbank.engines.spec import Machine, Program
from fogbank.services.rds.readings import Span

ENGINES = {
    "aurora-postgresql": "AURORA_POSTGRESQL",
    "aurora-mysql": "AURORA",
    "postgres": "POSTGRES",
    "mysql": "MYSQL",
    "mariadb": "MARIADB",
}
LISTED = 100
_MEMORY = {
    "active": "Active",
    "buffers": "Buffers",
    "cached": "Cached",
    "dirty": "Dirty",
    "free": "MemFree",
    "hugePagesFree": "HugePages_Free",
    "hugePagesRsvd": "HugePages_Rsvd",
    "hugePagesSize": "Hugepagesize",
    "hugePagesSurp": "HugePages_Surp",
    "hugePagesTotal": "HugePages_Total",
    "inactive": "Inactive",
    "mapped": "Mapped",
    "pageTables": "PageTables",
    "slab": "Slab",
    "total": "MemTotal",
    "writeback": "Writeback",
}
_SWAP = {"cached": "SwapCached", "free": "SwapFree", "total": "SwapTotal"}
_STATES = {"R": "running", "S": "sleeping", "I": "sleeping", "D": "blocked", "T": "stopped", "t": "stopped", "Z": "zombie"}


def document(engine: str, name: str, id: str, span: Span, now_ms: int) -> dict[str, Any]:
    """What an instance's node has used, in a span."""
    machine = span.now.machine
    one, five, fifteen = machine.load
    return {
        "engine": ENGINES[engine],
        "instanceID": name,
        "instanceResourceID": id,
        "timestamp": f"{datetime.fromtimestamp(now_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "version": 1,
        "uptime": _uptime(int(span.now.uptime_s)),
        "numVCPUs": machine.processors,
        "cpuUtilization": _processors(span),
        "loadAverageMinute": {"one": round(one, 2), "five": round(five, 2), "fifteen": round(fifteen, 2)},
        "memory": _kilobytes(machine, _MEMORY),
        "tasks": _tasks(span.now.programs),
        "swap": _kilobytes(machine, _SWAP) | _swapped(span),
        "network": [],
        "diskIO": _disk(span),
        "fileSys": [_files(machine)],
        "processList": _programs(span),
    }


def _uptime(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days} days, {clock}" if days else clock


def _processors(span: Span) -> dict[str, float]:
    """Percent of all processors. Together with `idle` all is 100, and `total` is what is not idle."""
    now, before = span.now.machine.spent_s, span.before.machine.spent_s
    spent = {name: max(value - before.get(name, 0.0), 0.0) for name, value in now.items() if name != "guest"}  # (is in user)
    whole = sum(spent.values()) or 1.0
    idle, wait = spent["idle"] * 100 / whole, spent["wait"] * 100 / whole
    irq = (spent["irq"] + spent["softirq"]) * 100 / whole
    user, system = span.user, span.system
    said = {
        "guest": 0.0,
        "irq": irq,
        "system": system,
        "wait": wait,
        "idle": idle,
        "user": user,
        "total": 100 - idle,
        "steal": max(100 - idle - wait - irq - user - system, 0.0),
        "nice": 0.0,
    }
    return {name: round(value, 2) for name, value in said.items()}


def _kilobytes(machine: Machine, names: dict[str, str]) -> dict[str, float]:
    return {name: machine.memory_kb[kernel] for name, kernel in names.items() if kernel in machine.memory_kb}


def _swapped(span: Span) -> dict[str, float]:
    (now_in, now_out), (in_, out) = span.now.machine.swapped_kb, span.before.machine.swapped_kb
    return {"in": round((now_in - in_) / span.seconds, 2), "out": round((now_out - out) / span.seconds, 2)}


def _tasks(programs: Iterable[Program]) -> dict[str, int]:
    counts = dict.fromkeys(("running", "sleeping", "blocked", "stopped", "zombie", "total"), 0)
    for program in programs:
        counts[_STATES.get(program.state, "sleeping")] += 1
        counts["total"] += 1
    return counts


def _disk(span: Span) -> list[dict[str, Any]]:
    read, written = span.read_bytes, span.written_bytes
    if read is None or written is None:
        return []
    said = {"device": "rdsdev", "readKb": read // 1024, "writeKb": written // 1024}
    return [said | {f"{name}KbPS": round(value / 1024 / span.seconds, 2) for name, value in (("read", read), ("write", written))}]


def _files(machine: Machine) -> dict[str, Any]:
    total, used, available = machine.disk_kb
    most, there = machine.files
    return {
        "name": "rdsfilesys",
        "mountPoint": "/rdsdbdata",
        "total": total,
        "used": used,
        "usedPercent": round(used * 100 / ((used + available) or 1), 2),
        "maxFiles": most,
        "usedFiles": there,
        "usedFilePercent": round(there * 100 / (most or 1), 2),
    }


def _programs(span: Span) -> list[dict[str, Any]]:
    """Those that have used most, at most 100."""
    before = {program.id: program.spent_s for program in span.before.programs}
    total_kb = span.now.machine.memory_kb["MemTotal"]
    listed: list[dict[str, Any]] = [
        {
            "id": program.id,
            "parentID": program.parent,
            "tgid": program.group,
            "name": program.name,
            "cpuUsedPc": round(span.share(program.spent_s - before.get(program.id, 0.0)), 2),
            "memoryUsedPc": round(program.resident_kb * 100 / total_kb, 2),
            "rss": program.resident_kb,
            "vss": program.virtual_kb,
        }
        for program in span.now.programs
    ]
    return sorted(listed, key=lambda one: (-one["cpuUsedPc"], -one["rss"], one["id"]))[:LISTED]
