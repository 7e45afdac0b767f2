"""The watchdog over boxes that no cgroup bounds."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from fogbank.sandbox.warden.watch import EVERY_ALONE_S, Watch

from .others import linux_only

pytestmark = linux_only


@pytest.mark.parametrize(("spent", "again_s"), [(lambda: time.sleep(0.05), EVERY_ALONE_S), (lambda: _work(0.4), 3.6)])
def test_how_soon_it_looks_again(spent: Any, again_s: float) -> None:
    """It takes a tenth of a processor at most; where it was kept waiting for one, it looks again as soon as ever."""
    waits: list[float] = []
    warden: Any = SimpleNamespace(watched=True, after=lambda seconds, look: waits.append(seconds))
    watch = Watch(warden)
    watch._look_at = lambda box: spent()  # type: ignore[method-assign]
    box: Any = object()
    watch.boxes.add(box)
    watch.look()
    assert waits == [pytest.approx(again_s, rel=0.2)]


def _work(seconds: float) -> None:
    """Spends processor time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
