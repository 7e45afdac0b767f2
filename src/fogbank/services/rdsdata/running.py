"""Running a statement: on the cluster's writer, while the request waits; what the engine says of it, in AWS's words."""

from __future__ import annotations

from typing import Any

from fogbank.engines.spec import Failed, Refused, Result, Statement
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Wait, Waiting
from fogbank.services.rdsdata.addresses import Place
from fogbank.services.rdsdata.faults import no_transaction
from fogbank.services.rdsdata.state import STATEMENT_MS

_FATAL = {"28000", "28P01", "3D000", "53300", "57P03"}
"""SQLSTATEs of connections that PostgreSQL does not let in."""


def run(
    ctx: Context, place: Place, statement: Statement, transaction: str = "", *, goes_on: bool = False, what: str = "statement"
) -> Result:
    """What a statement gave; raises Waiting until then.

    transaction  that it is part of; "": it is one by itself
    goes_on      the statement runs on when the call is over after 45 seconds; else it is stopped, and its transaction with it

    Errors: DatabaseErrorException, StatementTimeoutException, TransactionNotFoundException, DatabaseUnavailableException,
    DatabaseResumingException.
    """
    session = transaction or ctx.request_id
    begin = _beginning(ctx, place, statement, session, alone=not transaction)
    try:
        result: Result = ctx.outside(what, begin)
    except Waiting as waiting:
        until_ms = ctx.started_ms + STATEMENT_MS
        if ctx.now < until_ms:
            raise Waiting(Wait(waiting.wait.on, min(until_ms, waiting.wait.until_ms))) from None
        if not goes_on:
            ctx.databases.end(place.cluster, session, _ignored)
        raise ServiceException("StatementTimeoutException", "Request timed out") from None
    except Refused as refused:
        raise _refusal(ctx, place, refused, transaction) from None
    except Failed as problem:
        raise ServiceException("DatabaseUnavailableException", str(problem), status=504) from None
    return result


def _beginning(ctx: Context, place: Place, statement: Statement, session: str, *, alone: bool) -> Any:
    """What has the engine run it. A statement that is alone has a session of its own, by which it can be stopped."""
    databases = ctx.databases

    def begin(done: Any) -> None:
        def ran(result: Any) -> None:
            if alone:
                databases.end(place.cluster, session, _ignored)
            done(result)

        databases.execute(place.cluster, place.user, place.password, place.database, session, statement, ran)

    return begin


def end(ctx: Context, place: Place, transaction: str) -> None:
    """Closes a transaction's session; raises Waiting until then."""
    ctx.outside("end", lambda done: ctx.databases.end(place.cluster, transaction, done))


def _ignored(_: Any) -> None:
    """Nobody waits for it."""


def _refusal(ctx: Context, place: Place, refused: Refused, transaction: str) -> ServiceException:
    message = str(refused)
    if refused.code == "SESSION":
        return no_transaction(transaction)
    if refused.code == "WRITER":
        return _away(ctx, place)
    if not refused.code or refused.code.startswith("08"):
        return ServiceException("DatabaseUnavailableException", message, status=504)
    severity = "" if place.dialect == "mariadb" else "FATAL: " if refused.code in _FATAL else "ERROR: "
    return ServiceException("DatabaseErrorException", f"{severity}{message}; SQLState: {refused.code}")


def _away(ctx: Context, place: Place) -> ServiceException:
    """There is no writer: it is paused and now resumes, or a failover is under way."""
    seen = ctx.databases.look(place.cluster)
    if seen is not None and seen.nodes and any(node.state != "stopped" for node in seen.nodes):
        return ServiceException("DatabaseUnavailableException", "The writer instance in the DB cluster isn't available", status=504)
    ctx.apart("wake", lambda own: own.later("rds.wake", {"cluster": place.cluster}))
    name = place.arn.rpartition(":")[2]
    return ServiceException(
        "DatabaseResumingException",
        f"The Aurora DB instance of {name} is resuming after being auto-paused. Please wait a few seconds and try again.",
    )
