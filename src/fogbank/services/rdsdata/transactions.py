"""Transactions: a session of the database for each, which ends with it, or three minutes after its last call."""

from __future__ import annotations

import base64
from hashlib import shake_256
from typing import Any
from weakref import WeakKeyDictionary

from fogbank.engines.spec import Statement
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.rdsdata import running
from fogbank.services.rdsdata.addresses import Place, place_of
from fogbank.services.rdsdata.faults import bad, no_transaction
from fogbank.services.rdsdata.state import TRANSACTIONS, Transaction
from fogbank.store import change

_ID_BYTES = 138
_BEGUN: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
"""The transactions that have a session. One that was begun before the process was started again has none any more."""


@operation("BeginTransaction")
def begin_transaction(ctx: Context, req: Any) -> Answer:
    """Begins a transaction: it ends with CommitTransaction or RollbackTransaction, three minutes after its last call, or after 24 hours.

    Errors: BadRequestException, DatabaseErrorException, HttpEndpointNotEnabledException, SecretsErrorException, InvalidSecretException,
    DatabaseResumingException, DatabaseUnavailableException. Source: RDS Data Service API reference, BeginTransaction.
    """
    place = place_of(ctx, req)
    session = base64.b64encode(shake_256(ctx.request_id.encode()).digest(_ID_BYTES)).decode()
    running.run(ctx, place, Statement("START TRANSACTION"), session)
    found = Transaction(
        account=ctx.account,
        region=ctx.region,
        id=session,
        cluster=place.cluster,
        arn=place.arn,
        secret=req.secretArn,
        database=place.database,
        began_at_ms=ctx.now,
        used_at_ms=ctx.now,
    )
    TRANSACTIONS.put(ctx, found)
    _begun(ctx).add(session)
    ctx.later("rds-data.expire", {"id": session}, at_ms=found.ends_at_ms)
    return {"transactionId": session}


@operation("CommitTransaction")
def commit_transaction(ctx: Context, req: Any) -> Answer:
    """Commits a transaction's changes and ends it.

    Errors: TransactionNotFoundException, DatabaseErrorException (a statement in it failed, so that it cannot be committed), and those of
    BeginTransaction. Source: RDS Data Service API reference, CommitTransaction.
    """
    place = place_of(ctx, req)
    found = transaction_at(ctx, req, place)
    failed = place.dialect == "postgres" and _has_failed(ctx, place, found.id)
    running.run(ctx, place, Statement("ROLLBACK" if failed else "COMMIT"), found.id, what="commit")
    running.end(ctx, place, found.id)
    if failed:
        message = "The database returned ROLLBACK, so the transaction cannot be committed; SQLState: 25P02"
        raise ServiceException("DatabaseErrorException", f"ERROR: {message}")
    _over(ctx, found)
    return {"transactionStatus": "Transaction Committed"}


@operation("RollbackTransaction")
def rollback_transaction(ctx: Context, req: Any) -> Answer:
    """Undoes a transaction's changes and ends it. Errors: as CommitTransaction.

    Source: RDS Data Service API reference, RollbackTransaction.
    """
    place = place_of(ctx, req)
    found = transaction_at(ctx, req, place)
    running.end(ctx, place, found.id)
    _over(ctx, found)
    return {"transactionStatus": "Rollback Complete"}


def _has_failed(ctx: Context, place: Place, transaction: str) -> bool:
    """Whether a statement in it failed: PostgreSQL would answer COMMIT by rolling back, and call that a success."""
    try:
        running.run(ctx, place, Statement("SELECT 1"), transaction, what="whole")
    except ServiceException as refused:
        if not refused.message.endswith("SQLState: 25P02"):
            raise
        return True
    return False


def transaction_at(ctx: Context, req: Any, place: Place) -> Transaction:
    """The transaction that a request names. Errors: TransactionNotFoundException, BadRequestException."""
    found = TRANSACTIONS.get(ctx, ctx.account, ctx.region, req.transactionId)
    if found is None or found.cluster != place.cluster or found.ends_at_ms <= ctx.started_ms or found.id not in _begun(ctx):
        raise no_transaction(req.transactionId)
    if found.secret != req.secretArn:
        raise bad("The secret is not the same as the transaction's")
    if getattr(req, "database", None) and req.database != found.database:
        raise bad("Database name is not the same as transaction")
    return found


def _begun(ctx: Context) -> set[str]:
    return _BEGUN.setdefault(ctx.databases, set())


def _over(ctx: Context, found: Transaction) -> None:
    TRANSACTIONS.delete(ctx, found)
    _begun(ctx).discard(found.id)


def used(ctx: Context, transaction: Transaction) -> None:
    """A call in a transaction is over: it has three minutes again."""
    TRANSACTIONS.put(ctx, change(transaction, used_at_ms=ctx.now))


@task("expire")
def expire(ctx: Context, payload: dict[str, Any]) -> None:
    """Rolls back a transaction that was left."""
    found = TRANSACTIONS.get(ctx, ctx.account, ctx.region, payload["id"])
    if found is None:
        return
    if found.ends_at_ms > ctx.now:
        ctx.later("rds-data.expire", payload, at_ms=found.ends_at_ms)
        return
    ctx.outside("end", lambda done: ctx.databases.end(found.cluster, found.id, done))
    _over(ctx, found)
