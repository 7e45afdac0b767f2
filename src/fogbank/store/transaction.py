"""A transaction: reads and writes of one branch that happen together or not at all.

One process, one thread, one transaction at a time: writes go straight into memory, and undoing takes them back. So a
transaction reads its own writes at no cost, and there is nothing to conflict with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from fogbank.store.memory import NOTHING, Packed, Space
from fogbank.store.records import encode

if TYPE_CHECKING:
    from fogbank.store.branch import Branch, Ordered
    from fogbank.store.store import Store

MEMORY_BYTES = 16 << 20
"""Bytes of frames before a segment ends."""

Undo = tuple["Ordered", bytes, Any, Space, Any]


class Transaction:
    """`sequence` is the number it will have if it writes; `writes` what it wrote: (table number, key, value)."""

    __slots__ = ("_count", "_store", "_undo", "at_ms", "branch", "get", "scan", "sequence", "told", "writes")

    def __init__(self, store: Store, branch: Branch, at_ms: int) -> None:
        self._store = store
        self.branch = branch
        self.at_ms = at_ms
        self.sequence = store.sequence + 1
        self.writes: list[tuple[int, bytes, Any]] = []
        self._undo: list[Undo] = []
        self._count = 0
        self.told: list[tuple[str, Any]] | None = None
        """What services are told when it is over, however it ends: (service, what)."""
        self.get = branch.get
        self.scan = branch.scan

    @property
    def tx(self) -> Transaction:
        """So that a transaction can stand where tables expect the holder of one."""
        return self

    def unique(self) -> int:
        """A number that grows and that no other transaction of the store has (63 bits)."""
        self._count += 1
        return self.sequence << 16 | self._count

    def write(self, table: Ordered, key: bytes, value: Any) -> None:
        """A table's or an index's row becomes `value` (None: is deleted)."""
        branch = self.branch
        number = table.space
        space, view = branch.writing.get(number) or branch.write_to(number)
        replaced = space.add(key, (self.sequence, branch.number, value))
        before = view.get(key, NOTHING)
        self._undo.append((table, key, replaced, space, before))
        self.writes.append((number, key, value))
        view[key] = value
        if before is NOTHING:
            branch.remembered(table.weight or table.weigh(value))
        if value is not None and number in branch.gaps:
            branch.close_gaps(number, key)

    def restore(self, table: Ordered, key: bytes, packed: Packed) -> None:
        """Writes a value as it stood in another log. Not undone: for a branch that nobody sees yet."""
        self._store.memories[0].space(self.branch.tree << 32 | table.space).add(key, (self.sequence, self.branch.number, packed))
        self.writes.append((table.space, key, msgspec.Raw(packed)))

    def mark(self) -> int:
        """A place to go back to."""
        return len(self.writes)

    def undo(self, mark: int = 0) -> None:
        """Takes back everything written since the mark."""
        branch = self.branch
        while len(self.writes) > mark:
            self.writes.pop()
            table, key, replaced, space, before = self._undo.pop()
            space.undo(key, replaced)
            view = branch.view.get(table.space)
            if view is not None:
                if before is NOTHING:
                    view.pop(key, None)
                else:
                    view[key] = before
            branch.close_gaps(table.space, key)

    def commit(self) -> bool:
        """Makes the writes part of the log (which is written at the end of the turn). False: there were none."""
        if not self.writes:
            return False
        store = self._store
        branch = self.branch
        store.sequence = self.sequence
        frame = encode((self.sequence, self.at_ms, branch.number, branch.tree, self.writes))
        store.log.append(frame)
        memory = store.memories[0]
        memory.count += len(self.writes)
        memory.size += len(frame)
        memory.mark(branch.number, self.at_ms, self.sequence)
        if memory.count >= store.memory_limit or memory.size >= MEMORY_BYTES:
            store.rotate()
        return True
