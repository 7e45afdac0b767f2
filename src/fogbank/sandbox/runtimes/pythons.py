"""Python interpreters: every minor version that is somewhere on this machine."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from fogbank.sandbox.box import Mount, Zygote
from fogbank.sandbox.runtimes import NotHere, Runtime, under_system
from fogbank.sandbox.unpacking import Shelf

OURS = Path(__file__).parent / "python"
USUAL = (
    *("base64", "collections", "contextlib", "copy", "csv", "dataclasses", "datetime", "decimal", "email.message", "enum", "functools"),
    *("hashlib", "hmac", "html", "http.client", "importlib", "io", "itertools", "json", "logging", "math", "os", "pathlib", "queue"),
    *("random", "re", "socket", "ssl", "string", "struct", "tempfile", "threading", "time", "traceback", "typing", "urllib.parse"),
    *("urllib.request", "uuid", "zipfile"),
)
"""What functions import often: ready in the zygote."""
SDK = ("awscrt", "boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
"""AWS's SDK and what it needs, as AWS's own runtime has it."""
_SDK_READY = ("boto3", "botocore.endpoint", "botocore.httpsession", "botocore.parsers", "botocore.credentials", "s3transfer")
_PROBE = "import json, sys; print(json.dumps([sys.version.split()[0], sys.base_prefix, getattr(sys, '_base_executable', sys.executable)]))"


@lru_cache
def find(minor: str) -> tuple[str, str, str]:
    """The interpreter of a minor version ("3.12"): its path, its whole version, its prefix. Raises NotHere."""
    for path in _candidates(minor):
        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            told = subprocess.run([path, "-I", "-c", _PROBE], capture_output=True, timeout=20, check=True).stdout
            version, prefix, executable = json.loads(told)
            if version.startswith(f"{minor}."):
                return os.path.realpath(executable), version, os.path.realpath(prefix)
    raise NotHere(
        f"The runtime python{minor} needs Python {minor}, which is not on this machine. Install it where PATH finds it "
        f"(for example: pyenv install {minor}, or uv python install {minor}), and restart."
    )


def _candidates(minor: str) -> Iterator[str]:
    """Where an interpreter may be. (The shims of pyenv are no interpreters.)"""
    if f"{sys.version_info[0]}.{sys.version_info[1]}" == minor:
        yield getattr(sys, "_base_executable", "") or sys.executable
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if os.path.basename(folder) != "shims" and os.access(path := f"{folder}/python{minor}", os.X_OK):
            yield path
    homes = (
        Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions",
        Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local/share/uv/python"),
    )
    for home in homes:
        yield from map(str, sorted(home.glob(f"*{minor}.*/bin/python{minor}"), key=_patch, reverse=True))


def _patch(path: Path) -> int:
    digits = path.parent.parent.name.partition(".")[2].partition(".")[2].partition("-")[0]
    return int(digits) if digits.isdigit() else 0


def runtime(name: str, shelf: Shelf) -> Runtime:
    """For "python3.12" and its like. Raises NotHere."""
    minor = name.removeprefix("python")
    path, version, prefix = find(minor)
    brought, packages = _sdk(minor, path, shelf)
    folder = shelf.made(f"runtime-{name}", lambda folder: _lay_out(folder, path))
    mounts = [Mount(folder, "/var/runtime"), *brought]
    if not under_system(prefix):
        mounts.append(Mount(Path(prefix), prefix))
    environment = {"PYTHONPATH": "/var/runtime", "FOGBANK_PACKAGES": packages, "FOGBANK_LAYERS": "/opt"}
    zygotes = [Zygote(path, tuple(USUAL))]
    if packages:
        zygotes.append(Zygote(path, (*USUAL, packages, *_SDK_READY)))
    return Runtime((path, "/var/runtime/start.py"), f"python:{version}", tuple(mounts), environment, tuple(zygotes))


def _lay_out(folder: Path, interpreter: str) -> None:
    """What runs inside, compiled by who runs it."""
    shutil.copy(OURS / "start.py", folder / "start.py")
    package = folder / "fogbank_runtime"
    package.mkdir()
    for source in OURS.glob("*.py"):
        if source.name != "start.py":
            shutil.copy(source, package / source.name)
    compile_all(interpreter, folder)


def compile_all(interpreter: str, folder: Path) -> None:
    command = [interpreter, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(folder)]
    subprocess.run(command, capture_output=True, check=False)


@lru_cache
def _site() -> tuple[str, str]:
    """Where the SDK is installed that this process has, and which Python it asks for; ("", "") where there is none."""
    found = importlib.util.find_spec("boto3")
    if found is None or found.origin is None:
        return "", ""
    return str(Path(found.origin).parent.parent), str(importlib.metadata.metadata("botocore")["Requires-Python"] or "")


def _sdk(minor: str, interpreter: str, shelf: Shelf) -> tuple[list[Mount], str]:
    """The SDK for an interpreter: mounts, and the folder for its module path. For other versions than ours it is compiled apart."""
    site, wanted = _site()
    numbers = tuple(map(int, minor.split(".")))
    least = tuple(map(int, wanted.removeprefix(">=").split("."))) if wanted.startswith(">=") else ()
    if not site or numbers < least:
        return [], ""
    if numbers == sys.version_info[:2]:
        entries = [path for name in SDK for path in (Path(site) / name, Path(site) / f"{name}.py") if path.exists()]
        return [Mount(path, str(path)) for path in entries], site
    folder = shelf.made(f"sdk-{minor}", lambda folder: _copy_sdk(Path(site), folder, interpreter))
    return [Mount(folder, str(folder))], str(folder)


def _copy_sdk(site: Path, folder: Path, interpreter: str) -> None:
    for name in SDK:
        if (site / name).is_dir():
            shutil.copytree(site / name, folder / name, copy_function=_link, ignore=shutil.ignore_patterns("__pycache__"))
        elif (site / f"{name}.py").exists():
            _link(str(site / f"{name}.py"), str(folder / f"{name}.py"))
    compile_all(interpreter, folder)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
