"""The models' regular expressions, translated from Java's dialect to Python's.

AWS matches a pattern against the whole value. Java's `\\w`, `\\d` and `\\s` are ASCII; its `\\p{L}` and
kin become ranges from `categories.json` (Unicode's general categories; written by
`python -m fogbank.wire.patterns`). A pattern that cannot be translated (class intersections, broken
ones) is dropped: better unchecked than wrongly refused.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from pathlib import Path

import msgspec

_SURROGATES = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_FLAGS = re.compile(r"\^?\(\?([ims]+)\)")
_POSIX = {
    "ASCII": r"\x00-\x7f",
    "Alpha": "a-zA-Z",
    "Alnum": "a-zA-Z0-9",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1f\x7f",
    "Digit": "0-9",
    "Graph": r"\x21-\x7e",
    "Lower": "a-z",
    "Print": r"\x20-\x7e",
    "Punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "Space": r" \t\n\x0b\f\r",
    "Upper": "A-Z",
    "XDigit": "0-9a-fA-F",
    "all": r"\x00-\U0010ffff",
    "Any": r"\x00-\U0010ffff",
}
_NAMED = {"IsAlphabetic": "L", "IsLetter": "L", "IsDigit": "Nd", "IsPunctuation": "P", "IsWhite_Space": "Z", "LD": "L"}


class _Untranslatable(Exception):
    pass


@lru_cache(maxsize=4096)
def translate(pattern: str) -> str | None:
    """The same pattern for Python's `re.search`, anchored at both ends; None if it has no translation."""
    flags = _FLAGS.match(pattern)
    try:
        body = _Scanner(_SURROGATES.sub(_astral, pattern[flags.end() :] if flags else pattern)).run()
    except (_Untranslatable, IndexError):
        return None
    # An anchor at one end only says that the other end is open.
    one_sided = pattern.startswith("^") != (pattern.endswith("$") and not pattern.endswith("\\$")) and "|" not in pattern
    letters = "a" + (flags[1] if flags else "")
    whole = f"(?{letters}){body}" if one_sided else rf"(?{letters})\A(?:{body})\Z"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(whole)
    except (re.error, FutureWarning, DeprecationWarning, OverflowError, RecursionError):
        return None
    return whole


def _astral(match: re.Match[str]) -> str:
    high, low = (int(half, 16) for half in match.groups())
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


class _Scanner:
    """One pass over a pattern, rewriting what the two dialects spell differently."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.out: list[str] = []

    def run(self) -> str:
        while self.at < len(self.pattern):
            char = self.pattern[self.at]
            if char == "\\":
                self._escape(inside=False)
            elif char == "[":
                self._class()
            elif self.pattern.startswith("(?<", self.at) and self.pattern[self.at + 3] not in "=!":
                self.out.append("(?P<")
                self.at += 3
            else:
                self.out.append(char)
                self.at += 1
        return "".join(self.out)

    def _class(self) -> None:
        self.out.append("[")
        self.at += 1
        if self.pattern[self.at] == "^":
            self.out.append("^")
            self.at += 1
        while self.pattern[self.at] != "]":
            char = self.pattern[self.at]
            if char == "\\":
                if self._escape(inside=True) and self.pattern[self.at] == "-":
                    self.out.append("\\-")
                    self.at += 1
            elif char == "[" or self.pattern.startswith("&&", self.at):
                raise _Untranslatable
            elif char in "&~|" or (char == "-" and self.pattern[self.at + 1] == "-"):
                self.out.append("\\" + char)
                self.at += 1
            elif char == "-" and self.pattern[self.at + 1] == "\\" and self.pattern[self.at + 2] in "wWdDsSpP":
                self.out.append("\\-")
                self.at += 1
            else:
                self.out.append(char)
                self.at += 1
        self.out.append("]")
        self.at += 1

    def _escape(self, *, inside: bool) -> bool:
        """Rewrite one escape; whether it stands for a set of characters."""
        letter = self.pattern[self.at + 1]
        if letter in "pP":
            self._property(letter == "P", inside)
            return True
        self.at += 2
        if letter == "z":
            self.out.append(r"\Z")
        elif letter == "h":
            self.out.append(r" \t\xa0" if inside else r"[ \t\xa0]")
        elif letter.isalpha() and letter.isascii() and letter not in "wWdDsSbBtnrfuUxAZv":
            raise _Untranslatable
        elif letter in "/\"_-@:;<>=%&,#!~`' " and not inside:
            self.out.append(re.escape(letter))
        else:
            self.out.append("\\" + letter)
        return letter in "wWdDsSh"

    def _property(self, negated: bool, inside: bool) -> None:
        match = re.compile(r"\\[pP](?:\{(\^?\w+)\}|(\w))").match(self.pattern, self.at)
        if match is None:
            raise _Untranslatable
        self.at = match.end()
        ranges = _ranges(match[1] or match[2], negated)
        self.out.append(ranges if inside else f"[{ranges}]")


@lru_cache(maxsize=1)
def _categories() -> dict[str, list[tuple[int, int]]]:
    return msgspec.json.decode(Path(__file__).with_name("categories.json").read_bytes(), type=dict[str, list[tuple[int, int]]])


@lru_cache(maxsize=64)
def _ranges(name: str, negated: bool) -> str:
    if name in _POSIX and not negated:
        return _POSIX[name]
    if name in _POSIX:
        if name not in ("Print", "Cntrl", "ASCII"):
            raise _Untranslatable
        return {"Print": r"\x00-\x1f\x7f-\U0010ffff", "Cntrl": r"\x20-\x7e\x80-\U0010ffff", "ASCII": r"\x80-\U0010ffff"}[name]
    prefix = _NAMED.get(name, name)
    spans = sorted(span for key, value in _categories().items() if key.startswith(prefix) for span in value)
    if not spans:
        raise _Untranslatable
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and merged[-1][1] + 1 >= start:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    if negated:
        edges = [-1, *(edge for span in merged for edge in span), 0x110000]
        merged = [(before + 1, after - 1) for before, after in zip(edges[::2], edges[1::2], strict=True) if before + 1 <= after - 1]
    return "".join(f"\\U{start:08x}-\\U{end:08x}" for start, end in merged)


def _write_categories() -> None:
    import unicodedata

    spans: dict[str, list[list[int]]] = {}
    for code in range(0x110000):
        found = spans.setdefault(unicodedata.category(chr(code)), [])
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    lines = (f"{msgspec.json.encode(key).decode()}:{msgspec.json.encode(value).decode()}" for key, value in sorted(spans.items()))
    Path(__file__).with_name("categories.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    _write_categories()
