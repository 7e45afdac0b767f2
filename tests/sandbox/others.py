"""Runs a script that uses the sandbox as root and as an ordinary user, each in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

SANDBOX = Path(__file__).parent.parent.parent / "src" / "fogbank" / "sandbox"
NOBODY = 65534
WHO = ("root", "user") if os.geteuid() == 0 else ("user",)

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")


@contextmanager
def readable() -> Iterator[Path]:
    """A folder that everybody can read, with the sandbox's code, for those who may not enter ours."""
    folder = Path(tempfile.mkdtemp(prefix="sandbox"))
    try:
        folder.chmod(0o755)
        package = folder / "fogbank"
        shutil.copytree(SANDBOX, package / "sandbox", ignore=shutil.ignore_patterns("__pycache__"))
        (package / "__init__.py").touch()
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def outcomes(folder: Path, script: str, *arguments: str) -> Iterator[Callable[[str], Any]]:
    """What the script prints, by who has run it: both at the same time."""
    shutil.copy(Path(__file__).parent / script, folder / script)
    with ThreadPoolExecutor() as pool:
        runs = {who: pool.submit(told, who, folder, script, *arguments) for who in WHO}
        yield lambda who: runs[who].result()


def told(who: str, folder: Path, script: str, *arguments: str) -> Any:
    """What a script of this folder prints."""
    own = folder / script
    environment = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"]}
    done = _run(who, [interpreter(who), str(own), *arguments], env=environment)
    if "CannotStart: This machine" in done.stderr:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@cache
def interpreter(who: str) -> str:
    """One that this user can run."""
    for candidate in ("/usr/bin/python3", sys.executable, "/usr/local/bin/python3"):
        check = [candidate, "-c", "import sys; assert sys.version_info >= (3, 11)"]
        if Path(candidate).exists() and not _run(who, check).returncode:
            return candidate
    pytest.skip(f"{who} can run no Python of 3.11 or later")


def _run(who: str, command: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
    other = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if who == "user" and os.geteuid() == 0 else {}
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=600, cwd="/", **other, **more)
    except PermissionError:
        return subprocess.CompletedProcess(command, 1)
