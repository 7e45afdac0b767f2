"""What nodes use of the machine, read again and again: what they have used since the last reading.

Readings are kept in memory with the databases, one for each purpose that they are taken for. The first one says nothing yet.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from fogbank.engines.spec import Usage
from fogbank.kernel.context import Context

_LAST: WeakKeyDictionary[Any, dict[tuple[str, str], Any]] = WeakKeyDictionary()
ACU_BYTES = 2 << 30
ACU_PROCESSORS = 0.25
"""An Aurora capacity unit: 2 GiB of memory, and of processors what classes with 8 GiB for each of them have."""


def last(ctx: Context, purpose: str, node: str, now: Any) -> Any:
    """What was read of a node for a purpose the last time; `now` is what is found the next time."""
    held = _LAST.setdefault(ctx.databases, {})
    before, held[purpose, node] = held.get((purpose, node)), now
    return before


class Span(NamedTuple):
    """Two readings of a node, between which its server was the same."""

    before: Usage
    now: Usage

    @property
    def seconds(self) -> float:
        return self.now.at_s - self.before.at_s

    def share(self, spent_s: float) -> float:
        """Time on processors, as percent of all that the machine had."""
        return max(spent_s, 0.0) * 100 / (self.seconds * self.now.machine.processors)

    @property
    def user(self) -> float:
        return self.share(self.now.user_s - self.before.user_s)

    @property
    def system(self) -> float:
        return self.share(self.now.system_s - self.before.system_s)

    @property
    def read_bytes(self) -> int | None:
        """From disks; None where the machine does not say."""
        return _less(self.now.read_bytes, self.before.read_bytes)

    @property
    def written_bytes(self) -> int | None:
        return _less(self.now.written_bytes, self.before.written_bytes)

    @property
    def capacity(self) -> float:
        """Aurora capacity units that have as much memory, and processors, as was used."""
        processors = (self.user + self.system) / 100 * self.now.machine.processors
        return max(self.now.resident_bytes / ACU_BYTES, processors / ACU_PROCESSORS)


def _less(now: int | None, before: int | None) -> int | None:
    return max(now - before, 0) if now is not None and before is not None else None


def span(before: Usage | None, now: Usage) -> Span | None:
    """None where there was no reading of the same server before."""
    if before is None or now.at_s <= before.at_s or now.uptime_s < now.at_s - before.at_s:
        return None
    return Span(before, now)


def busy(ctx: Context, purpose: str, node: str, now: Usage) -> float:
    """Percent of the machine's processors that a node has used since the last reading; at the first, since its server was started."""
    found = span(last(ctx, purpose, node, now), now)
    if found is not None:
        return found.user + found.system
    return (now.user_s + now.system_s) * 100 / (max(now.uptime_s, 1.0) * now.machine.processors)
