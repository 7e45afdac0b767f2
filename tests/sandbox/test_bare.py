"""The driver without isolation: a plain process, called by the machine's own names."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fogbank.sandbox import driver
from fogbank.sandbox.bare import Bare
from fogbank.sandbox.box import Box, CannotStart, Ended, Limits, Mount, Spec
from fogbank.sandbox.outside import renamed

from .scenarios import alive, until

LIMITS = Limits(64 << 20, 1.0, 1 << 20, 64, 64)


def with_bare(work: Callable[[Bare], Awaitable[None]]) -> None:
    async def main() -> None:
        bare = Bare()
        try:
            await work(bare)
        finally:
            await bare.close()

    asyncio.run(main())


async def output(box: Box) -> str:
    text = b""
    while True:
        try:
            piece = os.read(box.output, 65536)
        except BlockingIOError:
            await asyncio.sleep(0.002)
            continue
        text += piece
        if not piece:
            os.close(box.output)
            return text.decode()


def test_names_from_inside_become_the_machines_own(tmp_path: Path) -> None:
    """A command, variables and the working directory that name a mount or a listener reach it."""
    (tmp_path / "script.py").write_text(
        "import os, socket, sys\nhost, port = os.environ['API'].split(':')\n"
        "socket.create_connection((host, int(port))).sendall(b'hello')\nprint(sys.argv[1:], os.getcwd(), os.environ['PATHS'])"
    )

    async def work(bare: Bare) -> None:
        spec = Spec(
            (sys.executable, "/var/task/script.py", "/elsewhere"),
            {"API": "127.0.0.1:9001", "PATHS": "/var/task/a:/usr/bin"},
            LIMITS,
            (Mount(tmp_path, "/var/task"),),
            "/var/task",
            (("127.0.0.1", 9001),),
        )
        box = await bare.start(spec)
        text = await output(box)
        connection = box.listeners[0].accept()[0]
        connection.setblocking(True)
        assert connection.recv(10) == b"hello"
        assert text == f"['/elsewhere'] {tmp_path} {tmp_path}/a:/usr/bin\n"
        assert await box.ended() == Ended(0, None)

    with_bare(work)


def test_addresses_are_renamed_whole() -> None:
    """Neither a longer port nor a longer host is taken for the one that is listened on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        real = f"127.0.0.1:{listener.getsockname()[1]}"
        text = "http://127.0.0.1:80/x 127.0.0.1:8080 1127.0.0.1:80"
        assert renamed(text, [("127.0.0.1", 80)], [listener]) == f"http://{real}/x 127.0.0.1:8080 1127.0.0.1:80"


def test_limits_and_ends() -> None:
    """Files and open files are limited, a killed box says so, and its group goes with it."""

    async def work(bare: Bare) -> None:
        code = "import resource as r; print(r.getrlimit(r.RLIMIT_NOFILE)[0], r.getrlimit(r.RLIMIT_FSIZE)[0], r.getrlimit(r.RLIMIT_CORE)[0])"
        box = await bare.start(Spec((sys.executable, "-I", "-S", "-c", code), {}, LIMITS))
        assert await output(box) == f"64 {1 << 20} 0\n"
        box = await bare.start(Spec(("/bin/sh", "-c", "sleep 1000 & echo $!; wait"), {"PATH": os.environ["PATH"]}, LIMITS))
        while True:
            try:
                child = int(os.read(box.output, 20))
                break
            except BlockingIOError:
                await asyncio.sleep(0.002)
        box.pause()
        box.resume()
        box.kill()
        assert await box.ended() == Ended(None, signal.SIGKILL, "killed")
        await until(lambda: sys.platform != "linux" or not alive(child))
        os.close(box.output)
        box = await bare.start(Spec(("/no/such/program",), {}, LIMITS))
        assert "No such file" in await output(box)
        assert (await box.ended()).code == 127
        with pytest.raises(CannotStart):
            await bare.start(Spec(("true",), {}, LIMITS, image="alpine"))

    with_bare(work)


def test_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strict wants everything, auto takes what there is, and nothing else is known."""
    from fogbank.sandbox import namespaces

    def granted(refused: str, missing: tuple[str, ...]) -> None:
        monkeypatch.setattr(namespaces, "probe", lambda: namespaces.Granted(refused, True, missing))

    assert driver("bare").missing
    assert driver("docker").name == "docker"
    granted("", ())
    assert [driver(choice).name for choice in ("auto", "strict", "namespaces")] == ["namespaces"] * 3
    granted("", ("Memory is not limited.",))
    assert [driver(choice).name for choice in ("auto", "namespaces")] == ["namespaces"] * 2
    with pytest.raises(CannotStart, match="Memory is not limited"):
        driver("strict")
    granted("no user namespace", ())
    assert driver("auto").name == "bare"
    for choice in ("strict", "namespaces"):
        with pytest.raises(CannotStart, match="no user namespace"):
            driver(choice)
    with pytest.raises(CannotStart, match="There is no sandbox"):
        driver("jail")
