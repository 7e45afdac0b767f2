"""What the processes of a compute node use of the machine, and what the machine has: read from /proc, so on Linux only.

What a process has used goes to its parent's account when it ends. So what the server's process, those below it, and all that they have
waited for have used together only grows.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from fogbank.engines.processes import children
from fogbank.engines.spec import Machine, Program, Usage

POSSIBLE = Path("/proc/self/stat").exists()
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024
_SPENT = ("user", "nice", "system", "idle", "wait", "irq", "softirq", "steal", "guest")


def usage(pid: int, folder: Path) -> Usage:
    """Of the server with this process, whose data is in that folder. OSError where it has ended."""
    at_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    root = _stat(f"/proc/{pid}/stat")
    spent, memory, shared, disk, programs = [0, 0], 0, 0, [0, 0], []
    readable = True
    for each in _tree(pid):
        try:
            stat = root if each == pid else _stat(f"/proc/{each}/stat")
            _, resident, common = map(int, Path(f"/proc/{each}/statm").read_text().split()[:3])
            programs += _programs(each, stat)
        except OSError:  # (it has just ended)
            continue
        spent[0] += int(stat[13]) + int(stat[15])
        spent[1] += int(stat[14]) + int(stat[16])
        memory += resident - common
        shared = max(shared, common)
        try:
            read, written = _io(each)
        except PermissionError:
            readable = False
        except OSError:
            continue
        else:
            disk[0] += read
            disk[1] += written
    return Usage(
        at_s=at_s,
        uptime_s=at_s - int(root[21]) / _TICKS,
        user_s=spent[0] / _TICKS,
        system_s=spent[1] / _TICKS,
        resident_bytes=(memory + shared) * _PAGE_KB * 1024,
        read_bytes=disk[0] if readable else None,
        written_bytes=disk[1] if readable else None,
        programs=tuple(programs),
        machine=_machine(folder),
    )


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for child in children(pid):
        yield from _tree(child)


def _stat(file: str) -> list[str]:
    """The fields of proc_pid_stat(5), from the name on (its number 2 is our 1)."""
    text = Path(file).read_text()
    name = text[text.index("(") + 1 : text.rindex(")")]
    return ["", name, *text[text.rindex(")") + 2 :].split()]


def _programs(pid: int, stat: list[str]) -> list[Program]:
    """A process, or where it has threads each of them."""
    title = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0", 1)[0].decode(errors="replace").strip()
    name = os.path.basename(title) if title.startswith("/") else title
    resident, virtual, parent = int(stat[23]) * _PAGE_KB, int(stat[22]) // 1024, int(stat[3])
    tasks = [pid] if stat[19] == "1" else [int(task) for task in os.listdir(f"/proc/{pid}/task")]
    found = []
    for task in tasks:
        try:
            own = stat if task == pid and len(tasks) == 1 else _stat(f"/proc/{pid}/task/{task}/stat")
        except OSError:
            continue
        spent_s = (int(own[13]) + int(own[14])) / _TICKS
        found.append(Program(task, parent, pid, (name if task == pid else own[1]) or own[1], own[2], spent_s, resident, virtual))
    return found


def _io(pid: int) -> tuple[int, int]:
    """Bytes that it had read from disks, and written to them."""
    told = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(told["read_bytes"]), int(told["write_bytes"])


def _machine(folder: Path) -> Machine:
    with open("/proc/stat") as file:
        ticks = file.readline().split()[1:]
    swaps = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines() if line.startswith("pswp"))
    memory = (line.split()[:2] for line in Path("/proc/meminfo").read_text().splitlines())
    room = os.statvfs(folder)
    block_kb = room.f_frsize / 1024
    return Machine(
        processors=os.cpu_count() or 1,
        spent_s={name: int(value) / _TICKS for name, value in zip(_SPENT, ticks, strict=False)},
        load=os.getloadavg(),
        memory_kb={name[:-1]: int(value) for name, value in memory},
        swapped_kb=(int(swaps.get("pswpin", 0)) * _PAGE_KB, int(swaps.get("pswpout", 0)) * _PAGE_KB),
        disk_kb=(int(room.f_blocks * block_kb), int((room.f_blocks - room.f_bfree) * block_kb), int(room.f_bavail * block_kb)),
        files=(room.f_files, room.f_files - room.f_ffree),
    )
