"""JSON that people send, read so that whoever walks through it may do so by recursion: how deep it nests is limited."""

from __future__ import annotations

from typing import Any

import msgspec

LEVELS_LIMIT = 100
_decode = msgspec.json.Decoder().decode


class Malformed(ValueError):
    """Not JSON, or nested too deeply; the message says what is wrong."""


def read(text: str | bytes) -> Any:
    """The value of a JSON text. Raises Malformed."""
    try:
        value = _decode(text)
    except (msgspec.DecodeError, UnicodeError) as wrong:
        raise Malformed(str(wrong).replace("JSON is malformed: ", "")) from None
    except RecursionError:
        raise Malformed("nested too deeply") from None
    if _openings(text) > LEVELS_LIMIT and _levels(value) > LEVELS_LIMIT:
        raise Malformed("nested too deeply")
    return value


def read_object(text: str | bytes) -> dict[str, Any]:
    """The members of a JSON text that is an object. Raises Malformed."""
    value = read(text)
    if not isinstance(value, dict):
        raise Malformed("not an object")
    return value


def _openings(text: str | bytes) -> int:
    """At least as many as there are levels: counting is much cheaper than walking."""
    if isinstance(text, str):
        return text.count("[") + text.count("{")
    return text.count(b"[") + text.count(b"{")


def _levels(value: Any) -> int:
    """How deep lists and objects lie in each other."""
    levels, inside = 0, [value]
    while inside := [one for one in inside if isinstance(one, list | dict)]:
        levels += 1
        inside = [each for one in inside for each in (one.values() if isinstance(one, dict) else one)]
    return levels
