"""TransactGetItems and TransactWriteItems: all or nothing, over up to 100 items and 4 MB."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.dynamodb import access, bodies, capacity, changes, collections, expressions, schema
from fogbank.services.dynamodb.addresses import table_at
from fogbank.services.dynamodb.capacity import Units
from fogbank.services.dynamodb.changes import Change
from fogbank.services.dynamodb.expressions import Asked, Projection
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.state import OLDEST_TOKENS, TOKEN_MS, TOKENS, Table, Token
from fogbank.services.dynamodb.values import Item

TRANSACTION_BYTES = 4 << 20
FACTOR = 2.0
"""Each unit is consumed twice: to prepare, and to commit."""
REASONS = {
    "ConditionalCheckFailedException": "ConditionalCheckFailed",
    "DuplicateItemException": "DuplicateItem",
    "ItemCollectionSizeLimitExceededException": "ItemCollectionSizeLimitExceeded",
    "ProvisionedThroughputExceededException": "ProvisionedThroughputExceeded",
    "ThrottlingException": "ThrottlingError",
    "ValidationException": "ValidationError",
}
"""Refusals of a part that cancel the transaction, with their codes."""

_encode = msgspec.json.Encoder(order="deterministic").encode

Prepare = Callable[[Context, Table, Any, Asked], Change]


class Part(NamedTuple):
    """One action of a transaction: the table, and as the request names it; how the change is prepared; whether it is one.

    `key`: the item or its key, as the request has it.
    """

    name: str
    table: Table
    prepare: Callable[[], Change]
    writes: bool
    key: Item


class Look(NamedTuple):
    """One item that a transaction reads: the table, and as the request names it; how the item, and what is wanted of it, is got."""

    name: str
    table: Table
    look: Callable[[], tuple[Change, Any]]


def _put(ctx: Context, table: Table, part: Any, asked: Asked) -> Change:
    return changes.put(ctx, table, part.Item, asked, part.ReturnValuesOnConditionCheckFailure)


def _update(ctx: Context, table: Table, part: Any, asked: Asked) -> Change:
    return changes.update(ctx, table, part.Key, asked, part.ReturnValuesOnConditionCheckFailure)


def _delete(ctx: Context, table: Table, part: Any, asked: Asked) -> Change:
    return changes.delete(ctx, table, part.Key, asked, part.ReturnValuesOnConditionCheckFailure)


def _check(ctx: Context, table: Table, part: Any, asked: Asked) -> Change:
    change = changes.look_up(ctx, table, part.Key)
    changes.require(ctx, change, asked, part.ReturnValuesOnConditionCheckFailure)
    change.keep()
    return change


ACTIONS: dict[str, tuple[str, Prepare]] = {
    "ConditionCheck": ("ConditionCheckItem", _check),
    "Put": ("PutItem", _put),
    "Update": ("UpdateItem", _update),
    "Delete": ("DeleteItem", _delete),
}


def _parts(ctx: Context, req: Any, kinds: Sequence[str]) -> list[tuple[str, Any]]:
    """The parts of a transaction. Raises ValidationException for one that is none, or several."""
    found = []
    for item in req.TransactItems:
        given = [(kind, members) for kind in kinds if (members := getattr(item, kind)) is not None]
        if len(given) != 1:
            raise invalid(
                "Invalid Request: TransactItems should contain only one action" if given else "Invalid Request: TransactItems is empty"
            )
        found.append(given[0])
    return found


@operation("TransactWriteItems", authorized_here=True)
def transact_write_items(ctx: Context, req: Any) -> Answer:
    """Up to 100 puts, updates, deletes and condition checks, of different items: all happen, or none.

    With a ClientRequestToken the same call again within 10 minutes does nothing more.

    Errors: ResourceNotFoundException, TransactionCanceledException, IdempotentParameterMismatchException, ValidationException.
    Source: API reference, TransactWriteItems.
    """
    given = _parts(ctx, req, tuple(ACTIONS))
    parts: list[Part] = []
    tables: dict[str, Table] = {}
    may = access.Parts(ctx, req)
    for kind, members in given:
        asked = expressions.of(members)
        may.authorize(ACTIONS[kind][0], members)
        name = members.TableName
        table = tables.get(name) or tables.setdefault(name, table_at(ctx, name))
        key = members.Item if kind == "Put" else members.Key
        parts.append(Part(name, table, partial(ACTIONS[kind][1], ctx, table, members, asked), kind != "ConditionCheck", key))
    return write(ctx, req, parts, req.TransactItems)


def write(ctx: Context, req: Any, parts: list[Part], given: Any) -> dict[str, Any]:
    """All parts, or none; `given` is what must be the same where the token is. The answer's ConsumedCapacity and metrics."""
    digest = blake2b(_encode(given), digest_size=16).digest() if req.ClientRequestToken else b""
    known = _known(ctx, req.ClientRequestToken, digest)
    if known is not None:
        return told(req, {part.name: part.table for part in parts}, known.units, {}, "Read")
    prepared = _prepared(ctx, parts)
    for part, change in zip(parts, prepared, strict=True):
        if part.writes:
            changes.apply(ctx, change)
    return _answer(ctx, req, parts, prepared, digest)


def _prepared(ctx: Context, parts: list[Part]) -> list[Change]:
    """The changes of all parts, paid for. Raises TransactionCanceledException with what is wrong with each part."""
    prepared: list[Change] = []
    reasons: list[dict[str, Any]] = []
    for part in parts:
        try:
            prepared.append(part.prepare())
            reasons.append({"Code": "None"})
        except ServiceException as problem:
            reasons.append(reason(problem))
    if len(prepared) == len(parts):
        _check_different([(change.table.contents, *change.place) for change in prepared])
    else:
        _check_different(_places(parts))
        cancel(reasons)
    if sum([change.size for change in prepared]) > TRANSACTION_BYTES:
        raise invalid("The aggregate size of the items in the transaction exceeds the limit of 4 MB")
    for number, change in enumerate(prepared):
        try:
            changes.pay(ctx, change, FACTOR)
        except ServiceException as problem:
            reasons[number] = reason(problem)
    cancel(reasons)
    return prepared


def _check_different(places: list[tuple[Any, ...]]) -> None:
    if len(set(places)) < len(places):
        raise invalid("Transaction request cannot include multiple operations on one item")


def _places(parts: list[Part]) -> list[tuple[Any, ...]]:
    """Where the items of a transaction that will be refused are, as far as they have a place."""
    places: list[tuple[Any, ...]] = []
    for part in parts:
        with suppress(ServiceException):
            places.append((part.table.contents, *schema.of(part.table).place_of(part.key)))
    return places


def reason(problem: ServiceException) -> dict[str, Any]:
    """What is wrong with one part; raises what does not cancel a transaction but refuses the request."""
    code = REASONS.get(problem.code)
    if code is None:
        raise problem
    item = problem.members.get("Item")
    return {"Code": code, "Message": problem.message, **({"Item": item} if item is not None else {})}


def cancel(reasons: list[dict[str, Any]]) -> None:
    """Raises TransactionCanceledException where something is wrong with any part."""
    codes = [reason["Code"] for reason in reasons]
    if any(code != "None" for code in codes):
        raise ServiceException(
            "TransactionCanceledException",
            f"Transaction cancelled, please refer cancellation reasons for specific reasons [{', '.join(codes)}]",
            CancellationReasons=reasons,
        )


def _answer(ctx: Context, req: Any, parts: list[Part], prepared: list[Change], digest: bytes) -> dict[str, Any]:
    """What was done, kept for who asks again with the same token."""
    token = req.ClientRequestToken
    if token:
        reads: dict[str, float] = {}
        for part, change in zip(parts, prepared, strict=True):
            reads[part.name] = reads.get(part.name, 0.0) + capacity.read(change.size or change.old_size, True) * FACTOR
        if OLDEST_TOKENS.first(ctx, ctx.account, ctx.region) is None:
            ctx.later("dynamodb.forget_tokens", {"account": ctx.account, "region": ctx.region}, delay_s=TOKEN_MS / 1000)
        TOKENS.put(ctx, Token(ctx.account, ctx.region, token, digest, ctx.now, reads))
    metrics: dict[str, list[Any]] = {}
    if getattr(req, "ReturnItemCollectionMetrics", None) == "SIZE":
        for part, change in zip(parts, prepared, strict=True):
            if part.writes and (metric := collections.describe(ctx, change)) is not None:
                metrics.setdefault(part.name, []).append(metric)
    answer: dict[str, Any] = {"ItemCollectionMetrics": metrics} if metrics else {}
    if capacity.wanted(req.ReturnConsumedCapacity):
        units: dict[str, Units] = {}
        for part, change in zip(parts, prepared, strict=True):
            units.setdefault(part.name, Units()).add(change.consumed(), FACTOR)
        tables = {part.name: part.table for part in parts}
        mode = req.ReturnConsumedCapacity
        answer["ConsumedCapacity"] = [capacity.describe(tables[name], name, one, mode, "Write") for name, one in units.items()]
    return answer


def told(req: Any, tables: dict[str, Table], units: dict[str, float], answer: dict[str, Any], what: str) -> dict[str, Any]:
    """The answer to a call that did only read."""
    mode = req.ReturnConsumedCapacity
    if capacity.wanted(mode):
        answer["ConsumedCapacity"] = [capacity.describe(tables[name], name, Units(one), mode, what) for name, one in units.items()]
    return answer


def _known(ctx: Context, token: str | None, digest: bytes) -> Token | None:
    """The call that was made with this token, in the last 10 minutes. Raises IdempotentParameterMismatchException for another."""
    known = TOKENS.get(ctx, ctx.account, ctx.region, token) if token else None
    if known is None or known.at_ms + TOKEN_MS <= ctx.now:
        return None
    if known.digest != digest:
        raise ServiceException(
            "IdempotentParameterMismatchException",
            "The provided request token was already used in a request with different parameters",
        )
    return known


@operation("TransactGetItems", authorized_here=True)
def transact_get_items(ctx: Context, req: Any) -> Answer:
    """Up to 100 items as they are at one instant, in the order in which they are asked for; up to 4 MB.

    Errors: ResourceNotFoundException, TransactionCanceledException, ValidationException. Source: API reference, TransactGetItems.
    """
    looks: list[Look] = []
    may = access.Parts(ctx, req)
    for _, part in _parts(ctx, req, ("Get",)):
        may.authorize("GetItem", part)
        projection = expressions.of(part).projection
        table = table_at(ctx, part.TableName)
        looks.append(Look(part.TableName, table, partial(_got, ctx, table, part.Key, projection)))
    return read(ctx, req, looks)


def _got(ctx: Context, table: Table, key: Item, projection: Projection | None) -> tuple[Change, Any]:
    change = changes.look_up(ctx, table, key)
    if change.row is None or projection is None:
        return change, bodies.raw_of(ctx, table, change.row) if change.row is not None else None
    return change, projection.pick(change.old or {})


def read(ctx: Context, req: Any, looks: list[Look]) -> dict[str, Any]:
    """All items that are looked at, as they are at one instant. Raises TransactionCanceledException, ValidationException."""
    responses: list[dict[str, Any]] = []
    reasons: list[dict[str, Any]] = []
    units: dict[str, float] = {}
    places: list[tuple[Any, ...]] = []
    size = 0
    for name, table, look in looks:
        try:
            change, item = look()
            cost = capacity.read(change.old_size, True) * FACTOR
            capacity.use(ctx, table, Units(cost), write=False, metered=change.schema.metered)
        except ServiceException as problem:
            reasons.append(reason(problem))
            continue
        reasons.append({"Code": "None"})
        responses.append({} if item is None else {"Item": item})
        places.append((table.contents, *change.place))
        size += change.old_size
        units[name] = units.get(name, 0.0) + cost
    cancel(reasons)
    _check_different(places)
    if size > TRANSACTION_BYTES:
        raise invalid("The aggregate size of the items in the transaction exceeds the limit of 4 MB")
    return told(req, {look.name: look.table for look in looks}, units, {"Responses": responses}, "Read")
