"""What the tests of the controls share: a cloud in a process of its own, and the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fogbank.testing import Process

Fogbank = Callable[..., subprocess.CompletedProcess[str]]


def environment(**more: str) -> dict[str, str]:
    """This process's, without anything that names a cloud."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "FOGBANK_"))} | more


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A running cloud, shared by the tests of a module."""
    made = Process(tmp_path_factory.mktemp("control") / "data").start()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def fogbank() -> Fogbank:
    """Runs a command line to its end; keywords are environment variables."""

    def run(*arguments: str | Path, timeout_s: float = 120, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fogbank", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env=environment(**variables),
            check=False,
        )

    return run
