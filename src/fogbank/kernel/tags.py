"""Tags: the rules that all of AWS shares."""

from __future__ import annotations

from collections.abc import Mapping


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """[{Key, Value}], in order of the keys."""
    return [{"Key": k, "Value": tags[k]} for k in sorted(tags)]
