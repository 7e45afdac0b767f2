"""Wildcards and policy variables, compiled.

`*` is any run of characters, `?` any one. In a policy of version 2012-10-17 `${key}` is a condition key's value,
`${key, 'default'}` has a default, and `${*}`, `${?}`, `${$}` are the characters themselves. A value that comes in through a
variable is taken literally, wildcards and all. Source: "IAM policy elements: Variables and tags" in the IAM User Guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from fogbank.access.context import Context

Match = Callable[[str], object]

_variable = re.compile(r"\$\{([^}]*)\}")
_with_default = re.compile(r"\s*([^,\s]+)\s*,\s*'([^']*)'\s*").fullmatch


class Template:
    """A text with policy variables: pieces of text (with wildcards), characters that stand for themselves, and condition keys."""

    __slots__ = ("keys", "parts")

    def __init__(self, text: str) -> None:
        self.parts: list[tuple[str, str, str | None]] = []  # ("text" | "character" | "key", what, default)
        self.keys: list[str] = []
        at = 0
        for found in _variable.finditer(text):
            if found.start() > at:
                self.parts.append(("text", text[at : found.start()], None))
            at = found.end()
            inner = found[1]
            if inner in ("*", "?", "$"):
                self.parts.append(("character", inner, None))
                continue
            default = _with_default(inner)
            key = (default[1] if default else inner.strip()).lower()
            self.keys.append(key)
            self.parts.append(("key", key, default[2] if default else None))
        if at < len(text):
            self.parts.append(("text", text[at:], None))

    def _fill(self, context: Context, text: Callable[[str], str], value: Callable[[str], str]) -> str | None:
        filled: list[str] = []
        for kind, what, default in self.parts:
            if kind == "text":
                filled.append(text(what))
                continue
            if kind == "key":
                found = context.get(what)
                if not isinstance(found, str):
                    if default is None:
                        return None
                    found = default
                what = found
            filled.append(value(what))
        return "".join(filled)

    def literal(self, context: Context) -> str | None:
        """The text with every variable filled in, to compare as it is; None where one has no value and no default."""
        return self._fill(context, _same, _same)

    def pattern(self, context: Context) -> str | None:
        """The same as a pattern: `\\*`, `\\?` and `\\\\` are characters that stand for themselves."""
        return self._fill(context, as_pattern, _escape)


def _same(value: str) -> str:
    return value


_special = re.compile(r"([*?\\])").sub


def _escape(value: str) -> str:
    return _special(r"\\\1", value)


def has_variable(text: str) -> bool:
    return "${" in text


def as_pattern(text: str) -> str:
    """A policy's text as a pattern: only its backslashes need care."""
    return text.replace("\\", "\\\\")


@lru_cache(8192)
def _regex(pattern: str) -> re.Pattern[str]:
    """Runs between two wildcards are found leftmost and not tried again (atomic groups): linear, whatever the pattern."""
    runs: list[str] = [""]
    literal = False
    for character in pattern:
        if literal or character not in "\\*?":
            runs[-1] += re.escape(character)
            literal = False
        elif character == "\\":
            literal = True
        elif character == "*":
            runs.append("")
        else:
            runs[-1] += "."
    first, *rest = runs
    middle = "".join(f"(?>.*?{run})" for run in rest[:-1] if run)
    return re.compile(first + middle + (".*" + rest[-1] if rest else ""), re.DOTALL)


def matches(pattern: str, text: str) -> bool:
    """Whether one pattern (escaped as `as_pattern` does) takes the text."""
    if pattern[-1:] == "*" and not _wild(pattern[:-1]):
        return text.startswith(pattern[:-1])
    return _regex(pattern).fullmatch(text) is not None if _wild(pattern) else text == pattern


def _wild(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern or "\\" in pattern


def any_of(patterns: Sequence[str]) -> Match | None:
    """A test for "one of these patterns"; None where they take everything."""
    if "*" in patterns:
        return None
    exact = frozenset(p for p in patterns if not _wild(p))
    prefixes = tuple(p[:-1] for p in patterns if p[-1] == "*" and not _wild(p[:-1])) if all(patterns) else ()
    rest = [_regex(p).fullmatch for p in patterns if p not in exact and not (p[-1] == "*" and p[:-1] in prefixes)]
    if not rest and not prefixes:
        return exact.__contains__
    if not rest and not exact:
        return lambda text: text.startswith(prefixes)
    if len(rest) == 1 and not prefixes and not exact:
        return rest[0]
    return lambda text: text in exact or text.startswith(prefixes) or any(match(text) for match in rest)


ARN_PARTS = 6


def arn_matches(pattern: str, text: str) -> bool:
    """ARN operators compare part by part: a wildcard does not reach over a colon, but in the last part."""
    if pattern == "*":
        return True
    wanted = pattern.split(":", ARN_PARTS - 1)
    found = text.split(":", ARN_PARTS - 1)
    return len(wanted) == len(found) and all(map(matches, wanted, found))
