"""The words of SQL, as far as one must tell them apart: strings, comments and names are not to be looked into.

words("select :a -- :b", "postgres")      the words of a statement, which joined are the statement again
tokenized("select 1 where a = 'x'", ...)   its digest: with ? for each literal
many(...)                                  whether there are several statements
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

DIALECTS = ("postgres", "mariadb")

_SHARED = r"""
    (?P<space>\s+)
  | (?P<number>(?:0[xX][0-9a-fA-F]+|(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?![A-Za-z_]))
  | (?P<parameter>:[A-Za-z_]\w*)
  | (?P<name>[^\W\d][\w$]*)
  | (?P<end>;)
  | (?P<symbol>::|:=|.)
"""
_POSTGRES = re.compile(
    r"""
    (?P<comment>--[^\n]*)
  | (?P<open>/\*)
  | (?P<string>[eE]'(?:[^'\\]|''|\\.)*(?:'|\Z)|(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*(?:'|\Z)
      |\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z))
  | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*(?:"|\Z))
  | (?P<place>\$\d+)
  |"""
    + _SHARED,
    re.VERBOSE | re.DOTALL,
)
_MARIADB = re.compile(
    r"""
    (?P<comment>--(?=\s|\Z)[^\n]*|\#[^\n]*|/\*(?![!M]).*?(?:\*/|\Z))
  | (?P<string>(?:[bBxXnN]|_\w+\s*)?'(?:[^'\\]|''|\\.)*(?:'|\Z)|"(?:[^"\\]|""|\\.)*(?:"|\Z))
  | (?P<quoted>`(?:[^`]|``)*(?:`|\Z))
  |"""
    + _SHARED,
    re.VERBOSE | re.DOTALL,
)
_EDGE = re.compile(r"/\*|\*/")
_KEPT = 1000


class Word(NamedTuple):
    """`kind`: space, comment, string, quoted, number, parameter (":name"), place ("$1"), name, end (";") or symbol."""

    kind: str
    text: str


@lru_cache(_KEPT)
def words(statement: str, dialect: str) -> tuple[Word, ...]:
    """The words of a statement. What is not closed reaches to the end."""
    pattern = _MARIADB if dialect == "mariadb" else _POSTGRES
    found: list[Word] = []
    at = 0
    while at < len(statement):
        match = pattern.match(statement, at)
        assert match is not None  # a symbol is any character
        kind = match.lastgroup or "symbol"
        if match.group("string") is not None:
            kind = "string"
        elif kind == "open":
            kind, end = "comment", _closed(statement, at)
            found.append(Word(kind, statement[at:end]))
            at = end
            continue
        found.append(Word(kind, match.group()))
        at = match.end()
    return tuple(found)


def _closed(statement: str, at: int) -> int:
    """Where a comment ends; they are nested in PostgreSQL."""
    depth = 0
    for edge in _EDGE.finditer(statement, at):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(statement)


def many(statement: str, dialect: str) -> bool:
    """Whether something stands behind a statement's end. A body between BEGIN and END is part of the statement that creates it."""
    if verb(statement, dialect) == "CREATE" and any(w.kind == "name" and w.text.upper() == "BEGIN" for w in words(statement, dialect)):
        return False
    ended = False
    for word in words(statement, dialect):
        if word.kind == "end":
            ended = True
        elif ended and word.kind not in ("space", "comment"):
            return True
    return False


def verb(statement: str, dialect: str) -> str:
    """The first word, in capitals: SELECT, INSERT ...; "" where there is none."""
    for word in words(statement, dialect):
        if word.kind == "name":
            return word.text.upper()
    return ""


@lru_cache(_KEPT)
def tokenized(statement: str, dialect: str) -> str:
    """The digest of a statement: a ? for each literal and parameter, one space for any, without comments."""
    said: list[str] = []
    for word in words(statement, dialect):
        if word.kind in ("space", "comment"):
            if said and said[-1] != " ":
                said.append(" ")
        else:
            said.append("?" if word.kind in ("string", "number", "place", "parameter") else word.text)
    return "".join(said).strip(" ;")
