"""The archiver: takes ended log segments into the archive and collects versions that nothing can see any more.

    python -m fogbank.store.archiver FOLDER [--sync]

A process of its own, at low priority. It reads orders, a line of JSON each (`Order`), and says DONE after each. It goes
when its input ends, or when nobody has had work for it for IDLE_S seconds.
"""

from __future__ import annotations

import os
import select
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from fogbank.store.archive import connect
from fogbank.store.blobs import names_in
from fogbank.store.log import frames
from fogbank.store.records import DELETED, Frame, decode_frame

BATCH = 2000
YOUNG_S = 3600
IDLE_S = 30
DONE = b"done\n"


class Kept(msgspec.Struct, array_like=True):
    """Rows whose past stays longer: those of a space (in any tree) under a prefix.

    All their versions visible at or after `horizon`, and those visible at each of `points` (sequence numbers).
    """

    space: int
    prefix: bytes
    horizon: int
    points: list[int]


class Plan(msgspec.Struct):
    """What the collector must keep. A branch that is not in `trees` is forgotten with all of its versions.

    horizon    versions visible at or after this sequence number stay
    trees      live branch -> its tree
    forks      live branch -> the sequence numbers at which live branches were forked from it
    kept       rows of which more is kept
    """

    horizon: int
    trees: dict[int, int]
    forks: dict[int, list[int]]
    kept: list[Kept] = []

    @property
    def oldest(self) -> int:
        """The sequence number before which nothing is ever read."""
        return min([self.horizon, *(n for kept in self.kept for n in (kept.horizon, *kept.points))])


class Order(msgspec.Struct, omit_defaults=True):
    """`take`: the number of an ended segment. `collect`: forget what lies before the plan's horizon."""

    take: int | None = None
    collect: Plan | None = None


def take(connection: sqlite3.Connection, path: Path, number: int) -> None:
    """Takes a segment in, in one transaction: done twice, it is the same."""
    rows: dict[tuple[int, bytes, int, int], bytes | None] = {}
    instants: dict[tuple[int, int], int] = {}
    sequence = 0
    for payload in frames(path, last=True):
        frame: Frame = decode_frame(payload)
        sequence, at_ms, branch, tree, writes = frame
        instants[branch, at_ms] = sequence
        for space, key, value in writes:
            packed = bytes(value)
            rows[tree << 32 | space, key, sequence, branch] = None if packed == DELETED else packed
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(
        "INSERT OR REPLACE INTO version VALUES(?,?,?,?,?)", ((s, k, n, b, rows[s, k, n, b]) for s, k, n, b in sorted(rows))
    )
    connection.executemany("INSERT OR REPLACE INTO instant VALUES(?,?,?)", [(b, at, n) for (b, at), n in instants.items()])
    connection.executemany("INSERT OR IGNORE INTO space VALUES(?)", {(key[0],) for key in rows})
    connection.execute("INSERT OR REPLACE INTO segment VALUES(?,?)", (number, sequence))
    connection.execute("COMMIT")


def collect(connection: sqlite3.Connection, plan: Plan) -> None:
    """Removes what no live branch can reach at or after the horizon, a batch at a time so that nobody waits long."""
    live = {0, *plan.trees.values()}
    for (space,) in connection.execute("SELECT number FROM space").fetchall():
        if space >> 32 not in live:
            while connection.execute(
                "DELETE FROM version WHERE (space, key, sequence, branch) IN "
                "(SELECT space, key, sequence, branch FROM version WHERE space=? LIMIT ?)",
                (space, BATCH),
            ).rowcount:
                pass
            connection.execute("DELETE FROM space WHERE number=?", (space,))
            continue
        for batch in _dead(connection, space, plan):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("DELETE FROM version WHERE space=? AND key=? AND sequence=? AND branch=?", batch)
            connection.execute("COMMIT")
    gone = [b for (b,) in connection.execute("SELECT DISTINCT branch FROM instant").fetchall() if b and b not in plan.trees]
    connection.executemany("DELETE FROM instant WHERE branch=?", [(b,) for b in gone])
    connection.execute("DELETE FROM instant WHERE sequence<?", (plan.oldest - 1,))
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _dead(connection: sqlite3.Connection, space: int, plan: Plan) -> Iterator[list[tuple[int, bytes, int, int]]]:
    """The versions of a space that may go, in batches."""
    kept = [one for one in plan.kept if one.space == space & 0xFFFFFFFF]
    columns = "SELECT key, sequence, branch, value IS NULL FROM version WHERE space=?"
    low = b""
    while True:
        rows = connection.execute(f"{columns} AND key>=? ORDER BY key, sequence DESC LIMIT ?", (space, low, BATCH * 4)).fetchall()
        whole = len(rows) < BATCH * 4
        if not whole and rows[0][0] == rows[-1][0]:
            rows = connection.execute(f"{columns} AND key=? ORDER BY sequence DESC", (space, rows[0][0])).fetchall()
        elif not whole:
            last = rows[-1][0]
            while rows[-1][0] == last:
                rows.pop()
        if not rows:
            return
        dead: list[tuple[int, bytes, int, int]] = []
        at = 0
        for end in range(1, len(rows) + 1):
            if end == len(rows) or rows[end][0] != rows[at][0]:
                key = rows[at][0]
                here = [one for one in kept if key.startswith(one.prefix)]
                dead += [(space, key, n, b) for n, b in superseded([(r[1], r[2], bool(r[3])) for r in rows[at:end]], plan, here)]
                at = end
        if dead:
            yield dead
        if whole:
            return
        low = rows[-1][0] + b"\0"


def superseded(versions: list[tuple[int, int, bool]], plan: Plan, kept_longer: list[Kept]) -> list[tuple[int, int]]:
    """Which versions (sequence, branch, is a deletion) of one key, newest first, may go.

    A branch's version stays while it is at or past the horizon, while it is the branch's newest before the
    horizon, a fork or a point that is kept; else it may go. A deletion with nothing older beneath it hides nothing.
    """
    horizon = min([plan.horizon, *(one.horizon for one in kept_longer)])
    points = [point for one in kept_longer for point in one.points if point < horizon]
    kept: set[tuple[int, int]] = set()
    by_branch: dict[int, list[int]] = {}
    for sequence, branch, _ in versions:
        by_branch.setdefault(branch, []).append(sequence)
    for branch, sequences in by_branch.items():
        if branch and branch not in plan.trees:
            continue
        kept.update((n, branch) for n in sequences if n >= horizon)
        for point in [horizon, *points, *(f for f in plan.forks.get(branch, ()) if f < horizon)]:
            newest = next((n for n in sequences if n <= point), None)
            if newest is not None:
                kept.add((newest, branch))
    for sequence, branch, deletion in reversed(versions):
        if (sequence, branch) not in kept:
            continue
        if deletion and sequence < horizon:
            kept.discard((sequence, branch))  # the oldest that is left
            continue
        break
    return [(n, b) for n, b, _ in versions if (n, b) not in kept]


def sweep(connection: sqlite3.Connection, folder: Path, now_s: float) -> None:
    """Removes the large values that no version names any more. Young ones stay: a transaction may be about to name them."""
    named: set[str] = set()
    for segment in folder.glob("log-*"):
        named |= names_in(segment.read_bytes())
    for (value,) in connection.execute("SELECT value FROM version WHERE instr(value, ?)", (b"blob:",)):
        named |= names_in(value)
    for path in (folder / "blobs").glob("??/*"):
        if path.parent.name + path.name not in named and path.stat().st_mtime < now_s - YOUNG_S:
            path.unlink(missing_ok=True)


def main(arguments: list[str]) -> int:
    os.nice(10)
    folder = Path(arguments[0])
    connection = connect(folder / "archive", sync="--sync" in arguments)
    connection.execute("PRAGMA cache_size=-131072")  # versions arrive in the order of their keys: most pages are met once
    read = msgspec.json.Decoder(Order).decode
    while select.select([sys.stdin], [], [], IDLE_S)[0] and (line := sys.stdin.buffer.readline()):
        order = read(line)
        if order.take is not None:
            take(connection, folder / f"log-{order.take}", order.take)
        if order.collect is not None:
            collect(connection, order.collect)
            sweep(connection, folder, time.time())
        try:
            os.write(1, DONE)
        except BrokenPipeError:  # nobody is there any more
            break
    connection.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
