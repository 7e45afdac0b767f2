"""A whole query: SOURCE, commands between `|`, and what is shown in the end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from fogbank.services.logs.insights.commands import LIMIT, Stage, command
from fogbank.services.logs.insights.reading import Malformed, Reader, Unmet
from fogbank.services.logs.insights.records import Row
from fogbank.services.logs.insights.values import Instant, text

DEFAULT_COLUMNS = ("@timestamp", "@message")
DEFAULT_LIMIT = 10_000
PREFIX_LETTERS = 3
_MAPPING = ("fields", "filter", "parse", "unmask", "display")
"""Commands that look at each event by itself."""

HELD_BYTES = 256 << 20
"""Of texts that a query has made, and has to hold at once."""
Shown = list[tuple[str, str]]
"""A row of the result: names and values."""


class TooLarge(Exception):
    """A query makes more text than it may hold."""


class Source(NamedTuple):
    """Which groups a SOURCE command chooses: those whose names begin so, of this class."""

    prefixes: tuple[str, ...]
    log_class: str = ""


class Counted:
    """How many rows were looked at, and how many events a query's filters let through."""

    def __init__(self) -> None:
        self.scanned = self.matched = self.bytes = 0


class Program(NamedTuple):
    """A query that can be run. `unmasks`: it asks to see protected values."""

    source: Source | None
    stages: tuple[Stage, ...]
    unmasks: bool

    def run(self, rows: Iterable[Row], limit: int | None, now_ms: int, counted: Counted) -> list[Shown]:
        """The rows of the result. Events come newest first; all are looked at, so that the counts are whole. Errors: TooLarge."""
        found: Iterable[Row] = _clocked(rows, now_ms)
        events: Iterable[Row] | None = None
        for stage in self.stages:
            if events is None and stage.kind not in _MAPPING:
                found = events = _counting(found, counted)
            found = stage.run(_weighed(found) if stage.kind == "sort" else found)
        if events is None:
            found = events = _counting(found, counted)
        columns = self.columns()
        shown: list[Shown] = []
        held = 0
        for row in islice(found, LIMIT if self._limited else limit or DEFAULT_LIMIT):
            shown.append(one := _shown(row, columns))
            held += sum([len(value) for _, value in one])
            if held > HELD_BYTES:
                raise TooLarge
        for _ in events:
            pass
        return shown

    @property
    def _limited(self) -> bool:
        return any(stage.kind == "limit" for stage in self.stages)

    def columns(self) -> tuple[str, ...]:
        """What is shown: by the last command that says so, and those that add to it after that."""
        columns: list[str] = []
        chosen = False
        for stage in self.stages:
            if stage.shown is not None:
                columns, chosen = list(stage.shown), True
            elif stage.columns:
                if stage.kind == "fields":
                    chosen = True
                columns += [name for name in stage.columns if name not in columns]
        return tuple(columns) if chosen else (*DEFAULT_COLUMNS, *[name for name in columns if name not in DEFAULT_COLUMNS])


def _clocked(rows: Iterable[Row], now_ms: int) -> Iterator[Row]:
    now = Instant(now_ms)
    for row in rows:
        row.values["\0now"] = now
        yield row


def _weighed(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows of which all are held at once. Errors: TooLarge."""
    held = 0
    for row in rows:
        held += sum([len(value) for value in row.values.values() if isinstance(value, str)])
        if held > HELD_BYTES:
            raise TooLarge
        yield row


def _counting(rows: Iterable[Row], counted: Counted) -> Iterator[Row]:
    for row in rows:
        counted.matched += 1
        yield row


def _shown(row: Row, columns: tuple[str, ...]) -> Shown:
    shown = [(name, text(value)) for name in columns if (value := row.get(name)) is not None]
    if row.event is not None and (pointer := row.get("@ptr")) is not None and "@ptr" not in columns:
        shown.append(("@ptr", pointer))
    return shown


@lru_cache(512)
def read(query: str) -> Program:
    """Errors: Malformed, Unmet."""
    reader = Reader(query)
    try:
        return _program(reader)
    except RecursionError:
        raise Malformed("the query is too deep", reader.at) from None


def _program(reader: Reader) -> Program:
    source = None
    if reader.keyword("source"):
        source = _source(reader)
        if not reader.end():
            reader.need("|")
    stages: list[Stage] = []
    while not reader.end():
        stages.append(command(reader))
        if not reader.end():
            reader.need("|")
            if reader.end():
                reader.fail("unexpected end of query: a command is expected")
    return Program(source, tuple(stages), any(stage.kind == "unmask" for stage in stages))


_bare = re.compile(r"[^\s|,\]\)]+")


def _source(reader: Reader) -> Source:
    """SOURCE logGroups(namePrefix: ['a', 'b'], class: 'STANDARD')"""
    if not reader.keyword("loggroups"):
        raise Unmet("SOURCE with something else than logGroups")
    reader.need("(")
    prefixes: list[str] = []
    log_class = ""
    while not reader.symbol(")"):
        name = reader.word().lower()
        reader.need(":")
        values = _strings(reader)
        if name == "nameprefix":
            prefixes = values
        elif name == "class":
            log_class = values[0].upper()
        else:
            raise Unmet(f"SOURCE with {name}")
        reader.symbol(",")
    if not prefixes or any(len(prefix) < PREFIX_LETTERS for prefix in prefixes) or len(prefixes) > 5:
        reader.fail("SOURCE needs one to five name prefixes of at least three letters")
    return Source(tuple(prefixes), log_class)


def _strings(reader: Reader) -> list[str]:
    if not reader.symbol("["):
        return [_string(reader)]
    values: list[str] = []
    while not reader.symbol("]"):
        values.append(_string(reader))
        reader.symbol(",")
    return values


def _string(reader: Reader) -> str:
    found: Any = reader.string()
    if found is None:
        reader.skip()
        match = _bare.match(reader.text, reader.at)
        if match is None:
            reader.unexpected()
        reader.at = match.end()
        return match[0]
    return str(found)
