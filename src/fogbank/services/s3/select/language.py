"""S3 Select's SQL: sqlglot reads it, `compiled` makes a query of it that can be run over rows.

Source: "SQL reference for Amazon S3 Select" in the Amazon S3 User Guide.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from sqlglot import Dialect, exp, parser, tokens
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from fogbank.services.s3.select.values import failure

EXPRESSION_BYTES = 256 * 1024
Step = str | int | None
"""A step of the path behind FROM S3Object: a member, a place in a list, or (None) all of it: `[*]`."""


class _Select(Dialect):
    """Lists count from 0, timestamps may stand in backticks, and functions are our business."""

    INDEX_OFFSET = 0

    class Tokenizer(tokens.Tokenizer):
        QUOTES = ["'"]
        IDENTIFIERS = ['"']
        BYTE_STRINGS = [("`", "`")]

    class Parser(parser.Parser):
        FUNCTIONS = {}
        NO_PAREN_FUNCTIONS = {}
        FUNCTION_PARSERS = {name: parser.Parser.FUNCTION_PARSERS[name] for name in ("CAST", "EXTRACT", "SUBSTRING", "TRIM")}


class Query(NamedTuple):
    """A SELECT, read: what is selected, from which path under which name, where, and how many."""

    columns: Sequence[exp.Expression]
    path: tuple[Step, ...]
    alias: str
    where: exp.Expression | None
    limit: int | None


@lru_cache(256)
def read(expression: str) -> Query:
    """Reads a query. Errors: ExpressionTooLong, ParseUnexpectedToken, UnsupportedSyntax."""
    if len(expression.encode()) > EXPRESSION_BYTES:
        raise failure("ExpressionTooLong", "The SQL expression is too long: The maximum byte-length for the SQL expression is 256 KB.")
    try:
        plain, path = _without_path(expression)
        tree = _Select().parse(plain)
    except (SqlglotError, RecursionError) as problem:
        first = str(problem).partition("\n")[0]
        raise failure("ParseUnexpectedToken", f"The SQL expression could not be parsed: {first}") from None
    (select,) = tree if len(tree) == 1 else (None,)
    if not isinstance(select, exp.Select) or not select.expressions:
        raise failure("ParseSelectMissingFrom", "The SQL expression has to be one SELECT of something.")
    for name, value in select.args.items():
        if value and name not in ("expressions", "from_", "where", "limit"):
            raise _unsupported(name.rstrip("_"))
    source = select.args.get("from_")
    if source is None or not isinstance(source.this, exp.Table):
        raise failure("ParseSelectMissingFrom", "GROUP is not supported in the SQL expression." if source else "FROM is missing.")
    limit = select.args.get("limit")
    where = select.args.get("where")
    return Query(
        columns=select.expressions,
        path=path,
        alias=source.this.alias or (next((step for step in reversed(path) if isinstance(step, str)), "")),
        where=None if where is None else where.this,
        limit=None if limit is None else _limit(limit),
    )


def _unsupported(what: str) -> Exception:
    return failure("UnsupportedSyntax", f"Encountered invalid syntax: {what.upper()} is not supported in S3 Select.")


def _limit(limit: exp.Expression) -> int:
    count = limit.expression
    if not isinstance(count, exp.Literal) or count.is_string or not is_index(count.this):
        raise failure("EvaluatorInvalidArguments", "LIMIT has to be a positive integer.")
    return int(count.this)


def is_index(text: str) -> bool:
    """Whether a text is a number that something can be counted by."""
    return text.isdecimal() and len(text) < 19


def _without_path(expression: str) -> tuple[str, tuple[Step, ...]]:
    """The expression with a bare S3Object behind its FROM, and the path that stood there."""
    found = _Select().tokenize(expression)
    if not found or found[0].token_type is not TokenType.SELECT:
        raise failure("ParseSelectMissingFrom", "The SQL expression has to begin with SELECT.")
    for place, token in enumerate(found[:-1]):
        if token.token_type is TokenType.FROM and found[place + 1].text.upper() == "S3OBJECT":
            steps, after = _steps(found, place + 2)
            if after == place + 2:
                return expression, ()
            tail = expression[found[after].start :] if after < len(found) else ""
            return expression[: found[place + 2].start] + " " + tail, steps
    raise failure("InvalidDataSource", "Invalid data source type. Only CSV, JSON, and Parquet are supported: FROM has to name S3Object.")


def _steps(found: Sequence[Token], place: int) -> tuple[tuple[Step, ...], int]:
    """The steps of a path that begins at a token, and the place behind it."""
    steps: list[Step] = []
    while place + 1 < len(found):
        token, inner = found[place], found[place + 1]
        if token.token_type is TokenType.DOT:
            if inner.token_type is TokenType.STAR:
                raise _unsupported("a wildcard of members")
            steps.append(inner.text)
            place += 2
        elif token.token_type is TokenType.L_BRACKET and place + 2 < len(found):
            if inner.token_type is TokenType.STAR:
                steps.append(None)
            else:
                steps.append(int(inner.text) if is_index(inner.text) else inner.text)
            place += 3
        else:
            break
    return tuple(steps), place
