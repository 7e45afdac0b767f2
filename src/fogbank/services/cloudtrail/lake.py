"""The SQL of CloudTrail Lake, run for real: sqlglot reads it, DuckDB runs it over the events. Pure.

Source: "CloudTrail Lake SQL constraints" and "supported event schemas" in the CloudTrail User Guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_PIECES = re.compile(rf"""('(?:[^']|'')*')|("(?:[^"]|"")*")|(--[^\n]*|/\*.*?\*/)|\b({_ID})\b""", re.DOTALL)
MAPS = ("requestParameters", "responseElements", "additionalEventData", "serviceEventDetails", "addendum", "edgeDeviceDetails")
_TEXTS = (
    "eventVersion",
    "eventSource",
    "eventName",
    "awsRegion",
    "sourceIPAddress",
    "userAgent",
    "errorCode",
    "errorMessage",
    "requestID",
    "eventID",
    "eventType",
    "apiVersion",
    "recipientAccountId",
    "sharedEventID",
    "annotation",
    "vpcEndpointId",
    "vpcEndpointAccountId",
    "eventCategory",
    "sessionCredentialFromConsole",
    "eventJson",
)
_ISSUER = dict.fromkeys(("type", "principalId", "arn", "accountId", "userName"), "VARCHAR")
_IDENTITY = {
    **_ISSUER,
    "accessKeyId": "VARCHAR",
    "sessionContext": {
        "attributes": {"creationDate": "TIMESTAMP", "mfaAuthenticated": "VARCHAR"},
        "sessionIssuer": _ISSUER,
        "webIdFederationData": {"federatedProvider": "VARCHAR", "attributes": "MAP(VARCHAR, VARCHAR)"},
        "sourceIdentity": "VARCHAR",
        "ec2RoleDelivery": "VARCHAR",
    },
    "invokedBy": "VARCHAR",
    "identityProvider": "VARCHAR",
}
SCHEMA: dict[str, Any] = {
    **dict.fromkeys(_TEXTS, "VARCHAR"),
    "userIdentity": _IDENTITY,
    "eventTime": "TIMESTAMP",
    "readOnly": "BOOLEAN",
    "managementEvent": "BOOLEAN",
    **dict.fromkeys(MAPS, "MAP(VARCHAR, VARCHAR)"),
    "resources": [{"accountId": "VARCHAR", "type": "VARCHAR", "ARN": "VARCHAR", "ARNPrefix": "VARCHAR"}],
    "tlsDetails": {"tlsVersion": "VARCHAR", "cipherSuite": "VARCHAR", "clientProvidedHostHeader": "VARCHAR"},
}
"""The columns of an event data store, as DuckDB reads them out of JSON."""
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "memory_limit": "1GB",
    "threads": 1,
}


class Invalid(ValueError):
    """A statement that cannot be run; the message says why."""


class Result(NamedTuple):
    columns: list[str]
    rows: list[list[str]]
    scanned: int
    bytes: int


class Statement:
    """A statement that has been read: which event data stores it is about, and what DuckDB is to run."""

    def __init__(self, text: str, now_ms: int) -> None:
        import sqlglot
        from sqlglot import exp

        quoted = _PIECES.sub(lambda m: f'"{m[4]}"' if m[4] else m[0], text.strip().rstrip(";"))
        try:
            parsed = sqlglot.parse(quoted, read="trino")
        except sqlglot.errors.SqlglotError as problem:
            raise Invalid(f"Line 1: {problem}".splitlines()[0]) from None
        query = parsed[0] if len(parsed) == 1 else None
        if not isinstance(query, exp.Query):
            raise Invalid("Only one SELECT statement is supported.")
        named = {cte.alias_or_name for cte in query.find_all(exp.CTE)}
        tables = [t for t in query.find_all(exp.Table) if t.name not in named]
        if not tables:
            raise Invalid("The statement does not name an event data store.")
        for table in tables:
            if table.db or table.catalog or not re.fullmatch(_ID, table.name):
                raise Invalid(f"{table.sql()} is not the ID of an event data store.")
        self.stores = list(dict.fromkeys(table.name for table in tables))
        self.parameters = len(list(query.find_all(exp.Placeholder)))
        self.columns = [one.alias_or_name or f"_col{number}" for number, one in enumerate(query.selects)]
        now = exp.cast(exp.Literal.string(datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")), "timestamp")
        told = query.transform(lambda node: now.copy() if isinstance(node, exp.CurrentTimestamp) else node)
        self.sql = told.sql(dialect="duckdb")

    def run(self, events: Mapping[str, Iterable[bytes]], parameters: Sequence[str] = ()) -> Result:
        """Store -> its events' JSON. Raises Invalid."""
        import duckdb

        connection = duckdb.connect(":memory:", config=_SETTINGS)
        scanned = size = 0
        try:
            for store, documents in events.items():
                told = [_row(document) for document in documents]
                text = msgspec.json.encode(told).decode()
                scanned, size = scanned + len(told), size + len(text)
                shape = msgspec.json.encode([SCHEMA]).decode()
                columns = f"CREATE TABLE \"{store}\" AS SELECT unnest(from_json(?::JSON, '{shape}'), max_depth := 2)"
                connection.execute(columns, [text])
            connection.execute(self.sql, list(parameters))
            described = [column[0] for column in connection.description or ()]
            names = self.columns if len(described) == len(self.columns) and "*" not in self.columns else described
            rows = [[shown(value) for value in row] for row in connection.fetchall()]
        except duckdb.Error as problem:
            raise Invalid(str(problem).splitlines()[0]) from None
        finally:
            connection.close()
        return Result(names, rows, scanned, size)


def _row(document: bytes) -> dict[str, Any]:
    """An event's columns: what is a map has texts for values."""
    event: dict[str, Any] = msgspec.json.decode(document)
    for name in MAPS:
        inner = event.get(name)
        if isinstance(inner, dict):
            event[name] = {k: v if isinstance(v, str) else msgspec.json.encode(v).decode() for k, v in inner.items()}
    event["eventJson"] = document.decode()
    return event


def shown(value: Any) -> str:
    """A cell as results have it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}={'null' if inner is None else shown(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(shown(inner) for inner in value) + "]"
    return str(value)
