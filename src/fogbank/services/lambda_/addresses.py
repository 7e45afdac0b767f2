"""How functions are named: by name, partial ARN or ARN, each with or without a version or alias; and finding them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from fogbank.kernel.arn import partition_of
from fogbank.kernel.context import Context
from fogbank.services.lambda_.faults import invalid, no_function, not_found
from fogbank.services.lambda_.state import ALIASES, FUNCTIONS, LATEST, VERSIONS, Alias, Function, Version
from fogbank.store.tables import At

_form = re.compile(
    r"(?:arn:[\w-]+:lambda:)?(?:(?P<region>[a-z]{2,4}(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[\w-]+)(?::(?P<qualifier>\$LATEST|[\w-]+))?",
    re.ASCII,
).fullmatch


class Address(NamedTuple):
    """`qualifier`: "" where none is said."""

    account: str
    region: str
    name: str
    qualifier: str = ""


@lru_cache(4096)
def parse(text: str, account: str, region: str, qualifier: str) -> Address | None:
    """The function that a request names, by its member and its `Qualifier`; None where it names none."""
    found = _form(text)
    if found is None:
        return None
    return Address(found["account"] or account, found["region"] or region, found["name"], qualifier or found["qualifier"] or "")


@lru_cache(4096)
def arn(account: str, region: str, name: str, qualifier: str = "") -> str:
    tail = f":{qualifier}" if qualifier else ""
    return f"arn:{partition_of(region)}:lambda:{region}:{account}:function:{name}{tail}"


def arn_of(function: Function | Version, qualifier: str = "") -> str:
    return arn(function.account, function.region, function.name, qualifier)


def address_of(ctx: Context, text: str, qualifier: str | None = None) -> Address:
    """Raises InvalidParameterValueException, ResourceNotFoundException."""
    where = parse(text, ctx.account, ctx.region, qualifier or "")
    if where is None:
        raise no_function(text)
    if where.region != ctx.region:
        raise not_found(f"Functions from '{where.region}' are not reachable in this region ('{ctx.region}')")
    if qualifier:
        derived = parse(text, ctx.account, ctx.region, "")
        if derived is not None and derived.qualifier not in ("", qualifier):
            raise invalid("The derived qualifier from the function name does not match the specified qualifier.")
    return where


def function_at(ctx: Context, where: Address) -> Function:
    """Raises ResourceNotFoundException."""
    function = FUNCTIONS.get(ctx, where.account, where.region, where.name)
    if function is None:
        raise no_function(arn(*where))
    return function


def named(ctx: Context, text: str) -> Function:
    """The function of an operation that takes no version: a qualifier in the name is a mistake. Raises as above."""
    where = address_of(ctx, text)
    function = function_at(ctx, where)
    if where.qualifier and where.qualifier != LATEST:
        raise invalid(f"This operation does not support a version or alias: {where.qualifier}.")
    return function


def get_version(at: At, function: Function | Address, number: int) -> Version | None:
    return VERSIONS.get(at, function.account, function.region, function.name, number)


def latest(ctx: Context, function: Function) -> Version:
    version = get_version(ctx, function, 0)
    assert version is not None
    return version


def number_of(qualifier: str) -> int | None:
    """The version that a qualifier is; None where it is an alias."""
    if qualifier in ("", LATEST):
        return 0
    return int(qualifier) if qualifier.isdecimal() and len(qualifier) < 16 else None


def alias_of(at: At, where: Address) -> Alias | None:
    """The alias that an address ends in, if it is there."""
    if number_of(where.qualifier) is not None:
        return None
    return ALIASES.get(at, where.account, where.region, where.name, where.qualifier)


def version_at(ctx: Context, where: Address) -> Version:
    """The version that an address leads to: of an alias the one that it points to. Raises ResourceNotFoundException."""
    number = number_of(where.qualifier)
    if number is None:
        alias = alias_of(ctx, where)
        number = alias.version if alias is not None else None
    version = get_version(ctx, where, number) if number is not None else None
    if version is None:
        raise no_function(arn(*where))
    return version


def check_qualifier(ctx: Context, where: Address) -> None:
    """Raises ResourceNotFoundException where there is no such version or alias."""
    version_at(ctx, where)


def stamp(at_ms: int) -> str:
    """An instant as most of Lambda's answers have it: 2015-03-31T12:00:00.000+0000."""
    return f"{iso(at_ms)[:-1]}+0000"


def iso(at_ms: int) -> str:
    """2015-03-31T12:00:00.000Z."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"


# for the door


def arn_of_request(ctx: Context, req: Any) -> str | None:
    """The function that a request is about, qualified as it says."""
    text = getattr(req, "FunctionName", None)
    if text is None:
        text = next((found for member in ("Resource", "ResourceArn") if (found := getattr(req, member, None)) is not None), None)
        if text is None or ":function:" not in text:
            return None
    where = parse(text, ctx.account, ctx.region, getattr(req, "Qualifier", None) or "")
    return arn(*where) if where is not None else None


def address_of_arn(arn: str) -> Address | None:
    return parse(arn, "", "", "")


def tags_of(ctx: Context, arn: str) -> dict[str, str] | None:
    where = address_of_arn(arn)
    function = FUNCTIONS.get(ctx, where.account, where.region, where.name) if where is not None else None
    return function.tags if function is not None else None
