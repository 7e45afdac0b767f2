"""The watchdog: looks at the boxes that run, and keeps the limits that the kernel does not keep for us.

Memory: cgroups count what lies in /tmp as memory, so theirs is the bound of both together, and what a program itself holds is
looked at here; without cgroups it is all there is. A processor share without cgroups: a box that has had more than its share
stands still until it has paid for it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from . import gauge

if TYPE_CHECKING:
    from .keeper import Box, Warden

EVERY_S = 0.02
EVERY_ALONE_S = 0.05
AHEAD_MS = 50


class Account:
    """What is known of a box."""

    def __init__(self) -> None:
        self.memory = self.peak = 0
        self.cpu_ms = self.credit_ms = 0.0
        self.at = time.monotonic()
        self.held = False


class Watch:
    def __init__(self, warden: Warden) -> None:
        self.warden = warden
        self.boxes: set[Box] = set()
        self.running = False

    def add(self, box: Box) -> None:
        box.account.at = time.monotonic()
        self.paused(box)

    def paused(self, box: Box) -> None:
        if box.paused or not box.begun:
            self.boxes.discard(box)
            return
        box.account.at = time.monotonic()
        self.boxes.add(box)
        if not self.running:
            self.running = True
            self.warden.after(self._every(), self.look)

    def _every(self) -> float:
        return EVERY_ALONE_S if self.warden.watched else EVERY_S

    def look(self) -> None:
        """At most a tenth of a processor is spent on looking. (Its own time: where it had to wait for one, it is late already.)"""
        began = time.thread_time()
        for box in [*self.boxes]:
            self._look_at(box)
        self.running = bool(self.boxes)
        if self.running:
            self.warden.after(max(self._every(), 9 * (time.thread_time() - began)), self.look)

    def _look_at(self, box: Box) -> None:
        group = box.group.gauge if box.group else ("", "", "")
        account = box.account
        limit = box.limits["memory_bytes"]
        if group[1] and group[2]:
            if box.group and box.group.killed_for_memory():
                # The kernel has killed one of its processes: the others go too.
                return self._over(box)
            # One short read for the many that are well within.
            if gauge.usage(group) <= limit:
                return None
            account.memory, account.peak, account.cpu_ms = gauge.used(group, box.first, box.tmp)
        else:
            memory, peak, cpu = gauge.used(group, box.first, box.tmp)
            if not group[1] and memory > limit:
                memory = gauge.proportional(box.first)
            account.memory, account.peak = memory, max(account.peak, memory, min(peak, limit))
            self._share(box, cpu)
        if account.memory > limit:
            self._over(box)
        return None

    def _over(self, box: Box) -> None:
        box.over_memory = True
        self.warden.kill(box)

    def _share(self, box: Box, cpu_ms: float) -> None:
        account, now = box.account, time.monotonic()
        allowed = box.cpus * AHEAD_MS
        gained = (now - account.at) * 1000 * box.cpus - (cpu_ms - account.cpu_ms)
        account.credit_ms = min(account.credit_ms + gained, allowed)
        account.at, account.cpu_ms = now, max(cpu_ms, account.cpu_ms)
        if "cpu" in self.warden.found.folders or (account.credit_ms < 0) == account.held:
            return
        account.held = account.credit_ms < 0
        self.warden.hold(box, account.held)

    def last(self, box: Box, cpu_ms: float) -> tuple[int, int, float]:
        """The account when it has ended: the cgroup still knows, the processes no longer do."""
        self.boxes.discard(box)
        if box.group and box.begun:
            group, account = box.group.gauge, box.account
            if group[1] and group[2]:
                return gauge.used(group, -1, box.tmp)
            return 0, account.peak, max(account.cpu_ms, cpu_ms)
        return 0, box.account.peak, max(box.account.cpu_ms, cpu_ms)
