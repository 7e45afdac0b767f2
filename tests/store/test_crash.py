"""kill -9 at any instant: every acknowledged transaction is there, whole, and indexes equal their tables."""

from __future__ import annotations

import os
import random
import signal
import struct
import time
from pathlib import Path

import pytest

from fogbank.store.store import Store
from fogbank.store.tables import Record, Table
from fogbank.store.verify import problems

ROUNDS, SAMPLE = 200, 60
ACK = struct.Struct("<QQ")


class Entry(Record, frozen=True, kw_only=True):
    batch: int
    place: int
    size: int
    filling: str = ""


ENTRIES = Table("test.entries", Entry, key=("batch", "place"))
BY_SIZE = ENTRIES.index("by_size", "size")


def write_for_ever(folder: Path, pipe: int, seed: int, first: int) -> None:
    """The child: transactions of several sizes, some undone, some deleting; each acknowledged after the log has it."""
    chance = random.Random(seed)
    store = Store.open(folder, memory_limit=3000)
    batch = first
    while True:
        acknowledged = []
        for _ in range(chance.choice((1, 1, 4))):
            batch += 1
            tx = store.begin("main", batch)
            for place in range(1 + batch % 7):
                ENTRIES.put(tx, Entry(batch=batch, place=place, size=place * batch % 11, filling="x" * chance.randrange(300)))
            if chance.random() < 0.1:
                tx.undo()
                continue
            if batch > 20 and (old := ENTRIES.get(tx, batch - 20, 0)) is not None and chance.random() < 0.2:
                ENTRIES.put(tx, Entry(batch=old.batch, place=0, size=old.size + 1))
            tx.commit()
            acknowledged.append((tx.sequence, batch))
        store.write()
        store.archived()
        os.write(pipe, b"".join(ACK.pack(*a) for a in acknowledged))


@pytest.mark.parametrize("seed", [1])
def test_crash(tmp_path: Path, seed: int, request: pytest.FixtureRequest) -> None:
    """Two hundred kills (of which a sample is in the suite) at random instants under load lose nothing and tear nothing."""
    rounds = ROUNDS if request.config.getoption("--all") else SAMPLE
    chance = random.Random(seed)
    folder = tmp_path / "data"
    store = Store.open(folder)
    store.create("main", 0)
    store.close()
    last = 0
    total = number = 0
    while number < rounds or total <= rounds:  # under load not many get as far as to write
        assert number < 20 * rounds
        out, into = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(out)
                write_for_ever(folder, into, number, last)
            finally:
                os._exit(1)
        os.close(into)
        time.sleep(chance.uniform(0.005, 0.04))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with open(out, "rb") as pipe:
            said = pipe.read()
        acknowledged = list(ACK.iter_unpack(said[: len(said) // ACK.size * ACK.size]))
        total += len(acknowledged)
        store = Store.open(folder)
        tx = store.begin("main", 0)
        for sequence, batch in acknowledged:
            assert store.sequence >= sequence
            assert sum(1 for _ in ENTRIES.scan(tx, batch)) == 1 + batch % 7, f"batch {batch} of round {number} is not whole"
        newest = max((e.batch for e in ENTRIES.scan(tx, after=last)), default=last)
        for batch in range(last + 1, newest + 1):
            assert sum(1 for _ in ENTRIES.scan(tx, batch)) in (0, 1 + batch % 7), f"batch {batch} was torn"
        last = newest
        if number % 20 == 19:
            assert not problems(store.heads["main"])
        store.close()
        number += 1
    assert last > rounds
