"""Values as a statement writes them: constants, and `?` for the parameters that come with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.values import ORDERED, Value, type_of


class Constant(NamedTuple):
    kind: str
    content: str | bool


class Parameter(NamedTuple):
    number: int


class ListOf(NamedTuple):
    members: tuple[Template, ...]


class SetOf(NamedTuple):
    members: tuple[Template, ...]


class MapOf(NamedTuple):
    members: tuple[tuple[str, Template], ...]


Template = Constant | Parameter | ListOf | SetOf | MapOf


def filled(template: Template, parameters: Sequence[Value]) -> Value:
    """The value that a template makes with the parameters of a call; to be checked."""
    match template:
        case Constant(kind, content):
            return {kind: content}
        case Parameter(number):
            return parameters[number]
        case ListOf(members):
            return {"L": [filled(member, parameters) for member in members]}
        case MapOf(pairs):
            return {"M": {name: filled(member, parameters) for name, member in pairs}}
        case SetOf(members):
            return _set([filled(member, parameters) for member in members])


def _set(members: list[Value]) -> Value:
    kinds = {type_of(member) for member in members}
    if len(kinds) != 1 or not kinds <= ORDERED:
        raise invalid("Statement wasn't well formed, can't be processed: A set consists of strings, of numbers or of binaries")
    kind = kinds.pop()
    return {f"{kind}S": [member[kind] for member in members]}
