"""The answer's records as bytes: CSV or JSON."""

from __future__ import annotations

import csv
import io
from typing import Any, Protocol

import msgspec

from fogbank.services.s3.select import values
from fogbank.services.s3.select.evaluation import Record
from fogbank.services.s3.select.values import MISSING, Timestamp, failure


class Writer(Protocol):
    """Takes records, and gives what they came to as bytes."""

    def add(self, record: Record) -> int:
        """Returns how many characters are waiting to be taken."""
        ...

    def take(self) -> bytes: ...


def writer(wanted: Any) -> Writer:
    """How records are written. Errors: InvalidQuoteFields, InvalidRequestParameter."""
    return _Json(wanted.JSON) if wanted.JSON is not None else _Csv(wanted.CSV)


_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode


def _json(value: Any) -> str:
    """Decimal numbers are written as they are."""
    return _encode(value).decode()


def _shown(value: Any) -> Any:
    return str(value) if isinstance(value, Timestamp) else value


def _csv_text(value: Any) -> str:
    if value is None or value is MISSING:
        return ""
    if isinstance(value, str):
        return value
    return _json(value) if isinstance(value, dict | list) else values.text_of(value)


class _Json:
    def __init__(self, wanted: Any) -> None:
        self._end = wanted.RecordDelimiter if wanted.RecordDelimiter is not None else "\n"
        self._out = io.StringIO()

    def add(self, record: Record) -> int:
        """Members that are missing are left out."""
        self._out.write(_json({name: _shown(value) for name, value in zip(*record, strict=True) if value is not MISSING}) + self._end)
        return self._out.tell()

    def take(self) -> bytes:
        return _taken(self._out)


class _Csv:
    def __init__(self, wanted: Any) -> None:
        if wanted.QuoteFields not in (None, "ALWAYS", "ASNEEDED"):
            raise failure("InvalidQuoteFields", "The QuoteFields value is invalid. Only ALWAYS and ASNEEDED are supported.")
        quote = wanted.QuoteCharacter or '"'
        escape = wanted.QuoteEscapeCharacter or quote
        field = wanted.FieldDelimiter or ","
        if any(len(sign) != 1 for sign in (quote, escape, field)):
            raise failure("InvalidRequestParameter", "Delimiters of fields, quotes and their escapes are single characters.")
        self._out = io.StringIO()
        self._rows = csv.writer(
            self._out,
            delimiter=field,
            quotechar=quote,
            doublequote=escape == quote,
            escapechar=None if escape == quote else escape,
            quoting=csv.QUOTE_ALL if wanted.QuoteFields == "ALWAYS" else csv.QUOTE_MINIMAL,
            lineterminator=wanted.RecordDelimiter if wanted.RecordDelimiter is not None else "\n",
        )

    def add(self, record: Record) -> int:
        self._rows.writerow([value if type(value) is str else _csv_text(value) for value in record[1]])
        return self._out.tell()

    def take(self) -> bytes:
        return _taken(self._out)


def _taken(out: io.StringIO) -> bytes:
    taken = out.getvalue().encode()
    out.seek(0)
    out.truncate()
    return taken
