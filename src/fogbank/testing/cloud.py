"""Clouds for tests: one in a thread of this process, shared by many tests; one in a process of its own, to be killed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from fogbank.app import App, new_loop
from fogbank.control import client as control
from fogbank.store.verify import problems

T = TypeVar("T")
ACCOUNT = "000000000000"
_ports = count(os.getpid() * 7919)


@lru_cache(1)
def _models() -> Any:
    """botocore's models, read once: they are most of the cost of a client."""
    import botocore.session

    return botocore.session.Session().get_component("data_loader")


def boto(
    endpoint: str,
    service: str,
    access_key: str = "test",
    secret: str = "test",
    token: str | None = None,
    region: str = "us-east-1",
    **config: Any,
) -> Any:
    """A boto3 client of a cloud, without retries."""
    import boto3
    import botocore.session
    from botocore.config import Config

    merged = Config(
        retries={"total_max_attempts": 1, "mode": "standard"}, s3={"addressing_style": "path"}, connect_timeout=60, read_timeout=60
    )
    if config:
        merged = merged.merge(Config(**config))
    core = botocore.session.Session()
    core.register_component("data_loader", _models())
    session = boto3.session.Session(access_key, secret, token, region, botocore_session=core)
    return session.client(service, endpoint_url=endpoint, config=merged)


class House:
    """One App on a thread: many clouds, each on its own port."""

    def __init__(self, data: Path | None = None, **options: Any) -> None:
        self._data = data
        self._options = options
        self._ready = threading.Event()
        self._count = 0
        self._thread = threading.Thread(target=self._run, name="fogbank", daemon=True)
        self._thread.start()
        self._ready.wait(60)

    def _run(self) -> None:
        self.loop = new_loop()
        asyncio.set_event_loop(self.loop)
        self.app = App(self._data, self.loop, debug=True, **self._options)
        self.loop.run_until_complete(self.app.listen("main", "127.0.0.1", 0))
        self.app.keep_house(86_400_000)
        self._ready.set()
        self.loop.run_forever()
        self.app.close()

    def on_loop(self, function: Callable[[], T]) -> T:
        """Runs a function on the cloud's own thread."""

        async def run() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(60)

    def cloud(self, seed: int | None = None) -> Cloud:
        """A new, empty cloud."""
        self._count += 1
        return Cloud(self, f"test-{self._count}", seed)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(30)


class Cloud:
    """A cloud in this process. Its clock stands still until `advance`."""

    def __init__(self, house: House | None = None, name: str = "main", seed: int | None = None) -> None:
        self._owned = house is None
        self.house = house or House()
        self.name = name
        app = self.house.app

        async def open_it() -> Any:
            if name in app.gateway.clouds:
                return app.gateway.clouds[name]
            return await app.listen(name, "127.0.0.1", 0, seed=seed)

        self.inner = asyncio.run_coroutine_threadsafe(open_it(), self.house.loop).result(60)
        self.endpoint: str = self.inner.endpoint
        self._clients: dict[Any, Any] = {}
        self.house.on_loop(self._freeze)

    def _freeze(self) -> None:
        self.inner.clock.freeze()
        self.inner.clock_changed()

    def __enter__(self) -> Cloud:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def client(
        self,
        service: str,
        access_key: str = "test",
        secret: str = "test",
        token: str | None = None,
        region: str = "us-east-1",
        **config: Any,
    ) -> Any:
        """A boto3 client; the same one for the same arguments."""
        key = (service, access_key, secret, token, region, repr(sorted(config.items())))
        if key not in self._clients:
            self._clients[key] = boto(self.endpoint, service, access_key, secret, token, region, **config)
        return self._clients[key]

    @property
    def now_ms(self) -> int:
        now: int = self.inner.clock.now_ms()
        return now

    def advance(self, seconds: float) -> None:
        """Moves the clock, and carries out everything that becomes due, in order."""

        def move() -> None:
            self.inner.clock_changes()
            self.inner.clock.advance(int(seconds * 1000))
            self.inner.clock_changed()

        self.house.on_loop(move)
        self.settle()

    def settle(self, timeout_s: float = 60) -> None:
        """Returns when nothing that is due is left to do, no work is under way, and all has been told."""
        end = time.monotonic() + timeout_s
        while not self.house.on_loop(self._at_rest):
            if time.monotonic() > end:
                raise TimeoutError("the outbox does not come to rest")
            time.sleep(0.001)

    def _at_rest(self) -> bool:
        self.inner.gathering.flush()
        at_rest: bool = self.inner.idle()
        return at_rest

    def problems(self) -> list[str]:
        """What the store finds wrong with this cloud: nothing, when all is right."""
        return self.house.on_loop(lambda: problems(self.inner.store.heads[self.name]))

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        if self._owned:
            self.house.close()
            return
        asyncio.run_coroutine_threadsafe(self.house.app.hush(self.name), self.house.loop).result(60)
        self.house.on_loop(lambda: self.inner.store.drop(self.name, self.inner.clock.now_ms()))


class Process:
    """A cloud in a process of its own, with a data directory: to be killed and started again."""

    def __init__(self, data: Path, *arguments: str, port: int = 0) -> None:
        self.data = data
        self.arguments = arguments
        self.port = port or free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Process:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fogbank", "up", "--port", str(self.port), "--data", str(self.data), *self.arguments],
            stdout=subprocess.DEVNULL,
            env={k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
        )
        end = time.monotonic() + 60
        while True:
            try:
                control.ask(self.endpoint, "GET", "/health", timeout_s=2)
                return self
            except (control.Unreachable, control.Refusal):
                if self._process.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(0.01)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def client(self, service: str, **options: Any) -> Any:
        return boto(self.endpoint, service, **options)

    def kill(self) -> None:
        """As a crash: nothing is said good-bye to."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(60)


def free_port() -> int:
    """A port that nobody listens on, and that the kernel gives to nobody who asks for any (those are higher) before it is listened on.

    No two calls of a process have the same; each process begins elsewhere.
    """
    import socket

    while True:
        port = 10_000 + next(_ports) % 20_000
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
