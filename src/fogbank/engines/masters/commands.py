"""The command that is carried to the other writer, out of the text that a client sent. Pure.

PostgreSQL tells of a command only by its tag, and the text as a whole. Where that text is several statements, the one is found by counting
those that change the schema; one that hides in a DO block or in a function is not found, and so is not carried out.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import sqlglot
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

_CHANGING = ("CREATE", "ALTER", "DROP", "COMMENT", "GRANT", "REVOKE")
_NEAR = 6
"""So many words from its beginning a statement has said what it is about."""


def nth(text: str, number: int, tag: str) -> str | None:
    """The statement of a text that was the `number`th (from 0) to change the schema, where its words are those of the tag."""
    found = _changing(text)
    if number >= len(found):
        return None
    statement, words = found[number]
    first, *rest = tag.split()
    return statement if words[0] == first and all(word in words for word in rest) else None


@lru_cache(64)
def _changing(text: str) -> list[tuple[str, list[str]]]:
    try:
        return [(statement, words) for statement, words in _statements(text) if words and words[0] in _CHANGING]
    except SqlglotError:
        return []


def _statements(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each with its first words."""
    start, words = 0, list[str]()
    for token in sqlglot.tokenize(text, "postgres"):
        if token.text.upper() == "ATOMIC":  # (semicolons in a function's body)
            raise SqlglotError
        if token.token_type == TokenType.SEMICOLON:
            yield text[start : token.start], words
            start, words = token.end + 1, []
        elif len(words) < _NEAR:
            words.extend(token.text.upper().split())
    yield text[start:], words
