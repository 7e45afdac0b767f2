"""Discoverers: each hands the events of a bus to Schemas, through a rule on the bus that Schemas manages.

The rule is made and changed by the account's service-linked role for Schemas. Source: "Inferring schemas from events on an event bus" in
the Amazon EventBridge User Guide.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.schemas import paged, tagging
from fogbank.services.schemas.addresses import bad, discoverer_arn, discoverer_at, forbidden, missing, there
from fogbank.services.schemas.state import (
    DISCOVERED,
    DISCOVERERS,
    DISCOVERERS_LIMIT,
    REGISTRIES,
    Discoverer,
    Registry,
)
from fogbank.store import change

PRINCIPAL = "schemas.amazonaws.com"
_ROLE = f"role/aws-service-role/{PRINCIPAL}/AWSServiceRoleForSchemas"
TARGET = "SchemaDiscoverer"


def _shown(discoverer: Discoverer) -> dict[str, Any]:
    return {
        "Description": discoverer.description or None,
        "DiscovererArn": discoverer_arn(discoverer),
        "DiscovererId": discoverer.id,
        "SourceArn": discoverer.source_arn,
        "State": _state(discoverer),
        "CrossAccount": discoverer.cross_account,
        "Tags": discoverer.tags,
    }


def _state(discoverer: Discoverer) -> str:
    return "STARTED" if discoverer.started else "STOPPED"


@operation("CreateDiscoverer")
def create_discoverer(ctx: Context, req: Any) -> Answer:
    """Makes a discoverer for a bus of the account, one for each, and starts it; the registry discovered-schemas, too, with the first.

    Needs iam:CreateServiceLinkedRole where the account has no role for Schemas yet. Limits: 10.
    Errors: BadRequestException, ConflictException, NotFoundException (no bus), ForbiddenException. Source: CreateDiscoverer.
    """
    bus = Arn.parse(req.SourceArn)
    if bus is None or bus.service != "events" or not bus.resource.startswith("event-bus/"):
        raise bad(f"Source ARN {req.SourceArn} is not valid: it is the ARN of an event bus.")
    if (bus.account, bus.region) != (ctx.account, ctx.region):
        raise bad(f"Source ARN {req.SourceArn} is not valid: the event bus is in another account or region.")
    id = "events-" + bus.resource.replace("/", "-")
    if DISCOVERERS.get(ctx, ctx.account, ctx.region, id) is not None:
        raise there(f"Discoverer for source {req.SourceArn} already exists.")
    if sum(1 for _ in DISCOVERERS.scan(ctx, ctx.account, ctx.region)) >= DISCOVERERS_LIMIT:
        raise forbidden(f"The limit of {DISCOVERERS_LIMIT} discoverers is reached.")
    discoverer = Discoverer(
        account=ctx.account,
        region=ctx.region,
        id=id,
        source_arn=req.SourceArn,
        description=req.Description or "",
        cross_account=req.CrossAccount is not False,
        tags=tagging.checked(req.Tags or {}),
    )
    if REGISTRIES.get(ctx, ctx.account, ctx.region, DISCOVERED) is None:
        said = "Contains schemas that were discovered from events on event buses"
        REGISTRIES.put(ctx, Registry(account=ctx.account, region=ctx.region, name=DISCOVERED, description=said))
    try:
        ctx.as_role(_role(discoverer))
    except ServiceException:
        ctx.call("iam", "CreateServiceLinkedRole", {"AWSServiceName": PRINCIPAL})
    _put(ctx, discoverer)
    return _shown(discoverer)


# The rule


def _role(discoverer: Discoverer) -> Role:
    partition = discoverer_arn(discoverer).split(":", 2)[1]
    return Role(f"arn:{partition}:iam::{discoverer.account}:{_ROLE}", PRINCIPAL, "Schemas")


def _ask(ctx: Context, discoverer: Discoverer, name: str, **members: Any) -> None:
    """Of EventBridge. Raises NotFoundException where the bus is gone, BadRequestException where it has a customer's key."""
    members["EventBusName"] = discoverer.source_arn.rpartition("event-bus/")[2]
    try:
        ctx.call("events", name, members, acting=_role(discoverer))
    except ServiceException as refused:
        if refused.code == "ValidationException":
            raise bad(refused.message) from None
        if refused.code != "ResourceNotFoundException":
            raise
        raise missing(f"Event bus {discoverer.source_arn} does not exist.") from None


def _rule(discoverer: Discoverer) -> str:
    return f"Schemas-{discoverer.id}"[:64]


def _pattern(discoverer: Discoverer) -> str:
    """Every event; without CrossAccount only those of the account itself."""
    return msgspec.json.encode({"version": ["0"]} if discoverer.cross_account else {"account": [discoverer.account]}).decode()


def _put(ctx: Context, discoverer: Discoverer) -> None:
    """Puts a discoverer, with its rule where it is started, and without where it is not."""
    if discoverer.started:
        _ask(ctx, discoverer, "PutRule", Name=_rule(discoverer), EventPattern=_pattern(discoverer), Description="Schemas discovery")
        target = {"Id": TARGET, "Arn": discoverer_arn(discoverer)}
        _ask(ctx, discoverer, "PutTargets", Rule=_rule(discoverer), Targets=[target])
    else:
        _remove_rule(ctx, discoverer)
    DISCOVERERS.put(ctx, discoverer)


def _remove_rule(ctx: Context, discoverer: Discoverer) -> None:
    try:
        _ask(ctx, discoverer, "RemoveTargets", Rule=_rule(discoverer), Ids=[TARGET])
        _ask(ctx, discoverer, "DeleteRule", Name=_rule(discoverer))
    except ServiceException as refused:
        if refused.code != "NotFoundException":  # the bus is gone, and its rules with it
            raise


@operation("DescribeDiscoverer")
def describe_discoverer(ctx: Context, req: Any) -> Answer:
    """A discoverer. Errors: NotFoundException. Source: API reference, DescribeDiscoverer."""
    return _shown(discoverer_at(ctx, req.DiscovererId))


@operation("UpdateDiscoverer")
def update_discoverer(ctx: Context, req: Any) -> Answer:
    """Changes the description, and whether events of other accounts count. Errors: NotFoundException. Source: UpdateDiscoverer."""
    discoverer = discoverer_at(ctx, req.DiscovererId)
    given = {"description": req.Description, "cross_account": req.CrossAccount}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    discoverer = change(discoverer, **changes)
    _put(ctx, discoverer)
    return _shown(discoverer)


@operation("StartDiscoverer")
def start_discoverer(ctx: Context, req: Any) -> Answer:
    """Lets a discoverer learn; one that does already goes on. Errors: NotFoundException. Source: API reference, StartDiscoverer."""
    return _switch(ctx, req, started=True)


@operation("StopDiscoverer")
def stop_discoverer(ctx: Context, req: Any) -> Answer:
    """Keeps a discoverer from learning; what it has learned stays. Errors: NotFoundException. Source: API reference, StopDiscoverer."""
    return _switch(ctx, req, started=False)


def _switch(ctx: Context, req: Any, *, started: bool) -> Answer:
    discoverer = discoverer_at(ctx, req.DiscovererId)
    if discoverer.started != started:
        discoverer = change(discoverer, started=started)
        _put(ctx, discoverer)
    return {"DiscovererId": discoverer.id, "State": _state(discoverer)}


@operation("DeleteDiscoverer")
def delete_discoverer(ctx: Context, req: Any) -> Answer:
    """Deletes a discoverer and its rule; the schemas stay. Errors: NotFoundException. Source: API reference, DeleteDiscoverer."""
    discoverer = discoverer_at(ctx, req.DiscovererId)
    _remove_rule(ctx, discoverer)
    DISCOVERERS.delete(ctx, discoverer)
    return None


@operation("ListDiscoverers")
def list_discoverers(ctx: Context, req: Any) -> Answer:
    """The discoverers of the account in the region, by id. Errors: BadRequestException. Source: API reference, ListDiscoverers."""
    after, prefix = paged.after(req), req.SourceArnPrefix or ""
    found = DISCOVERERS.scan(ctx, ctx.account, ctx.region, starting=req.DiscovererIdPrefix or "", after=after or None)
    page, token = paged.page(req, (one for one in found if one.source_arn.startswith(prefix)), lambda one: one.id)
    shown = [{name: value for name, value in _shown(one).items() if name != "Description"} for one in page]
    return {"Discoverers": shown, "NextToken": token}
