"""An item's body: JSON as it goes over the wire, so that reading a whole item copies bytes and decodes nothing.

Where the table has a KMS key, bodies are sealed under its data key; a sealed body begins with a zero byte, JSON with a brace.
"""

from __future__ import annotations

import msgspec

from fogbank.kernel.context import Context
from fogbank.services.dynamodb import encryption
from fogbank.services.dynamodb.state import Item as Row
from fogbank.services.dynamodb.state import Table
from fogbank.services.dynamodb.values import Item
from fogbank.store.vault import Openings, Seal

KEPT_MS = 300_000
"""How long an opened data key is used without asking KMS again."""
_SEALED = b"\0"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, dict[str, object]]).decode
_open = Openings()
"""Data keys in the clear."""


def packed(ctx: Context, table: Table, item: Item) -> bytes:
    """The body of an item."""
    body = _encode(item)
    return body if table.encryption is None else turned(ctx, table, body)


def item_of(ctx: Context, table: Table, row: Row) -> Item:
    """The item in a row."""
    return _decode(row.body if table.encryption is None else opened(ctx, table, row.body))


def raw_of(ctx: Context, table: Table, row: Row) -> msgspec.Raw:
    """The item in a row, for an answer."""
    return msgspec.Raw(row.body if table.encryption is None else opened(ctx, table, row.body))


def opened(ctx: Context, table: Table, body: bytes) -> bytes:
    """A body as JSON."""
    seal = _seal(ctx, table)
    return seal.open(body[1:], table.id.encode()) if body[:1] == _SEALED else body


def turned(ctx: Context, table: Table, body: bytes) -> bytes:
    """A body as the table wants it now: sealed, or, where the table is losing its key, as JSON."""
    if table.encryption is not None and table.encryption.status == "DISABLING":
        return opened(ctx, table, body)
    return body if body[:1] == _SEALED else _SEALED + _seal(ctx, table).seal(body, table.id.encode())


def _seal(ctx: Context, table: Table) -> Seal:
    """What opens and seals a table's bodies, for this caller. Raises AccessDeniedException."""
    assert table.encryption is not None
    sealed = table.encryption
    me = (ctx.principal.arn, ctx.principal.session)
    return _open.seal(ctx, me, sealed.wrapped, ctx.now, KEPT_MS, lambda: encryption.data_key(ctx, table, sealed))
