"""Rows that a writer of a multi-master cluster holds, as one storage node knows it, and what six of them make of a claim. Pure.

A claim is by one of two writers, for keys (hashes of rows): alone, or shared with claims of either writer that share it too. Claims of one
writer never stand in each other's way: its own locks put them in order. Nothing of it is on disk: a node votes when every writer of this
generation of the cluster has told it what it holds, so one that lost its memory, or was away, grants nothing that somebody has.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from fogbank.engines.fleet.frames import WRITE_QUORUM

Keys = tuple[list[int], list[int]]
"""What is claimed alone, and shared."""


class Tell(msgspec.Struct, array_like=True):
    """What TELL says."""

    cluster: str
    generation: int
    writer: int
    writers: list[int]
    claims: dict[int, Keys]


class Claim(msgspec.Struct, array_like=True):
    """What CLAIM says."""

    cluster: str
    generation: int
    writer: int
    claim: int
    alone: list[int]
    shared: list[int]

    @property
    def keys(self) -> Keys:
        return self.alone, self.shared


class Release(msgspec.Struct, array_like=True):
    """What RELEASE says."""

    cluster: str
    generation: int
    writer: int
    claims: list[int]


class Holder(NamedTuple):
    """Whose claim it is, and the number that it has with that writer."""

    writer: int
    claim: int


class Book:
    """The claims of one cluster in one generation: the next one may have other writers."""

    def __init__(self, generation: int, writers: Iterable[int]) -> None:
        self.generation = generation
        self._untold = set(writers)
        self._held: dict[int, dict[Holder, bool]] = {}
        self._keys: dict[Holder, set[int]] = {}

    @property
    def votes(self) -> bool:
        """Whether all writers have told what they hold."""
        return not self._untold

    def claim(self, holder: Holder, keys: Keys) -> Holder | None:
        """Grants all of it: None; or nothing: who stands in the way."""
        alone, shared = keys
        for key in alone:
            for other in self._held.get(key, ()):
                if other.writer != holder.writer:
                    return other
        for key in shared:
            for other, only in self._held.get(key, {}).items():
                if only and other.writer != holder.writer:
                    return other
        self._take(holder, keys)
        return None

    def _take(self, holder: Holder, keys: Keys) -> None:
        alone, shared = keys
        mine = self._keys.setdefault(holder, set())
        for only, some in ((False, shared), (True, alone)):
            for key in some:
                self._held.setdefault(key, {})[holder] = only
                mine.add(key)

    def release(self, holder: Holder) -> None:
        """Lets go of a claim, where there is one."""
        for key in self._keys.pop(holder, ()):
            held = self._held[key]
            del held[holder]
            if not held:
                del self._held[key]

    def tell(self, writer: int, claims: Mapping[int, Keys]) -> None:
        """What a writer holds: that, and nothing else."""
        for holder in [holder for holder in self._keys if holder.writer == writer]:
            self.release(holder)
        for number, keys in claims.items():
            self._take(Holder(writer, number), keys)
        self._untold.discard(writer)

    def __len__(self) -> int:
        return len(self._keys)


class Books:
    """Of all clusters."""

    def __init__(self) -> None:
        self._books: dict[str, Book] = {}

    def tell(self, told: Tell) -> None:
        """See TELL. What is said of an older generation counts no more."""
        book = self._books.get(told.cluster)
        if book is not None and book.generation > told.generation:
            return
        if not told.writers:
            self._books.pop(told.cluster, None)
            return
        if book is None or book.generation < told.generation:
            book = self._books[told.cluster] = Book(told.generation, told.writers)
        book.tell(told.writer, told.claims)

    def find(self, cluster: str, generation: int) -> Book | None:
        book = self._books.get(cluster)
        return book if book is not None and book.generation == generation else None

    def status(self) -> dict[str, int]:
        """Clusters, and how many claims there are."""
        return {cluster: len(book) for cluster, book in self._books.items()}


class Verdict(enum.Enum):
    """What the votes make of a claim."""

    OPEN = "more votes are to come"
    GRANTED = "four grant it"
    REFUSED = "another writer has four, or may have"
    SPLIT = "nobody has four"
    UNHEARD = "fewer than four vote"


class Ballot:
    """The votes on one claim, of the nodes that are asked."""

    def __init__(self, nodes: Iterable[int]) -> None:
        self._asked = set(nodes)
        self._votes: dict[int, bool] = {}

    def vote(self, node: int, granted: bool) -> None:
        """A node has answered."""
        if node in self._asked:
            self._votes[node] = granted

    def lose(self, node: int) -> None:
        """A node cannot vote, or went away: what it granted it may have forgotten, so that does not count any more."""
        self._asked.discard(node)
        self._votes.pop(node, None)

    @property
    def verdict(self) -> Verdict:
        grants = sum(self._votes.values())
        if grants >= WRITE_QUORUM:
            return Verdict.GRANTED
        if len(self._votes) - grants >= WRITE_QUORUM:
            return Verdict.REFUSED
        if len(self._asked) < WRITE_QUORUM:
            return Verdict.UNHEARD
        return Verdict.OPEN if len(self._votes) < len(self._asked) else Verdict.SPLIT
