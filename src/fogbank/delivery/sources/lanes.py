"""What pollers remember between their turns: in memory, by the task that each of them is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from fogbank.kernel.context import Context

L = TypeVar("L")
Key = tuple[Any, ...]


class Lanes(Generic[L]):
    """The pollers that are at work, each with its lane."""

    def __init__(self, new: Callable[[], L]) -> None:
        self._new = new
        self._lanes: dict[Key, dict[str, L]] = {}

    def enter(self, ctx: Context, *work: Any, limit: int = 1) -> L | None:
        """The lane of this task; None where as many others as there may be are at the same work."""
        there = self._lanes.setdefault((ctx.tx.branch.number, *work), {})
        lane = there.get(ctx.request_id)
        if lane is None and len(there) < limit:
            lane = there[ctx.request_id] = self._new()
        return lane

    def all(self, ctx: Context, *work: Any) -> list[L]:
        """Those at the same work."""
        return list(self._lanes.get((ctx.tx.branch.number, *work), {}).values())

    def leave(self, ctx: Context, *work: Any) -> None:
        """This task is over."""
        key = (ctx.tx.branch.number, *work)
        there = self._lanes.get(key, {})
        there.pop(ctx.request_id, None)
        if not there:
            self._lanes.pop(key, None)
