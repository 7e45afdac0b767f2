"""Node.js: every major version that is somewhere on this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from fogbank.sandbox.box import Mount
from fogbank.sandbox.runtimes import NotHere, Runtime, under_system
from fogbank.sandbox.unpacking import Shelf

OURS = Path(__file__).parent / "node"


@lru_cache
def find(major: str) -> tuple[str, str]:
    """The program of a major version ("20") and its whole version. Raises NotHere."""
    for path in _candidates(major):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            told = subprocess.run([path, "--version"], capture_output=True, timeout=20, check=True, text=True).stdout.strip()
            if told.startswith(f"v{major}."):
                return os.path.realpath(path), told[1:]
    raise NotHere(
        f"The runtime nodejs{major}.x needs Node.js {major}, which is not on this machine. Install it where PATH finds it "
        f"(for example: nvm install {major}), and restart."
    )


def _candidates(major: str) -> Iterator[str]:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if os.access(path := f"{folder}/node", os.X_OK):
            yield path
    homes = (
        (Path(os.environ.get("NVM_DIR") or Path.home() / ".nvm") / "versions/node", "bin/node"),
        (Path(os.environ.get("FNM_DIR") or Path.home() / ".local/share/fnm") / "node-versions", "installation/bin/node"),
    )
    for home, inside in homes:
        yield from map(str, sorted(home.glob(f"v{major}.*/{inside}"), reverse=True))


def runtime(name: str, shelf: Shelf, memory_mb: int) -> Runtime:
    """For "nodejs20.x" and its like. Raises NotHere."""
    path, version = find(name.removeprefix("nodejs").partition(".")[0])
    folder = shelf.made("runtime-nodejs", _lay_out)
    mounts = [Mount(folder, "/var/runtime")]
    prefix = os.path.dirname(os.path.dirname(path))
    if not under_system(prefix):
        mounts.append(Mount(Path(prefix), prefix))
    major = version.partition(".")[0]
    environment = {"NODE_PATH": f"/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules"}
    command = (path, f"--max-old-space-size={memory_mb * 9 // 10}", "/var/runtime/index.mjs")
    return Runtime(command, f"nodejs:{version}", tuple(mounts), environment)


def _lay_out(folder: Path) -> None:
    for source in OURS.glob("*.mjs"):
        shutil.copy(source, folder / source.name)
