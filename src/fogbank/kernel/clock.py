"""The one clock of a cloud: wall time, moved. Nobody else reads a clock."""

from __future__ import annotations

import time


def wall_ms() -> int:
    """Milliseconds since the epoch, by the machine."""
    return time.time_ns() // 1_000_000


class Clock:
    """What time it is in a cloud.

    `offset_ms` is how far it is ahead of the wall; `frozen_ms` is the instant at which it stands still,
    or None while it runs. Both are state of the cloud: `settings()` goes into the log.
    """

    __slots__ = ("frozen_ms", "offset_ms")

    def __init__(self, offset_ms: int = 0, frozen_ms: int | None = None) -> None:
        self.offset_ms = offset_ms
        self.frozen_ms = frozen_ms

    def now_ms(self) -> int:
        if self.frozen_ms is not None:
            return self.frozen_ms
        return time.time_ns() // 1_000_000 + self.offset_ms

    def advance(self, span_ms: int) -> None:
        """Move forward; time never goes back (ValueError)."""
        if span_ms < 0:
            raise ValueError("the clock only moves forward")
        if self.frozen_ms is not None:
            self.frozen_ms += span_ms
        self.offset_ms += span_ms

    def freeze(self) -> None:
        self.frozen_ms = self.now_ms()

    def resume(self) -> None:
        """Run on from where it stands."""
        if self.frozen_ms is not None:
            self.offset_ms = self.frozen_ms - wall_ms()
            self.frozen_ms = None

    def until_s(self, instant_ms: int) -> float | None:
        """Seconds of wall time until an instant (0 when past); None when it will not come by itself."""
        left = instant_ms - self.now_ms()
        if left <= 0:
            return 0.0
        return None if self.frozen_ms is not None else left / 1000
