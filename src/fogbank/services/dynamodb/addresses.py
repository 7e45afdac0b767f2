"""How a table is named, by name or by ARN; finding it; and what the door asks of tables and indexes."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.state import TABLES, Table

_name = re.compile(r"[a-zA-Z0-9_.-]+").fullmatch
_name_rule = "failed to satisfy constraint: Member must satisfy regular expression pattern"


class Address(NamedTuple):
    account: str
    region: str
    name: str


@lru_cache(4096)
def arn(account: str, region: str, name: str) -> str:
    return f"arn:{partition_of(region)}:dynamodb:{region}:{account}:table/{name}"


@lru_cache(4096)
def address_of_arn(text: str) -> Address | None:
    """The table that an ARN names: its own, or that of something of it (an index, a stream, a backup)."""
    parts = Arn.parse(text)
    if parts is None or parts.service != "dynamodb" or not parts.resource.startswith("table/"):
        return None
    return Address(parts.account, parts.region, parts.resource.split("/", 2)[1])


@lru_cache(4096)
def address(account: str, region: str, name: str) -> Address:
    """The table that a request's TableName names. Raises ValidationException where it can name none."""
    if name.startswith("arn:"):
        found = address_of_arn(name)
        if found is None or found.region != region:
            raise invalid(f"Invalid TableArn: Invalid ResourceArn provided as input {name}")
        return found
    if not _name(name):
        raise invalid(f"1 validation error detected: Value '{name}' at 'tableName' {_name_rule}: [a-zA-Z0-9_.-]+")
    if not 3 <= len(name) <= 255:
        raise invalid("TableName must be at least 3 characters long and at most 255 characters long")
    return Address(account, region, name)


def arn_of(table: Table) -> str:
    return arn(table.account, table.region, table.name)


def index_arn(table: Table, index: str) -> str:
    return f"{arn_of(table)}/index/{index}"


def stream_arn(table: Table, label: str) -> str:
    return f"{arn_of(table)}/stream/{label}"


def get_table(ctx: Context, name: str) -> Table | None:
    """The table of a TableName, whatever its status."""
    return TABLES.get(ctx, *address(ctx.account, ctx.region, name))


def table_at(ctx: Context, name: str) -> Table:
    """A table whose items can be read and written. Raises ResourceNotFoundException."""
    table = get_table(ctx, name)
    if table is None or table.status == "CREATING":
        raise ServiceException("ResourceNotFoundException", "Requested resource not found")
    return table


def known_table_at(ctx: Context, name: str) -> Table:
    """A table, whatever its status. Raises ResourceNotFoundException, which names it."""
    table = get_table(ctx, name)
    if table is None:
        shown = address(ctx.account, ctx.region, name).name
        raise ServiceException("ResourceNotFoundException", f"Requested resource not found: Table: {shown} not found")
    return table


def usable_table_at(ctx: Context, name: str) -> Table:
    """A table that can be changed. Raises ResourceNotFoundException, ResourceInUseException."""
    table = known_table_at(ctx, name)
    if table.status != "ACTIVE":
        words = {"CREATING": "created", "DELETING": "deleted"}.get(table.status, "updated")
        raise ServiceException(
            "ResourceInUseException", f"Attempt to change a resource which is still in use: Table is being {words}: {table.name}"
        )
    return table


def table_of(ctx: Context, payload: dict[str, Any]) -> Table | None:
    """The table that a task is about, if it is still that one."""
    table = TABLES.get(ctx, payload["account"], payload["region"], payload["name"])
    return table if table is not None and table.id == payload["id"] else None


def get_table_by_arn(ctx: Context, text: str) -> Table | None:
    where = address_of_arn(text)
    return TABLES.get(ctx, *where) if where else None


def table_of_arn_at(ctx: Context, text: str) -> Table:
    """The table itself that an ARN names. Raises ValidationException, ResourceNotFoundException."""
    where = address_of_arn(text)
    if where is None or text != arn(*where):
        raise invalid(f"Invalid TableArn: Invalid ResourceArn provided as input {text}")
    table = TABLES.get(ctx, *where)
    if table is None:
        raise ServiceException("ResourceNotFoundException", f"Requested resource not found: ResourcArn: {text} not found")
    return table


# what the door asks


def named_arn(ctx: Context, name: str) -> str | None:
    """The ARN behind a TableName; None where it is no name: the operation says so."""
    try:
        return arn(*address(ctx.account, ctx.region, name))
    except ServiceException:
        return None


def table_of_request(ctx: Context, req: Any) -> str | None:
    """The table that a request is about; None for a query or scan of an index, which is about that.

    Of RestoreTableToPointInTime that is the source, of RestoreTableFromBackup the table to be made.
    """
    name = getattr(req, "TableName", None)
    if name is not None:
        return None if getattr(req, "IndexName", None) else named_arn(ctx, name)
    for member in ("ResourceArn", "TableArn", "SourceTableArn"):
        text: str | None = getattr(req, member, None)
        if text is not None:
            return text if address_of_arn(text) and "/stream/" not in text else None
    made = getattr(req, "TableCreationParameters", None)
    name = made.TableName if made is not None else getattr(req, "SourceTableName", None) or getattr(req, "TargetTableName", None)
    return named_arn(ctx, name) if name is not None else None


def member(name: str) -> Callable[[Context, Any], str | None]:
    """The ARN that a request has as this member."""
    return lambda ctx, req: getattr(req, name, None)


def index_of_request(ctx: Context, req: Any) -> str | None:
    """The index that a query or scan reads."""
    index = getattr(req, "IndexName", None)
    table = named_arn(ctx, req.TableName) if index else None
    return f"{table}/index/{index}" if table else None


def tags_of(ctx: Context, text: str) -> dict[str, str] | None:
    table = get_table_by_arn(ctx, text)
    return table.tags if table else None


def policy_of(ctx: Context, text: str) -> str | None:
    """The policy of the table, which also says who may use its indexes."""
    table = get_table_by_arn(ctx, text)
    return table.policy or None if table else None
