"""A query made ready: each expression becomes a function of a row. What is null or missing makes null of most things."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from sqlglot import exp

from fogbank.services.s3.select import functions, values
from fogbank.services.s3.select.functions import AGGREGATES, CALCULATIONS, COMPARISONS, DATE_PARTS, FUNCTIONS, Aggregate
from fogbank.services.s3.select.language import Query, is_index
from fogbank.services.s3.select.values import MISSING, Timestamp, absent, failure

Value = Callable[[Any], Any]
"""An expression: the value that it has for a row."""
Record = tuple[Sequence[str], Sequence[Any]]
"""What is selected of a row: names, and their values."""
Name = tuple[str, bool]
"""A member's name, and whether it was quoted: then its case counts."""


class Rows(Protocol):
    """Where rows come from, as far as expressions have to know."""

    def member(self, path: Sequence[Name | int]) -> Value: ...

    def everything(self, row: Any) -> Record: ...


class Compiler:
    """Makes functions of expressions, for the rows of one source."""

    def __init__(self, rows: Rows, alias: str, now: Timestamp) -> None:
        self._rows = rows
        self._alias = alias.lower()
        self._now = now
        self.aggregates: list[tuple[Aggregate, Value]] = []

    def compiled(self, node: Any) -> Value:
        """Errors: UnsupportedSyntax, UnsupportedFunction, and those of the arguments."""
        kind = type(node).__name__
        if kind in COMPARISONS or kind in CALCULATIONS:
            return self._binary(COMPARISONS.get(kind) or CALCULATIONS[kind], node)
        compile_ = _COMPILERS.get(kind)
        if compile_ is None:
            raise failure("UnsupportedSyntax", f"Encountered invalid syntax: {node.sql()}")
        return compile_(self, node)

    def _binary(self, work: Callable[[Any, Any], Any], node: Any) -> Value:
        left, right = self.compiled(node.this), self.compiled(node.expression)
        return lambda row: work(left(row), right(row))

    def literal(self, node: Any) -> Value:
        value = node.this if node.is_string else values.number(node.this)
        return lambda row: value

    def constant(self, value: Any) -> Value:
        return lambda row: value

    def path(self, node: Any) -> Value:
        """A column, with what is behind it: members by name, list items by place."""
        steps = _path(node)
        first = steps[0]
        if len(steps) > 1 and isinstance(first, tuple) and first[0].lower() in (self._alias, "s3object"):
            steps = steps[1:]
        elif len(steps) == 1 and isinstance(first, tuple) and first[0].lower() == self._alias:
            return lambda row: row
        return self._rows.member(steps)

    def both(self, node: Any) -> Value:
        left, right = self.compiled(node.this), self.compiled(node.expression)

        def work(row: Any) -> bool | None:
            a = left(row)
            if a is False:
                return False
            b = right(row)
            return False if b is False else True if a is True and b is True else None

        return work

    def either(self, node: Any) -> Value:
        left, right = self.compiled(node.this), self.compiled(node.expression)

        def work(row: Any) -> bool | None:
            a = left(row)
            if a is True:
                return True
            b = right(row)
            return True if b is True else False if a is False and b is False else None

        return work

    def opposite(self, node: Any) -> Value:
        inner = self.compiled(node.this)

        def work(row: Any) -> bool | None:
            value = inner(row)
            return None if not isinstance(value, bool) else not value

        return work

    def negative(self, node: Any) -> Value:
        inner = self.compiled(node.this)

        def work(row: Any) -> Any:
            value = inner(row)
            return None if absent(value) else -values.numeric(value)

        return work

    def is_(self, node: Any) -> Value:
        inner, what = self.compiled(node.this), node.expression
        if isinstance(what, exp.Null):
            return lambda row: absent(inner(row))
        if isinstance(what, exp.Column) and what.name.lower() == "missing":
            return lambda row: inner(row) is MISSING
        if isinstance(what, exp.Boolean):
            return lambda row: inner(row) is what.this
        raise failure("UnsupportedSyntax", f"Encountered invalid syntax: {node.sql()}")

    def between(self, node: Any) -> Value:
        value, low, high = self.compiled(node.this), self.compiled(node.args["low"]), self.compiled(node.args["high"])
        at_least, at_most = COMPARISONS["GTE"], COMPARISONS["LTE"]

        def work(row: Any) -> bool | None:
            a = value(row)
            above, below = at_least(a, low(row)), at_most(a, high(row))
            return False if above is False or below is False else None if above is None or below is None else True

        return work

    def among(self, node: Any) -> Value:
        if not node.expressions:
            raise failure("UnsupportedSyntax", f"Encountered invalid syntax: {node.sql()}")
        value, listed = self.compiled(node.this), [self.compiled(one) for one in node.expressions]

        def work(row: Any) -> bool | None:
            a = value(row)
            return None if absent(a) else any(functions.equal(a, one(row)) for one in listed)

        return work

    def like(self, node: Any) -> Value:
        return self._binary(functions.like, node)

    def escaped_like(self, node: Any) -> Value:
        value, pattern, escape = self.compiled(node.this.this), self.compiled(node.this.expression), node.expression.this
        return lambda row: functions.like(value(row), pattern(row), escape)

    def case(self, node: Any) -> Value:
        subject = None if node.this is None else self.compiled(node.this)
        choices = [(self.compiled(one.this), self.compiled(one.args["true"])) for one in node.args["ifs"]]
        default = self.compiled(node.args["default"]) if node.args.get("default") is not None else self.constant(None)

        def work(row: Any) -> Any:
            value = None if subject is None else subject(row)
            for when, then in choices:
                if (when(row) if subject is None else functions.equal(value, when(row))) is True:
                    return then(row)
            return default(row)

        return work

    def cast(self, node: Any) -> Value:
        inner, to = self.compiled(node.this), node.to.this.name
        if to not in values.CASTS:
            raise failure("UnsupportedSyntax", f"CAST does not know the type {node.to.sql()}")
        scale = None
        if len(node.to.expressions) > 1:
            if not is_index(digits := node.to.expressions[1].name):
                raise failure("UnsupportedSyntax", f"CAST does not know the type {node.to.sql()}")
            scale = int(digits)
        return lambda row: values.cast(inner(row), to, scale)

    def substring(self, node: Any) -> Value:
        given = [self.compiled(node.args[name]) for name in ("this", "start", "length") if node.args.get(name) is not None]
        return _strict(functions.substring, given)

    def trim(self, node: Any) -> Value:
        inner, where = self.compiled(node.this), str(node.args.get("position") or "BOTH").upper()
        signs = self.compiled(node.expression) if node.args.get("expression") is not None else self.constant(None)

        def work(row: Any) -> str | None:
            value = inner(row)
            return None if absent(value) else functions.trim(value, signs(row), where)

        return work

    def extract(self, node: Any) -> Value:
        inner, part = self.compiled(node.expression), node.this.name.lower()
        return _strict(lambda value: functions.extract(part, value), [inner])

    def called(self, node: Any) -> Value:
        """A function by its name."""
        name = node.this.upper()
        given = list(node.expressions)
        if name in AGGREGATES:
            return self._aggregate(name, given)
        if name == "UTCNOW":
            return self.constant(self._now)
        known = FUNCTIONS.get(name)
        if known is None:
            raise failure("UnsupportedFunction", f"Encountered an unsupported SQL function: {name}.")
        functions.check_count(name, given, known.least, known.most)
        compiled = [self.compiled(one) for one in given[1:]] if name in DATE_PARTS else [self.compiled(one) for one in given]
        work = known.work
        if name in DATE_PARTS:
            part = given[0].name.lower()
            return _strict(lambda *rest: work(part, *rest), compiled)
        if known.takes_null:
            return lambda row: work(*[one(row) for one in compiled])
        return _strict(work, compiled)

    def _aggregate(self, name: str, given: list[Any]) -> Value:
        functions.check_count(name, given, 1, 1)
        inner = self.constant(1) if isinstance(given[0], exp.Star) and name == "COUNT" else self.compiled(given[0])
        aggregate = Aggregate(name)
        self.aggregates.append((aggregate, inner))
        return lambda row: aggregate.value()


def _strict(work: Callable[..., Any], given: Sequence[Value]) -> Value:
    """A function that makes null of null."""

    def call(row: Any) -> Any:
        arguments = [one(row) for one in given]
        return None if any(value is None or value is MISSING for value in arguments) else work(*arguments)

    return call


def _path(node: Any) -> list[Name | int]:
    if isinstance(node, exp.Identifier):
        return [(node.name, bool(node.args.get("quoted")))]
    if isinstance(node, exp.Column):
        return [step for name in ("catalog", "db", "table", "this") if node.args.get(name) for step in _path(node.args[name])]
    if isinstance(node, exp.Dot):
        return [*_path(node.this), *_path(node.expression)]
    if isinstance(node, exp.Bracket) and len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Literal):
        index = node.expressions[0]
        if index.is_string or is_index(index.this):
            return [*_path(node.this), (index.this, True) if index.is_string else int(index.this)]
    raise failure("UnsupportedSyntax", f"Encountered invalid syntax: {node.sql()}")


_COMPILERS: dict[str, Callable[[Compiler, Any], Value]] = {
    "Literal": Compiler.literal,
    "Null": lambda compiler, node: compiler.constant(None),
    "Boolean": lambda compiler, node: compiler.constant(node.this),
    "ByteString": lambda compiler, node: compiler.constant(values.timestamp(node.this)),
    "Column": Compiler.path,
    "Dot": Compiler.path,
    "Bracket": Compiler.path,
    "Paren": lambda compiler, node: compiler.compiled(node.this),
    "And": Compiler.both,
    "Or": Compiler.either,
    "Not": Compiler.opposite,
    "Neg": Compiler.negative,
    "Is": Compiler.is_,
    "Between": Compiler.between,
    "In": Compiler.among,
    "Like": Compiler.like,
    "Escape": Compiler.escaped_like,
    "Case": Compiler.case,
    "Cast": Compiler.cast,
    "DPipe": lambda compiler, node: compiler._binary(functions.joined, node),
    "Substring": Compiler.substring,
    "Trim": Compiler.trim,
    "Extract": Compiler.extract,
    "Anonymous": Compiler.called,
}


def _column_name(node: Any, place: int) -> str:
    """What a selected column is called: its alias, the last member of its path, or its place."""
    if isinstance(node, exp.Alias):
        return node.alias
    if isinstance(node, exp.Column | exp.Dot | exp.Bracket):
        last = _path(node)[-1]
        if isinstance(last, tuple):
            return last[0]
    return f"_{place}"


def run(query: Query, rows: Rows, source: Iterable[Any], now: Timestamp) -> Iterator[Record]:
    """The answer's records, as they are found; one record where the query aggregates."""
    compiler = Compiler(rows, query.alias, now)
    where = None if query.where is None else compiler.compiled(query.where)
    if compiler.aggregates:
        raise failure("UnsupportedSyntax", "Encountered invalid syntax: WHERE cannot aggregate.")
    all_of_it = len(query.columns) == 1 and query.columns[0].is_star
    if not all_of_it and any(column.is_star for column in query.columns):
        raise failure("EvaluatorInvalidArguments", "Other expressions are not allowed in the SELECT list when * is used without dot.")
    columns = [] if all_of_it else query.columns
    names = [_column_name(node, place) for place, node in enumerate(columns, 1)]
    wanted = [compiler.compiled(node.unalias()) for node in columns]
    if compiler.aggregates:
        plain = [node for node in query.columns if not _aggregates(node)]
        if any(next(node.find_all(exp.Column), None) is not None for node in plain):
            raise failure("UnsupportedSyntax", "Encountered invalid syntax: columns beside aggregates would need GROUP BY.")
        for row in source:
            if where is None or where(row) is True:
                for aggregate, inner in compiler.aggregates:
                    aggregate.add(inner(row))
        yield names, [value(None) for value in wanted]
        return
    left = query.limit
    for row in source:
        if left == 0:
            return
        if where is None or where(row) is True:
            yield rows.everything(row) if all_of_it else (names, [value(row) for value in wanted])
            if left is not None:
                left -= 1


def _aggregates(node: Any) -> bool:
    return any(called.this.upper() in AGGREGATES for called in node.find_all(exp.Anonymous))
