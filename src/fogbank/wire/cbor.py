"""CBOR bodies (smithy-rpc-v2-cbor), by the cbor2 library, which is imported when the first one comes."""

from __future__ import annotations

from typing import Any

from . import instants


class Malformed(Exception):
    """Bytes that are no CBOR."""


def loads(body: bytes) -> Any:
    """The value of a body; an empty body is an empty map."""
    import cbor2

    if not body:
        return {}
    try:
        return cbor2.loads(body)
    except (cbor2.CBORDecodeError, ValueError, TypeError, ArithmeticError, LookupError, RecursionError, MemoryError, EOFError) as problem:
        raise Malformed(str(problem)) from None


def dumps(value: Any) -> bytes:
    """The bytes of a value."""
    import cbor2

    return cbor2.dumps(value)


def instant(ms: int) -> Any:
    """Epoch seconds under tag 1."""
    import cbor2

    return cbor2.CBORTag(1, instants.epoch(ms))
