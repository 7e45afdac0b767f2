"""Small files that are written at once or not at all, and folders that are on disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator


def store(path: str, content: bytes) -> None:
    """Writes a file; when this returns it is on disk, and at no moment was there a part of it."""
    fresh = path + ".new"
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        whole(fd, content, 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(fresh, path)
    sync_folder(os.path.dirname(path))


def load(path: str) -> bytes | None:
    """A file's content; None where there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def whole(fd: int, content: bytes | memoryview, at: int) -> None:
    """Writes all of it there. OSError where the disk takes a part only."""
    wrote = os.pwrite(fd, content, at)
    while wrote < len(content):
        more = os.pwrite(fd, memoryview(content)[wrote:], at + wrote)
        if not more:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        wrote += more


def sync_folder(path: str) -> None:
    """What was made, renamed or deleted in a folder is so on disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove(folder: str) -> Generator[None, None, None]:
    """Deletes a folder and all that is in it, a file at a time."""
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            yield from remove(entry.path)
        else:
            os.unlink(entry.path)
            yield
    os.rmdir(folder)
