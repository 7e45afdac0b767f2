"""What a box has used: from its cgroup's accounts, or by adding up its processes. Read by the warden and by the server."""

from __future__ import annotations

import os

TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def used(gauge: tuple[str, ...], first: int, tmp: int) -> tuple[int, int, float]:
    """Memory without what lies in /tmp, the most it was (with it), and processor time in ms.

    Each account is asked of the cgroup where it has it, else of the processes below `first`, pid 1 of the box."""
    version, memory_folder, cpu_folder = gauge[:3]
    memory = peak = -1
    cpu = -1.0
    if memory_folder:
        memory, peak = (memory_first if version == "1" else memory_second)(memory_folder, tmp)
    if cpu_folder and version == "1":
        cpu = int(_text(cpu_folder + "/cpuacct.usage") or 0) / 1e6
    elif cpu_folder:
        cpu = _field(cpu_folder + "/cpu.stat", "usage_usec") / 1000
    if memory < 0 or cpu < 0:
        summed, most, time = processes(first)
        memory, peak = (summed, most) if memory < 0 else (memory, peak)
        cpu = time if cpu < 0 else cpu
    return memory, max(peak, memory), cpu


def usage(gauge: tuple[str, ...]) -> int:
    """All memory that is counted, with /tmp and files that were read: never less than what `used` says."""
    return int(_text(gauge[1] + ("/memory.usage_in_bytes" if gauge[0] == "1" else "/memory.current")) or 0)


def memory_first(folder: str, tmp: int) -> tuple[int, int]:
    usage = int(_text(folder + "/memory.usage_in_bytes") or 0)
    cache, shared = _fields(folder + "/memory.stat", "total_cache", "total_shmem")
    files = cache - shared
    peak = int(_text(folder + "/memory.max_usage_in_bytes") or 0)
    files += held(tmp)
    return max(0, usage - files), max(0, peak - files)


def memory_second(folder: str, tmp: int) -> tuple[int, int]:
    usage = int(_text(folder + "/memory.current") or 0)
    cache, shared = _fields(folder + "/memory.stat", "file", "shmem")
    files = cache - shared
    peak = int(_text(folder + "/memory.peak") or 0)
    files += held(tmp)
    return max(0, usage - files), max(0, peak - files)


def held(tmp: int) -> int:
    """What lies in /tmp: files of a Lambda's are on a disk, so they are not its memory; here they are, and are taken off."""
    if tmp < 0:
        return 0
    kept = os.fstatvfs(tmp)
    return (kept.f_blocks - kept.f_bfree) * kept.f_frsize


def below(first: int) -> list[int]:
    """All processes of a box: those that outlive their parents become children of pid 1, so none is lost."""
    found, at = [first], 0
    while at < len(found):
        pid = found[at]
        at += 1
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                found += [int(child) for child in _text(f"/proc/{pid}/task/{task}/children").split()]
        except OSError:
            pass
    return found[1:]


def processes(first: int) -> tuple[int, int, float]:
    memory = peak = 0
    ticks = _ticks(first, 2)
    for pid in below(first):
        own, most = _held(pid)
        memory, peak, ticks = memory + own, peak + most, ticks + _ticks(pid, 4)
    return memory, peak, ticks * TICK_MS


def tree(first: int) -> tuple[int, int, float]:
    """The same of a plain process and its children."""
    memory, peak, cpu = processes(first)
    own, most = _held(first)
    return memory + own, peak + most, cpu + _ticks(first, 4) * TICK_MS


def _held(pid: int) -> tuple[int, int]:
    """What a process has in memory that is no file's, and the most it ever had."""
    status = _text(f"/proc/{pid}/status")
    own = sum(_kilobytes(status, name) for name in ("RssAnon:", "RssShmem:", "VmSwap:", "VmPTE:"))
    return own * 1024, max(own, _kilobytes(status, "VmHWM:") - _kilobytes(status, "RssFile:")) * 1024


def proportional(first: int) -> int:
    """The same memory, with what processes share counted once. Slow: asked only when the plain sum is too much."""
    total = 0
    for pid in below(first):
        rollup = _text(f"/proc/{pid}/smaps_rollup")
        if rollup:
            total += _kilobytes(rollup, "Pss_Anon:") + _kilobytes(rollup, "Pss_Shmem:") + _kilobytes(rollup, "SwapPss:")
        else:
            total += _held(pid)[0] // 1024
    return total * 1024


def _ticks(pid: int, fields: int) -> int:
    """utime and stime, and with four those of children that were waited for."""
    rest = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    start = 11 if fields == 4 else 13
    return sum(int(t) for t in rest[start:15]) if rest else 0


def _kilobytes(text: str, name: str) -> int:
    at = text.find(name)
    return int(text[at + len(name) : text.index("kB", at)]) if at >= 0 else 0


def _field(path: str, name: str) -> int:
    return _fields(path, name)[0]


def _fields(path: str, *names: str) -> list[int]:
    """Of a file with a name and a number on each line: the numbers of these, 0 for what is not there."""
    text = f"\n{_text(path)}\n"
    found = []
    for name in names:
        at = text.find("\n" + name + " ")
        found.append(int(text[at + len(name) + 2 : text.find("\n", at + 1)]) if at >= 0 else 0)
    return found


def _text(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        pieces = []
        while piece := os.read(descriptor, 1 << 16):
            pieces.append(piece)
        return b"".join(pieces).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
