"""CBOR bodies, by the cbor2 library, which is imported when the first one comes: of smithy-rpc-v2-cbor, and of the older way of
AWS's Java SDK (`aws-cbor`: a JSON protocol whose bodies are CBOR, and whose instants are milliseconds)."""

from __future__ import annotations

from typing import Any, NamedTuple

from . import instants


class Flavour(NamedTuple):
    """What differs between the protocols: the content type, further headers, and how many milliseconds an instant's unit has."""

    content: str
    headers: tuple[tuple[str, str], ...]
    unit_ms: int

    def loads(self, body: bytes) -> Any:
        """The value of a body; an empty body is an empty map. Raises Malformed."""
        return loads(body, None if self.unit_ms == 1000 else {1: lambda value, immutable: value * self.unit_ms / 1000})

    def instant(self, ms: int) -> Any:
        """An instant under tag 1."""
        import cbor2

        return cbor2.CBORTag(1, instants.epoch(ms) if self.unit_ms == 1000 else ms)


FLAVOURS = {
    "smithy-rpc-v2-cbor": Flavour("application/cbor", (("smithy-protocol", "rpc-v2-cbor"),), 1000),
    "aws-cbor": Flavour("application/x-amz-cbor-1.1", (), 1),
}
"""By protocol."""


class Malformed(Exception):
    """Bytes that are no CBOR."""


def loads(body: bytes, semantic_decoders: Any = None) -> Any:
    import cbor2

    if not body:
        return {}
    further = {"semantic_decoders": semantic_decoders} if semantic_decoders else {}
    try:
        return cbor2.loads(body, **further)
    except (cbor2.CBORDecodeError, ValueError, TypeError, ArithmeticError, LookupError, RecursionError, MemoryError, EOFError) as problem:
        raise Malformed(str(problem)) from None


def dumps(value: Any) -> bytes:
    """The bytes of a value."""
    import cbor2

    return cbor2.dumps(value)
