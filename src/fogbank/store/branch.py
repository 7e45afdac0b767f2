"""A branch: one line of history, read at its head or anywhere in its past.

What a branch sees is its path: its own versions, and its ancestors' up to where it left them. So a branch costs
nothing to make, whatever the store holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fogbank.store.archive import Found
from fogbank.store.memory import NOTHING, Packed, Space

if TYPE_CHECKING:
    from fogbank.store.store import Store
    from fogbank.store.tables import Index, Table

    Ordered = Table[Any] | Index[Any]

FOREVER = 1 << 62
VIEW_LIMIT = 40_000
"""Decoded values that a branch remembers; past that it forgets them all (they are in memory or in the archive)."""
PAGE = 4
"""Keys that a scan looks at first; each further page is four times as long. Many scans want only the first row."""
GAP = 24
GAPS_LIMIT = 16


class Branch:
    """Reads of one branch; `Transaction` writes it.

    `view` remembers decoded values by table and key, as they are at the head: it is the fast path of every read.
    `gaps` remembers, for a scan's low end, the first key that was alive: a queue whose head is all deletions is not
    walked again. `writing` is where a transaction writes each table, until the segment ends.
    """

    __slots__ = ("_store", "_viewed", "gaps", "number", "path", "tree", "view", "writing")

    def __init__(self, store: Store, number: int, tree: int, path: Mapping[int, int]) -> None:
        self._store = store
        self.number = number
        self.tree = tree
        self.path = dict(path)
        self.view: dict[int, dict[bytes, Any]] = {}
        self.writing: dict[int, tuple[Space, dict[bytes, Any]]] = {}
        self.gaps: dict[int, dict[bytes, bytes]] = {}
        self._viewed = 0

    @property
    def tx(self) -> Branch:
        """So that a branch can stand where tables expect the holder of a transaction, to be read."""
        return self

    def get(self, table: Ordered, key: bytes) -> Any:
        """The value at the head, or None."""
        view = self.view.get(table.space)
        if view is None:
            view = self.view[table.space] = {}
        value = view.get(key, NOTHING)
        if value is NOTHING:
            value = view[key] = self._find(table, key)
            self.remembered(table.weight or table.weigh(value))
        return value

    def remembered(self, weight: int) -> None:
        """One more value is in the view: when there are too many, all go."""
        self._viewed += weight
        if self._viewed > VIEW_LIMIT:
            self.forget()

    def forget(self) -> None:
        """Lets go of all remembered values. The dictionaries stay: a scan or a transaction may hold them."""
        for view in self.view.values():
            view.clear()
        self._viewed = 0

    def _find(self, table: Ordered, key: bytes, archived: Any = NOTHING) -> Any:
        """The newest visible version: from memory, newest segment first, else from the archive (or as already read there)."""
        space = self.tree << 32 | table.space
        path = self.path
        for memory in self._store.memories:
            rows = memory.spaces.get(space)
            if rows is not None and (versions := rows.rows.get(key)):
                for sequence, branch, value in reversed(versions):
                    if sequence <= path.get(branch, -1):
                        return table.decode(value) if type(value) is Packed else value
        if archived is NOTHING:
            archived = self._store.archive.find(space, key, path) if space in self._store.archive.spaces else None
        return None if archived is None else table.decode(archived)

    def write_to(self, number: int) -> tuple[Space, dict[bytes, Any]]:
        """Where a transaction writes a table's rows: memory, and the view."""
        view = self.view.get(number)
        if view is None:
            view = self.view[number] = {}
        found = self.writing[number] = (self._store.memories[0].space(self.tree << 32 | number), view)
        return found

    def close_gaps(self, number: int, key: bytes) -> None:
        """A key came alive: no gap may reach over it."""
        gaps = self.gaps.get(number)
        if gaps:
            for low, first in gaps.items():
                if low <= key < first:
                    gaps[low] = key

    def scan(self, table: Ordered, low: bytes, high: bytes, reverse: bool = False) -> Iterator[tuple[bytes, Any]]:
        """(key, value) of what is alive in [low, high), in order. Writes made while it runs are seen or not, never half."""
        space = table.space
        begin = low
        gaps = self.gaps.get(space)
        if gaps and not reverse:
            low = gaps.get(begin) or next((first for start, first in gaps.items() if start <= begin < first), begin)
        size = PAGE
        dead = 0
        searching = not reverse
        while low < high:
            page, end = self._page(table, low, high, size, reverse)
            view = self.view.get(space)
            if view is None:
                view = self.view[space] = {}
            for key, archived in page:
                value = view.get(key, NOTHING)
                if value is NOTHING:
                    value = self._find(table, key, archived)
                    if size <= 128:  # a long scan must not push everything else out
                        view[key] = value
                        self.remembered(table.weight or table.weigh(value))
                if value is not None:
                    if searching:
                        searching = False
                        if dead >= GAP:
                            self._gap(space, begin, key)
                    yield key, value
                else:
                    dead += 1
            if end is None:
                break
            if reverse:
                high = end
            else:
                low = end + b"\0"
            size = min(size * 4, 1024)
        if searching and dead >= GAP:
            self._gap(space, begin, high)

    def _gap(self, space: int, low: bytes, first: bytes) -> None:
        gaps = self.gaps.setdefault(space, {})
        gaps.pop(low, None)
        if len(gaps) >= GAPS_LIMIT:
            gaps.pop(next(iter(gaps)))
        gaps[low] = first

    def _page(self, table: Ordered, low: bytes, high: bytes, size: int, reverse: bool) -> tuple[list[tuple[bytes, Any]], bytes | None]:
        """Keys in [low, high) that any version exists of, in order, each with what the archive says (NOTHING: not asked).

        Also the last key of the page where there may be more.
        """
        space = self.tree << 32 | table.space
        store = self._store
        lists: list[list[bytes]] = []
        ends: list[bytes] = []
        for memory in store.memories:
            rows = memory.spaces.get(space)
            if rows is not None and (keys := rows.keys(low, high, size, reverse)):
                lists.append(keys)
                if len(keys) == size:
                    ends.append(keys[0] if reverse else keys[-1])
        found: Found = {}
        archived = space in store.archive.spaces
        if archived:
            found, end = store.archive.page(space, low, high, self.path, size, reverse)
            if end is not None:
                ends.append(end)
        if not archived and len(lists) == 1:
            page = lists[0]
            if reverse:
                page.reverse()
            return [(k, None) for k in page], ends[0] if ends else None
        merged = sorted(set(found).union(*lists), reverse=reverse)
        if ends:
            bound = max(ends) if reverse else min(ends)
            merged = [k for k in merged if k >= bound] if reverse else [k for k in merged if k <= bound]
            return [(k, found.get(k)) for k in merged], bound
        return [(k, found.get(k)) for k in merged], None
