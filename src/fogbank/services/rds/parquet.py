"""Rows as a Parquet file, through pyarrow where it is installed: it is large, so Fogbank does not ask for it."""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from fogbank.engines.spec import Column, Result

_TYPES = {
    "bool": "bool_",
    "int2": "int32",
    "int4": "int32",
    "int8": "int64",
    "float4": "float32",
    "float8": "float64",
    "bytea": "binary",
    "TINY": "int32",
    "SHORT": "int32",
    "INT24": "int32",
    "LONG": "int64",
    "LONGLONG": "int64",
    "FLOAT": "float32",
    "DOUBLE": "float64",
}
"""The engine's name of a type -> pyarrow's; every other is text, as AWS exports numbers without bounds, dates and times, too."""


def there() -> bool:
    """Whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


def written(result: Result) -> bytes:
    """A file of all rows, compressed with gzip."""
    arrow: Any = import_module("pyarrow")
    names, arrays = [], []
    for place, column in enumerate(result.columns):
        kind, put = _kind(column)
        values = [None if row[place] is None else put(row[place]) for row in result.rows]
        names.append(column.name)
        arrays.append(arrow.array(values, getattr(arrow, kind)()))
    out = io.BytesIO()
    import_module("pyarrow.parquet").write_table(arrow.Table.from_arrays(arrays, names), out, compression="gzip")
    return out.getvalue()


def _kind(column: Column) -> tuple[str, Callable[[Any], Any]]:
    kind = _TYPES.get(column.type)
    return (kind, lambda value: value) if kind is not None else ("string", _text)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else str(value)
