"""JSON paths as input transformers and targets have them: `$.detail.items[0].id`, `$.resources[*]`.

Dots, names of letters, digits, dashes, underscores and slashes, array indices, and `[*]`; a name in brackets and quotes may be
anything. Source: "Amazon EventBridge input transformation" in the Amazon EventBridge User Guide.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

MISSING: Any = object()
"""What a path finds where there is nothing."""

_step = re.compile(
    r"""
    \.(?P<name>[^\s.\[\]"'*<>]+)
    | \[(?P<index>-?\d{1,9})\]
    | (?P<every>\[\*\] | \.\*)
    | \[(?P<quote>['"])(?P<quoted>.+?)(?P=quote)\]
    """,
    re.VERBOSE,
)


class InvalidPath(ValueError):
    """What is not a path that is supported."""


class Path:
    """A compiled path: names, indices, and None for every element."""

    __slots__ = ("steps",)

    def __init__(self, steps: tuple[str | int | None, ...]) -> None:
        self.steps = steps

    def find(self, document: Any) -> Any:
        """What is there, or MISSING."""
        return _find(document, self.steps)


def _find(value: Any, steps: tuple[str | int | None, ...]) -> Any:
    for place, step in enumerate(steps):
        if step is None:
            if not isinstance(value, list | dict):
                return MISSING
            each = value if isinstance(value, list) else value.values()
            found = [_find(one, steps[place + 1 :]) for one in each]
            return [one for one in found if one is not MISSING]
        if isinstance(step, str):
            if not isinstance(value, dict) or step not in value:
                return MISSING
        elif not isinstance(value, list) or not -len(value) <= step < len(value):
            return MISSING
        value = value[step]
    return value


@lru_cache(4096)
def parse(path: str) -> Path:
    """A path from its text. Raises InvalidPath."""
    if not path.startswith("$"):
        raise InvalidPath(path)
    steps: list[str | int | None] = []
    place = 1
    while place < len(path):
        found = _step.match(path, place)
        if found is None:
            raise InvalidPath(path)
        if found["every"]:
            steps.append(None)
        elif found["index"] is not None:
            steps.append(int(found["index"]))
        else:
            steps.append(found["name"] or found["quoted"])
        place = found.end()
    return Path(tuple(steps))
