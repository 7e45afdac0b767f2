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
    raw = part.encode("utf-8", "surrogatepass")
    return raw.replace(b"\0", b"\0\xff") if b"\0" in raw else raw


def integer(part: int) -> bytes:
    return _INTEGER(part + _BIAS)


def run(joined: str, count: int) -> bytes:
    """`count` texts, each already followed by a zero: the fast way when none contains one."""
    if joined.count("\0") == count:
        return joined.encode("utf-8", "surrogatepass")
    raise ValueError("a zero inside a text")


@cache
def encoder(types: tuple[type, ...]) -> Encode:
    """A function of as many arguments as there are types, compiled once; neighbouring texts are joined first."""
    names = [f"p{i}" for i in range(len(types))]
    pieces: list[str] = []
    texts: list[str] = []
    for name, kind in zip([*names, ""], [*types, None], strict=True):
        if kind is str:
            texts.append(name)
            continue
        if texts:
            joined = "".join(f"{{{t}}}\\0" for t in texts)
            pieces.append(f'run(f"{joined}", {len(texts)})')
            texts = []
        if kind is int:
            pieces.append(f"pack({name} + {_BIAS})")
    source = f"lambda {', '.join(names)}: {' + '.join(pieces) or repr(b'')}"
    fast: Encode = eval(source, {"run": run, "pack": _INTEGER})

    def careful(*parts: Any) -> bytes:
        try:
            return fast(*parts)
        except ValueError:
            return encode(parts)

    return careful
