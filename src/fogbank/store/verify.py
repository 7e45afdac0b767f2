"""The store checks itself: what must be true of any branch at any time."""

from __future__ import annotations

from fogbank.store.branch import Branch
from fogbank.store.tables import TABLES

LOW, HIGH = b"", b"\xff"


def problems(branch: Branch) -> list[str]:
    """What is wrong: index rows that do not match their tables. Empty is right."""
    out: list[str] = []
    for table in TABLES.values():
        if not table.indexes:
            continue
        rows = list(branch.scan(table, LOW, HIGH))
        for index in table.indexes:
            expected = {place: key for key, record in rows if (place := index.place(key, record)) is not None}
            found = dict(branch.scan(index, LOW, HIGH))
            if expected != found:
                out.append(
                    f"{index.name}: {len(expected.keys() - found.keys())} rows missing, {len(found.keys() - expected.keys())} too many"
                )
    return out
