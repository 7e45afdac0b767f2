"""What is queried, row by row: CSV, JSON (lines and documents), Parquet; plain, gzip or bzip2."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Protocol

from fogbank.kernel.errors import ServiceException
from fogbank.services.s3 import arrow
from fogbank.services.s3.select.evaluation import Name, Record, Value
from fogbank.services.s3.select.language import Step, is_index
from fogbank.services.s3.select.values import MISSING, failure

RECORD_CHARACTERS = 1 << 20
"""The longest record."""
csv.field_size_limit(RECORD_CHARACTERS)


class Counted(io.RawIOBase):
    """Chunks as a file, which counts what has been read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = b""
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = next(self._chunks, b"")
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        self.count += size
        return size


def opened(raw: Counted, compression: str) -> io.BufferedIOBase:
    """The content without its compression."""
    if compression == "GZIP":
        return gzip.GzipFile(fileobj=io.BufferedReader(raw))
    if compression == "BZIP2":
        return bz2.BZ2File(io.BufferedReader(raw))
    return io.BufferedReader(raw)


BROKEN = (gzip.BadGzipFile, zlib.error, EOFError, OSError)
"""What reading content that is not so compressed raises."""


class Content(Protocol):
    """Bytes, without their compression."""

    def read(self, size: int = -1, /) -> bytes: ...

    def __iter__(self) -> Iterator[bytes]: ...


def records(content: Content, delimiter: bytes) -> Iterator[bytes]:
    """The pieces between delimiters, with them. Errors: OverMaxRecordSize."""
    if delimiter == b"\n":
        for piece in content:
            if len(piece) > RECORD_CHARACTERS:
                raise _too_long()
            yield piece
        return
    left = b""
    while chunk := content.read(1 << 16):
        *whole, left = (left + chunk).split(delimiter)
        for piece in whole:
            yield piece + delimiter
        if len(left) > RECORD_CHARACTERS:
            raise _too_long()
    if left:
        yield left


def _too_long() -> ServiceException:
    return failure("OverMaxRecordSize", "The length of a record in the input or result is greater than the maxCharsPerRecord limit.")


def in_range(pieces: Iterable[bytes], start: int, first: int, last: int | None, *, whole: bool = False) -> Iterator[bytes]:
    """Of the pieces of content from `start` on, those that begin at `first` to `last`. Unless `whole`, the first may be a torn one."""
    at = start
    for piece in pieces:
        if last is not None and at > last:
            return
        if at >= first and (at > start or start == 0 or whole):
            yield piece
        at += len(piece)


def text(pieces: Iterable[bytes]) -> Iterator[str]:
    """Errors: InvalidTextEncoding."""
    try:
        for piece in pieces:
            yield piece.decode()
    except UnicodeDecodeError:
        raise failure("InvalidTextEncoding", "Invalid encoding type. Only UTF-8 encoding is supported.") from None


class CsvRows:
    """Rows of CSV: lists of texts. `names` are the header's, where it is used."""

    def __init__(self, names: Sequence[str] | None) -> None:
        self.names = names
        self._named: dict[int, list[str]] = {}
        self._exact = {name: place for place, name in reversed(list(enumerate(names or ())))}
        self._folded = {name.lower(): place for place, name in reversed(list(enumerate(names or ())))}

    def member(self, path: Sequence[Name | int]) -> Value:
        """Errors: MissingHeaders, InvalidColumnIndex."""
        first = path[0]
        place = self._place(first) if len(path) == 1 and isinstance(first, tuple) else None
        if place is None:
            return lambda row: MISSING
        index = place
        return lambda row: row[index] if index < len(row) else MISSING

    def _place(self, named: Name) -> int | None:
        name, quoted = named
        place = self._exact.get(name) if quoted else self._exact.get(name, self._folded.get(name.lower()))
        if place is not None:
            return place
        if name[:1] == "_" and is_index(name[1:]) and int(name[1:]) > 0:
            return int(name[1:]) - 1
        if self.names is not None:
            raise failure("MissingHeaders", "Some headers in the query are missing from the file. Check the file and try again.")
        raise failure("InvalidColumnIndex", "The column index in the SQL expression is not valid.")

    def everything(self, row: list[str]) -> Record:
        """By the header's names; what has none there, by its place."""
        names = self._named.get(len(row))
        if names is None:
            header = list(self.names or ())[: len(row)]
            names = self._named[len(row)] = [*header, *(f"_{place + 1}" for place in range(len(header), len(row)))]
        return names, row


def csv_lists(pieces: Iterable[str], wanted: Any, delimiter: str) -> Iterator[list[str]]:
    """CSV's records as lists. Errors: CSVParsingError, CSVUnescapedQuote."""
    quote = wanted.QuoteCharacter if wanted.QuoteCharacter is not None else '"'
    escape = wanted.QuoteEscapeCharacter or quote
    field = wanted.FieldDelimiter or ","
    if any(len(sign) > 1 for sign in (quote, escape, field)):
        raise failure("InvalidRequestParameter", "Delimiters of fields, quotes and their escapes are single characters.")
    comment = wanted.Comments
    lines = (_line(piece, delimiter) for piece in pieces)
    kept = (line for line in lines if line and line != "\n" and not (comment and line.startswith(comment)))
    try:
        yield from csv.reader(
            kept,
            delimiter=field,
            quotechar=quote or None,
            quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
            doublequote=escape == quote,
            escapechar=None if escape == quote else escape,
        )
    except csv.Error as problem:
        raise failure("CSVParsingError", f"Encountered an error parsing the CSV file: {problem}.") from None


def _line(piece: str, delimiter: str) -> str:
    """A record with a plain end of line, which is what the reader knows."""
    if delimiter == "\n":
        return piece[:-2] + "\n" if piece.endswith("\r\n") else piece
    return piece.removesuffix(delimiter) + "\n"


class Members:
    """Rows of JSON and Parquet: values of any kind. `name` is what the path of FROM ends with."""

    def __init__(self, name: str) -> None:
        self._name = name

    def member(self, path: Sequence[Name | int]) -> Value:
        steps = [_step(one) for one in path]
        if len(steps) == 1:
            return steps[0]

        def work(row: Any) -> Any:
            for step in steps:
                row = step(row)
            return row

        return work

    def everything(self, row: Any) -> Record:
        return (list(row), list(row.values())) if isinstance(row, dict) else ([self._name or "_1"], [row])


def _step(one: Name | int) -> Value:
    if isinstance(one, int):
        return lambda row: row[one] if isinstance(row, list) and -len(row) <= one < len(row) else MISSING
    name, quoted = one
    if quoted:
        return lambda row: row.get(name, MISSING) if isinstance(row, dict) else MISSING
    folded = name.lower()

    def work(row: Any) -> Any:
        if not isinstance(row, dict):
            return MISSING
        if name in row:
            return row[name]
        return next((value for key, value in row.items() if key.lower() == folded), MISSING)

    return work


def along(values: Iterable[Any], path: Sequence[Step]) -> Iterator[Any]:
    """What FROM's path leads to in every value. Its first `[*]` stands for all the values."""
    steps = path[1:] if path[:1] == (None,) else path
    found: Iterator[Any] = iter(values)
    for step in steps:
        found = _all(found) if step is None else map(_step((step, False) if isinstance(step, str) else step), found)
    return found


def _all(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from value
        else:
            yield value


_decoder = json.JSONDecoder(parse_float=Decimal)


def json_values(pieces: Iterable[str], lines: bool) -> Iterator[Any]:
    """One value after the other. Errors: JSONParsingError."""
    for piece in pieces if lines else ["".join(pieces)]:
        at, end = 0, len(piece)
        while (at := _blank(piece, at, end)) < end:
            try:
                value, at = _decoder.raw_decode(piece, at)
            except (ValueError, RecursionError):
                message = "Encountered an error parsing the JSON file. Check the file and try again."
                raise failure("JSONParsingError", message) from None
            yield value


def _blank(piece: str, at: int, end: int) -> int:
    while at < end and piece[at] in " \t\r\n\ufeff":
        at += 1
    return at


def parquet_values(read: Callable[[], bytes]) -> Iterator[Any]:
    """The rows of a Parquet file. Errors: ParquetParsingError."""
    try:
        file = arrow.module("parquet").ParquetFile(io.BytesIO(read()))
    except arrow.module().ArrowException as problem:
        raise failure("ParquetParsingError", f"Error parsing Parquet file. Please check the file and try again. {problem}") from None
    for batch in file.iter_batches():
        yield from batch.to_pylist()
