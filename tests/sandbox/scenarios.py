"""What a box is, for whoever uses one. Run as a script, by root or by an ordinary user, it prints what failed, as JSON."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fogbank.sandbox.box import Box, CannotStart, Ended, Limits, Mount, Spec, Usage, Zygote
from fogbank.sandbox.namespaces import Namespaces

INTERPRETER = os.path.realpath(sys.executable)
WARM = Zygote(INTERPRETER)
SYSTEM = () if Path(sys.base_prefix).is_relative_to("/usr") else (Mount(Path(sys.base_prefix), sys.base_prefix),)
LIMITS = Limits(128 << 20, 2.0, 16 << 20, 64, 64)
Scenario = Callable[[Namespaces, Path], Awaitable[None]]


def python(folder: Path, code: str, zygote: Zygote | None = WARM, **more: Any) -> Spec:
    """A script in /task, run in a fork of the zygote, or without one by an interpreter of its own."""
    script = Path(tempfile.mkdtemp(dir=folder)) / "script.py"
    script.parent.chmod(0o755)
    script.write_text(code)
    command = ((zygote.interpreter if zygote else INTERPRETER), "/task/script.py", "first", "second")
    mounts = (*SYSTEM, Mount(script.parent, "/task"), *more.pop("mounts", ()))
    return Spec(command, more.pop("environment", {}), more.pop("limits", LIMITS), mounts, zygote=zygote, **more)


def shell(text: str, **more: Any) -> Spec:
    return Spec(("/bin/sh", "-c", text), {"PATH": "/usr/bin:/bin"}, more.pop("limits", LIMITS), **more)


async def output(box: Box, until: bytes = b"") -> str:
    """All of it, or up to some words."""
    text = b""
    while True:
        try:
            piece = os.read(box.output, 65536)
        except BlockingIOError:
            await asyncio.sleep(0.002)
            continue
        text += piece
        if not piece or (until and until in text):
            return text.decode()


def printed(box: Box) -> int:
    """How many bytes are there now."""
    count = 0
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(box.output, 1 << 20):
            count += len(piece)
    return count


async def run(driver: Namespaces, spec: Spec) -> tuple[str, Ended]:
    box = await driver.start(spec)
    text = await output(box)
    os.close(box.output)
    return text, await box.ended()


async def refused(driver: Namespaces, spec: Spec) -> str:
    try:
        await driver.start(spec)
    except CannotStart as problem:
        return str(problem)
    raise AssertionError("it started")


async def a_program_is_told_its_command(driver: Namespaces, folder: Path) -> None:
    said = "sys.argv, __name__, __file__, sys.path[0], os.environ['A'], os.getcwd(), len(os.listdir('/proc/self/fd'))"
    code = f"import os, sys; print({said})"
    for zygote in (WARM, None):
        text, ended = await run(driver, python(folder, code, zygote, environment={"A": "b"}, working_directory="/tmp"))
        assert text == "['/task/script.py', 'first', 'second'] __main__ /task/script.py /task b /tmp 4\n", text
        assert ended == Ended(0, None)


async def a_program_ends_in_its_own_way(driver: Namespaces, folder: Path) -> None:
    for zygote in (WARM, None):
        for code, expected in (
            ("import sys; sys.exit(3)", Ended(3, None)),
            ("raise ValueError('words')", Ended(1, None)),
            ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", Ended(None, signal.SIGTERM)),
            ("import os; os.abort()", Ended(None, signal.SIGABRT)),
        ):
            text, ended = await run(driver, python(folder, code, zygote))
            assert ended == expected, (code, ended)
            assert "ValueError" not in text or text.startswith('Traceback (most recent call last):\n  File "/task/script.py", line 1'), text


async def what_python_does_at_its_end_is_done(driver: Namespaces, folder: Path) -> None:
    code = (
        "import atexit, threading, time\n"
        "atexit.register(print, 'last')\n"
        "print('main')\n"
        "threading.Thread(target=lambda: (time.sleep(0.05), print('thread'))).start()"
    )
    for zygote in (WARM, None):
        text, _ = await run(driver, python(folder, code, zygote))
        assert text == "main\nthread\nlast\n", text


async def standard_streams_can_be_opened(driver: Namespaces, folder: Path) -> None:
    text, ended = await run(driver, shell("echo out > /dev/stdout; echo error > /dev/stderr; cat /dev/stdin; exec /bin/sh -c 'exit 4'"))
    assert (text, ended) == ("out\nerror\n", Ended(4, None)), (text, ended)


async def unbuffered_output_comes_at_once(driver: Namespaces, folder: Path) -> None:
    for zygote in (WARM, None):
        box = await driver.start(
            python(folder, "import time; print('a', end=''); time.sleep(60)", zygote, environment={"PYTHONUNBUFFERED": "1"})
        )
        assert await asyncio.wait_for(output(box, b"a"), 30) == "a"
        box.kill()
        assert await box.ended() == Ended(None, signal.SIGKILL, "killed")


async def modules_are_there_before_and_ours_are_not(driver: Namespaces, folder: Path) -> None:
    warm = Zygote(INTERPRETER, ("decimal", "http.client"))
    text, _ = await run(
        driver, python(folder, "import sys; print('decimal' in sys.modules, [m for m in sys.modules if 'warden' in m])", warm)
    )
    assert text == "True []\n", text


async def every_python_can_be_a_zygote(driver: Namespaces, folder: Path) -> None:
    """From 3.8 on: all that are found on this machine."""
    places = [Path(p) for p in (*os.get_exec_path(), *Path(sys.base_prefix).parent.glob("*/bin"))]
    found = {
        p.resolve() for place in places if os.access(place, os.R_OK) for p in place.glob("python3.*") if p.read_bytes()[:4] == b"\x7fELF"
    }
    code = "import sys, json; print('%d.%d' % sys.version_info[:2], sys.argv[1])"
    for path in sorted(p for p in found if p.name.removeprefix("python3.").isdigit() and int(p.name[8:]) >= 8 and os.access(p, os.X_OK)):
        prefix = path.parent.parent
        mounts = () if prefix == Path("/usr") else (Mount(prefix, str(prefix)),)
        text, ended = await run(driver, python(folder, code, Zygote(str(path)), mounts=mounts))
        assert (text, ended) == (f"{path.name[6:]} first\n", Ended(0, None)), (path, text, ended)


async def sockets_are_listened_on_inside(driver: Namespaces, folder: Path) -> None:
    addresses = (("127.0.0.1", 4566), ("169.254.169.254", 80), ("::1", 4566))
    code = (
        f"import socket\nfor address in {addresses!r}:\n"
        "    s = socket.create_connection(address, 30); s.sendall(b'who'); print(s.recv(100).decode())"
    )
    box = await driver.start(python(folder, code, listen=addresses))
    loop = asyncio.get_running_loop()
    for name, listener in enumerate(box.listeners):
        connection, _ = await asyncio.wait_for(loop.sock_accept(listener), 30)
        assert await loop.sock_recv(connection, 10) == b"who"
        await loop.sock_sendall(connection, b"listener %d" % name)
        connection.close()
    assert await output(box) == "listener 0\nlistener 1\nlistener 2\n"


async def what_cannot_start_says_why(driver: Namespaces, folder: Path) -> None:
    def one_mount(source: Path, at: str) -> Spec:
        return shell("true", mounts=(Mount(folder, "/task"), Mount(source, at)))

    (folder / "link").symlink_to("/etc")
    assert "No such file" in await refused(driver, Spec(("/bin/nothing",), {}, LIMITS))
    assert "No such file" in await refused(driver, python(folder, "")._replace(command=(INTERPRETER, "/task/nothing.py")))
    assert "invalid syntax" in await refused(driver, python(folder, "1 +"))
    assert "/nowhere" in await refused(driver, shell("true", working_directory="/nowhere"))
    assert "nothing-there" in await refused(driver, one_mount(folder / "nothing-there", "/x"))
    assert "leads through a link" in await refused(driver, one_mount(folder, "/task/link/x"))
    assert "can be mounted" in await refused(driver, one_mount(folder, "/task/../x"))
    assert "Read-only" in await refused(driver, one_mount(folder, "/task/new"))
    assert "no-such-python" in await refused(driver, python(folder, "", Zygote("/usr/bin/no-such-python")))
    assert "no_such_module" in await refused(driver, python(folder, "", Zygote(INTERPRETER, ("no_such_module",))))
    assert "engine" in await refused(driver, shell("true")._replace(image="alpine"))


async def later_mounts_lie_over_earlier_ones(driver: Namespaces, folder: Path) -> None:
    for name in ("below", "below/over", "above"):
        (folder / name).mkdir()
        (folder / name / "who").write_text(name)
    mounts = (Mount(folder / "below", "/a"), Mount(folder / "above", "/a/over"), Mount(folder / "above/who", "/b/file"))
    text, _ = await run(driver, shell("cat /a/who /a/over/who /b/file", mounts=mounts))
    assert text == "belowaboveabove", text


async def a_paused_box_stands_still(driver: Namespaces, folder: Path) -> None:
    box = await driver.start(shell("while :; do echo x; done & while :; do echo y; done"))
    await output(box, b"x")
    box.pause()
    while printed(box):  # until it stands
        await asyncio.sleep(0.1)
    box.resume()
    assert await asyncio.wait_for(output(box, b"y"), 30)
    box.pause()
    box.kill()
    assert await asyncio.wait_for(box.ended(), 30) == Ended(None, signal.SIGKILL, "killed")


async def what_is_used_is_told(driver: Namespaces, folder: Path) -> None:
    code = (
        "import os, time\n"
        "held = bytearray(40 << 20)\n"
        "open('/tmp/x', 'wb').write(bytes(8 << 20))\n"
        "end = time.process_time() + 0.15\n"
        "while time.process_time() < end: pass\n"
        "os.write(1, b'now')\n"
        "while not os.path.exists('/task/go'): time.sleep(0.01)"
    )
    spec = python(folder, code)
    box = await driver.start(spec)
    await output(box, b"now")
    used = box.usage()
    await asyncio.sleep(1)  # what no cgroup counts is looked at now and then
    (spec.mounts[-1].source / "go").touch()
    assert 40 << 20 <= used.memory_bytes < 60 << 20, used
    assert used.peak_memory_bytes >= used.memory_bytes
    assert 120 <= used.cpu_ms < 400, used
    await box.ended()
    assert box.usage().peak_memory_bytes >= 40 << 20, box.usage()
    assert 120 <= box.usage().cpu_ms < 400, box.usage()
    assert isinstance(box.usage(), Usage)


async def files_in_tmp_are_not_memory(driver: Namespaces, folder: Path) -> None:
    code = (
        "with open('/tmp/x', 'wb') as file:\n"
        "    for _ in range(100): file.write(bytes(1 << 20))\n"
        "import time; time.sleep(0.15); print('done')"
    )
    text, ended = await run(driver, python(folder, code, limits=Limits(64 << 20, 2.0, 128 << 20, 64, 64)))
    assert (text, ended) == ("done\n", Ended(0, None)), (text, ended)


async def a_processor_share_holds_for_the_group(driver: Namespaces, folder: Path) -> None:
    began = time.monotonic()
    box = await driver.start(shell("for i in 1 2 3; do while :; do :; done & done; wait", limits=LIMITS._replace(cpus=0.2)))
    await asyncio.sleep(1)
    # Without cgroups a box can be ahead of its share for a moment, and pays for it later.
    await until(lambda: 80 < box.usage().cpu_ms < 250 + 200 * (time.monotonic() - began))
    box.kill()
    await box.ended()


async def many_at_once(driver: Namespaces, folder: Path) -> None:
    spec = python(folder, "import time; print('up', flush=True); time.sleep(60)")
    boxes = await asyncio.gather(*[driver.start(spec) for _ in range(40)])
    assert set(await asyncio.gather(*[output(box, b"up\n") for box in boxes])) == {"up\n"}
    for box in boxes:
        box.kill()
    assert {await box.ended() for box in boxes} == {Ended(None, signal.SIGKILL, "killed")}
    for box in boxes:
        os.close(box.output)


async def a_start_that_nobody_waits_for_leaves_nothing(driver: Namespaces, folder: Path) -> None:
    starts = [asyncio.ensure_future(driver.start(shell(f"sleep {own(1000)}"))) for _ in range(8)]
    for delay, start in enumerate(starts):
        await asyncio.sleep(0.001 * delay)
        start.cancel()
    done = await asyncio.gather(*starts, return_exceptions=True)
    for box in done:
        if not isinstance(box, BaseException):
            box.kill()
    await until(lambda: not sleepers(1000))


async def the_warden_is_killed(driver: Namespaces, folder: Path) -> None:
    other = Namespaces()
    box = await other.start(shell(f"sleep {own(1001)}"))
    paused = await other.start(shell(f"sleep {own(1001)}"))
    await until(lambda: len(sleepers(1001)) == 2)
    paused.pause()
    await asyncio.sleep(0.02)
    assert other._process
    other._process.kill()
    assert await asyncio.wait_for(box.ended(), 30) == Ended(None, signal.SIGKILL, "killed")
    await until(lambda: not sleepers(1001))
    assert (await run(other, shell("echo again")))[0] == "again\n"
    await other.close()


async def the_server_is_killed(driver: Namespaces, folder: Path) -> None:
    code = (
        "import asyncio, sys; from fogbank.sandbox.namespaces import Namespaces; from fogbank.sandbox.box import *\n"
        "async def main():\n"
        "    driver = Namespaces()\n"
        f"    command = ('/bin/sh', '-c', 'setsid sleep {own(1002)} & sleep {own(1002)}')\n"
        "    spec = Spec(command, {'PATH': '/usr/bin'}, Limits(1 << 26, 1.0))\n"
        "    for box in [await driver.start(spec) for i in range(5)][:3]: box.pause()\n"
        "    print(driver._process.pid, flush=True); await asyncio.sleep(1000)\n"
        "asyncio.run(main())"
    )
    server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert server.stdout
    warden = int(await asyncio.to_thread(server.stdout.readline))
    await until(lambda: sleepers(1002))
    server.kill()
    server.wait()
    await until(lambda: not sleepers(1002) and not alive(warden))
    # (Others' folders come and go meanwhile, which a glob does not take.)
    assert not [name for _, below, _ in os.walk("/sys/fs/cgroup") for name in below if name.startswith(f"fogbank-{warden}-")]


async def closing_ends_all(driver: Namespaces, folder: Path) -> None:
    other = Namespaces()
    boxes = [await other.start(shell(f"sleep {own(1003)}")) for _ in range(3)]
    await other.close()
    assert not sleepers(1003)
    assert {await box.ended() for box in boxes} == {Ended(None, signal.SIGKILL, "killed")}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def own(seconds: int) -> int:
    """Others may run the same at the same time."""
    return seconds + os.getpid() * 10


def sleepers(seconds: int) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes() == f"sleep\0{own(seconds)}\0".encode():
                found.append(path.parent.name)
    return found


async def until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.005)


PARAMETERS = ["driver", "folder"]
SCENARIOS = {n: f for n, f in [*globals().items()] if inspect.iscoroutinefunction(f) and [*inspect.signature(f).parameters] == PARAMETERS}


async def main() -> None:
    driver = Namespaces()
    told = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, work in SCENARIOS.items():
            mine = Path(folder, name)
            mine.mkdir()
            Path(folder).chmod(0o755)
            try:
                await asyncio.wait_for(work(driver, mine), 90)
                told[name] = ""
            except BaseException:
                told[name] = traceback.format_exc()
        await driver.close()
    print(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main())
