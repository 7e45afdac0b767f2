"""Metrics Insights: SQL over metrics.

    SELECT FUNCTION(metric) FROM namespace | SCHEMA(namespace [, dimension ...])
    [WHERE dimension (= | !=) 'value' [AND | OR ...]] [GROUP BY dimension, ...] [ORDER BY FUNCTION() [ASC | DESC]] [LIMIT n]

Keywords are in any case, names in their own; a name of other characters than letters, digits and _ is in double quotes, a value in
single ones. Source: "Metrics Insights query components and syntax" in the CloudWatch User Guide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from fogbank.services.cloudwatch.mathematics.tokens import Lexer, Malformed, Reader

FUNCTIONS = {"AVG": "Average", "COUNT": "SampleCount", "MAX": "Maximum", "MIN": "Minimum", "SUM": "Sum"}
"""Each function and the statistic that it is."""
LIMIT = 500
_LEXER = Lexer(
    {
        "space": r"\s+",
        "value": r"'(?:[^'\\]|\\.|'')*'",
        "string": r"\"(?:[^\"\\]|\\.)*\"",
        "number": r"\d+(?![\w])",
        "word": r"\w+",
        "sign": r"!=|[=(),*.;]",
    }
)
_TIME_ORDER: dict[str, Callable[[list[float]], float]] = {
    "AVG": lambda values: sum(values) / len(values),
    "COUNT": lambda values: float(len(values)),
    "MAX": max,
    "MIN": min,
    "SUM": sum,
}
Meets = Callable[[Mapping[str, str]], bool]


class Query(NamedTuple):
    """`schema`: exactly these dimensions, None for any; `order`: (what a series is ordered by, descending)."""

    function: str
    metric: str
    namespace: str
    schema: frozenset[str] | None
    meets: Meets
    group: tuple[str, ...]
    order: tuple[Callable[[list[float]], float], bool] | None
    limit: int

    @property
    def statistic(self) -> str:
        return FUNCTIONS[self.function]

    def takes(self, dimensions: Mapping[str, str]) -> bool:
        """Whether a metric of the namespace and name counts: its dimensions are those of the schema, and it has those of GROUP BY."""
        if self.schema is not None and self.schema != dimensions.keys():
            return False
        return all(key in dimensions for key in self.group) and self.meets(dimensions)


def is_query(expression: str) -> bool:
    return expression.lstrip()[:7].upper().rstrip() == "SELECT"


@lru_cache(256)
def parse(text: str) -> Query:
    """Raises Malformed."""
    reader = Reader(_LEXER.cut(text.strip().removesuffix(";")))
    reader.expect("SELECT")
    function = _function(reader)
    metric = _name(reader)
    reader.expect(")")
    reader.expect("FROM")
    namespace, schema = _source(reader)
    meets: Meets = _any(reader) if reader.accept("WHERE") else lambda dimensions: True
    group: list[str] = []
    if reader.accept("GROUP"):
        reader.expect("BY")
        group.append(_name(reader))
        while reader.accept(","):
            group.append(_name(reader))
    order = _order(reader) if reader.accept("ORDER") else None
    limit = LIMIT
    if reader.accept("LIMIT"):
        limit = int(reader.expect(kind="number").text)
        if not 1 <= limit <= LIMIT:
            raise Malformed(f"LIMIT must be between 1 and {LIMIT}")
    reader.end()
    return Query(function, metric, namespace, schema, meets, tuple(group), order, limit)


def _function(reader: Reader) -> str:
    function = reader.expect(*FUNCTIONS).text.upper()
    reader.expect("(")
    return function


def _name(reader: Reader) -> str:
    token = reader.take()
    if token.kind not in ("word", "string"):
        raise Malformed(f"Expected a name but found '{token.text}'" if token.text else "Expected a name but found the end")
    return token.text


def _source(reader: Reader) -> tuple[str, frozenset[str] | None]:
    if not (reader.has("SCHEMA") and reader.after.text == "("):
        return _name(reader), None
    reader.expect("SCHEMA")
    reader.expect("(")
    namespace = _name(reader)
    keys: list[str] = []
    while reader.accept(","):
        keys.append(_name(reader))
    reader.expect(")")
    return namespace, frozenset(keys)


def _order(reader: Reader) -> tuple[Callable[[list[float]], float], bool]:
    reader.expect("BY")
    function = _function(reader)
    reader.expect(")")
    descending = reader.accept("ASC", "DESC") == "DESC"
    return _TIME_ORDER[function], descending


def _any(reader: Reader) -> Meets:
    parts = [_every(reader)]
    while reader.accept("OR"):
        parts.append(_every(reader))
    return parts[0] if len(parts) == 1 else lambda dimensions: any(part(dimensions) for part in parts)


def _every(reader: Reader) -> Meets:
    parts = [_condition(reader)]
    while reader.accept("AND"):
        parts.append(_condition(reader))
    return parts[0] if len(parts) == 1 else lambda dimensions: all(part(dimensions) for part in parts)


def _condition(reader: Reader) -> Meets:
    if reader.accept("("):
        inner = _any(reader)
        reader.expect(")")
        return inner
    key = _name(reader)
    if reader.has("."):
        raise Malformed("Fogbank does not implement tags in Metrics Insights queries")
    equal = reader.expect("=", "!=").text == "="
    token = reader.take()
    if token.kind != "value":
        raise Malformed(f"Expected a value in single quotes but found '{token.text}'")
    value = token.text[1:-1].replace("''", "'").replace("\\'", "'")
    return lambda dimensions: key in dimensions and (dimensions[key] == value) is equal
