"""What the #names and :values of a request stand for, while its expressions are compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path as File

from fogbank.kernel.errors import ServiceException
from fogbank.services.dynamodb.expressions.syntax import Literal, Path, Step
from fogbank.services.dynamodb.faults import invalid, invalid_expression
from fogbank.services.dynamodb.values import Item

Check = Callable[[Item], None]
"""Looks at the values of a request: what the compiled form, which is kept for other values too, cannot say once for all."""


@cache
def reserved() -> frozenset[str]:
    """Words that are no attribute names. Source: developer guide, Reserved words in DynamoDB."""
    return frozenset(File(__file__).with_name("reserved_words.txt").read_text().split())


class Scope:
    """The names and the types of the values of one request.

    `kind`: the parameter that is being compiled. `checks`: what is to be asked of the values each time. What was
    used is remembered, so that the rest can be refused.
    """

    def __init__(self, names: Mapping[str, str], types: Mapping[str, str]) -> None:
        self.kind = ""
        self.names = names
        self.types = types
        self.checks: list[Check] = []
        self.used_names: set[str] = set()
        self.used_values: set[str] = set()

    def fault(self, reason: str) -> ServiceException:
        return invalid_expression(self.kind, reason)

    def steps(self, path: Path) -> tuple[Step, ...]:
        """A path's steps by their real names."""
        return tuple([self._name(step) if isinstance(step, str) else step for step in path.steps])

    def _name(self, step: str) -> str:
        if step[0] == "#":
            name = self.names.get(step)
            if name is None:
                raise self.fault(f"An expression attribute name used in the document path is not defined; attribute name: {step}")
            self.used_names.add(step)
            return name
        if step.upper() in reserved():
            raise self.fault(f"Attribute name is a reserved keyword; reserved keyword: {step}")
        return step

    def type_of(self, literal: Literal) -> str:
        """The type of a :value."""
        kind = self.types.get(literal.name)
        if kind is None:
            raise self.fault(f"An expression attribute value used in expression is not defined; attribute value: {literal.name}")
        self.used_values.add(literal.name)
        return kind

    def check_used(self) -> None:
        """Raises where a name or a value was given and not used."""
        _refuse_unused("Names", self.names, self.used_names)
        _refuse_unused("Values", self.types, self.used_values)


class PlainScope(Scope):
    """For trees whose paths have real names, and which no text of a caller was parsed to."""

    def __init__(self, kind: str, types: Mapping[str, str]) -> None:
        super().__init__({}, types)
        self.kind = kind

    def _name(self, step: str) -> str:
        return step


def _refuse_unused(what: str, given: Iterable[str], used: set[str]) -> None:
    unused = [name for name in given if name not in used]
    if unused:
        raise invalid(f"Value provided in ExpressionAttribute{what} unused in expressions: keys: {{{', '.join(unused)}}}")
