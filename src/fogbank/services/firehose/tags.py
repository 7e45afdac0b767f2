"""Tags of delivery streams: at most 50."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fogbank.services.firehose.faults import invalid

TAGS_LIMIT = 50
_text = re.compile(r"[\w\s.:/=+\-%@]*").fullmatch


def checked(given: Iterable[Any], before: Mapping[str, str]) -> dict[str, str]:
    """The tags of a request added to those that are there. Raises InvalidArgumentException."""
    found: dict[str, str] = {}
    for tag in given:
        if tag.Key.lower().startswith("aws:"):
            raise invalid("Tag keys must not begin with aws:, which is reserved.")
        if not _text(tag.Key) or not _text(tag.Value or ""):
            raise invalid("Tag keys and values may only contain Unicode letters, digits, white space, or these symbols: _ . : / = + - % @.")
        found[tag.Key] = tag.Value or ""
    merged = {**before, **found}
    if len(merged) > TAGS_LIMIT:
        raise invalid(f"A Firehose stream can have at most {TAGS_LIMIT} tags.")
    return merged
