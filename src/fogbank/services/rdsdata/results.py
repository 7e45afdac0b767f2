"""Results: from Python values to Fields, to their columns' metadata, and to JSON."""

from __future__ import annotations

import base64
import datetime
import json
import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from fogbank.engines.spec import Column, Result
from fogbank.kernel.errors import ServiceException
from fogbank.services.rdsdata.faults import bad
from fogbank.services.rdsdata.state import JSON_BYTES, RESPONSE_BYTES, ROW_BYTES
from fogbank.services.rdsdata.types import ARRAY, COMPOSITES, Type, digits, is_array, type_of

_NULL = {"isNull": True}
_MEMBERS = {"long": "longValue", "double": "doubleValue", "boolean": "booleanValue", "blob": "blobValue", "string": "stringValue"}
_ARRAYS = {"long": "longValues", "double": "doubleValues", "boolean": "booleanValues"}
_DAY_S = 86_400


class Options(NamedTuple):
    """How numbers are to be returned (ResultSetOptions)."""

    decimals: str = "STRING"
    longs: str = "LONG"


def options_of(given: Any) -> Options:
    if given is None:
        return Options()
    return Options(given.decimalReturnType or "STRING", given.longReturnType or "LONG")


def unsupported(message: str) -> ServiceException:
    return ServiceException("UnsupportedResultException", message)


def text(value: Any) -> str:
    """A value as the engine writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime.datetime):
        return (value if value.tzinfo is None else value.astimezone(datetime.UTC).replace(tzinfo=None)).isoformat(" ")
    if isinstance(value, datetime.timedelta):
        return _interval(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() else str(value)
    return str(value)


def _interval(span: datetime.timedelta) -> str:
    """Days and a time: "1 day 02:03:04.5"."""
    days, rest = divmod(abs(span), datetime.timedelta(days=1))
    sign = "-" if span < datetime.timedelta() else ""
    said = [f"{sign}{days} day{'s' * (days != 1)}"] if days else []
    if rest or not days:
        said.append(sign + _clock(rest))
    return " ".join(said)


def _clock(span: datetime.timedelta) -> str:
    """Hours, minutes and seconds: MariaDB's TIME."""
    if span < datetime.timedelta():
        return f"-{_clock(-span)}"
    seconds = span.days * _DAY_S + span.seconds
    fraction = f".{span.microseconds:06d}".rstrip("0") if span.microseconds else ""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


def _converter(column: Column, dialect: str, options: Options) -> tuple[str, Callable[[Any], Any]]:
    """The kind of Field of a column's values (or of its array's elements), and what makes a value one of it."""
    kind = type_of(column, dialect).kind
    if kind == "long":
        return ("string", str) if options.longs == "STRING" else ("long", int)
    if kind == "double":
        return kind, float
    if kind == "boolean":
        return kind, _yes
    if kind == "blob":
        return ("blob", bytes)
    if kind == "decimal" and options.decimals == "DOUBLE_OR_LONG":
        whole = column.precision > 0 and column.scale == 0
        return ("long", int) if whole else ("double", float)
    return "string", _clock if column.type == "TIME" else text


def _yes(value: Any) -> bool:
    return value not in (0, b"\x00", "0", False)


def _decimal_as(value: Any) -> dict[str, Any]:
    """A decimal whose column does not say what scale it has."""
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value() and int(value.as_tuple().exponent) >= 0:
        return {"longValue": int(value)}
    return {"doubleValue": float(value)}


def field_maker(column: Column, dialect: str, options: Options) -> Callable[[Any], dict[str, Any]]:
    """What makes a column's values Fields. Errors: UnsupportedResultException."""
    if column.code in COMPOSITES and dialect == "postgres":
        raise unsupported("The result contains the unsupported data type RECORD.")
    kind, make = _converter(column, dialect, options)
    if is_array(column, dialect):
        return lambda values: _array(values, kind, make)
    if options.decimals == "DOUBLE_OR_LONG" and not column.precision and type_of(column, dialect).kind == "decimal":
        return lambda value: _NULL if value is None else _decimal_as(value)
    member = _MEMBERS[kind]
    return lambda value: _NULL if value is None else {member: make(value)}


def _array(values: Any, kind: str, make: Callable[[Any], Any]) -> dict[str, Any]:
    if values is None:
        return _NULL
    if any(isinstance(value, list) for value in values):
        raise unsupported("The result contains a multidimensional array.")
    if kind not in _ARRAYS:
        make = text
    return {"arrayValue": {_ARRAYS.get(kind, "stringValues"): [None if value is None else make(value) for value in values]}}


def _size(field: dict[str, Any]) -> int:
    """About how many bytes of the database's answer a Field is."""
    ((member, value),) = field.items()
    if member == "stringValue":
        return len(value) if value.isascii() else len(value.encode())
    if member == "blobValue":
        return len(value)
    if member == "arrayValue":
        return sum(len(one) if isinstance(one, str) else 8 for one in next(iter(value.values())))
    return 8 if member in ("longValue", "doubleValue") else 1


def records(result: Result, dialect: str, options: Options) -> list[list[dict[str, Any]]]:
    """The rows as lists of Fields. Errors: UnsupportedResultException, BadRequestException (a row of more than 64 KB)."""
    makers = [field_maker(column, dialect, options) for column in result.columns]
    found, total = [], 0
    for row in result.rows:
        fields = [make(value) for make, value in zip(makers, row, strict=True)]
        size = sum(map(_size, fields))
        if size > ROW_BYTES:
            raise bad("Packet for query is too large")
        total += size
        if total > RESPONSE_BYTES:
            raise unsupported("Database response exceeded size limit")
        found.append(fields)
    return found


def formatted(result: Result, dialect: str, options: Options) -> str:
    """The rows as JSON: an object for each, by the columns' labels.

    Errors: as `records`; ValidationException, for two columns of one name.
    """
    labels = [column.name for column in result.columns]
    if len(set(labels)) < len(labels):
        raise ServiceException("ValidationException", "Cannot format the records as JSON: columns of the result have the same name")
    rows = [dict(zip(labels, map(_plain, fields), strict=True)) for fields in records(result, dialect, options)]
    made = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    if len(made.encode()) > JSON_BYTES:
        raise unsupported("Database response exceeded size limit")
    return made


def _plain(field: dict[str, Any]) -> Any:
    """A Field as JSON has it."""
    ((member, value),) = field.items()
    if member == "isNull":
        return None
    if member == "blobValue":
        return base64.b64encode(value).decode()
    if member == "arrayValue":
        return next(iter(value.values()))
    if member == "doubleValue" and not math.isfinite(value):
        return str(value)
    return value


def metadata(columns: Iterable[Column], dialect: str) -> list[dict[str, Any]]:
    """The columns as `columnMetadata` has them."""
    return [_column(column, type_of(column, dialect), dialect) for column in columns]


def _column(column: Column, found: Type, dialect: str) -> dict[str, Any]:
    precision, scale = digits(column, found, dialect)
    return {
        "name": column.name,
        "label": column.name,
        "type": ARRAY if is_array(column, dialect) else found.number,
        "typeName": column.type.replace("BIT UNSIGNED", "BIT"),
        "schemaName": column.schema,
        "tableName": column.table,
        "isAutoIncrement": False,
        "isSigned": found.signed and not column.type.endswith(" UNSIGNED"),
        "isCurrency": found.currency,
        "isCaseSensitive": found.cased,
        "nullable": int(column.nullable),
        "precision": precision,
        "scale": scale,
        "arrayBaseColumnType": 0,
    }


def generated(result: Result) -> list[dict[str, Any]]:
    """Keys that the engine made (MariaDB)."""
    return [{"longValue": key} if isinstance(key, int) else {"stringValue": text(key)} for key in result.keys]
