"""Tags: the rules that all of AWS shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """[{Key, Value}], in order of the keys."""
    return [{"Key": k, "Value": tags[k]} for k in sorted(tags)]


def mapping(tags: Iterable[Any] | None) -> dict[str, str]:
    """A dict of a request's list of Tag structures."""
    return {t.Key: t.Value or "" for t in tags or ()}
