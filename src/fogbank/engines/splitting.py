"""Whether a query can be split by where its rows lie, and into what. Pure.

`read` finds its pieces: sqlglot tells what they are, and each is then the user's own text, untouched (by its tokens). `joined` makes of
them what each part asks, and `final` what puts the parts' rows together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

RANGE = "\0"
"""Stands in a part for the blocks that it reads."""

_STABLE = "concat concat_ws date_part date_trunc extract format timezone to_char to_date to_number to_timestamp"
STABLE = _STABLE.split()
"""Functions that depend on the session's settings and on nothing else."""

MERGED = frozenset(("count", "sum", "min", "max", "avg"))
"""Aggregates that can be put together of those of parts."""

_WORDS = (
    "and or not in between like ilike similar is when then else case any all some cast extract coalesce nullif greatest least interval"
    " numeric decimal varchar char character varying bit float time timestamp timestamptz timetz array row exists substring position"
    " overlay trim from select where by on as distinct"
)
_SYNTAX = frozenset(_WORDS.split())
"""What stands before a bracket and is no function, or one that is known to be like `STABLE` ones."""

_SESSION = ("current_time", "localtime", "localtimestamp", "session_user", "system_user")
_CLAUSES = {"expressions", "from_", "from", "where", "group", "order", "limit"}
_AGGREGATES = {exp.Count: "count", exp.Sum: "sum", exp.Min: "min", exp.Max: "max", exp.Avg: "avg"}
_WHOLE = {
    exp.Window: "a window looks at other rows",
    exp.Distinct: "distinct looks at all rows",
    exp.Collate: "it names a collation",
    exp.Filter: "an aggregate has a filter",
    exp.WithinGroup: "an aggregate is over an order",
    exp.Placeholder: "it has parameters",
    exp.Parameter: "it has parameters",
}
_MARKS = {TokenType.L_PAREN: 1, TokenType.L_BRACKET: 1, TokenType.R_PAREN: -1, TokenType.R_BRACKET: -1}
_STARTS = (TokenType.SELECT, TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.ORDER_BY, TokenType.LIMIT)


class Whole(Exception):
    """It is not split; the message says why."""


class Output(NamedTuple):
    """A column of the result: its text without its alias, its name ("" where it has none of its own), its aggregate, and of what."""

    text: str
    alias: str
    aggregate: str = ""
    of: str = ""


class Query(NamedTuple):
    """The pieces of a query over one table.

    table      as one would write it
    row        what its rows are called
    groups     texts
    calls      names of functions
    columns    names of columns
    """

    text: str
    table: str
    row: str
    outputs: tuple[Output, ...]
    where: str
    groups: tuple[str, ...]
    order: tuple[tuple[str, str], ...]
    limit: str
    calls: frozenset[str]
    columns: frozenset[str]

    @property
    def aggregates(self) -> bool:
        return bool(self.groups) or any(output.aggregate for output in self.outputs)


def still(sql: str, now: str) -> str:
    """The query with the transaction's own instant in the place of now()."""
    out, at = [], 0
    tokens = _tokens(sql)
    for n, token in enumerate(tokens):
        word = token.text.lower() if token.token_type not in (TokenType.STRING, TokenType.IDENTIFIER) else ""
        called = [one.token_type for one in tokens[n + 1 : n + 3]] == [TokenType.L_PAREN, TokenType.R_PAREN]
        end = tokens[n + 2].end if word == "now" and called else token.end
        if (word == "now" and called) or word in ("current_timestamp", "current_date"):
            instant = f"'{now}'::pg_catalog.timestamptz"
            out += [sql[at : token.start], f"({instant}::date)" if word == "current_date" else f"({instant})"]
            at = end + 1
    return "".join(out) + sql[at:]


def read(sql: str) -> Query:
    """The pieces of a query. Raises Whole."""
    try:
        found = [one for one in sqlglot.parse(sql, dialect="postgres") if one is not None]
    except SqlglotError:
        raise Whole("it is not understood") from None
    if len(found) != 1 or not isinstance(found[0], exp.Select):
        raise Whole("it is not one select")
    select: Any = found[0]
    _simple(select)
    tokens = [token for token in _tokens(sql) if token.token_type != TokenType.SEMICOLON]
    pieces = dict(_clauses(tokens))
    table = (select.args.get("from_") or select.args.get("from")).this
    names = [part for part in (table.args.get("db"), table.this) if part is not None]
    written = list(_listed(pieces[TokenType.SELECT]))
    if len(written) != len(select.expressions):
        raise Whole("it is not understood")
    where = pieces.get(TokenType.WHERE)
    group = pieces.get(TokenType.GROUP_BY)
    return Query(
        text=_text(sql, tokens),
        table=".".join(_quoted(_name(part)) for part in names),
        row=_quoted(_name(table.args["alias"].this) if table.args.get("alias") else _name(table.this)),
        outputs=tuple(_output(sql, node, words) for node, words in zip(select.expressions, written, strict=True)),
        where=_text(sql, where) if where else "",
        groups=tuple(_text(sql, words) for words in _listed(group)) if group else (),
        order=tuple(_ordered(sql, words) for words in _listed(pieces[TokenType.ORDER_BY])) if TokenType.ORDER_BY in pieces else (),
        limit=_text(sql, pieces[TokenType.LIMIT]) if TokenType.LIMIT in pieces else "",
        calls=frozenset(_calls(tokens)),
        columns=frozenset(_columns(select)),
    )


def _simple(select: Any) -> None:
    """Raises Whole where it is more than a filter, a projection and aggregates of one table."""
    others = {name for name, value in select.args.items() if value} - _CLAUSES
    table = getattr(select.args.get("from_") or select.args.get("from"), "this", None)
    if "joins" in others or "laterals" in others:
        raise Whole("it joins tables")
    if others:
        raise Whole(f"it has {' and '.join(sorted(one.strip('_') for one in others))}")
    if not isinstance(table, exp.Table) or {name for name, value in table.args.items() if value} - {"this", "db", "alias"}:
        raise Whole("it is not over one table")
    if not isinstance(table.this, exp.Identifier) or (table.args.get("alias") and table.args["alias"].args.get("columns")):
        raise Whole("it is not over one table")
    for kind, why in _WHOLE.items():
        if select.find(kind):
            raise Whole(why)
    if len(list(select.find_all(exp.Query))) > 1:
        raise Whole("it has a query in it")
    group, limit = select.args.get("group"), select.args.get("limit")
    if group is not None and {name for name, value in group.args.items() if value} - {"expressions"}:
        raise Whole("it groups in several ways")
    if limit is not None and not (isinstance(limit.expression, exp.Literal) and limit.expression.is_int):
        raise Whole("its limit is no number")
    top = [one.this if isinstance(one, exp.Alias) else one for one in select.expressions]
    if any(not any(one is node for node in top) for one in select.find_all(exp.AggFunc)):
        raise Whole("an aggregate is part of an expression")
    if (select.args.get("order") or limit) and group is None and not any(isinstance(one, exp.AggFunc) for one in top):
        raise Whole("rows are put in order, or only some are wanted")


def _tokens(sql: str) -> list[Token]:
    try:
        return list(sqlglot.tokenize(sql, read="postgres"))
    except SqlglotError:
        raise Whole("it is not understood") from None


def _clauses(tokens: Sequence[Token]) -> Iterator[tuple[TokenType, list[Token]]]:
    """The words of each clause."""
    depth, kind, words, last = 0, TokenType.SELECT, list[Token](), TokenType.SELECT
    for token in tokens:
        depth += _MARKS.get(token.token_type, 0)
        begins = token.token_type in _STARTS and not depth
        if begins and not (token.token_type == TokenType.FROM and last == TokenType.DISTINCT):
            if words:
                yield kind, words
            kind, words = token.token_type, []
        else:
            words.append(token)
        last = token.token_type
    if words:
        yield kind, words


def _listed(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """What stands between commas."""
    depth, words = 0, list[Token]()
    for token in tokens:
        depth += _MARKS.get(token.token_type, 0)
        if token.token_type == TokenType.COMMA and not depth:
            yield words
            words = []
        else:
            words.append(token)
    yield words


def _text(sql: str, tokens: Sequence[Token]) -> str:
    return sql[tokens[0].start : tokens[-1].end + 1] if tokens else ""


def _output(sql: str, node: Any, tokens: Sequence[Token]) -> Output:
    alias = ""
    if isinstance(node, exp.Alias):
        alias, node = _name(node.args["alias"]), node.this
        tokens = tokens[: -2 if tokens[-2].token_type == TokenType.ALIAS else -1]
    elif isinstance(node, exp.Column) and isinstance(node.this, exp.Identifier):
        alias = _name(node.this)
    text = _text(sql, tokens)
    if not isinstance(node, exp.AggFunc):
        return Output(text, alias)
    name = _AGGREGATES.get(type(node), "")
    if not name or tokens[0].text.lower() != name or len(tokens) < 3 or node.args.get("expressions"):
        raise Whole("an aggregate is not count, sum, min, max or avg of one value")
    return Output(text, alias, name, _text(sql, tokens[2:-1]))


def _ordered(sql: str, tokens: Sequence[Token]) -> tuple[str, str]:
    """What it is ordered by (a number, or a name), and how."""
    first, rest = tokens[0], _text(sql, tokens[1:])
    known = (TokenType.NUMBER, TokenType.VAR, TokenType.IDENTIFIER)
    if first.token_type not in known or not all(word in ("asc", "desc", "nulls", "first", "last") for word in rest.lower().split()):
        raise Whole("it is ordered by something that is not in its result")
    return _spelt(first), rest


def _calls(tokens: Sequence[Token]) -> Iterator[str]:
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        quoted, word = token.token_type == TokenType.IDENTIFIER, _spelt(token)
        if token.token_type == TokenType.STRING:
            continue
        if not quoted and word in _SESSION:
            raise Whole(f"{word} is the session's own")
        named = quoted or (word[:1].isalpha() or word[:1] == "_")
        if named and after is not None and after.token_type == TokenType.L_PAREN and (quoted or word.split()[-1] not in _SYNTAX):
            yield word


def _columns(select: Any) -> Iterator[str]:
    """What it names of its table: what it groups by, and what it is ordered by, may be of its result."""
    where, group = select.args.get("where"), select.args.get("group")
    named = {_name(one.args["alias"]) for one in select.expressions if isinstance(one, exp.Alias)}
    for place in [*select.expressions, *filter(None, (where, group))]:
        for column in place.find_all(exp.Column):
            if not isinstance(column.this, exp.Star) and not (place is group and _name(column.this) in named):
                yield _name(column.this)


def _name(identifier: Any) -> str:
    return str(identifier.this) if identifier.args.get("quoted") else str(identifier.this).lower()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class Joined(NamedTuple):
    """A query in parts.

    part     what each asks, with `RANGE` in it
    outputs  what puts the parts' rows together; None: they are the result
    groups   so many of a part's first columns are what it groups by
    tail     order and limit of the result
    """

    part: str
    outputs: tuple[str, ...] | None
    groups: int
    tail: str


def joined(query: Query, types: Sequence[str], columns: frozenset[str]) -> Joined:
    """A query in parts. `types`: of its result; `columns`: of its table. Raises Whole."""
    where = f"where {RANGE}" + (f" and (\n{query.where}\n)" if query.where else "")
    rest = f"from only {query.table} as {query.row} {where}"
    if not query.aggregates:
        return Joined(f"select {', '.join(output.text for output in query.outputs)} {rest}", None, 0, "")
    keys = [_key(query, group, columns) for group in query.groups]
    asked, outputs = list(keys), list[str]()
    folded = [_folded(key) for key in keys]
    for output, type_name in zip(query.outputs, types, strict=True):
        here = f"c{len(asked)}"
        if not output.aggregate:
            if _folded(output.text) not in folded:
                raise Whole("a column of its result is neither an aggregate nor what it groups by")
            outputs.append(f"c{folded.index(_folded(output.text))}")
        elif output.aggregate == "count":
            asked.append(output.text)
            outputs.append(f"coalesce(pg_catalog.sum({here}), 0)::{type_name}")
        elif output.aggregate == "avg":
            if type_name not in ("numeric", "double precision"):
                raise Whole(f"an average is of type {type_name}")
            asked += [f"sum(({output.of})::{type_name})", f"count({output.of})"]
            outputs.append(f"(pg_catalog.sum({here}) / nullif(pg_catalog.sum(c{len(asked) - 1}), 0)::{type_name})::{type_name}")
        else:
            asked.append(output.text)
            outputs.append(f"pg_catalog.{output.aggregate}({here})::{type_name}")
    places = ", ".join(str(n + 1) for n in range(len(keys)))
    part = f"select {', '.join(asked)} {rest}" + (f" group by {places}" if keys else "")
    return Joined(part, tuple(outputs), len(keys), _tail(query))


def _key(query: Query, group: str, columns: frozenset[str]) -> str:
    """What is meant by what it is grouped by: a number, and a name that no column of the table has, are columns of the result."""
    if group.isdigit():
        if not 1 <= int(group) <= len(query.outputs):
            raise Whole("it is not understood")
        return query.outputs[int(group) - 1].text
    tokens = _tokens(group)
    name = _spelt(tokens[0]) if len(tokens) == 1 else ""
    if not name or name in columns:
        return group
    return next((output.text for output in query.outputs if output.alias == name), group)


def _spelt(token: Token) -> str:
    return token.text if token.token_type == TokenType.IDENTIFIER else token.text.lower()


def _folded(text: str) -> tuple[tuple[bool, str], ...]:
    """Two texts that are the same but for blanks and case are one expression."""
    return tuple(
        (token.token_type == TokenType.STRING, token.text if token.token_type == TokenType.STRING else _spelt(token))
        for token in _tokens(text)
    )


def _tail(query: Query) -> str:
    """Its order and its limit, of the result's columns."""
    names = [output.alias or output.aggregate for output in query.outputs]
    items = []
    for what, how in query.order:
        place = what if what.isdigit() else str(names.index(what) + 1) if names.count(what) == 1 else ""
        if not place:
            raise Whole("it is ordered by something that is not in its result")
        items.append(f"{place} {how}")
    return (f" order by {', '.join(items)}" if items else "") + (f" limit {query.limit}" if query.limit else "")


def final(whole: Joined, types: Sequence[str]) -> str:
    """SQL over the parts' rows ($1, an array of arrays of text): the result. `types`: of a part's columns."""
    values = ", ".join(f"(r ->> {n})::{name} as c{n}" for n, name in enumerate(types))
    rows = f"select {values} from pg_catalog.jsonb_array_elements($1) as r"
    if whole.outputs is None:
        return rows
    groups = ", ".join(f"c{n}" for n in range(whole.groups))
    return f"select {', '.join(whole.outputs)} from ({rows}) as parts" + (f" group by {groups}" if groups else "") + whole.tail
