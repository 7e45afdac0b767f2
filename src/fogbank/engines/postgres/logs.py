"""A postmaster's log files, as RDS names them: a new one each hour or when it is full, old ones go."""

from __future__ import annotations

import contextlib
from pathlib import Path

PREFIX = "postgresql.log"
STARTING = "starting.log"
"""What it says before its log is open."""


def files(folder: Path) -> list[tuple[str, int, int]]:
    """The log files: name, bytes, last written (ms)."""
    seen = [(path.name, path.stat()) for path in sorted(folder.glob(f"{PREFIX}*"))] if folder.exists() else []
    return [(name, one.st_size, one.st_mtime_ns // 1_000_000) for name, one in seen]


def read(folder: Path, name: str, offset: int, length: int) -> bytes:
    """A piece of a log file. LookupError where there is none."""
    if not name.startswith(PREFIX) or "/" in name:
        raise LookupError(name)
    try:
        with open(folder / name, "rb") as file:
            file.seek(offset)
            return file.read(length)
    except FileNotFoundError:
        raise LookupError(name) from None


def discard(folder: Path, before_ms: int) -> None:
    """Removes log files that were last written before an instant of the machine's clock."""
    for name, _, written_ms in files(folder):
        if written_ms < before_ms:
            with contextlib.suppress(FileNotFoundError):
                (folder / name).unlink()


def complaint(folder: Path) -> str:
    """Why it did not start: the last FATAL or PANIC, or the last lines there are."""
    newest = sorted((path for path in folder.glob("*.log*") if path.stat().st_size), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    last = ""
    for path in newest[:2]:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - 8192))
            lines = file.read().decode(errors="replace").splitlines()
        for at in range(len(lines) - 1, -1, -1):
            if "FATAL:" in lines[at] or "PANIC:" in lines[at]:
                first = at - 1 if "contains errors" in lines[at] and at else at  # (the line before says which)
                return " ".join(line.strip() for line in lines[first : at + 3]).split(":  ", 1)[-1]
        last = last or " ".join(line.strip() for line in lines[-2:])
    return last or "it ended without a word"
