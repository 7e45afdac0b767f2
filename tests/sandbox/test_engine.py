"""The driver for a container engine, against a program that stands for one: which command lines it makes, and what it makes of answers.

No engine is asked: that real ones take these lines is not shown here.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from fogbank.sandbox.box import CannotStart, Ended, Limits, Mount, Spec
from fogbank.sandbox.engine import Engine, in_bytes
from fogbank.sandbox.function import Function

from .scenarios import until
from .shop import Shop, function

ENGINE = """#!{python}
import json, os, sys, time
words, here = sys.argv[1:], {here!r}
with open(here + "/asked", "a") as file:
    file.write(json.dumps([words, {{k: v for k, v in os.environ.items() if k.startswith("SECRET")}}]) + chr(10))
if words[0] == "inspect" and "IPAddress" in words[2]: print({address!r}); sys.exit()
if {real!r} and words[0] == "create":
    kept = [words[i + 1] for i, word in enumerate(words) if word == "--env"]
    start = words.index("--entrypoint") + 1
    image = words.index({real!r})
    with open(here + "/made", "w") as file:
        variables = dict(part.split("=", 1) if "=" in part else (part, os.environ[part]) for part in kept)
        json.dump([[words[start], *words[image + 1:]], variables], file)
    sys.exit()
if {real!r} and words[0] == "start":
    command, variables = json.load(open(here + "/made"))
    print(os.getpid(), file=open(here + "/number", "w"))
    os.execve(command[0], command, variables)
said = {{"version": "27.0", "ps": "fogbank-4194305-1-9 fogbank-4194305-1", "stats": "12.5MiB / 64MiB"}}
if words[0] == "start":
    print("out of the container", flush=True)
    while not os.path.exists(here + "/killed") and {forever}: time.sleep(0.01)
elif words[0] == "kill":
    open(here + "/killed", "w").close()
    if {real!r}: os.kill(int(open(here + "/number").read()), 9)
elif words[:2] == ["network", "inspect"]:
    print("127.0.0.1") if "--format" in words else sys.exit(os.path.exists(here + "/network") and 1)
elif words[0] == "inspect":
    print({end!r})
elif words[:2] == ["image", "inspect"] and "--format" in words:
    print(json.dumps(["app.handler"]))
elif words[0] == "create" and "broken" in words:
    print("no such image", file=sys.stderr); sys.exit(125)
elif words[0] in said:
    print(said[words[0]])
"""


def engine(folder: Path, end: str = "false 0", forever: bool = False, real: str = "", address: str = "127.0.0.1") -> Engine:
    """`real`: an image whose containers are processes of this machine."""
    program = folder / "docker"
    python = f"{sys.executable} -IS"
    program.write_text(ENGINE.format(python=python, here=str(folder), end=end, forever=forever, real=real, address=address))
    program.chmod(0o755)
    return Engine(str(program))


def asked(folder: Path) -> list[Any]:
    return [json.loads(line) for line in (folder / "asked").read_text().splitlines()]


SPEC = Spec(
    ("one",),
    {"SECRET": "key", "API": "127.0.0.1:9001", "PATH": "/opt/bin"},
    Limits(64 << 20, 0.5, 1 << 20, 32, 64, 2.0),
    (Mount(Path("/srv/code"), "/var/task"),),
    "/var/task",
    (("127.0.0.1", 9001),),
    7,
    image="lambda/python:3.12",
    entry_point=("/var/runtime/bootstrap",),
)


def test_a_container_is_made_with_the_same_limits(tmp_path: Path) -> None:
    """Limits, mounts, user, no privileges, the closed network; secrets are not on the command line."""

    async def work() -> None:
        docker = engine(tmp_path)
        box = await docker.start(SPEC)
        assert await box.ended() == Ended(0, None)
        assert os.read(box.output, 100) == b"out of the container\n"
        os.close(box.output)
        words, environment = next(row for row in asked(tmp_path) if row[0][0] == "create")
        line = " ".join(words)
        for part in (
            f"--memory {64 << 20} --memory-swap {64 << 20} --cpus 2.000 --pids-limit 33 --ulimit nofile=64:64 --ulimit core=0:0",
            f"--tmpfs /tmp:rw,exec,nosuid,nodev,size={1 << 20},mode=1777",
            "--network fogbank",
            "--read-only --cap-drop ALL --security-opt no-new-privileges --user 100007 --workdir /var/task",
            '--mount type=bind,"source=/srv/code","target=/var/task",readonly',
            "--env SECRET --env API --env PATH=/opt/bin --entrypoint /var/runtime/bootstrap lambda/python:3.12 one",
        ):
            assert part in line, line
        assert environment == {"SECRET": "key"}
        assert "key" not in line
        host, port = box.listeners[0].getsockname()
        assert (host, port != 9001) == ("127.0.0.1", True)
        orders = [row[0] for row in asked(tmp_path)]
        name = words[words.index("--name") + 1]
        assert ["rm", "--force", "--volumes", "fogbank-4194305-1-9"] in orders, "what a killed server left"
        assert ["rm", "--force", "--volumes", name] in orders
        await docker.close()

    asyncio.run(work())


def test_orders_are_carried_out_in_turn(tmp_path: Path) -> None:
    """Settling, pausing and killing reach the engine in the order in which they were said."""

    async def work() -> None:
        docker = engine(tmp_path, "false 137", forever=True)
        box = await docker.start(SPEC)
        box.settle()
        box.pause()
        box.resume()
        box.kill()
        assert await box.ended() == Ended(None, signal.SIGKILL, "killed")
        said = [row[0] for row in asked(tmp_path)]
        orders = [words[0] for words in said if words[0] in ("update", "pause", "unpause", "kill")]
        assert orders == ["update", "pause", "unpause", "kill"]
        assert next(words for words in said if words[0] == "update")[1:3] == ["--cpus", "0.500"]

    asyncio.run(work())


@pytest.mark.parametrize(
    ("end", "expected"),
    [("true 137", Ended(None, 9, "memory")), ("false 3", Ended(3, None)), ("false 139", Ended(None, 11))],
)
def test_ends_are_understood(tmp_path: Path, end: str, expected: Ended) -> None:
    """Out of memory, a code, and a signal."""

    async def work() -> None:
        box = await engine(tmp_path, end).start(SPEC)
        assert await box.ended() == expected

    asyncio.run(work())


def test_without_an_image_the_machines_programs_are_mounted(tmp_path: Path) -> None:
    """Onto an empty image that is made once."""
    (tmp_path / "network").touch()

    async def work() -> None:
        docker = engine(tmp_path)
        await (await docker.start(SPEC._replace(image="", entry_point=(), command=("/var/runtime/bootstrap", "one")))).ended()
        lines = [" ".join(row[0]) for row in asked(tmp_path)]
        assert any('type=bind,"source=/usr","target=/usr",readonly' in line and "fogbank/nothing one" in line for line in lines)
        assert "network create --internal --driver bridge --opt com.docker.network.bridge.enable_icc=false fogbank" in lines

    if sys.platform == "linux":
        asyncio.run(work())


def test_what_cannot_start_says_why(tmp_path: Path) -> None:
    """No engine, and what the engine said."""

    async def work() -> None:
        with pytest.raises(CannotStart, match="There is no container engine"):
            await Engine(str(tmp_path / "nothing")).start(SPEC)
        with pytest.raises(CannotStart, match="no such image"):
            await engine(tmp_path).start(SPEC._replace(image="broken"))

    asyncio.run(work())


def test_usage_is_told_the_next_time(tmp_path: Path) -> None:
    """The engine's own figure, in bytes."""

    async def work() -> None:
        box = await engine(tmp_path, "false 137", forever=True).start(SPEC)
        assert box.usage().memory_bytes == 0
        await until(lambda: box.usage().memory_bytes)
        assert box.usage().memory_bytes == int(12.5 * (1 << 20))
        box.kill()
        await box.ended()

    asyncio.run(work())
    assert in_bytes("1.5GiB") == 3 << 29
    assert in_bytes("--") == 0


RUNTIME = """#!{python}
import http.client, json, os, sys
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def ask(method, path, body=None):
    connection.request(method, "/2018-06-01/runtime/invocation/" + path, body)
    answer = connection.getresponse()
    return answer, json.loads(answer.read())
while True:
    answer, event = ask("GET", "next")
    said = [event, sys.argv[1:], os.environ["OWN"], os.environ["AWS_LAMBDA_FUNCTION_NAME"], "AWS_EXECUTION_ENV" in os.environ]
    ask("POST", answer.getheader("Lambda-Runtime-Aws-Request-Id") + "/response", json.dumps(said))
"""


def of_image(folder: Path, **members: Any) -> Function:
    """A function of an image whose entry point is a runtime client."""
    client = folder / "client"
    client.write_text(RUNTIME.format(python=f"{sys.executable} -IS"))
    client.chmod(0o755)
    return function({}, code=None, runtime="", handler="", image="mine:1", environment={"OWN": "1"}, entry_point=(str(client),), **members)


def test_a_function_of_an_image(tmp_path: Path) -> None:
    """Its runtime is the image's; the Runtime API answers it; ImageConfig overrides entry point, command and working directory."""
    docker = engine(tmp_path, real="mine:1")
    shop = Shop(docker)
    try:
        made = of_image(tmp_path, working_directory="/srv", command=("other.handler",))
        assert json.loads(shop.invoke(made, b"1").payload) == [1, ["other.handler"], "1", "tried", False]
        assert not shop.invoke(made, b"2").cold
        words = next(row[0] for row in asked(tmp_path) if row[0][0] == "create")
        assert "--workdir /srv" in " ".join(words)
        shop.run(docker.close())
        kept = of_image(tmp_path)
        assert json.loads(shop.invoke(kept, b"1").payload)[1] == ["app.handler"]
        words = [row[0] for row in asked(tmp_path) if row[0][0] == "create"][-1]
        assert "--workdir" not in words
    finally:
        shop.run(docker.close())
        shop.close()


def test_only_the_container_is_its_runtime(tmp_path: Path) -> None:
    """Who connects from another address, as other containers do, is not listened to."""
    docker = engine(tmp_path, real="mine:1", address="172.18.0.7")
    shop = Shop(docker)
    try:
        outcome = shop.invoke(of_image(tmp_path, timeout_ms=1000))
        assert outcome.error
    finally:
        shop.run(docker.close())
        shop.close()


def test_an_image_needs_an_engine(tmp_path: Path) -> None:
    """Elsewhere it is refused with what to do."""
    shop = Shop("auto")
    try:
        outcome = shop.invoke(of_image(tmp_path))
        assert (outcome.refused, b"--sandbox docker" in outcome.payload) == ("sandbox", True)
    finally:
        shop.close()
