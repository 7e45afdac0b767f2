"""Programs that attack the box they run in, and what each may at most achieve.

Run as a script (by root or by an ordinary user) it puts all of them into boxes and prints what came of it, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

MIB = 1 << 20
DENIED = {"EPERM", "EACCES", "ENOSYS", "EROFS", "ENOENT", "EAFNOSUPPORT", "EPROTONOSUPPORT", "EINVAL", "EXDEV", "ENOTDIR"}
UNREACHABLE = {"ECONNREFUSED", "ENETUNREACH", "EADDRNOTAVAIL"}


class Result(NamedTuple):
    said: dict[str, Any]
    text: str
    code: int | None
    signal: int | None
    why: str
    seconds: float
    cpu_ms: float
    peak: int


class Hostile(NamedTuple):
    """A program of `programs/`; `after` seconds it is killed."""

    name: str
    check: Callable[[Result], None]
    after: float = 60
    memory: int = 256
    tmp: int = 16
    cpus: float = 2.0
    processes: int = 40
    read: bool = True


def nothing_done(result: Result) -> None:
    assert result.said, result
    assert {k: v for k, v in result.said.items() if v not in DENIED} == {}


def out_of_memory(result: Result) -> None:
    assert (result.signal, result.why) == (9, "memory"), result
    assert "survived" not in result.text


def out_of_memory_or_denied(result: Result) -> None:
    (nothing_done if result.said else out_of_memory)(result)


def killed(result: Result) -> None:
    assert (result.signal, result.why) == (9, "killed"), result
    assert result.seconds < 30


def at_most(name: str, bound: int) -> Callable[[Result], None]:
    def check(result: Result) -> None:
        assert 0 < result.said[name] <= bound, result

    return check


def only_tmp(result: Result) -> None:
    assert result.said["writable"], result
    assert all(place == "/tmp" or place.startswith("/proc/") for place in result.said["writable"]), result
    assert not [place for place in result.said["written"] if not place.startswith("/tmp")], result


def sees_only_itself(result: Result) -> None:
    assert result.said.pop("processes") <= 3, result
    assert result.said.pop("secret") == [], result
    nothing_done(result)


def ends_itself(result: Result) -> None:
    assert (result.code, result.signal) == (0, None), result
    assert result.seconds < 50


def still_there(result: Result) -> None:
    ends_itself(result)
    assert result.said["after"] == "still here"


def frugal(result: Result) -> None:
    assert result.cpu_ms < 2000 + 250 * result.seconds, result  # without a limit it would be up to 8000


def blocked(result: Result) -> None:
    killed(result)
    assert result.cpu_ms < 500, result


def no_more_than_a_user(result: Result) -> None:
    assert result.said.pop("uids") not in ([0, 0, 0], []), result
    assert result.said.pop("setuid program") != 0, result
    assert result.said.pop("capabilities") == ["0" * 16] * 5, result
    nothing_done(result)


def unreachable(result: Result) -> None:
    assert len(result.said) >= 30, result
    nothing_done(result._replace(said={k: v for k, v in result.said.items() if v not in UNREACHABLE}))


def killed_by_filter(result: Result) -> None:
    assert set(result.said.values()) <= {31, "unknown here"}, result


HOSTILE = (
    Hostile("fork_bomb", at_most("forks", 40)),
    Hostile("shell_fork_bomb", killed, after=0.8),
    Hostile("thread_bomb", at_most("threads", 40)),
    Hostile("memory_hog", out_of_memory, memory=64),
    Hostile("one_large_allocation", out_of_memory, memory=64),
    Hostile("memory_hog_over_children", out_of_memory, memory=96),
    Hostile("memory_hog_with_children_that_share", out_of_memory, memory=96),
    Hostile("memory_that_is_no_process", out_of_memory_or_denied, memory=64),
    Hostile("disk_filler", at_most("MiB", 16)),
    Hostile("file_filler", at_most("files", 5000)),
    Hostile("hidden_places", only_tmp),
    Hostile("files_of_others", sees_only_itself),
    Hostile("its_own_code", nothing_done),
    Hostile("links_out_of_the_box", nothing_done),
    Hostile("network", unreachable),
    Hostile("system_calls", nothing_done),
    Hostile("other_architectures", killed_by_filter),
    Hostile("becoming_somebody", no_more_than_a_user),
    Hostile("kill_everything", still_there),
    Hostile("the_init", nothing_done),
    Hostile("signal_proof_loop", killed, after=0.4, cpus=0.5),
    Hostile("daemon", ends_itself),
    Hostile("open_files", at_most("files", 64)),
    Hostile("processor_hog", frugal, after=4, cpus=0.25),
    Hostile("output_flood", blocked, after=0.6, read=False),
)


def environment(port: int, tenant: Path, abstract: str) -> dict[str, str]:
    from fogbank.sandbox.warden import seccomp

    here = 0 if seccomp.X86 else 1
    numbers = {name: pair[here] for name, pair in seccomp.DENIED.items() if pair[here] is not None}
    found = {
        "PORT": str(port),
        "CONTROL": "4567",
        "ABSTRACT": abstract,
        "HOST": socket.gethostbyname("localhost"),
        "TENANT": str(tenant),
        "PREFIX": sys.base_prefix,
    }
    return {**found, "NUMBERS": json.dumps(numbers), "CLONE": str(seccomp.CLONE), "PATH": "/usr/bin:/bin"}


async def drain(output: int, read: bool, until: asyncio.Future[None]) -> bytes:
    text = bytearray()
    while read:
        try:
            piece = os.read(output, 65536)
        except BlockingIOError:
            if until.done():
                break
            await asyncio.sleep(0.01)
            continue
        if not piece:
            break
        text += piece
    return bytes(text)


async def one(driver: Any, attack: Hostile, folder: Path, surroundings: dict[str, str], interpreter: str) -> dict[str, Any]:
    from fogbank.sandbox.box import Limits, Mount, Spec, Zygote

    limits = Limits(attack.memory * MIB, attack.cpus, attack.tmp * MIB, attack.processes, 64)
    mounts = (Mount(folder, "/task"), *system_of(interpreter))
    zygote = Zygote(interpreter, ("json", "socket", "ctypes", "mmap", "threading"))
    spec = Spec((interpreter, f"/task/{attack.name}.py"), surroundings, limits, mounts, zygote=zygote)
    box = await driver.start(spec)
    began = time.monotonic()
    killer = asyncio.get_running_loop().call_later(attack.after, box.kill)
    over = asyncio.ensure_future(box.ended())
    text = await drain(box.output, attack.read, over)
    ended = await over
    killer.cancel()
    seconds = time.monotonic() - began - (attack.after if ended.why == "killed" else 0)
    os.close(box.output)
    usage = box.usage()
    lines = [line for line in text.decode("utf-8", "replace").splitlines() if line.startswith('{"')]
    said = json.loads(lines[-1]) if lines else {}
    return {
        "name": attack.name,
        "result": Result(said, text.decode("utf-8", "replace"), *ended, seconds, usage.cpu_ms, usage.peak_memory_bytes),
    }


def system_of(interpreter: str) -> tuple[Any, ...]:
    from fogbank.sandbox.box import Mount

    prefix = Path(sys.base_prefix)
    return () if prefix.is_relative_to("/usr") else (Mount(prefix, str(prefix)),)


def prepare(folder: Path, tenant: Path) -> None:
    """What the programs find; `tenant` is a file of somebody else."""
    shutil.copytree(Path(__file__).parent / "programs", folder, dirs_exist_ok=True)
    shutil.copy("/usr/bin/id", folder / "setuid-id")
    (folder / "setuid-id").chmod(0o4755)
    links = folder / "links"
    links.mkdir()
    for name, to in (("shadow", "/etc/shadow"), ("up", "../../../../.."), ("tenant", str(tenant)), ("proc", "/proc/1/root")):
        (links / name).symlink_to(to)


async def main(folder: Path, tenant: Path) -> None:
    from fogbank.sandbox.namespaces import Namespaces
    from fogbank.sandbox.warden import gauge

    before = Path("/proc/self/mountinfo").read_text(), set(os.listdir(tempfile.gettempdir()))
    driver = Namespaces()
    server = socket.create_server(("127.0.0.1", 0))
    local = socket.socket(socket.AF_UNIX)
    local.bind(f"\0hostile-{os.getpid()}")
    local.listen()
    surroundings = environment(server.getsockname()[1], tenant, f"hostile-{os.getpid()}")
    interpreter = os.path.realpath(sys.executable)
    slots = asyncio.Semaphore(6)

    async def held(attack: Hostile) -> dict[str, Any]:
        async with slots:
            return await one(driver, attack, folder, surroundings, interpreter)

    results = await asyncio.gather(*[held(attack) for attack in HOSTILE])
    warden = driver._process.pid if driver._process else 0
    under = {pid: _born(pid) for pid in gauge.below(warden)}
    await driver.close()
    left = [pid for pid, born in under.items() if born and _born(pid) == born]
    after = Path("/proc/self/mountinfo").read_text(), set(os.listdir(tempfile.gettempdir()))
    groups = groups_of([warden])
    changed = [*(after[1] - before[1])] if os.environ.get("ALONE") else []
    print(
        json.dumps(
            {
                "results": results,
                "left": left,
                "mounts": before[0] == after[0],
                "groups": groups,
                "files": changed,
                "missing": driver.missing,
            }
        )
    )


def groups_of(wardens: Iterable[int]) -> list[str]:
    """The folders of these wardens' cgroups. (Those of others come and go meanwhile.)"""
    names = tuple(f"fogbank-{pid}-" for pid in wardens)
    return [f"{place}/{name}" for place, below, _ in os.walk("/sys/fs/cgroup") for name in below if name.startswith(names)]


def _born(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
