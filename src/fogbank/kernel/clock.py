"""The one clock of a cloud: wall time, moved. Nobody else reads a clock."""

from __future__ import annotations

import time
from typing import NamedTuple

_KEPT = 64


def wall_ms() -> int:
    """Milliseconds since the epoch, by the machine."""
    return time.time_ns() // 1_000_000


class Setting(NamedTuple):
    """From this wall instant on the cloud's time was `cloud_ms`, and ran on or stood still."""

    wall_ms: int
    cloud_ms: int
    running: bool


class Clock:
    """What time it is in a cloud: the settings made so far, oldest first; none is wall time.

    The settings are state of the cloud and go into the log. Past ones are kept because what was signed by wall time
    (a presigned URL) is as old as the cloud's time says it is.
    """

    __slots__ = ("_last", "settings")

    def __init__(self, settings: list[Setting] | None = None) -> None:
        self.settings = settings or [Setting(0, 0, True)]
        self._last = self.settings[-1]

    def now_ms(self) -> int:
        wall, cloud, running = self._last
        return cloud + time.time_ns() // 1_000_000 - wall if running else cloud

    def at_wall(self, wall_ms: int) -> int:
        """The cloud's time at an instant of the wall's."""
        found = next((s for s in reversed(self.settings) if s.wall_ms <= wall_ms), self.settings[0])
        return found.cloud_ms + (wall_ms - found.wall_ms if found.running else 0)

    def wall_at(self, cloud_ms: int) -> int:
        """The wall's time when the cloud's time was `cloud_ms` (the last such moment, where it stood still then or jumped over it)."""
        now = wall_ms()
        following = now
        for setting in reversed(self.settings):
            if setting.cloud_ms <= cloud_ms:
                return min(setting.wall_ms + (cloud_ms - setting.cloud_ms), following) if setting.running else following
            following = setting.wall_ms
        return following

    @property
    def running(self) -> bool:
        return self._last.running

    def _set(self, cloud_ms: int, running: bool) -> None:
        self._last = Setting(wall_ms(), cloud_ms, running)
        self.settings = [*self.settings[-_KEPT:], self._last]

    def advance(self, span_ms: int) -> None:
        """Moves forward; time never goes back (ValueError)."""
        if span_ms < 0:
            raise ValueError("the clock only moves forward")
        self._set(self.now_ms() + span_ms, self.running)

    def freeze(self) -> None:
        self._set(self.now_ms(), False)

    def resume(self) -> None:
        """Runs on from where it stands."""
        self._set(self.now_ms(), True)

    def until_s(self, instant_ms: int) -> float | None:
        """Seconds of wall time until an instant (0 when past); None when it will not come by itself."""
        left = instant_ms - self.now_ms()
        if left <= 0:
            return 0.0
        return left / 1000 if self._last.running else None
