"""ExecuteStatement, BatchExecuteStatement, ExecuteTransaction: PartiQL."""

from __future__ import annotations

from functools import partial
from hashlib import blake2b
from typing import Any

import msgspec

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.dynamodb import capacity, changes, transactions
from fogbank.services.dynamodb.capacity import Units
from fogbank.services.dynamodb.changes import Change
from fogbank.services.dynamodb.executing import Execution
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.partiql import Exists, Select
from fogbank.services.dynamodb.state import Table
from fogbank.services.dynamodb.values import Item

BATCH_CODES = {
    **transactions.REASONS,
    "AccessDeniedException": "AccessDenied",
    "ResourceNotFoundException": "ResourceNotFound",
    "SerializationException": "ValidationError",
}
"""The codes of a batch's statements that were refused."""

_encode = msgspec.json.Encoder(order="deterministic").encode


@operation("ExecuteStatement", authorized_here=True)
def execute_statement(ctx: Context, req: Any) -> Answer:
    """Carries out one statement: a SELECT gives a page of items, the others change one item.

    Equality with the whole partition key makes a SELECT a query, else it is a scan. Limit counts items read, before what
    is left of the conditions. NextToken goes on with the same statement and parameters.

    Errors: ConditionalCheckFailedException (also where an UPDATE finds no item), DuplicateItemException,
    ResourceNotFoundException, ProvisionedThroughputExceededException, ValidationException. Source: API reference,
    ExecuteStatement; developer guide, PartiQL reference.
    """
    execution = Execution(ctx, req)
    if isinstance(execution.root, Exists):
        raise invalid("EXISTS can only be used in a transaction")
    if not execution.reads:
        change = execution.change()
        _carry_out(ctx, change)
        returned = execution.returned(change)
        answer: dict[str, Any] = {"Items": [returned] if returned else []}
        if capacity.wanted(req.ReturnConsumedCapacity):
            answer["ConsumedCapacity"] = capacity.describe(change.table, execution.name, change.consumed(), req.ReturnConsumedCapacity)
        return answer
    digest = blake2b(_encode([req.Statement, req.Parameters]), digest_size=12).hexdigest()
    answer = execution.page(req, _place(req.NextToken, digest))
    if "LastEvaluatedKey" in answer:
        answer["NextToken"] = paging.token(_encode([digest, answer["LastEvaluatedKey"]]).decode())
    return answer


def _carry_out(ctx: Context, change: Change) -> None:
    changes.pay(ctx, change)
    changes.apply(ctx, change)


def _place(token: str | None, digest: str) -> Item | None:
    """The key to go on after. Raises ValidationException for a token of another statement."""

    def refused() -> ServiceException:
        return invalid("The provided NextToken is invalid, or was given for another statement")

    text = paging.place(token, refused)
    if text is None:
        return None
    try:
        made_for, key = msgspec.json.decode(text, type=tuple[str, dict[str, dict[str, Any]]])
    except msgspec.MsgspecError:
        raise refused() from None
    if made_for != digest:
        raise refused()
    return key


@operation("BatchExecuteStatement", authorized_here=True)
def batch_execute_statement(ctx: Context, req: Any) -> Answer:
    """Up to 25 statements, all SELECTs of one item or all changes of one; each by itself, an error being its answer.

    Errors: ValidationException (reads and writes mixed). Source: API reference, BatchExecuteStatement.
    """
    responses: list[dict[str, Any]] = []
    consumed: list[dict[str, Any]] = []
    kinds: set[bool] = set()
    for given in req.Statements:
        mark = ctx.tx.mark()
        answer: dict[str, Any] = {}
        try:
            execution = Execution(ctx, given)
            answer["TableName"] = execution.name
            kinds.add(execution.reads)
            units, table = _one_of_batch(ctx, execution, given, answer)
        except ServiceException as problem:
            ctx.tx.undo(mark)
            responses.append({**answer, "Error": _error(problem)})
            continue
        responses.append(answer)
        if capacity.wanted(req.ReturnConsumedCapacity):
            consumed.append(capacity.describe(table, execution.name, units, req.ReturnConsumedCapacity))
    if len(kinds) > 1:
        raise invalid("Statements of a batch are either all reads or all writes")
    return {"Responses": responses, **({"ConsumedCapacity": consumed} if consumed else {})}


def _one_of_batch(ctx: Context, execution: Execution, given: Any, answer: dict[str, Any]) -> tuple[Units, Table]:
    """Carries out one statement, and adds its item to its answer. The units that it consumed, and of which table."""
    if isinstance(execution.root, Exists):
        raise invalid("EXISTS can only be used in a transaction")
    if not execution.reads:
        change = execution.change()
        _carry_out(ctx, change)
        item = execution.returned(change)
        units = change.consumed()
    else:
        change, item = _selected(execution)
        units = Units(capacity.read(change.old_size, given.ConsistentRead))
        capacity.use(ctx, change.table, units, write=False, metered=change.schema.metered)
    if item is not None:
        answer["Item"] = item
    return units, change.table


def _selected(execution: Execution) -> tuple[Change, Item | None]:
    """The one item that a SELECT names by its whole key, and what it gives of it."""
    assert isinstance(execution.root, Select)
    if execution.root.source.index_name:
        raise invalid("Select statements within BatchExecuteStatement and ExecuteTransaction read tables, not indexes")
    change = execution.look_up()
    return change, execution.shown(change)


def _error(problem: ServiceException) -> dict[str, Any]:
    code = BATCH_CODES.get(problem.code)
    if code is None:
        raise problem
    item = problem.members.get("Item")
    return {"Code": code, "Message": problem.message, **({"Item": item} if item is not None else {})}


@operation("ExecuteTransaction", authorized_here=True)
def execute_transaction(ctx: Context, req: Any) -> Answer:
    """Up to 100 statements that read, or that write, one item each: all happen, or none.

    Among writes EXISTS(SELECT ...) is a condition. With a ClientRequestToken the same call again within 10 minutes does
    nothing more.

    Errors: TransactionCanceledException, IdempotentParameterMismatchException, ResourceNotFoundException,
    ValidationException. Source: API reference, ExecuteTransaction; developer guide, Performing transactions with PartiQL.
    """
    executions = [Execution(ctx, given) for given in req.TransactStatements]
    if len({execution.reads for execution in executions}) > 1:
        raise invalid("Statements of a transaction are either all reads or all writes")
    if executions[0].reads:
        looks = [transactions.Look(one.name, one.at()[0], partial(_selected, one)) for one in executions]
        return transactions.read(ctx, req, looks)
    parts = []
    for execution in executions:
        writes = not isinstance(execution.root, Exists)
        table = execution.at()[0]
        parts.append(transactions.Part(execution.name, table, execution.change, writes, execution.named()))
    answer = transactions.write(ctx, req, parts, req.TransactStatements)
    return {"Responses": [{} for _ in executions], **answer}
