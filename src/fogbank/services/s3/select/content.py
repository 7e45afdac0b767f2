"""SelectObjectContent: what is asked, from what, and the events of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import archive, arrow, encrypting
from fogbank.services.s3.select import evaluation, language, records, sources
from fogbank.services.s3.select.language import Query
from fogbank.services.s3.select.values import Timestamp, failure
from fogbank.services.s3.state import bucket_at, object_at
from fogbank.store.blobs import AT_ONCE_BYTES, Slices

Span = tuple[int, int | None]
"""The records that begin from an offset on, up to another (None: the end)."""
FRAME_CHARACTERS = 128 * 1024
"""How much of the answer one event carries, about."""


@operation("SelectObjectContent")
def select_object_content(ctx: Context, req: Any) -> Answer:
    """Runs a query over the records of an object and answers those it selects, then what it took (Stats) and the End.

    Needs s3:GetObject. CSV and JSON may be in gzip or bzip2; Parquet needs pyarrow. A ScanRange takes the records that begin in it.
    Limits: expression 256 KB, record 1 MB. Whatever is wrong is refused before the answer begins.
    Source: SelectObjectContent in the Amazon S3 API Reference; "SQL reference for Amazon S3 Select".
    """
    bucket = bucket_at(ctx, req)
    if req.ExpressionType != "SQL":
        raise failure("InvalidExpressionType", "The ExpressionType is invalid. Only SQL expressions are supported.")
    query = language.read(req.Expression)
    _check_serialization(req)
    found = object_at(ctx, bucket, req.Key, None)
    seal = encrypting.seal_of(ctx, req, found)
    archive.read(ctx, found)
    span = _bounds(req.ScanRange, found.size)
    start = _start(req, span)
    opened = ctx.blobs.open(ctx, found.blobs, start, max(found.size - start, 0), seal)
    now = Timestamp(datetime.fromtimestamp(ctx.now / 1000, UTC))
    asked = (req.InputSerialization, req.OutputSerialization, span, req.RequestProgress)

    def work() -> list[dict[str, Any]]:
        return list(_events(query, asked, opened, now))

    if found.size <= AT_ONCE_BYTES:
        return {"Payload": work()}
    key = (found.bucket, found.version_id, found.rank, req.Expression, msgspec.json.encode(asked), ctx.request_id)
    return {"Payload": ctx.blobs.beside(ctx, key, work)}


def _check_serialization(req: Any) -> None:
    """Errors: MissingRequiredParameter, ObjectSerializationConflict, InvalidCompressionFormat, UnsupportedScanRangeInput ..."""
    given, out, span = req.InputSerialization, req.OutputSerialization, req.ScanRange
    kinds = [name for name in ("CSV", "JSON", "Parquet") if getattr(given, name) is not None]
    if not kinds or (out.CSV is None and out.JSON is None):
        raise failure("MissingRequiredParameter", "The SelectRequest entity is missing a required parameter.")
    if len(kinds) > 1 or (out.CSV is not None and out.JSON is not None):
        raise failure("ObjectSerializationConflict", "The SelectRequest entity can only contain one of CSV or JSON.")
    if given.CompressionType not in (None, "NONE", "GZIP", "BZIP2"):
        raise failure("InvalidCompressionFormat", "The compression format is not valid. Only GZIP and BZIP2 are supported.")
    compressed = given.CompressionType not in (None, "NONE")
    if given.Parquet is not None and compressed:
        raise failure("UnsupportedFunction", "Whole-object compression is not supported for Parquet objects.")
    if given.Parquet is not None and not arrow.is_there():
        raise NotImplementedOperation("s3", "SelectObjectContent", "with Parquet: pyarrow is not installed")
    if given.CSV is not None and given.CSV.FileHeaderInfo not in (None, "NONE", "USE", "IGNORE"):
        raise failure("InvalidFileHeaderInfo", "The FileHeaderInfo value is invalid. Only NONE, USE, and IGNORE are supported.")
    if given.JSON is not None and given.JSON.Type not in ("DOCUMENT", "LINES"):
        raise failure("InvalidJsonType", "The JsonType value is invalid. Only DOCUMENT and LINES are supported.")
    if span is None:
        return
    quoted = given.CSV is not None and given.CSV.AllowQuotedRecordDelimiter
    if compressed or quoted or given.Parquet is not None or (given.JSON is not None and given.JSON.Type == "DOCUMENT"):
        message = "Scan range queries are not supported on this type of object. Scan range queries are supported on uncompressed CSV "
        raise failure("UnsupportedScanRangeInput", message + "and JSON objects in LINES mode.")
    if (span.Start or 0) < 0 or (span.End or 0) < 0 or (span.Start is not None and span.End is not None and span.End < span.Start):
        raise failure("InvalidScanRange", "The provided scan range is invalid.")


def _bounds(span: Any, size: int) -> Span | None:
    """Where a scan range begins and ends; an end alone counts from the object's."""
    if span is None:
        return None
    return (span.Start or 0, span.End) if span.Start is not None or span.End is None else (max(size - span.End, 0), None)


def _start(req: Any, span: Span | None) -> int:
    """Where reading begins: so early that the record before a scan range shows its end. A header is at the very beginning."""
    if span is None or (req.InputSerialization.CSV is not None and _has_header(req.InputSerialization.CSV)):
        return 0
    return max(span[0] - len(_delimiter(req.InputSerialization)), 0)


def _has_header(wanted: Any) -> bool:
    return wanted.FileHeaderInfo in ("USE", "IGNORE")


def _delimiter(given: Any) -> bytes:
    delimiter = (given.CSV.RecordDelimiter if given.CSV is not None else None) or "\n"
    return bytes(delimiter.encode())


def _events(query: Query, asked: tuple[Any, ...], opened: bytes | Slices, now: Timestamp) -> Iterator[dict[str, Any]]:
    given, out, span, progress = asked
    raw = sources.Counted([opened] if isinstance(opened, bytes) else opened.chunks())
    content = sources.opened(raw, given.CompressionType or "NONE")
    counted = _Processed(content)
    writer = records.writer(out)
    returned = 0
    try:
        rows, source = _rows(query, given, span, counted, raw)
        for payload in _payloads(evaluation.run(query, rows, source, now), writer):
            returned += len(payload)
            yield {"Records": {"Payload": payload}}
            if progress is not None and progress.Enabled:
                yield {"Progress": {"Details": _details(raw.count, counted.count, returned)}}
    except sources.BROKEN as problem:
        if isinstance(problem, ServiceException):
            raise
        message = f"{given.CompressionType} is not applicable to the queried object. Please correct the request and try again."
        raise failure("InvalidCompressionFormat", message) from None
    except RecursionError:
        raise failure("UnsupportedSyntax", "The SQL expression, or a record, is nested too deeply.") from None
    except UnicodeEncodeError:
        raise failure("InvalidTextEncoding", "Invalid encoding type. Only UTF-8 encoding is supported.") from None
    yield {"Stats": {"Details": _details(raw.count, counted.count, returned)}}
    yield {"End": {}}


def _details(scanned: int, processed: int, returned: int) -> dict[str, int]:
    return {"BytesScanned": scanned, "BytesProcessed": processed, "BytesReturned": returned}


class _Processed:
    """Content that counts what it gave."""

    def __init__(self, content: Any) -> None:
        self._content = content
        self.count = 0

    def read(self, size: int = -1, /) -> bytes:
        piece: bytes = self._content.read(size)
        self.count += len(piece)
        return piece

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._content:
            self.count += len(piece)
            yield piece


def _payloads(found: Iterable[evaluation.Record], writer: records.Writer) -> Iterator[bytes]:
    left = 0
    for record in found:
        left = writer.add(record)
        if left >= FRAME_CHARACTERS:
            yield writer.take()
            left = 0
    if left:
        yield writer.take()


def _rows(query: Query, given: Any, span: Span | None, content: _Processed, raw: sources.Counted) -> tuple[evaluation.Rows, Iterator[Any]]:
    """Where rows come from, and the rows."""
    last = next((step for step in reversed(query.path) if isinstance(step, str)), "")
    if given.Parquet is not None:
        return sources.Members(last), sources.along(sources.parquet_values(content.read), query.path)
    delimiter = _delimiter(given)
    if given.JSON is not None:
        lines = given.JSON.Type == "LINES"
        pieces = _in_span(sources.records(content, delimiter), span, delimiter) if lines else iter(content)
        values = sources.json_values(sources.text(pieces), lines)
        return sources.Members(last), sources.along(values, query.path)
    if any(step is not None for step in query.path):
        raise failure("UnsupportedSyntax", "Encountered invalid syntax: a path behind S3Object is for JSON and Parquet.")
    found = sources.records(content, delimiter)
    header = None
    if _has_header(given.CSV):
        first = list(islice(found, 1))
        header = next(sources.csv_lists(sources.text(first), given.CSV, delimiter.decode()), [])
        pieces = _after_header(found, sum(map(len, first)), span)
    else:
        pieces = _in_span(found, span, delimiter)
    rows = sources.CsvRows(header if given.CSV.FileHeaderInfo == "USE" else None)
    return rows, sources.csv_lists(sources.text(pieces), given.CSV, delimiter.decode())


def _in_span(pieces: Iterator[bytes], span: Span | None, delimiter: bytes) -> Iterator[bytes]:
    if span is None:
        return pieces
    first, last = span
    return sources.in_range(pieces, max(first - len(delimiter), 0), first, last)


def _after_header(pieces: Iterator[bytes], at: int, span: Span | None) -> Iterator[bytes]:
    if span is None:
        return pieces
    first, last = span
    return sources.in_range(pieces, at, max(first, at), last, whole=True)
