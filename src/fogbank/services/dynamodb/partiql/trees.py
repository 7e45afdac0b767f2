"""Statements as they are read. Conditions and what is assigned are trees of `expressions.syntax`."""

from __future__ import annotations

from typing import NamedTuple

from fogbank.services.dynamodb.expressions.syntax import Action, Literal, Node, Path
from fogbank.services.dynamodb.partiql.templates import Template


class Source(NamedTuple):
    """What a statement is about: a table, or an index of it."""

    table: str
    index_name: str = ""


class Select(NamedTuple):
    """`paths` is None for *. `order`: the attributes to order by, and whether downwards."""

    source: Source
    paths: tuple[Path, ...] | None
    where: Node | None
    order: tuple[tuple[str, bool], ...]


class Insert(NamedTuple):
    source: Source
    item: Literal


class Update(NamedTuple):
    """`returning`: "ALL OLD", "MODIFIED NEW", ..., or ""."""

    source: Source
    actions: tuple[Action, ...]
    where: Node | None
    returning: str


class Delete(NamedTuple):
    source: Source
    where: Node | None
    returning: str


class Exists(NamedTuple):
    """A condition of a transaction: that what is selected is there."""

    select: Select

    @property
    def source(self) -> Source:
        return self.select.source

    @property
    def where(self) -> Node | None:
        return self.select.where


class Statement(NamedTuple):
    """A statement, and its values by the names under which its conditions speak of them."""

    root: Select | Insert | Update | Delete | Exists
    literals: dict[str, Template]
    parameters: int
    """How many ? it has."""
