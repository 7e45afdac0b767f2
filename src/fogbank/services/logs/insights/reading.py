"""The characters of a query, read from left to right."""

from __future__ import annotations

import re
from typing import NoReturn

from fogbank.services.logs import regexes

_space = re.compile(r"(?:\s+|#[^\n]*)*")
_word = re.compile(r"[A-Za-z_@$][\w@$]*(?:\.[\w@$]+)*")
_number = re.compile(r"\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?")
_period = re.compile(
    r"(\d+)\s*(ms|msec|milliseconds?|s|seconds?|sec|m|min|minutes?|hr|hours?|h|d|days?|w|weeks?|mon|months?|mo|q|qtr|quarters?|y|yr|years?)\b"
)
_regex = re.compile(r"/((?:[^/\\\n]|\\.)*)/")


class Malformed(Exception):
    """The query cannot be read; at which character."""

    def __init__(self, message: str, at: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


class Unmet(Exception):
    """The query asks for what is not here: its name."""


class Reader:
    """A place in a query's text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.aggregates: list[tuple[str, object]] | None = None
        """Aggregate functions that were read, where they may stand."""

    def skip(self) -> None:
        """Past white space and comments."""
        found = _space.match(self.text, self.at)
        assert found is not None
        self.at = found.end()

    def fail(self, message: str) -> NoReturn:
        raise Malformed(message, self.at)

    def end(self) -> bool:
        self.skip()
        return self.at >= len(self.text)

    def peek(self) -> str:
        """The next character; "" at the end."""
        self.skip()
        return self.text[self.at : self.at + 1]

    def symbol(self, *symbols: str) -> str:
        """The first of these that comes next, or ""."""
        self.skip()
        for symbol in symbols:
            if self.text.startswith(symbol, self.at):
                self.at += len(symbol)
                return symbol
        return ""

    def need(self, symbol: str) -> None:
        if not self.symbol(symbol):
            self.fail(f"unexpected symbol found {self._found()}: expected '{symbol}'")

    def _found(self) -> str:
        self.skip()
        return f"'{self.text[self.at : self.at + 10]}'" if self.at < len(self.text) else "end of query"

    def unexpected(self) -> NoReturn:
        self.fail(f"unexpected symbol found {self._found()}")

    def keyword(self, *words: str) -> str:
        """The first of these words that comes next, whatever its case, or ""."""
        self.skip()
        found = _word.match(self.text, self.at)
        word = found[0].lower() if found else ""
        if found is None or word not in words:
            return ""
        self.at = found.end()
        return word

    def word(self) -> str:
        """A name, or ""."""
        self.skip()
        found = _word.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def name(self) -> str:
        """The name of a field: plain, or between backticks, where it has other characters."""
        if self.symbol("`"):
            end = self.text.find("`", self.at)
            if end < 0:
                self.fail("a backtick is missing")
            name, self.at = self.text[self.at : end], end + 1
            return name
        return self.word() or self.unexpected()

    def names(self) -> list[str]:
        names = [self.name()]
        while self.symbol(","):
            names.append(self.name())
        return names

    def number(self) -> float | int | None:
        self.skip()
        found = _number.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        value = float(found[0])
        return int(value) if value.is_integer() and "e" not in found[0].lower() and "." not in found[0] else value

    def integer(self) -> int:
        found = self.number()
        if not isinstance(found, int):
            self.fail("an integer is expected")
        return found

    def period(self) -> tuple[int, str] | None:
        """A number and a unit of time."""
        self.skip()
        found = _period.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return int(found[1]), found[2]

    def string(self) -> str | None:
        """What is between quotes of either kind."""
        mark = self.peek()
        if mark not in ("'", '"') or not mark:
            return None
        out: list[str] = []
        at = self.at + 1
        while at < len(self.text):
            character = self.text[at]
            if character == mark:
                self.at = at + 1
                return "".join(out)
            if character == "\\" and self.text[at + 1 : at + 2] in (mark, "\\"):
                at += 1
                character = self.text[at]
            out.append(character)
            at += 1
        return self.fail("a quotation mark is missing")

    def regex(self) -> str | None:
        """What is between slashes."""
        self.skip()
        found = _regex.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found[1].replace("\\/", "/")

    def searching(self, body: str) -> tuple[regexes.Search, tuple[str, ...]]:
        """What searches for a regular expression, and the names of its groups."""
        try:
            return regexes.searching(body)
        except regexes.Wrong as problem:
            self.fail(f"the regular expression is not valid: {problem}")
