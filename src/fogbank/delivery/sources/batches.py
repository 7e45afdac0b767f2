"""What becomes of a batch of a stream: it is taken, tried again, split, or given up. Arithmetic without a context."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from zlib import crc32

import msgspec

from fogbank.delivery.sources.reading import Entry, Reading

BACK_OFF_MS = 1000
LONGEST_MS = 60_000


class Unit:
    """Records that are handled together; `final`: what closes a window, with or without records.

    `tries` are those that failed, `throttles` those that did not run. It is not tried again before `not_before_ms`.
    """

    __slots__ = ("entries", "final", "name", "not_before_ms", "request_id", "throttles", "tries")

    def __init__(self, entries: list[Entry], name: str, tries: int = 0, *, final: bool = False) -> None:
        self.entries = entries
        self.name = name
        self.tries = tries
        self.final = final
        self.throttles = 0
        self.not_before_ms = 0
        self.request_id = ""

    @property
    def attempt(self) -> str:
        """Tells one attempt from the next."""
        return f"{self.name} {self.tries} {self.throttles}"

    def put_off(self, now_ms: int, times: int) -> None:
        self.not_before_ms = now_ms + min(BACK_OFF_MS * 2 ** min(times, 16), LONGEST_MS)


def failed_items(payload: bytes) -> list[str] | None:
    """The `itemIdentifier`s that a handler reports as failed; None where what it says is no report."""
    try:
        said = msgspec.json.decode(payload or b"null")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if said is None or said == "":
        return []
    if not isinstance(said, dict):
        return None
    failures = said.get("batchItemFailures")
    if failures is None:
        return []
    if not isinstance(failures, list):
        return None
    found: list[str] = []
    for failure in failures:
        id = failure.get("itemIdentifier") if isinstance(failure, dict) else None
        if not isinstance(id, str) or not id:
            return None
        found.append(id)
    return found


def spread(entries: Iterable[Entry], lanes: int) -> list[list[Entry]]:
    """The records by their keys, each key's in one part, in their order."""
    parts: list[list[Entry]] = [[] for _ in range(lanes)]
    for entry in entries:
        parts[crc32(entry.key.encode()) % lanes if lanes > 1 else 0].append(entry)
    return [part for part in parts if part]


def left_after(unit: Unit, failed: list[str]) -> list[Entry] | None:
    """The records from the first that failed on: none where none did; None where a reported one is not of this batch."""
    if not failed:
        return []
    places = {entry.sequence: place for place, entry in enumerate(unit.entries)}
    if not all(id in places for id in failed):
        return None
    return unit.entries[min(places[id] for id in failed) :]


def retried(unit: Unit, left: list[Entry], reading: Reading, now_ms: int) -> list[Unit]:
    """What comes in the place of a unit of which some is left: nothing where it has been tried too often."""
    progressed = len(left) < len(unit.entries)
    if reading.bisect and len(left) > 1:
        middle = len(left) // 2
        halves = [left[:middle], left[middle:]]
        return [Unit(half, f"{unit.name}.{number}", unit.tries) for number, half in enumerate(halves)]
    tries = 0 if progressed else unit.tries + 1
    if reading.retries >= 0 and tries > reading.retries:
        return []
    again = Unit(left, f"{unit.name}+" if progressed else unit.name, tries, final=unit.final)
    if not progressed:
        again.put_off(now_ms, tries - 1)
    return [again]


def too_old(unit: Unit, reading: Reading, now_ms: int) -> list[Entry]:
    """The records at the beginning of a unit that are over their maximum age."""
    if reading.max_age_s < 0:
        return []
    horizon_ms = now_ms - reading.max_age_s * 1000
    gone: list[Entry] = []
    for entry in unit.entries:
        if entry.at_ms >= horizon_ms:
            break
        gone.append(entry)
    return gone


Queue = deque[Unit]
