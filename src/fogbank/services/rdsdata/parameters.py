"""Parameters: from `:name` and a Field to the engine's placeholders and Python values.

A value is sent with the type that its Field has (a string as varchar, a number as bigint or double precision), so that PostgreSQL asks
for the same casts and type hints as on AWS. A NULL, and JSON, are of no type: they fit everywhere.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from fogbank.engines.spec import Statement
from fogbank.languages import sql
from fogbank.services.rdsdata.faults import bad, invalid

_FIELDS = ("booleanValue", "longValue", "doubleValue", "stringValue", "blobValue", "arrayValue")
_CASTS = {bool: "::boolean", int: "::bigint", float: "::double precision", str: "::varchar"}
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SECONDS = re.compile(r"(?:(\d{4}-\d\d-\d\d) )?(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?")


class Untyped(str):
    """Text that the engine is to take for whatever it needs."""

    __slots__ = ()


def statement(text: str, dialect: str, parameters: Sequence[Any] | None, sets: Sequence[Sequence[Any]] | None = None) -> Statement:
    """A statement as the engine takes it. Errors: ValidationException, BadRequestException."""
    if sql.many(text, dialect):
        raise invalid("Multistatements aren't supported.")
    if sets is not None:
        many = [values(given) for given in sets]
        if not any(many):
            return Statement(placed(text, dialect, ()), None, tuple({} for _ in many)) if names(text, dialect) else _plain(text, len(many))
        return Statement(placed(text, dialect, _types(many)), None, tuple(map(_bare, many)))
    given = values(parameters or ())
    if not given and not names(text, dialect):
        return Statement(text)
    return Statement(placed(text, dialect, _types([given])), _bare(given))


def _plain(text: str, times: int) -> Statement:
    return Statement(text.replace("%", "%%"), None, ({},) * times)


def _types(sets: Sequence[dict[str, Any]]) -> tuple[tuple[str, type], ...]:
    """Each name with the type of its first value that is not NULL."""
    found: dict[str, type] = {}
    for one in sets:
        for name, value in one.items():
            if found.get(name, type(None)) is type(None):
                found[name] = type(value)
    return tuple(found.items())


def _bare(given: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Untyped) else value for name, value in given.items()}


@lru_cache(1000)
def names(text: str, dialect: str) -> tuple[str, ...]:
    return tuple(word.text[1:] for word in sql.words(text, dialect) if word.kind == "parameter")


@lru_cache(1000)
def placed(text: str, dialect: str, types: tuple[tuple[str, type], ...]) -> str:
    """The text with the engine's placeholders. Errors: BadRequestException, where one is not given."""
    known = dict(types)
    said: list[str] = []
    for word in sql.words(text, dialect):
        if word.kind != "parameter":
            said.append(word.text.replace("%", "%%"))
            continue
        name = word.text[1:]
        if name not in known:
            raise bad(f"Cannot find parameter: {name}")
        said.append(f"%({name})s{_CASTS.get(known[name], '') if dialect == 'postgres' else ''}")
    return "".join(said)


def values(parameters: Sequence[Any]) -> dict[str, Any]:
    """Names and Python values. Errors: BadRequestException, ValidationException."""
    found: dict[str, Any] = {}
    for parameter in parameters:
        if not parameter.name:
            raise bad("A parameter needs a name")
        if parameter.name in found:
            raise bad(f"Parameter {parameter.name} is given more than once")
        found[parameter.name] = value(parameter)
    return found


def value(parameter: Any) -> Any:
    """A parameter's Python value. Errors: BadRequestException, ValidationException."""
    field = parameter.value
    if field is None or field.isNull:
        return None
    member = next((name for name in _FIELDS if getattr(field, name) is not None), None)
    if member is None:
        return None
    if member == "arrayValue":
        raise invalid("Array parameters are not supported.")
    given = getattr(field, member)
    if parameter.typeHint is None:
        return given
    if member != "stringValue":
        raise bad(f"Type hint {parameter.typeHint} of parameter {parameter.name} needs a stringValue")
    try:
        return _HINTS[parameter.typeHint](given)
    except (ValueError, InvalidOperation):
        raise bad(f"Value of parameter {parameter.name} is not a valid {parameter.typeHint}: {given}") from None


def _decimal(text: str) -> Decimal:
    return Decimal(text)


def _time(text: str) -> datetime.time:
    match = _SECONDS.fullmatch(text)
    if match is None or match[1]:
        raise ValueError(text)
    return datetime.time.fromisoformat(match[2]).replace(microsecond=_micros(match[3]))


def _timestamp(text: str) -> Untyped:
    """As text without a type: it fits timestamps with and without a time zone."""
    match = _SECONDS.fullmatch(text)
    if match is None or not match[1]:
        raise ValueError(text)
    datetime.datetime.fromisoformat(f"{match[1]} {match[2]}")
    return Untyped(text)


def _date(text: str) -> datetime.date:
    if len(text) != 10:
        raise ValueError(text)
    return datetime.date.fromisoformat(text)


def _uuid(text: str) -> Untyped:
    if not _UUID.fullmatch(text):
        raise ValueError(text)
    return Untyped(text)


def _micros(fraction: str | None) -> int:
    return int((fraction or "0")[:6].ljust(6, "0"))


_HINTS: dict[str, Callable[[str], Any]] = {
    "DATE": _date,
    "DECIMAL": _decimal,
    "JSON": Untyped,
    "TIME": _time,
    "TIMESTAMP": _timestamp,
    "UUID": _uuid,
}
