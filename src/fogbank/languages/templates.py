"""Input templates: JSON with placeholders, outside of quotes for a value, inside for its text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from fogbank.languages.paths import MISSING

_encode = msgspec.json.Encoder().encode


class Place(NamedTuple):
    """A placeholder, and whether it stands inside of quotes."""

    name: str
    quoted: bool


@lru_cache(2048)
def pieces(template: str, placeholder: re.Pattern[str]) -> tuple[str | Place, ...]:
    """A template, taken apart at its placeholders; the first group of their pattern is their name."""
    found: list[str | Place] = []
    start = place = 0
    quoted = False
    while place < len(template):
        letter = template[place]
        if letter == "\\" and quoted:
            place += 2
            continue
        if letter == '"':
            quoted = not quoted
        elif letter == "<" and (named := placeholder.match(template, place)) is not None:
            found += [template[start:place], Place(named[1], quoted)]
            start = place = named.end()
            continue
        place += 1
    return (*found, template[start:])


def filled(parts: Iterable[str | Place], value_of: Callable[[str], Any]) -> str:
    """The template with values in its places: what is MISSING is null outside of quotes, and nothing inside."""
    made = []
    for piece in parts:
        if isinstance(piece, str):
            made.append(piece)
            continue
        value = value_of(piece.name)
        made.append(_quoted(value) if piece.quoted else "null" if value is MISSING else _encode(value).decode())
    return "".join(made)


def _quoted(value: Any) -> str:
    """A value inside of a JSON string."""
    if value is MISSING:
        return ""
    text = value if isinstance(value, str) else _encode(value).decode()
    return _encode(text).decode()[1:-1]
