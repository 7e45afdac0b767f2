"""Results of MariaDB, and values that have no test of their own."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from fogbank.engines.spec import Column, Result
from fogbank.services.rdsdata import results


def records(*columns: tuple[str, Any, int], **options: str) -> list[dict[str, Any]]:
    """One row's Fields: of type, value and precision."""
    made = tuple(Column("c", kind, 0, precision=precision) for kind, _, precision in columns)
    (row,) = results.records(Result(made, [tuple(value for _, value, _ in columns)], 0), "mariadb", results.Options(**options))
    return row


def test_types_of_mariadb() -> None:
    """A value is the Field of its column's type, by the names that MariaDB's columns have."""
    row = records(
        ("TINYINT", 1, 1), ("TINYINT", 5, 4), ("BIGINT UNSIGNED", 2**63, 20), ("DOUBLE", 0.5, 22), ("DECIMAL", Decimal("1.50"), 7),
        ("VARCHAR", "a", 40), ("TEXT", "b", 65535), ("LONGBLOB", b"\x00", 0), ("VARBINARY", b"\x01", 8), ("BIT UNSIGNED", b"\x01", 1),
        ("BIT", b"\x02", 8), ("DATE", date(2024, 2, 29), 10), ("TIME", timedelta(hours=26, seconds=1), 10), ("DATETIME", None, 19),
    )  # fmt: skip
    assert row == [
        {"booleanValue": True},
        {"longValue": 5},
        {"longValue": 2**63},
        {"doubleValue": 0.5},
        {"stringValue": "1.50"},
        {"stringValue": "a"},
        {"stringValue": "b"},
        {"blobValue": b"\x00"},
        {"blobValue": b"\x01"},
        {"booleanValue": True},
        {"blobValue": b"\x02"},
        {"stringValue": "2024-02-29"},
        {"stringValue": "26:00:01"},
        {"isNull": True},
    ]


def test_metadata_of_mariadb() -> None:
    """Metadata has digits, not characters, and says what is unsigned."""
    columns = [
        Column("a", "DECIMAL", 0, precision=7, scale=2),
        Column("b", "INT UNSIGNED", 0, precision=10),
        Column("c", "LONGTEXT", 0, precision=2**32),
    ]
    found = [(one["precision"], one["scale"], one["isSigned"]) for one in results.metadata(columns, "mariadb")]
    assert found == [(5, 2, True), (10, 0, False), (2**31 - 1, 0, False)]


def test_generated_fields() -> None:
    """Keys that MariaDB made are generated fields."""
    assert results.generated(Result((), [], 1, (7,))) == [{"longValue": 7}]


def test_intervals() -> None:
    """Spans are written as PostgreSQL writes them."""
    assert results.text(timedelta(days=1, hours=2, milliseconds=500)) == "1 day 02:00:00.5"
    assert results.text(-timedelta(hours=1)) == "-01:00:00"
    assert results.text(timedelta(0)) == "00:00:00"
