"""Token buckets: how much of something may be had at once, and how fast it comes back."""

from __future__ import annotations

_LIMIT = 100_000


class Meters:
    """Buckets by name. Each begins full; they are the running process's, and not in the log."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, int]] = {}

    def spend(self, key: str, units: float, rate_per_s: float, burst: float, now_ms: int) -> bool:
        """Takes units from a bucket; False where there are too few (then none are taken).

        What costs more than the whole burst is let through when the bucket is full, and is paid for afterwards.
        """
        left, at_ms = self._left.get(key, (burst, now_ms))
        left = min(burst, left + max(0, now_ms - at_ms) / 1000 * rate_per_s)
        enough = left >= min(units, burst)
        if len(self._left) > _LIMIT:
            self._left.clear()
        self._left[key] = (left - units if enough else left, now_ms)
        return enough
