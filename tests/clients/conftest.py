"""What the tests with real clients share: a shell that did `eval "$(fogbank env)"` and nothing else."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fogbank.testing import Process

AWS = Path(sys.executable).parent / "aws"


class Shell:
    """A shell in an empty home that did `eval "$(fogbank env)"` and nothing else."""

    def __init__(self, server: Process, home: Path) -> None:
        self.server = server
        self.home = home
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "FOGBANK_"))}
        self.variables = clean | {"HOME": str(home), "PATH": f"{AWS.parent}:{clean['PATH']}"}
        command = [sys.executable, "-m", "fogbank", "env", "--endpoint", server.endpoint]
        self._script = subprocess.run(command, capture_output=True, text=True, check=True, env=clean).stdout

    def command(self, *arguments: str | Path, **variables: str) -> list[str]:
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
        return ["sh", "-c", f'{self._script}{exports}aws "$@"', "sh", *map(str, arguments)]

    def run(self, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments, **variables),
            capture_output=True,
            text=True,
            env=self.variables,
            cwd=self.home,
            timeout=120,
            check=False,
        )

    def __call__(self, *arguments: str | Path, **variables: str) -> str:
        """The output of a command that must succeed."""
        answer = self.run(*arguments, **variables)
        assert answer.returncode == 0, (arguments, answer.stdout, answer.stderr)
        return answer.stdout.strip()

    def json(self, *arguments: str | Path, **variables: str) -> Any:
        return json.loads(self(*arguments, "--output", "json", **variables))

    def refused(self, *arguments: str | Path, **variables: str) -> str:
        """What a command says that must be refused."""
        answer = self.run(*arguments, **variables)
        assert answer.returncode != 0, (arguments, answer.stdout)
        return answer.stderr


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    if not AWS.exists():
        pytest.skip("awscli is not installed")
    folder = tmp_path_factory.mktemp("aws")
    (folder / "home").mkdir()
    server = Process(folder / "data").start()
    yield Shell(server, folder / "home")
    server.stop()
