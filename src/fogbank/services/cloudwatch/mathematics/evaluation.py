"""Metric math, computed."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from math import pow as power

from fogbank.services.cloudwatch.mathematics.functions import FUNCTIONS, KEYWORDS
from fogbank.services.cloudwatch.mathematics.series import Scope, Series, Value, kept
from fogbank.services.cloudwatch.mathematics.syntax import Array, Call, Name, Negative, Node, Number, Operation, Text
from fogbank.services.cloudwatch.mathematics.tokens import Malformed


def _divided(a: float, b: float) -> float | None:
    return a / b if b else None


def _raised(a: float, b: float) -> float | None:
    try:
        return power(a, b)
    except (ValueError, OverflowError):
        return None


_SIGNS: dict[str, Callable[[float, float], float | None]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divided,
    "^": _raised,
    "==": lambda a, b: float(a == b),
    "!=": lambda a, b: float(a != b),
    "<": lambda a, b: float(a < b),
    "<=": lambda a, b: float(a <= b),
    ">": lambda a, b: float(a > b),
    ">=": lambda a, b: float(a >= b),
    "AND": lambda a, b: float(bool(a) and bool(b)),
    "OR": lambda a, b: float(bool(a) or bool(b)),
}


def evaluate(node: Node, scope: Scope) -> Value:
    """The value of an expression. Raises Malformed where there is none."""
    match node:
        case Number(number):
            return number
        case Text(text):
            return text
        case Name(name):
            found = scope.named(name)
            if found is not None:
                return found
            if name.upper() in KEYWORDS:
                return name.upper()
            raise Malformed(f"Unknown identifier '{name}'")
        case Negative(of):
            return _combined("-", 0.0, evaluate(of, scope))
        case Operation(sign, left, right):
            return _combined(sign, evaluate(left, scope), evaluate(right, scope))
        case Array(items):
            return _array([evaluate(item, scope) for item in items])
        case Call(name, arguments):
            return _called(name, arguments, scope)


def _array(values: list[Value]) -> list[Series]:
    found: list[Series] = []
    for value in values:
        if isinstance(value, list):
            found += value
        elif isinstance(value, Series):
            found.append(value)
        else:
            raise Malformed("Only time series can be in an array")
    return found


def _called(name: str, arguments: tuple[Node, ...], scope: Scope) -> Value:
    function = FUNCTIONS.get(name)
    if function is None:
        raise Malformed(f"Unknown function '{name}'")
    least, most = function.arity
    if not least <= len(arguments) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise Malformed(f"Function '{name}' takes {wanted} arguments, but {len(arguments)} were given")
    if function.lazy is not None:
        return function.lazy(scope, arguments, evaluate)
    return function.of(scope, [evaluate(argument, scope) for argument in arguments])


def _combined(sign: str, left: Value, right: Value) -> Value:
    """An operator between two numbers, series or arrays; series meet where both have a point."""
    of = _SIGNS[sign]
    if isinstance(left, str) or isinstance(right, str):
        raise Malformed(f"Unsupported operand for '{sign}': a string")
    if isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right):
            raise Malformed(f"Unsupported operands for '{sign}': arrays of different lengths")
        return [_of_two(of, a, b) for a, b in zip(left, right, strict=True)]
    if isinstance(left, list):
        return [_of_two(of, one, right) for one in left]  # type: ignore[arg-type]
    if isinstance(right, list):
        return [_of_two(of, left, one) for one in right]
    if isinstance(left, Series) or isinstance(right, Series):
        return _of_two(of, left, right)
    result = of(left, right)
    if result is None or not isfinite(result):
        raise Malformed("Division by zero" if sign == "/" else "The result is not a number")
    return result


def _of_two(of: Callable[[float, float], float | None], left: Series | float, right: Series | float) -> Series:
    """At least one of them is a series."""
    if isinstance(left, Series) and isinstance(right, Series):
        period_s = max(left.period_s, right.period_s)
        points = {at: of(value, right.points[at]) for at, value in left.points.items() if at in right.points}
        return left._replace(points=kept(points), period_s=period_s)
    if isinstance(left, Series):
        number: float = right  # type: ignore[assignment]
        return left.each(lambda value: of(value, number))
    assert isinstance(right, Series)
    return right.each(lambda value: of(left, value))
