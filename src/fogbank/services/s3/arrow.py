"""pyarrow, which reads and writes Parquet and ORC, where it is installed: it is large, so Fogbank does not ask for it."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any


@lru_cache(1)
def is_there() -> bool:
    return find_spec("pyarrow") is not None


def module(name: str = "") -> Any:
    """pyarrow, or one of its modules; imported when it is first needed."""
    return import_module(f"pyarrow.{name}" if name else "pyarrow")
