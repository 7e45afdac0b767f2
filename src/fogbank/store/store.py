"""The store: an ordered, transactional, multi-version log of everything, with named branches.

    store = Store.open(folder)
    tx = store.begin("main", at_ms); TABLE.put(tx, record); tx.commit(); store.write()
    store.clone("main", "copy", at_ms)          O(1)
    store.backtrack("main", sequence, at_ms)    O(1)
    store.reset("main", at_ms)                  O(1)

Where things are: new versions in `memory` and in the `log`; when a segment of the log is full, the `archiver` takes
it into the `archive` and it leaves memory. Reads look there in that order.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import IO
from zlib import crc32

import msgspec

from fogbank.store.archive import Archive
from fogbank.store.archiver import Kept, Order, Plan
from fogbank.store.archivist import Archivist
from fogbank.store.blobs import Blobs
from fogbank.store.branch import FOREVER, Branch
from fogbank.store.log import Log, frames
from fogbank.store.memory import Memory, Packed
from fogbank.store.records import DELETED, decode_frame, encode
from fogbank.store.tables import Record, Table, change
from fogbank.store.transaction import Transaction
from fogbank.store.vault import Vault

FORMAT = 2
MEMORY_LIMIT = 50_000
"""Versions in memory before a segment ends."""
MEMORIES_LIMIT = 6
"""Segments that may wait for the archiver before writers wait for it."""


class Problem(Exception):
    """The store cannot be opened, or not be taken where it was asked to go; the message is for the user."""


class Line(msgspec.Struct, frozen=True, array_like=True):
    """A branch in the catalogue: its tree, and where it left which parent."""

    number: int
    tree: int
    parent: int
    fork: int


class Head(msgspec.Struct, frozen=True, array_like=True):
    """From this sequence number on, a name stood for this branch."""

    since: int
    branch: int


class Catalogue(Record, frozen=True, kw_only=True):
    """All branches and what their names have stood for, oldest first. A row of the tree 0, like any other.

    `last` is the highest number that a branch was ever given; `horizon` the sequence number before which the past is
    not kept.
    """

    name: str = "catalogue"
    branches: list[Line]
    heads: dict[str, list[Head]]
    last: int = 0
    horizon: int = 0


CATALOGUE = Table("store.catalogue", Catalogue, key=("name",))


class Store:
    """One folder, one process."""

    def __init__(self, folder: Path, lock: IO[str], *, sync: bool, memory_limit: int, temporary: bool) -> None:
        self.folder = folder
        self.sync = sync
        self.memory_limit = memory_limit
        self._lock = lock
        self._temporary = temporary
        self._archivist = Archivist(folder, sync=sync)
        self._leaving: Memory | None = None
        self.archive = Archive(folder / "archive")
        self.vault = Vault(folder / "keys")
        self.blobs = Blobs(folder / "blobs", self.vault, sync=sync)
        self.memories: list[Memory] = []
        taken, self.sequence = self.archive.taken()
        self._replay(taken)
        self.log = Log(folder, taken)
        self.memories.insert(0, Memory(self.log.number))
        self._meta = Branch(self, 0, 0, {0: FOREVER})
        self.catalogue: Catalogue = self._meta.get(CATALOGUE, CATALOGUE.key("catalogue")) or Catalogue(branches=[], heads={})
        self.heads: dict[str, Branch] = {name: self._branch(heads[-1].branch) for name, heads in self.catalogue.heads.items()}
        for name in [n for n in self.heads if n.endswith("~loading")]:  # a snapshot that was being loaded when all ended
            self.drop(name, 0)
        self._advance()

    @classmethod
    def open(cls, folder: Path | None, *, sync: bool = False, memory_limit: int = MEMORY_LIMIT) -> Store:
        """Opens a folder, or a new temporary one that goes with the process (None). Raises Problem."""
        temporary = folder is None
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="fogbank-"))
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("a+")
        if not _locked(lock):
            raise Problem(f"the data directory {folder} is in use by a running cloud")
        version = folder / "format"
        if not version.exists():
            new = folder / "format.new"
            new.write_text(f"{FORMAT}\n")
            os.replace(new, version)
        elif not version.read_text().strip().isdigit():
            raise Problem(f"{folder} is no data directory of ours: its file `format` has no number")
        elif int(version.read_text()) > FORMAT:
            raise Problem(
                f"the data in {folder} was written by a newer Fogbank (format {version.read_text().strip()}, this one reads {FORMAT})"
            )
        elif int(version.read_text()) < FORMAT:
            raise Problem(f"the data in {folder} has format {version.read_text().strip()}, which this Fogbank reads no more")
        return cls(folder, lock, sync=sync, memory_limit=memory_limit, temporary=temporary)

    def _replay(self, taken: int) -> None:
        """Brings the segments that the archive does not have back into memory."""
        numbers = sorted(int(p.name[4:]) for p in self.folder.glob("log-*"))
        for number in numbers:
            path = self.folder / f"log-{number}"
            if number <= taken:
                path.unlink()
                continue
            memory = Memory(number)
            for payload in frames(path, last=number == numbers[-1]):
                sequence, at_ms, branch, tree, writes = decode_frame(payload)
                for space, key, value in writes:
                    packed = bytes(value)
                    memory.space(tree << 32 | space).add(key, (sequence, branch, None if packed == DELETED else Packed(packed)))
                memory.count += len(writes)
                memory.mark(branch, at_ms, sequence)
                self.sequence = max(self.sequence, sequence)
            if memory.count:
                self.memories.insert(0, memory)
            else:
                path.unlink()

    # branches

    def _line(self, number: int) -> Line:
        return next(line for line in self.catalogue.branches if line.number == number)

    def parent(self, number: int) -> int:
        """The branch that a branch left; 0 where it is the first."""
        return self._line(number).parent

    def instant(self, name: str, sequence: int) -> int:
        """The cloud's time when a name's history had reached a sequence number (0: not known any more)."""
        path = self._path(self.heads[name].number)
        times = [at for memory in self.memories for branch, at, when in memory.instants if when <= min(sequence, path.get(branch, -1))]
        return max([*times, *(self.archive.instant(branch, min(sequence, fork) + 1) or 0 for branch, fork in path.items())])

    def _path(self, number: int, below: int = FOREVER) -> dict[int, int]:
        path: dict[int, int] = {}
        while number:
            path[number] = below
            line = self._line(number)
            number, below = line.parent, min(below, line.fork)
        return path

    def _branch(self, number: int) -> Branch:
        return Branch(self, number, self._line(number).tree, self._path(number))

    def begin(self, name: str, at_ms: int) -> Transaction:
        return Transaction(self, self.heads[name], at_ms)

    def past(self, name: str, sequence: int) -> Branch:
        """A branch as it was at a sequence number, to read. Raises Problem where that is not kept any more."""
        number = self._stood_for(name, sequence)
        return Branch(self, -1, self._line(number).tree, self._path(number, sequence))

    def past_of(self, name: str, at_ms: int, sequence: int | None = None) -> Branch:
        """What a name stands for, as it was at an instant of its own history (not before a reset). Raises LookupError.

        `sequence`: as it was after that transaction, which was committed at that instant.
        """
        reached = self.reached(name, at_ms)
        if reached is None:
            raise LookupError("that is before the beginning, or longer ago than is kept")
        sequence = reached if sequence is None else min(sequence, reached)
        number = self.heads[name].number
        return Branch(self, -1, self._line(number).tree, self._path(number, sequence))

    def reached(self, name: str, at_ms: int) -> int | None:
        """The last sequence number that what a name stands for had reached at an instant of its own history, or None."""
        for branch, fork in sorted(self._path(self.heads[name].number).items(), reverse=True):
            sequence = self._reached(branch, at_ms, min(FOREVER, fork + 1))
            if sequence is not None:
                return sequence
        return None

    def has(self, table: str) -> bool:
        """Whether any branch has ever had a row of a table, whose module need not be loaded."""
        number = crc32(table.encode())
        return any(s & 0xFFFFFFFF == number for memory in self.memories for s in memory.spaces) or any(
            s & 0xFFFFFFFF == number for s in self.archive.spaces
        )

    def _stood_for(self, name: str, sequence: int) -> int:
        """The branch that a name stood for at a sequence number. Raises Problem."""
        if sequence < self.catalogue.horizon:
            raise Problem(f"@{sequence} is longer ago than is kept (@{self.catalogue.horizon})")
        heads = self.catalogue.heads[name]
        found = next((h.branch for h in reversed(heads) if h.since <= sequence), None)
        if found is None:  # before the name was made: the line it was cloned from
            line = self._line(heads[0].branch)
            while line.parent and line.fork > sequence:
                line = self._line(line.parent)
            found = line.number
        return found

    def create(self, name: str, at_ms: int) -> Branch:
        """A new, empty branch (what `name` stood for before, if anything, stays in its past)."""
        number = self._next_number()
        return self._point(name, Line(number, number, 0, 0), at_ms)

    reset = create

    def clone(self, source: str, name: str, at_ms: int) -> Branch:
        """A copy of a branch as it is now, under a new name."""
        if name in self.catalogue.heads:
            raise Problem(f"there is a clone named {name} already")
        return self.backtrack(source, self.sequence, at_ms, name=name)

    def backtrack(self, source: str, sequence: int, at_ms: int, *, name: str | None = None) -> Branch:
        """The name goes on from where the source was at a sequence number. Where it is now stays in its past."""
        number = self._stood_for(source, sequence)
        line = self._line(number)
        return self._point(name or source, Line(self._next_number(), line.tree, number, sequence), at_ms)

    def adopt(self, source: str, name: str, at_ms: int) -> None:
        """A name goes on with another's branch; that other name is forgotten."""
        number = self.heads.pop(source).number
        heads = {n: h for n, h in self.catalogue.heads.items() if n != source}
        heads[name] = [*heads.get(name, []), Head(self.sequence + 1, number)]
        self._save(change(self.catalogue, heads=heads), at_ms)
        self.heads[name] = self._branch(number)

    def drop(self, name: str, at_ms: int) -> None:
        """Forgets a name."""
        self.heads.pop(name).forget()
        heads = {n: h for n, h in self.catalogue.heads.items() if n != name}
        self._save(change(self.catalogue, heads=heads), at_ms)

    def _next_number(self) -> int:
        return max([self.catalogue.last, *(line.number for line in self.catalogue.branches)]) + 1

    def _point(self, name: str, line: Line, at_ms: int) -> Branch:
        heads = dict(self.catalogue.heads)
        heads[name] = [*heads.get(name, []), Head(self.sequence + 1, line.number)]
        self._save(change(self.catalogue, branches=[*self.catalogue.branches, line], heads=heads, last=line.number), at_ms)
        # An empty frame: the branch was there at this instant, though nothing was written to it yet.
        self.log.append(encode((self.sequence, at_ms, line.number, line.tree, [])))
        self.memories[0].mark(line.number, at_ms, self.sequence)
        branch = self.heads[name] = self._branch(line.number)
        return branch

    def _save(self, catalogue: Catalogue, at_ms: int) -> None:
        tx = Transaction(self, self._meta, at_ms)
        CATALOGUE.put(tx, catalogue)
        tx.commit()
        self.catalogue = catalogue

    def locate(self, name: str, at_ms: int) -> int:
        """The last sequence number that a name had reached at an instant of its own clock. Raises Problem."""
        below = FOREVER
        for head in reversed(self.catalogue.heads[name]):
            for branch, fork in sorted(self._path(head.branch).items(), reverse=True):
                found = self._reached(branch, at_ms, min(below, fork + 1))
                if found is not None:
                    return max(found, head.since) if branch == head.branch else found
            below = head.since
        raise Problem("that is before the beginning, or longer ago than is kept")

    def _reached(self, branch: int, at_ms: int, below: int) -> int | None:
        for memory in self.memories:
            for number, instant, sequence in reversed(memory.instants):
                if number == branch and instant <= at_ms and sequence < below:
                    return sequence
        return self.archive.reached(branch, at_ms, below)

    # the log and the archive

    def write(self) -> None:
        """Hands the turn's transactions to the operating system."""
        self.log.write()

    def rotate(self) -> None:
        """Ends the segment: its versions wait for the archiver."""
        self.log.rotate(sync=self.sync)
        self.memories.insert(0, Memory(self.log.number))
        for branch in (self._meta, *self.heads.values()):
            branch.writing = {}
        self._advance()
        try:
            while len(self.memories) > MEMORIES_LIMIT:
                self.archived(wait=True)
        except Problem:
            pass  # memory grows until it succeeds; whoever asks `archived` next learns of it

    def _advance(self) -> None:
        """Has the archiver take the oldest ended segment, unless it is at work."""
        if not self._archivist.busy and len(self.memories) > 1:
            self._leaving = self.memories[-1]
            self._archivist.order(msgspec.json.encode(Order(take=self._leaving.segment)))

    def archived(self, *, wait: bool = False) -> bool:
        """Whether the archiver is idle; takes note of what it has finished. To be asked now and then. Raises Problem."""
        if not self._archivist.busy:
            self._advance()  # after a failure: again
            return not self._archivist.busy
        done = self._archivist.finished(wait=wait)
        if done is None:
            return False
        leaving, self._leaving = self._leaving, None
        if not done:
            raise Problem("the archiver failed; versions stay in memory and in the log until it succeeds")
        if leaving is not None:
            self.archive.spaces.update(leaving.spaces)
            self.memories.remove(leaving)
            self.log.forget(leaving.segment)
        self._advance()
        return not self._archivist.busy

    def plan(self, horizon: int) -> Plan:
        """What the collector must keep so that every name can be read at any sequence number from the horizon on."""
        live: set[int] = set()
        for heads in self.catalogue.heads.values():
            for head, after in zip(heads, [*heads[1:], None], strict=True):
                if after is None or after.since >= horizon:
                    live |= self._path(head.branch).keys()
        lines = [line for line in self.catalogue.branches if line.number in live]
        forks: dict[int, list[int]] = {}
        for line in lines:
            forks.setdefault(line.parent, []).append(line.fork)
        return Plan(horizon=horizon, trees={line.number: line.tree for line in lines}, forks=forks)

    def collect(self, horizon: int, at_ms: int, kept: Iterable[Kept] = ()) -> bool:
        """Starts the collection of what lies before the horizon (and is not among `kept`). False: the archiver is at work."""
        if not self.archived():
            return False
        plan = self.plan(horizon)
        plan.kept = list(kept)
        self._prune(plan, at_ms)
        if self._archivist.busy:  # pruning ended a segment
            return False
        self._archivist.order(msgspec.json.encode(Order(collect=plan)))
        return True

    def _prune(self, plan: Plan, at_ms: int) -> None:
        """Drops from the catalogue what the plan does not keep."""
        heads: dict[str, list[Head]] = {}
        for name, history in self.catalogue.heads.items():
            ended = [head for head, after in pairwise([*history, Head(FOREVER, 0)]) if after.since < plan.horizon]
            heads[name] = [head for head in history if head not in ended]
        branches = [line for line in self.catalogue.branches if line.number in plan.trees]
        if plan.horizon > self.catalogue.horizon or heads != self.catalogue.heads:
            self._save(change(self.catalogue, branches=branches, heads=heads, horizon=plan.horizon), at_ms)

    def close(self) -> None:
        """Writes what is left; a temporary store is removed."""
        self.log.close()
        self._archivist.close()
        self.archive.close()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()


def _locked(lock: IO[str]) -> bool:
    """Takes the lock. A cloud that was killed while it started its archiver lets go only when that has begun: a moment later."""
    for _ in range(100):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.025)
        else:
            return True
    return False


def sync_file(descriptor: int) -> None:
    """Brings a file's bytes to the disk, and closes the descriptor: for a thread."""
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
