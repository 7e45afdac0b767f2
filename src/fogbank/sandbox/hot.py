"""Hot code: whether anything in a folder has changed since it was looked at."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_PASSED_BY = {"__pycache__", "node_modules", ".git", ".venv"}
"""Folders that are not looked into; they count as they are themselves."""


def look(folder: Path) -> str:
    """What the folder looks like: another text after every edit."""
    seen = hashlib.blake2b(digest_size=16)
    folders = [str(folder)]
    while folders:
        for entry in sorted(os.scandir(folders.pop()), key=_name):
            if entry.name == "__pycache__":
                continue
            there = entry.stat(follow_symlinks=False)
            seen.update(f"{entry.path}\0{there.st_mtime_ns}\0{there.st_size}\0{there.st_ino}\n".encode("utf-8", "surrogateescape"))
            if entry.is_dir(follow_symlinks=False) and entry.name not in _PASSED_BY:
                folders.append(entry.path)
    return seen.hexdigest()


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name
