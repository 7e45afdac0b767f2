"""Commands: each is read into a stage, a function from rows to rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from fogbank.services.logs import regexes
from fogbank.services.logs.insights.expressions import Expression, Make, expression
from fogbank.services.logs.insights.reading import Reader, Unmet
from fogbank.services.logs.insights.records import Row, fragment
from fogbank.services.logs.insights.values import natural, text, true
from fogbank.services.logs.regexes import Search

Rows = Iterable[Row]
Run = Callable[[Rows], Iterable[Row]]
UNMET = ("pattern", "diff", "anomaly", "lookup", "join", "filterindex", "subquery", "geoip", "addtotals")
LIMIT = 100_000


class Stage(NamedTuple):
    """A command.

    `columns`: what it adds to what is shown, `shown`: what it alone shows; None where it says nothing about it. `kind` is its name.
    """

    kind: str
    run: Run
    columns: tuple[str, ...] = ()
    shown: tuple[str, ...] | None = None


def _named(reader: Reader) -> tuple[str, Expression]:
    """An expression, and what its column is called."""
    found = expression(reader)
    return (reader.name() if reader.keyword("as") else found.field or found.text), found


def _list(reader: Reader) -> list[tuple[str, Expression]]:
    named = [_named(reader)]
    while reader.symbol(","):
        named.append(_named(reader))
    return named


def fields(reader: Reader) -> Stage:
    """Chooses fields, and computes new ones."""
    named = _list(reader)
    made = [(name, one.of) for name, one in named if name != one.field]

    def run(rows: Rows) -> Iterator[Row]:
        for row in rows:
            row = Row(dict(row.values), row.event)
            for name, of in made:
                row.values[name] = of(row)
            yield row

    return Stage("fields", run if made else _same, columns=tuple(name for name, _ in named))


def display(reader: Reader) -> Stage:
    """Shows these fields and no others."""
    named = _list(reader)
    made = [(name, one.of) for name, one in named if name != one.field]

    def run(rows: Rows) -> Iterator[Row]:
        for row in rows:
            yield Row({**row.values, **{name: of(row) for name, of in made}}, row.event)

    return Stage("display", run if made else _same, shown=tuple(name for name, _ in named))


def _same(rows: Rows) -> Rows:
    return rows


def filter_(reader: Reader) -> Stage:
    """Keeps the rows for which a condition holds."""
    holds = expression(reader).of
    return Stage("filter", lambda rows: (row for row in rows if true(holds(row))))


# parse


def parse(reader: Reader) -> Stage:
    """Takes parts of a text out as fields: by a form with `*`, or by a regular expression with named groups."""
    of: Callable[[Row], Any] = lambda row: row.get("@message")  # noqa: E731
    if reader.peek() not in ("'", '"', "/"):
        of = _field_of(reader)
    found = reader.regex()
    if found is not None:
        search, names = reader.searching(found)
        if not names:
            reader.fail("the regular expression of parse needs named groups")
        return _parsing(of, search, lambda match: match.groupdict(), names)
    form = reader.string()
    if form is None or not reader.keyword("as"):
        reader.fail("parse needs a text with * and names (as ...), or a regular expression")
    chosen = tuple(reader.names())
    if form.count("*") != len(chosen):
        reader.fail("parse needs as many names as there are * in its text")
    parts = [re.escape(part) for part in form.split("*")]
    # The last * takes all that is left, where nothing follows it.
    glob = "(.*?)".join(parts[:-1]) + ("(.*)" if len(parts) > 1 and not parts[-1] else "(.*?)" + parts[-1])
    search, _ = regexes.searching(glob if len(parts) > 1 else parts[0], across_lines=True)
    return _parsing(of, search, lambda match: dict(zip(chosen, match.groups(), strict=True)), chosen)


def _field_of(reader: Reader) -> Callable[[Row], Any]:
    name = reader.name()
    return lambda row: row.get(name)


def _parsing(
    of: Callable[[Row], Any],
    search: Search,
    taken: Callable[[Any], dict[str, Any]],
    names: tuple[str, ...],
) -> Stage:
    def run(rows: Rows) -> Iterator[Row]:
        for row in rows:
            value = of(row)
            match = None if value is None else search(text(value))
            yield row if match is None else Row({**row.values, **taken(match)}, row.event)

    return Stage("parse", run, columns=names)


# stats


def stats(reader: Reader) -> Stage:
    """Adds rows up, all of them or by groups."""
    aggregates: list[tuple[str, Any]] = []
    reader.aggregates = aggregates
    columns = _list(reader)
    reader.aggregates = None
    if not aggregates:
        reader.fail("stats needs an aggregate function")
    by = _list(reader) if reader.keyword("by") else []
    makes: list[tuple[str, Make]] = aggregates

    def run(rows: Rows) -> Iterator[Row]:
        groups: dict[tuple[str | None, ...], tuple[list[Any], list[Any]]] = {}
        for row in rows:
            values = [one.of(row) for _, one in by]
            key = tuple([None if value is None else text(value) for value in values])
            found = groups.get(key)
            if found is None:
                found = groups[key] = (values, [make() for _, make in makes])
            for accumulator in found[1]:
                accumulator.add(row)
        if not groups and not by:
            groups[()] = ([], [make() for _, make in makes])
        for values, accumulators in groups.values():
            out: dict[str, Any] = dict(zip((name for name, _ in by), values, strict=True))
            inner = Row({**out, **{key: one.result() for (key, _), one in zip(makes, accumulators, strict=True)}})
            yield Row({**out, **{name: one.of(inner) for name, one in columns}})

    return Stage("stats", run, shown=tuple(name for name, _ in [*by, *columns]))


# order and number


def sort(reader: Reader) -> Stage:
    """Puts rows in order; the first expression counts most. Ascending where nothing is said."""
    keys: list[tuple[Callable[[Row], Any], bool]] = []
    while True:
        of = _expression_or_column(reader)
        keys.append((of, reader.keyword("asc", "desc") == "desc"))
        if not reader.symbol(","):
            break

    def run(rows: Rows) -> list[Row]:
        out = list(rows)
        for of, descending in reversed(keys):
            out.sort(key=lambda row: natural(of(row)), reverse=descending)
        return out

    return Stage("sort", run)


def _expression_or_column(reader: Reader) -> Callable[[Row], Any]:
    """An expression, or a column that stats has called by an expression's text (`count(*)`)."""
    reader.aggregates = []
    found = expression(reader)
    aggregates, reader.aggregates = reader.aggregates, None
    name, of = found.text, found.of
    if aggregates:
        return lambda row: row.values.get(name)
    return lambda row: row.values[name] if name in row.values else of(row)


def limit(reader: Reader) -> Stage:
    """The first rows, 1 to 100,000 of them."""
    count = reader.integer()
    if not 1 <= count <= LIMIT:
        reader.fail(f"limit must be between 1 and {LIMIT}")
    return Stage("limit", lambda rows: islice(rows, count))


def dedup(reader: Reader) -> Stage:
    """The first row of those that have the same values. A row without one of the values is not a duplicate of anything."""
    names = reader.names()

    def run(rows: Rows) -> Iterator[Row]:
        seen: set[tuple[str, ...]] = set()
        for row in rows:
            values = [row.get(name) for name in names]
            key = tuple(text(value) for value in values)
            if any(value is None for value in values):
                yield row
            elif key not in seen:
                seen.add(key)
                yield row

    return Stage("dedup", run)


def unnest(reader: Reader) -> Stage:
    """A row for each item of a list, or each pair of a map ({key, value})."""
    name = reader.name()
    into = reader.name() if reader.keyword("into") else name

    def run(rows: Rows) -> Iterator[Row]:
        for row in rows:
            value = row.get(name)
            if isinstance(value, str):
                value = fragment(value) if value[:1] == "{" else value
            if isinstance(value, dict):
                value = [{"key": key, "value": one} for key, one in value.items()]
            for item in value if isinstance(value, list) else ():
                yield Row({**row.values, into: item}, row.event)

    return Stage("unnest", run, columns=(into,))


def unmask(reader: Reader) -> Stage:
    """Shows protected values whole (whoever may: who runs the query looks after that)."""
    names = reader.names()
    return Stage("unmask", _same, columns=tuple(names))


COMMANDS: dict[str, Callable[[Reader], Stage]] = {
    "fields": fields,
    "display": display,
    "filter": filter_,
    "parse": parse,
    "stats": stats,
    "sort": sort,
    "order": sort,
    "limit": limit,
    "head": limit,
    "dedup": dedup,
    "unnest": unnest,
    "unmask": unmask,
}


def command(reader: Reader) -> Stage:
    """Errors: Malformed; Unmet, for commands that are not here."""
    word = reader.word()
    name = word.lower()
    if name in UNMET:
        raise Unmet(f"the command {name}")
    read = COMMANDS.get(name)
    if read is None:
        reader.fail(f"unexpected symbol found {word or reader.peek() or 'end of query'}: a command is expected")
    if name == "order":
        reader.keyword("by")
    return read(reader)
