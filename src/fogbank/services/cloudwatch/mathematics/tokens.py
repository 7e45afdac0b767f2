"""Text cut into words, for all the languages here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple


class Malformed(ValueError):
    """An expression that is not one, or cannot be computed; its message says why."""


DEEPEST = 50
"""How deep brackets may be nested."""


class Unavailable(Exception):
    """A function that Fogbank does not have; its message says why."""


class Token(NamedTuple):
    """`kind` is the name of the pattern that it matched; `text` what it means (a string without its quotes)."""

    kind: str
    text: str
    at: int


class Lexer:
    """Cuts by patterns, tried in their order; `space` is left out, `string` loses its quotes."""

    def __init__(self, patterns: Mapping[str, str]) -> None:
        self._match = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in patterns.items()), re.DOTALL).match

    def cut(self, text: str) -> list[Token]:
        """The words of a text. Raises Malformed, also where brackets are nested too deeply to be read."""
        tokens: list[Token] = []
        at = depth = 0
        while at < len(text):
            found = self._match(text, at)
            if found is None or found.end() == at:
                raise Malformed(f"Unexpected character '{text[at]}' at position {at + 1}")
            kind = found.lastgroup or ""
            if kind == "string":
                quote = found[0][0]
                tokens.append(Token(kind, found[0][1:-1].replace("\\" + quote, quote), at))
            elif kind != "space":
                tokens.append(Token(kind, found[0], at))
                depth += (found[0] in "([") - (found[0] in ")]")
                if depth > DEEPEST:
                    raise Malformed("The expression is nested too deeply")
            at = found.end()
        tokens.append(Token("end", "", at))
        return tokens


class Reader:
    """Tokens, read from left to right."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def next(self) -> Token:
        return self._tokens[self._at]

    @property
    def after(self) -> Token:
        """The one after the next."""
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    def take(self) -> Token:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def has(self, *texts: str, kind: str = "") -> bool:
        """Whether the next token is one of these words (in any case), or of a kind."""
        token = self.next
        return token.kind != "string" and token.text.upper() in texts if texts else token.kind == kind

    def accept(self, *texts: str) -> str:
        """The next token's text in upper case, taken, if it is one of these words; else ""."""
        return self.take().text.upper() if self.has(*texts) else ""

    def expect(self, *texts: str, kind: str = "") -> Token:
        if not self.has(*texts, kind=kind):
            wanted = " or ".join(f"'{text}'" for text in texts) or kind
            raise Malformed(f"Expected {wanted} but found {self.found()}")
        return self.take()

    def found(self) -> str:
        token = self.next
        return "the end" if token.kind == "end" else f"'{token.text}' at position {token.at + 1}"

    def end(self) -> None:
        if self.next.kind != "end":
            raise Malformed(f"Unexpected {self.found()}")
