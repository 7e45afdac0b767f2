"""The objects of an import, read: lines of DynamoDB JSON ({"Item": {...}}) or rows of CSV, plain or compressed.

A task takes a portion of one object's lines; what an object says is kept between two portions, so that it is unpacked once.
In CSV every value is text, but for the attributes of keys, which are of their types. Source: developer guide, DynamoDB data import.
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import zlib
from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.services.dynamodb import changes, transfers
from fogbank.services.dynamodb.expressions import Asked
from fogbank.services.dynamodb.state import TABLES, Table
from fogbank.services.dynamodb.tables import settle_soon
from fogbank.services.dynamodb.timeline import IMPORTS, Transfer
from fogbank.services.dynamodb.values import Item
from fogbank.store import change

PORTION = 1000
BY_IMPORT = "import"


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """A line of DynamoDB JSON."""

    Item: dict[str, dict[str, Any]]


class Unreadable(Exception):
    """An object that is not what the request says."""


_line = msgspec.json.Decoder(Line).decode
_kept: dict[tuple[str, str, str, str], list[Any]] = {}
"""What the object that was read last says, by bucket, key, ETag and format."""


def zstandard_is_there() -> bool:
    return importlib.util.find_spec("zstandard") is not None


def begin(ctx: Context, one: Transfer) -> None:
    """Looks whether the caller may read the objects, and has them read. Raises what S3 refuses."""
    first = _next_key(ctx, one, None, transfers.first_call_s3)
    if first is not None:
        transfers.first_call_s3(ctx, "HeadObject", _named(one, first))
    ctx.later("dynamodb.import", {"key": transfers.key_of(one), "object": first, "line": 0})


def _named(one: Transfer, key: str) -> dict[str, Any]:
    source: Any = one.members["S3BucketSource"]
    return {"Bucket": source["S3Bucket"], "Key": key, "ExpectedBucketOwner": source.get("S3BucketOwner")}


def _next_key(ctx: Context, one: Transfer, after: str | None, call: Any) -> str | None:
    """The next object under the prefix; None after the last."""
    source: Any = one.members["S3BucketSource"]
    members = {
        "Bucket": source["S3Bucket"],
        "Prefix": source.get("S3KeyPrefix"),
        "StartAfter": after,
        "MaxKeys": 1,
        "ExpectedBucketOwner": source.get("S3BucketOwner"),
    }
    found = call(ctx, "ListObjectsV2", members).get("Contents") or []
    return found[0]["Key"] if found else None


@task("import")
def import_objects(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Puts the next portion of an object's items; after the last object the table is ACTIVE. A failed import leaves what it has put."""
    one = IMPORTS.get(ctx, *payload["key"])
    table = TABLES.get(ctx, one.account, one.region, one.table) if one is not None else None
    if one is None or table is None or table.id != one.table_id or one.status != "IN_PROGRESS":
        return None
    mark = ctx.tx.mark()
    try:
        one = _portion(ctx.as_caller(one.caller), one, table, payload)
    except ServiceException as refused:
        ctx.tx.undo(mark)
        one = change(one, ended_at_ms=ctx.now, **transfers.failure(refused))
    except Unreadable as problem:
        ctx.tx.undo(mark)
        one = change(one, ended_at_ms=ctx.now, status="FAILED", failure="InputFormatError", message=str(problem))
    IMPORTS.put(ctx, one)
    if one.status != "IN_PROGRESS":
        settle_soon(ctx, table)
    return None


def _portion(ctx: Context, one: Transfer, table: Table, payload: dict[str, Any]) -> Transfer:
    """Puts some lines, and goes on behind them; what the import is afterwards."""
    key, at = payload["object"], payload["line"]
    if key is None:
        return change(one, status="COMPLETED", ended_at_ms=ctx.now)
    lines, size = _lines(ctx, one, key)
    items = errors = 0
    portion = lines[at : at + PORTION]
    for line in portion:
        mark = ctx.tx.mark()
        try:
            _put(ctx, table, _item(one, table, line))
            items += 1
        except (ServiceException, msgspec.DecodeError, RecursionError):
            ctx.tx.undo(mark)
            errors += 1
    one = change(one, items=one.items + items, errors=one.errors + errors, processed=one.processed + len(portion))
    if at + PORTION < len(lines):
        ctx.later("dynamodb.import", {**payload, "line": at + PORTION})
    else:
        one = change(one, size=one.size + size)
        ctx.later("dynamodb.import", {**payload, "object": _next_key(ctx, one, key, transfers.call_s3), "line": 0})
    return one


def _put(ctx: Context, table: Table, item: Item) -> None:
    made = changes.put(ctx, table, item, Asked())
    made.by = BY_IMPORT
    changes.apply(ctx, made)


def _lines(ctx: Context, one: Transfer, key: str) -> tuple[list[Any], int]:
    """An object's lines (JSON) or rows (CSV), and its size. Raises Unreadable."""
    answer = transfers.call_s3(ctx, "GetObject", _named(one, key))
    members: dict[str, Any] = one.members
    name = (one.id, members["S3BucketSource"]["S3Bucket"], key, answer["ETag"])
    size: int = answer["ContentLength"]
    if name not in _kept:
        body = answer["Body"]
        content: bytes = body if isinstance(body, bytes) else body.read()
        try:
            content = _unpacked(content, members.get("InputCompressionType", "NONE"))
            lines = _rows(content, members) if members["InputFormat"] == "CSV" else [line for line in content.split(b"\n") if line.strip()]
        except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as problem:
            raise Unreadable(f"{key}: {problem}") from None
        _kept.clear()
        _kept[name] = lines
    return _kept[name], size


def _unpacked(content: bytes, compression: str) -> bytes:
    if compression == "GZIP":
        return gzip.decompress(content)
    if compression == "ZSTD":
        import zstandard

        try:
            with zstandard.ZstdDecompressor().stream_reader(content, read_across_frames=True) as reader:
                return reader.read()
        except zstandard.ZstdError as problem:
            raise Unreadable(str(problem)) from None
    return content


def _rows(content: bytes, members: dict[str, Any]) -> list[Any]:
    """The rows of a CSV file as pairs of name and text; None for one that has not as many fields as names."""
    options = members.get("InputFormatOptions", {}).get("Csv", {})
    rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=options.get("Delimiter", ","), strict=True)
    names = options.get("HeaderList") or next(rows, [])
    return [list(zip(names, row, strict=True)) if len(row) == len(names) else None for row in rows if row]


def _item(one: Transfer, table: Table, line: Any) -> Item:
    """The item of a line. Raises ValidationException, DecodeError."""
    if one.members["InputFormat"] != "CSV":
        return _line(line).Item
    if line is None:
        raise ServiceException("ValidationException", "The row does not have as many fields as there are names")
    return {name: {table.attributes.get(name, "S"): text} for name, text in line}
