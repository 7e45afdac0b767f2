"""The archive: every version that has left memory, in SQLite, newest first under each key.

The cloud's process only reads it. It is written by `archiver`, a process of its own, which follows the log: so
neither the interpreter's lock nor a checkpoint ever stands between a request and its answer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from fogbank.store.memory import Packed

SCHEMA = """
CREATE TABLE IF NOT EXISTS version(space INTEGER, key BLOB, sequence INTEGER, branch INTEGER, value BLOB,
    PRIMARY KEY(space, key, sequence DESC, branch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS instant(branch INTEGER, at_ms INTEGER, sequence INTEGER,
    PRIMARY KEY(branch, at_ms, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS space(number INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS segment(number INTEGER PRIMARY KEY, sequence INTEGER);
"""
"""`value` NULL is a deletion. `space` lists the spaces that have versions; `segment` the last one taken in."""

Found = dict[bytes, Packed | None]


def connect(path: Path, *, sync: bool = False) -> sqlite3.Connection:
    """Opens the file; `sync`: a commit survives the loss of power."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64)
    for pragma in ("journal_mode=WAL", f"synchronous={'FULL' if sync else 'NORMAL'}", "busy_timeout=60000", "wal_autocheckpoint=4000"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


class Archive:
    """Reads. `path` arguments are branch paths: branch -> highest sequence number that is visible."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)
        self._connection.executescript(SCHEMA)
        execute = self._connection.execute
        execute("PRAGMA cache_size=-8192")
        execute("PRAGMA mmap_size=4294967296")
        self.spaces: set[int] = {row[0] for row in execute("SELECT number FROM space")}
        self._execute: Callable[..., sqlite3.Cursor] = execute

    def taken(self) -> tuple[int, int]:
        """(number of the last segment taken in, last sequence number in it)."""
        number, sequence = self._execute("SELECT max(number), max(sequence) FROM segment").fetchone()
        return number or 0, sequence or 0

    def find(self, space: int, key: bytes, path: Mapping[int, int]) -> Packed | None:
        """The newest visible version of a key; None where there is none or it is a deletion."""
        for sequence, branch, value in self._execute("SELECT sequence, branch, value FROM version WHERE space=? AND key=?", (space, key)):
            if sequence <= path.get(branch, -1):
                return None if value is None else Packed(value)
        return None

    def page(self, space: int, low: bytes, high: bytes, path: Mapping[int, int], count: int, reverse: bool) -> tuple[Found, bytes | None]:
        """Newest visible versions of the keys in [low, high): about `count` rows of them, from the low or the high end.

        Also the key at which the page ended, where there may be more: all keys up to it are in the page (down to
        it, in reverse).
        """
        order = "key DESC, sequence DESC" if reverse else "key, sequence DESC"
        rows = self._execute(
            f"SELECT key, sequence, branch, value FROM version WHERE space=? AND key>=? AND key<? ORDER BY {order} LIMIT ?",
            (space, low, high, count),
        ).fetchall()
        end: bytes | None = None
        if len(rows) == count:
            end = rows[-1][0]
            if rows[0][0] == end:  # one key with more versions than a page has rows
                return {end: self.find(space, end, path)}, end
            while rows[-1][0] == end:  # the last key's versions may go on in the next page
                rows.pop()
            end = rows[-1][0]
        found: Found = {}
        for key, sequence, branch, value in rows:
            if key not in found and sequence <= path.get(branch, -1):
                found[key] = None if value is None else Packed(value)
        return found, end

    def reached(self, branch: int, at_ms: int, below: int) -> int | None:
        """The last sequence number (below one) that a branch had reached at an instant."""
        row = self._execute(
            "SELECT max(sequence) FROM instant WHERE branch=? AND at_ms<=? AND sequence<?",
            (branch, at_ms, min(below, 1 << 62)),
        ).fetchone()
        return row[0] if row else None

    def instant(self, branch: int, below: int) -> int | None:
        """The last instant that a branch had reached before a sequence number."""
        row = self._execute("SELECT max(at_ms) FROM instant WHERE branch=? AND sequence<?", (branch, min(below, 1 << 62))).fetchone()
        return row[0] if row else None

    def close(self) -> None:
        self._connection.close()
