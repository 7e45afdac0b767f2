"""Statements: one, or one for many sets of parameters."""

from __future__ import annotations

from typing import Any

from fogbank.engines.spec import Result, Statement
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rdsdata import parameters, results, running, transactions
from fogbank.services.rdsdata.addresses import Place, place_of
from fogbank.services.rdsdata.faults import bad
from fogbank.services.rdsdata.state import REQUEST_BYTES, Transaction


@operation("ExecuteStatement")
def execute_statement(ctx: Context, req: Any) -> Answer:
    """Runs a statement, by itself or in a transaction, and answers with its rows, or with how many it changed.

    Parameters are named `:name`, and have the type of their Field, or of their typeHint. A call takes at most 45 seconds; the statement is
    then stopped (with its transaction), unless continueAfterTimeout. An answer has at most 1 MiB, a row 64 KB, JSON 10 MB.

    Errors: DatabaseErrorException (the engine's words), StatementTimeoutException, UnsupportedResultException,
    TransactionNotFoundException, ValidationException, BadRequestException, HttpEndpointNotEnabledException, SecretsErrorException,
    InvalidSecretException, DatabaseResumingException, DatabaseUnavailableException.

    Source: RDS Data Service API reference, ExecuteStatement.
    """
    place = place_of(ctx, req)
    statement = parameters.statement(req.sql, place.dialect, req.parameters)
    result = _run(ctx, req, place, statement, goes_on=bool(req.continueAfterTimeout))
    if not result.columns:
        return {"generatedFields": results.generated(result), "numberOfRecordsUpdated": result.changed}
    options = results.options_of(req.resultSetOptions)
    if req.formatRecordsAs == "JSON":
        return {"formattedRecords": results.formatted(result, place.dialect, options), "numberOfRecordsUpdated": result.changed}
    return {
        "records": results.records(result, place.dialect, options),
        "columnMetadata": results.metadata(result.columns, place.dialect) if req.includeResultMetadata else None,
        "numberOfRecordsUpdated": result.changed,
    }


@operation("BatchExecuteStatement")
def batch_execute_statement(ctx: Context, req: Any) -> Answer:
    """Runs a statement once for each set of parameters, and answers no rows. Where one of them fails, the others are done or not done.

    Errors: as ExecuteStatement. Source: RDS Data Service API reference, BatchExecuteStatement.
    """
    place = place_of(ctx, req)
    sets = req.parameterSets or []
    result = _run(ctx, req, place, parameters.statement(req.sql, place.dialect, None, sets)) if sets else None
    keys = results.generated(result) if result is not None else []
    return {"updateResults": [{"generatedFields": keys[at : at + 1]} for at in range(len(sets))]}


@operation("ExecuteSql")
def execute_sql(ctx: Context, req: Any) -> Answer:
    """Is deprecated by AWS, which offers it for Aurora Serverless v1 only. Errors: NotImplemented.

    Source: RDS Data Service API reference, ExecuteSql.
    """
    raise NotImplementedOperation("rds-data", "ExecuteSql", "(deprecated: use ExecuteStatement or BatchExecuteStatement)")


def _run(ctx: Context, req: Any, place: Place, statement: Statement, *, goes_on: bool = False) -> Result:
    """What the statement gave, by itself or in the transaction that the request names."""
    if ctx.request is not None and len(ctx.request.body or b"") > REQUEST_BYTES:
        raise bad("The request is larger than 4 MiB")
    transaction: Transaction | None = None
    if req.transactionId:
        transaction = transactions.transaction_at(ctx, req, place)
        place = place._replace(database=transaction.database)
    try:
        result = running.run(ctx, place, statement, transaction.id if transaction is not None else "", goes_on=goes_on)
    except ServiceException as refused:
        if transaction is not None and refused.code == "DatabaseErrorException":
            ctx.apart("used", lambda own: transactions.used(own, transaction))
        raise
    if transaction is not None:
        transactions.used(ctx, transaction)
    return result
