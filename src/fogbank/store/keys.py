"""Keys: tuples of text and integers, as bytes that sort as the tuples do.

Text is UTF-8 ended by a zero byte (a zero inside becomes 00 FF); an integer is eight bytes, biased so that
its first byte is never FF. So every part ends before FF, and `prefix + FF` is past everything under a prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from struct import Struct
from typing import Any

_INTEGER = Struct(">Q").pack
_BIAS = 1 << 62

Part = str | int
Encode = Callable[..., bytes]


def encode(parts: Sequence[Part]) -> bytes:
    """Any tuple of parts, whatever their types."""
    return b"".join([text(p) if isinstance(p, str) else integer(p) for p in parts])


def text(part: str) -> bytes:
    return open_text(part) + b"\0"


def open_text(part: str) -> bytes:
    """Text without its end: a prefix of every longer text."""
    raw = part.encode()
    return raw.replace(b"\0", b"\0\xff") if b"\0" in raw else raw


def integer(part: int) -> bytes:
    return _INTEGER(part + _BIAS)


@cache
def encoder(types: tuple[type, ...]) -> Encode:
    """A function of as many arguments as there are types, compiled once."""
    names = [f"p{i}" for i in range(len(types))]
    return _compiled(", ".join(names), names, types)


def of_fields(fields: tuple[str, ...], types: tuple[type, ...]) -> Callable[[Any], bytes]:
    """A function of a record: the key that its fields make."""
    return _compiled("r", [f"r.{field}" for field in fields], types)


def _compiled(parameters: str, values: list[str], types: tuple[type, ...]) -> Encode:
    """Neighbouring texts are joined and encoded at once; a zero inside one of them is left to the general way."""
    lines: list[str] = []
    pieces: list[str] = []
    texts: list[str] = []
    for value, kind in zip([*values, ""], [*types, None], strict=True):
        if kind is str:
            texts.append(f"{{{value}}}\\0")
            continue
        if texts:
            name = f"t{len(pieces)}"
            lines += [f'{name} = f"{"".join(texts)}"', f'if {name}.count("\\0") != {len(texts)}: return general(({", ".join(values)},))']
            pieces.append(f"{name}.encode()")
            texts = []
        if kind is int:
            pieces.append(f"pack({value} + {_BIAS})")
    lines.append(f"return {' + '.join(pieces) or repr(b'')}")
    scope: dict[str, Any] = {"general": encode, "pack": _INTEGER}
    exec(f"def key({parameters}):\n " + "\n ".join(lines), scope)
    made: Encode = scope["key"]
    return made
