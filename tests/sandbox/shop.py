"""A workshop to try functions in, with a loop of its own."""

from __future__ import annotations

import asyncio
import hashlib
import io
import itertools
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import uvloop

from fogbank.sandbox.box import Driver
from fogbank.sandbox.function import Code, Credentials, Function, Invocation, Lines, Outcome
from fogbank.sandbox.workshop import Workshop

_NUMBERS = itertools.count(1)
CREDENTIALS = Credentials("AKIAEXAMPLE", "secret", "token", 1 << 50)


def archive(files: Mapping[str, str | bytes]) -> Code:
    """A zip archive; what begins with "#!" may be executed."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            runs = content.startswith("#!") if isinstance(content, str) else False
            entry.external_attr = (stat.S_IFREG | (0o755 if runs else 0o644)) << 16
            opened.writestr(entry, content)
    content = packed.getvalue()
    return Code(hashlib.sha256(content).hexdigest(), lambda: content)


def function(files: Mapping[str, str | bytes] | Path, **members: Any) -> Function:
    code = files if isinstance(files, Path) else archive(files)
    number = next(_NUMBERS)
    usual: dict[str, Any] = {
        "key": f"key-{number}",
        "arn": "arn:aws:lambda:eu-west-1:123456789012:function:tried",
        "name": "tried",
        "version": "$LATEST",
        "account": "123456789012",
        "region": "eu-west-1",
        "runtime": "python3.11",
        "handler": "app.handler",
        "code": code,
        "layers": (),
        "environment": {},
        "memory_mb": 1769,
        "timeout_ms": 30_000,
        "tmp_mb": 512,
        "log_group": "/aws/lambda/tried",
    }
    return Function(**{**usual, **members})


def python(source: str, **members: Any) -> Function:
    return function({"app.py": source}, **members)


class Shop:
    """A workshop that is driven from tests."""

    def __init__(self, driver: str | Driver = "auto", loop: asyncio.AbstractEventLoop | None = None, **settings: Any) -> None:
        self.loop = loop or uvloop.new_event_loop()
        self.told: list[Lines] = []
        self.workshop = Workshop(driver, self.loop, tell=self.told.append, **settings)

    def invoke(self, of: Function, payload: bytes = b"{}", **members: Any) -> Outcome:
        return self.run(self.begin(of, payload, **members))

    def begin(self, of: Function, payload: bytes = b"{}", **members: Any) -> asyncio.Future[Outcome]:
        begun: asyncio.Future[Outcome] = self.do(lambda: self.begin_there(of, payload, **members))
        return begun

    def begin_there(self, of: Function, payload: bytes = b"{}", **members: Any) -> asyncio.Future[Outcome]:
        """The same, in the loop."""
        ended: asyncio.Future[Outcome] = self.loop.create_future()
        usual: dict[str, Any] = {"request_id": f"request-{next(_NUMBERS)}", "payload": payload, "credentials": CREDENTIALS}
        self.workshop.invoke(of, Invocation(**{**usual, **members}), ended.set_result)
        return ended

    def do(self, act: Callable[[], Any]) -> Any:
        """Calls something in the loop, as services do."""

        async def act_there() -> Any:
            return act()

        return self.run(act_there())

    def run(self, awaited: Any) -> Any:
        async def limited() -> Any:
            return await asyncio.wait_for(awaited, 90)

        return self.loop.run_until_complete(limited())

    def until(self, true: Callable[[], Any]) -> None:
        """Lets the loop run until something holds."""

        async def look() -> None:
            while not true():
                await asyncio.sleep(0.005)

        self.run(look())

    def lines(self, of: Function) -> list[str]:
        """All that was told of a function's log."""
        return [line for told in self.told if told.function_key == of.key for _, line in told.lines]

    def close(self) -> None:
        self.workshop.close()
        self.loop.close()
