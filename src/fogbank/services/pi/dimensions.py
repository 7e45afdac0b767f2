"""Dimensions: by what load can be told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fogbank.kernel.context import Context
from fogbank.services.pi.faults import invalid
from fogbank.services.pi.rolling import of
from fogbank.services.pi.state import STATEMENTS, Key, Source, Statement

VALUE_BYTES = 500
_OF_SQL: dict[str, Callable[[Statement], str]] = {
    "db.sql.id": lambda s: s.id,
    "db.sql.db_id": lambda s: s.db_id,
    "db.sql.statement": lambda s: s.text,
    "db.sql.tokenized_id": lambda s: s.digest,
    "db.sql_tokenized.id": lambda s: s.digest,
    "db.sql_tokenized.db_id": lambda s: s.db_id,
    "db.sql_tokenized.statement": lambda s: s.tokenized,
}
_OF_SESSION: dict[str, Callable[[Key], str]] = {
    "db.name": lambda k: k.database,
    "db.application.name": lambda k: k.application,
    "db.session_type.name": lambda k: k.kind,
    "db.user.id": lambda k: k.user,
    "db.user.name": lambda k: k.user,
    "db.wait_event.name": lambda k: k.wait,
    "db.wait_event.type": lambda k: k.wait_type,
    "db.wait_event_type.name": lambda k: k.wait_type,
}
_NOT_OF_MARIADB = {"db.application", "db.session_type"}


def _group(dimension: str) -> str:
    return "db" if dimension == "db.name" else dimension.rpartition(".")[0]


def _groups() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for dimension in (*_OF_SESSION, *_OF_SQL):
        found.setdefault(_group(dimension), []).append(dimension)
    return {name: tuple(members) for name, members in sorted(found.items())}


GROUPS = _groups()
"""Dimension groups, with the dimensions that each has."""


def groups(engine: str) -> dict[str, tuple[str, ...]]:
    return {name: members for name, members in GROUPS.items() if engine == "postgres" or name not in _NOT_OF_MARIADB}


def chosen(engine: str, group: Any) -> tuple[str, ...]:
    """The dimensions that a DimensionGroup asks for. Errors: InvalidArgumentException."""
    there = groups(engine).get(group.Group)
    if there is None:
        raise invalid(f"{group.Group} is not a valid dimension group for this resource")
    for dimension in group.Dimensions or ():
        if dimension not in there:
            raise invalid(f"{dimension} is not a valid dimension of the group {group.Group}")
    return tuple(group.Dimensions or there)


class Words:
    """What keys say, by dimensions; statements are looked up once."""

    def __init__(self, ctx: Context, source: Source) -> None:
        self._ctx = ctx
        self._source = source
        self._statements: dict[str, Statement | None] = {}

    def _statement(self, id_: str) -> Statement | None:
        if id_ not in self._statements:
            self._statements[id_] = STATEMENTS.get(self._ctx, *of(self._source), id_) if id_ else None
        return self._statements[id_]

    def value(self, key: Key, dimension: str) -> str:
        """ "" where the session has nothing of the kind."""
        if dimension in _OF_SESSION:
            return _OF_SESSION[dimension](key)
        statement = self._statement(key.sql)
        return "" if statement is None else _OF_SQL[dimension](statement)

    def values(self, key: Key, dimensions: Iterable[str]) -> tuple[str, ...]:
        return tuple(self.value(key, dimension) for dimension in dimensions)

    def fits(self, key: Key, wanted: Mapping[str, str]) -> bool:
        return all(self.value(key, dimension) == value for dimension, value in wanted.items())


def filters(engine: str, given: Mapping[str, str] | None) -> Mapping[str, str]:
    """Errors: InvalidArgumentException."""
    for dimension in given or ():
        if dimension not in groups(engine).get(_group(dimension), ()):
            raise invalid(f"{dimension} is not a valid dimension to filter by")
    return given or {}


def shown(dimensions: Iterable[str], values: Iterable[str]) -> dict[str, str]:
    """A map of dimensions; of a value at most 500 bytes, and none that is empty."""
    return {dimension: cut(value) for dimension, value in zip(dimensions, values, strict=True) if value}


def cut(value: str) -> str:
    return value if len(value) * 4 <= VALUE_BYTES else value.encode()[:VALUE_BYTES].decode("utf-8", "ignore")
