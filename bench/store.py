#!/usr/bin/env python3
"""The store with a million keys: reset, clone, backtrack; and latency while segments go to the archive.

    python bench/store.py [--keys 1000000]

Prints milliseconds, medians of five; each is done on a store that has just been opened again.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fogbank.store.store import Store
from fogbank.store.tables import Record, Table


class Thing(Record, frozen=True, kw_only=True):
    owner: str
    number: int
    kind: str
    weight: float = 1.5
    labels: dict[str, str] = {}
    text: str = ""


THINGS = Table("bench.things", Thing, key=("owner", "number"))
BY_KIND = THINGS.index("by_kind", "kind", "number")


def fill(store: Store, keys: int) -> list[float]:
    """Puts the keys, 8 a transaction, the log written after each; seconds of each transaction."""
    spans = []
    at_ms = 1_000_000
    for first in range(0, keys, 8):
        begun = time.perf_counter()
        tx = store.begin("main", at_ms + first)
        for number in range(first, first + 8):
            key = number * 2654435761 % 4294967296
            THINGS.put(tx, Thing(owner="o", number=key, kind=f"k{number % 100}", labels={"a": "b"}, text="x" * 100))
        tx.commit()
        store.write()
        spans.append(time.perf_counter() - begun)
        if first % 4000 == 0:
            store.archived()
    return spans


def timed(name: str, work: Callable[[], object]) -> None:
    spans = []
    for _ in range(5):
        begun = time.perf_counter()
        work()
        spans.append(1000 * (time.perf_counter() - begun))
    print(f"{name:34} {statistics.median(spans):9.3f} ms   (worst {max(spans):.3f})")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--keys", type=int, default=1_000_000)
    keys = options.parse_args().keys
    folder = Path(tempfile.mkdtemp(prefix="fogbank-bench-"))
    try:
        store = Store.open(folder)
        store.create("main", 0)
        spans = sorted(fill(store, keys))
        total = sum(spans)
        print(f"load {keys} keys (8 a commit)          {keys / total:9.0f} /s")
        middle, late = spans[len(spans) // 2], spans[int(len(spans) * 0.99)]
        print(f"commit of 8: p50, p99, worst       {1e6 * middle:9.0f} us, {1e6 * late:.0f} us, {1e6 * spans[-1]:.0f} us")
        while not store.archived(wait=True):
            pass
        store.close()
        begun = time.perf_counter()
        store = Store.open(folder)
        print(f"open                               {1000 * (time.perf_counter() - begun):9.3f} ms")
        present = store.sequence
        clones = iter(range(100))
        timed("clone", lambda: (store.clone("main", f"c{next(clones)}", 2_000_000), store.write()))
        instant = 1_000_000 + keys // 2

        def back() -> None:
            store.backtrack("main", store.locate("main", instant), 2_000_000)
            store.write()
            assert next(THINGS.scan(store.begin("main", 2_000_000), "o")) is not None

        begun = time.perf_counter()
        back()
        print(f"backtrack to the middle, first row {1000 * (time.perf_counter() - begun):9.3f} ms")
        store.backtrack("main", present, 2_000_000)
        tx = store.begin("main", 2_000_000)
        timed("read 1 (uncached)", lambda: (store.heads["main"].forget(), THINGS.get(tx, "o", 2654435761 * 7 % 4294967296)))
        timed("scan 100", lambda: [t for _, t in zip(range(100), THINGS.scan(tx, "o"), strict=False)])
        timed("reset", lambda: (store.reset("main", 2_000_000), store.write()))
        store.close()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
