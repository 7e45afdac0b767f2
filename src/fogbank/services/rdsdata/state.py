"""The model of the data: transactions that are open. What they changed lies in the database, in a session of the transaction's id."""

from __future__ import annotations

from fogbank.store import Record, Table

IDLE_MS = 180_000
LIFE_MS = 86_400_000
STATEMENT_MS = 45_000
REQUEST_BYTES = 4 << 20
RESPONSE_BYTES = 1 << 20
ROW_BYTES = 64 << 10
JSON_BYTES = 10 << 20


class Transaction(Record, frozen=True, kw_only=True):
    """`cluster`: its id among `ctx.databases`; `secret`: the ARN or name that began it."""

    account: str
    region: str
    id: str
    cluster: str
    arn: str
    secret: str
    database: str
    began_at_ms: int
    used_at_ms: int

    @property
    def ends_at_ms(self) -> int:
        """When it is rolled back, if nothing more happens in it."""
        return min(self.used_at_ms + IDLE_MS, self.began_at_ms + LIFE_MS)


TRANSACTIONS = Table("rds-data.transactions", Transaction, key=("account", "region", "id"))
