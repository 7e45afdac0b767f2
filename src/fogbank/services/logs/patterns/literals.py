"""What all pattern languages share: characters being read, values to compare with, and what a pattern can be asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Protocol

from fogbank.kernel.errors import ServiceException
from fogbank.services.logs import regexes

Test = Callable[[Any], bool]
"""Whether a value (a number, text, true, false, null) is what a condition asks for."""
PATIENCE = 10
"""How often an expression may run away: everybody waits meanwhile. Then it finds nothing any more."""
REGEXES_LIMIT = 2
"""In one pattern."""
_regex_text = re.compile(r"[A-Za-z0-9:_#=@/;,\-^$?\[\]{}|\\*+. ]+").fullmatch
_number = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?").fullmatch
_leading_star = re.compile(r"(^|[|])[*+?]")


class Match(Protocol):
    """A message that a pattern matched."""

    def value(self, selector: str) -> Any:
        """What a selector ($.name, $name) stands for; None for nothing."""

    def values(self) -> dict[str, str]:
        """What each selector of the pattern stands for, as text."""


class Pattern(Protocol):
    """`selectors`: the names of fields that can be asked for, None where any can (JSON). `regexes`: how many it has."""

    regexes: int
    selectors: tuple[str, ...] | None

    def matches(self, message: str) -> bool: ...

    def find(self, message: str) -> Match | None: ...


def invalid(why: str = "") -> ServiceException:
    return ServiceException("InvalidParameterException", f"Invalid filter pattern{': ' + why if why else ''}")


def number(text: str) -> float | None:
    return float(text) if _number(text) else None


def as_number(value: Any) -> float | None:
    """A value as a number, where it is or reads as one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            return inf if value > 0 else -inf
    return number(value) if isinstance(value, str) else None


def text_of(value: Any) -> str:
    """A JSON value as it is written."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e16:
        return str(int(value))
    return str(value)


def regex(body: str) -> Callable[[str], bool]:
    """A regular expression of those that patterns may have: no groups, and of symbols a few. Errors: InvalidParameterException."""
    if not _regex_text(body) or _leading_star.search(body):
        raise invalid("Invalid regular expression")
    try:
        search, _ = regexes.searching(body)
    except regexes.Wrong:
        raise invalid("Invalid regular expression") from None

    lost = 0

    def found(text: str) -> bool:
        nonlocal lost
        if lost > PATIENCE:
            return False
        try:
            return search(text) is not None
        except TimeoutError:
            lost += 1
            return False

    return found


def wildcard(body: str) -> Callable[[str], bool]:
    """What tells whether a text is of this form; `*` stands for anything."""
    first, *middle = body.split("*")
    if not middle:
        return lambda text: text == body
    last = middle.pop()

    def fits(text: str) -> bool:
        end = len(text) - len(last)
        if end < len(first) or not text.startswith(first) or not text.endswith(last):
            return False
        at = len(first)
        for part in middle:
            at = text.find(part, at, end)
            if at < 0:
                return False
            at += len(part)
        return True

    return fits


def comparison(operator: str, kind: str, body: str) -> Test:
    """A condition `operator literal`; `kind` is "regex", "quoted" or "bare"."""
    if operator in ("<", "<=", ">", ">="):
        bound = number(body) if kind == "bare" else None
        if bound is None:
            raise invalid("A numeric operator needs a number")
        return _ordering(operator, bound)
    if kind == "regex":
        found = regex(body)

        def equal(value: Any) -> bool:
            return found(text_of(value))

    elif kind == "bare" and (wanted := number(body)) is not None:

        def equal(value: Any) -> bool:
            return value == body if isinstance(value, str) and number(value) is None else as_number(value) == wanted

    else:
        fits = wildcard(body)

        def equal(value: Any) -> bool:
            return fits(text_of(value))

    return equal if operator == "=" else lambda value: not equal(value)


def _ordering(operator: str, bound: float) -> Test:
    import operator as operators

    compare = {"<": operators.lt, "<=": operators.le, ">": operators.gt, ">=": operators.ge}[operator]

    def test(value: Any) -> bool:
        found = as_number(value)
        return found is not None and bool(compare(found, bound))

    return test


class Characters:
    """A pattern, read from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.regexes = 0

    def skip(self) -> None:
        """Past white space."""
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def take(self, *words: str) -> str:
        """The first of these that comes next, after white space; "" where none does."""
        self.skip()
        for word in words:
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return word
        return ""

    def keyword(self, *words: str) -> str:
        """The same for words, whose case does not count and which end where letters do."""
        self.skip()
        for word in words:
            end = self.at + len(word)
            if self.text[self.at : end].upper() == word and not self.text[end : end + 1].isalnum():
                self.at = end
                return word
        return ""

    def need(self, word: str) -> None:
        if not self.take(word):
            raise invalid()

    def peek(self) -> str:
        """The next character after white space; "" at the end."""
        self.skip()
        return self.text[self.at : self.at + 1]

    def quoted(self, mark: str = '"') -> str:
        """What is between two marks; a backslash keeps the mark that it stands before."""
        self.need(mark)
        out: list[str] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            self.at += 1
            if character == mark:
                return "".join(out)
            if character == "\\" and self.text[self.at : self.at + 1] in (mark, "\\"):
                character = self.text[self.at]
                self.at += 1
            out.append(character)
        raise invalid("Unterminated quote")

    def expression(self) -> str:
        """A regular expression between percent signs."""
        self.need("%")
        end = self.text.find("%", self.at)
        if end < 0:
            raise invalid("Unterminated regular expression")
        body = self.text[self.at : end]
        self.at = end + 1
        self.regexes += 1
        if self.regexes > REGEXES_LIMIT:
            raise invalid(f"A filter pattern can have {REGEXES_LIMIT} regular expressions at most")
        regex(body)
        return body

    def literal(self, stops: str) -> tuple[str, str]:
        """A literal's kind and body. A bare one ends at white space or at one of these characters."""
        mark = self.peek()
        if mark == '"':
            return "quoted", self.quoted()
        if mark == "%":
            return "regex", self.expression()
        start = self.at
        while self.at < len(self.text) and not self.text[self.at].isspace() and self.text[self.at] not in stops:
            self.at += 1
        if self.at == start:
            raise invalid()
        return "bare", self.text[start : self.at]


class Plain:
    """A match of a pattern without fields."""

    def value(self, selector: str) -> Any:
        return None

    def values(self) -> dict[str, str]:
        return {}


class Named:
    """A match whose fields have values."""

    def __init__(self, named: Mapping[str, str]) -> None:
        self._named = named

    def value(self, selector: str) -> Any:
        return self._named.get(selector)

    def values(self) -> dict[str, str]:
        return dict(self._named)
