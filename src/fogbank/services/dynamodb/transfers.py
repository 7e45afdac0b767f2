"""What exports and imports have in common: who they are carried on for, tokens, pages, and how they fail.

S3 is used as the caller, from the first request to the last task: the caller's policies of that moment decide, as they would if
the caller copied the objects. What S3 refuses while the call lasts, the call refuses; later it makes the export or import FAILED.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.dynamodb.addresses import arn
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.state import Table as DynamoTable
from fogbank.services.dynamodb.timeline import DAY_MS, Transfer
from fogbank.store import Table

TOKEN_MS = 8 * 3_600_000
LISTED_MS = 90 * DAY_MS
PAGE_LIMIT = 25

_in_order = msgspec.json.Encoder(order="deterministic").encode


def asked(members: Any) -> Any:
    """A request as plain dictionaries by AWS's names, without what was not given."""
    if isinstance(members, msgspec.Struct):
        named = ((name, getattr(members, name)) for name in members.__struct_fields__)
        return {name: asked(value) for name, value in named if value is not None}
    if isinstance(members, list):
        return [asked(value) for value in members]
    return members


def digest(members: dict[str, Any]) -> bytes:
    return blake2b(_in_order({name: value for name, value in members.items() if name != "ClientToken"}), digest_size=16).digest()


def begun(ctx: Context, table: DynamoTable, members: dict[str, Any], from_ms: int = 0, at_ms: int = 0) -> Transfer:
    """A new export or import of a table."""
    return Transfer(
        account=table.account,
        region=table.region,
        table=table.name,
        id=f"{ctx.now:014d}-{ctx.random.hex(8)}",
        status="IN_PROGRESS",
        started_at_ms=ctx.now,
        members=members,
        caller=ctx.caller(),
        table_id=table.id,
        contents=table.contents,
        digest=digest(members),
        from_ms=from_ms,
        at_ms=at_ms,
    )


def known(ctx: Context, where: Table[Transfer], members: dict[str, Any], conflict: ServiceException) -> Transfer | None:
    """What the same token began within the last eight hours. Raises `conflict` where that was something else."""
    token = members.get("ClientToken")
    if token is None:
        return None
    for one in where.scan(ctx, ctx.account, ctx.region):
        if one.members.get("ClientToken") == token and one.started_at_ms + TOKEN_MS > ctx.now:
            if one.digest != digest(members):
                raise conflict
            return one
    return None


def key_of(one: Transfer) -> list[str]:
    return [one.account, one.region, one.table, one.id]


def arn_of(kind: str, one: Transfer) -> str:
    return f"{arn(one.account, one.region, one.table)}/{kind}/{one.id}"


def at(ctx: Context, where: Table[Transfer], kind: str, text: str) -> Transfer:
    """The export or import that an ARN names. Raises ExportNotFoundException, ImportNotFoundException."""
    parts = Arn.parse(text)
    named = parts.resource.split("/") if parts is not None else []
    found = None
    if parts is not None and parts.region == ctx.region and len(named) == 4 and named[2] == kind:
        found = where.get(ctx, parts.account, parts.region, named[1], named[3])
    if found is None:
        raise ServiceException(f"{kind.capitalize()}NotFoundException", f"{kind.capitalize()} not found: {text}")
    return found


def listed(ctx: Context, where: Table[Transfer], table_arn: str | None, size: int | None, token: str | None) -> tuple[list[Transfer], str]:
    """A page of those of the last 90 days, the newest name first, and where the next page begins ("": it was the last)."""
    table = []
    if table_arn is not None:
        parts = Arn.parse(table_arn)
        if parts is None or not parts.resource.startswith("table/"):
            raise invalid(f"Invalid TableArn: Invalid ResourceArn provided as input {table_arn}")
        table = [parts.resource.removeprefix("table/")]
    before: dict[str, Any] = {}
    if token is not None:
        try:
            name, _, id = bytes.fromhex(token).rstrip(b"\0").decode().partition("/")
        except ValueError:
            raise invalid("Invalid NextToken") from None
        before = {"before": id if table else (name, id)}
    page: list[Transfer] = []
    for one in where.scan(ctx, ctx.account, ctx.region, *table, reverse=True, **before):
        if one.started_at_ms + LISTED_MS <= ctx.now:
            continue
        if len(page) == (size or PAGE_LIMIT):
            place = f"{page[-1].table}/{page[-1].id}".encode()
            return page, (place + bytes(max(56, -(-len(place) // 8) * 8) - len(place))).hex()
        page.append(one)
    return page, ""


# as the caller


def call_s3(ctx: Context, operation: str, members: Mapping[str, Any]) -> Any:
    """S3, as the caller; members that are None are left out."""
    return ctx.call("s3", operation, {name: value for name, value in members.items() if value is not None})


def first_call_s3(ctx: Context, operation: str, members: Mapping[str, Any]) -> Any:
    """The same while the request lasts: what S3 refuses, DynamoDB refuses. Raises AccessDeniedException, ValidationException."""
    try:
        return call_s3(ctx, operation, members)
    except NotImplementedOperation:
        raise
    except ServiceException as refused:
        if refused.code == "AccessDenied":
            raise ServiceException("AccessDeniedException", refused.message) from None
        raise invalid(f"S3 refused {operation}: {refused.code}: {refused.message}") from None


def failure(refused: ServiceException) -> dict[str, Any]:
    """What becomes of an export or import that S3 refuses."""
    return {"status": "FAILED", "failure": f"S3{refused.code}", "message": refused.message or refused.code}
