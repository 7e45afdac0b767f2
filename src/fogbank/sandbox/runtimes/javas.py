"""Java: every version that is somewhere on this machine, with its compiler.

AWS's runtime client for Java is not to be had from the registries that Python people use, so there is a small one of our own, in
`java/`: it is compiled when it is first needed. What handlers are given as `Context` is the interface of the function's own jar.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from fogbank.sandbox.box import Mount
from fogbank.sandbox.runtimes import NotHere, Runtime, under_system
from fogbank.sandbox.unpacking import Shelf

OURS = Path(__file__).parent / "java"


@lru_cache
def find(major: str) -> tuple[str, str]:
    """The home of a Java of a major version ("17"), and its whole version. Raises NotHere."""
    lacking = ""
    for home in _candidates():
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            told = subprocess.run([f"{home}/bin/java", "-version"], capture_output=True, timeout=20, check=True, text=True).stderr
            version = re.search(r'version "([\d._]+)', told)
            if version is None or version[1].split(".")[0] != major:
                continue
            if os.access(f"{home}/bin/javac", os.X_OK):
                return home, version[1]
            lacking = f" ({home} has no compiler, javac)"
    raise NotHere(
        f"The runtime java{major} needs a JDK {major}, which is not on this machine{lacking}. Install it where PATH or JAVA_HOME finds it "
        f"(for example: apt-get install openjdk-{major}-jdk-headless), and restart."
    )


def _candidates() -> Iterator[str]:
    if home := os.environ.get("JAVA_HOME"):
        yield os.path.realpath(home)
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if os.access(path := f"{folder}/java", os.X_OK):
            yield os.path.dirname(os.path.dirname(os.path.realpath(path)))
    for place in (Path("/usr/lib/jvm"), Path.home() / ".sdkman/candidates/java"):
        yield from {os.path.realpath(path) for path in place.glob("*")}


def runtime(name: str, shelf: Shelf, memory_mb: int) -> Runtime:
    """For "java17" and its like. Raises NotHere."""
    major = re.sub(r"\.al\d+$", "", name.removeprefix("java"))
    if not major.isdigit() or int(major) < 17:
        raise NotHere(f"The runtime {name} is not supported on this machine: there are java17, java21 and java25.")
    home, version = find(major)
    folder = shelf.made(f"runtime-java{major}", lambda folder: _compile(folder, f"{home}/bin/javac"))
    mounts = [Mount(folder, "/var/runtime")]
    if not under_system(home):
        mounts.append(Mount(Path(home), home))
    heap_mb = max(memory_mb * 85 // 100 - 20, 32)
    options = (f"-Xmx{heap_mb}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-XX:-UsePerfData")
    classes = "/var/runtime:/var/task:/var/task/lib/*:/opt/java/lib/*"
    return Runtime((f"{home}/bin/java", *options, "-cp", classes, "fogbank.Bootstrap"), f"java:{version}", tuple(mounts))


def _compile(folder: Path, compiler: str) -> None:
    sources = [str(path) for path in sorted(OURS.glob("*.java"))]
    done = subprocess.run([compiler, "-nowarn", "-d", str(folder), *sources], capture_output=True, text=True)
    if done.returncode:
        raise NotHere(f"The runtime client for Java cannot be compiled by {compiler}: {done.stderr[:500]}")
