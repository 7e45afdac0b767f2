"""Regular expressions that people bring: searched with a limit of time, so that one that runs away stops nobody else.

`regex` knows what Java's expressions have and `re` does not, and can be told when to give up.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import Any, Protocol

import regex  # type: ignore[import-untyped]

SEARCH_S = 0.1
"""For one text. Nothing else runs meanwhile: letting go of the interpreter for each search costs a query ten times what it saves."""


is_literal = re.compile(r"[\w \-\"':;,/@#%&=<>~`!]*").fullmatch
"""Whether an expression finds just itself."""


class Search(Protocol):
    """Looks for an expression in a text: a match, or None. Errors: TimeoutError."""

    def __call__(self, text: str, /, *, pos: int = 0) -> Any: ...


class Wrong(ValueError):
    """An expression that cannot be read."""


@lru_cache(1024)
def searching(body: str, *, across_lines: bool = False) -> tuple[Search, tuple[str, ...]]:
    """What searches for an expression, and the names of its groups. `across_lines`: a point stands for line ends, too. Errors: Wrong."""
    try:
        compiled = regex.compile(body, regex.DOTALL if across_lines else 0)
    except (regex.error, RecursionError, MemoryError, OverflowError) as problem:
        raise Wrong(str(problem)) from None
    return partial(compiled.search, timeout=SEARCH_S), tuple(compiled.groupindex)
