"""Metric math, read into a tree.

    expression  := and (OR and)*
    and         := comparison (AND comparison)*
    comparison  := sum ((== | != | < | <= | > | >=) sum)*
    sum         := product ((+ | -) product)*
    product     := unary ((* | /) unary)*
    unary       := - unary | power
    power       := primary (^ unary)?
    primary     := number | 'string' | name | FUNCTION(arguments) | [list] | (expression)

Source: "Using math expressions with CloudWatch metrics" in the CloudWatch User Guide.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import isfinite
from typing import NamedTuple

from fogbank.services.cloudwatch.mathematics.tokens import Lexer, Malformed, Reader

_LEXER = Lexer(
    {
        "space": r"\s+",
        "number": r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?",
        "string": r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"",
        "word": r"[A-Za-z_]\w*",
        "sign": r"==|!=|<=|>=|&&|\|\||[-+*/^()\[\],<>]",
    }
)


class Number(NamedTuple):
    value: float


class Text(NamedTuple):
    value: str


class Name(NamedTuple):
    """The id of another query, or a keyword that a function takes (REPEAT, ASC)."""

    name: str


class Operation(NamedTuple):
    sign: str
    left: Node
    right: Node


class Negative(NamedTuple):
    of: Node


class Call(NamedTuple):
    function: str
    arguments: tuple[Node, ...]


class Array(NamedTuple):
    items: tuple[Node, ...]


Node = Number | Text | Name | Operation | Negative | Call | Array

_LEVELS = (("OR", "||"), ("AND", "&&"), ("==", "!=", "<", "<=", ">", ">="), ("+", "-"), ("*", "/"))
_SAME = {"||": "OR", "&&": "AND"}


@lru_cache(1024)
def parse(text: str) -> Node:
    """The tree of an expression. Raises Malformed."""
    reader = Reader(_LEXER.cut(text))
    try:
        node = _binary(reader, 0)
    except RecursionError:  # signs in a row
        raise Malformed("The expression is nested too deeply") from None
    reader.end()
    return node


def names(node: Node) -> Iterator[str]:
    """The names that an expression uses, keywords among them."""
    match node:
        case Name(name):
            yield name
        case Operation(_, left, right):
            yield from names(left)
            yield from names(right)
        case Negative(of):
            yield from names(of)
        case Call(_, items) | Array(items):
            for item in items:
                yield from names(item)


def calls(node: Node, function: str) -> Iterator[Call]:
    """The calls of one function in an expression."""
    match node:
        case Operation(_, left, right):
            yield from calls(left, function)
            yield from calls(right, function)
        case Negative(of):
            yield from calls(of, function)
        case Call(name, items):
            if name == function:
                yield node
            for item in items:
                yield from calls(item, function)
        case Array(items):
            for item in items:
                yield from calls(item, function)


def _binary(reader: Reader, level: int) -> Node:
    if level == len(_LEVELS):
        return _unary(reader)
    left = _binary(reader, level + 1)
    while sign := reader.accept(*_LEVELS[level]):
        left = Operation(_SAME.get(sign, sign), left, _binary(reader, level + 1))
    return left


def _unary(reader: Reader) -> Node:
    if reader.accept("-"):
        return Negative(_unary(reader))
    if reader.accept("+"):
        return _unary(reader)
    node = _primary(reader)
    return Operation("^", node, _unary(reader)) if reader.accept("^") else node


def _primary(reader: Reader) -> Node:
    token = reader.next
    if token.kind == "number":
        number = float(reader.take().text)
        if not isfinite(number):
            raise Malformed(f"The number {token.text} is too large")
        return Number(number)
    if token.kind == "string":
        return Text(reader.take().text)
    if reader.accept("("):
        node = _binary(reader, 0)
        reader.expect(")")
        return node
    if reader.accept("["):
        return Array(_items(reader, "]"))
    if token.kind == "word":
        word = reader.take().text
        if reader.accept("("):
            return Call(word.upper(), _items(reader, ")"))
        return Name(word)
    raise Malformed(f"Unexpected {reader.found()}")


def _items(reader: Reader, end: str) -> tuple[Node, ...]:
    items: list[Node] = []
    if not reader.accept(end):
        items.append(_binary(reader, 0))
        while reader.accept(","):
            items.append(_binary(reader, 0))
        reader.expect(end)
    return tuple(items)
