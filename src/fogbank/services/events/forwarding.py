"""From bus to bus: of the same account, of another, of another region. An event keeps its id, its account and its region.

What came from another bus is not sent on to a third: so nothing goes round in circles.
Source: "Sending and receiving events between AWS accounts" and "... between AWS Regions" in the Amazon EventBridge User Guide.
"""

from __future__ import annotations

from typing import Any

from fogbank.access import policy
from fogbank.access.context import Context as Conditions
from fogbank.access.policy import Named
from fogbank.access.principal import root
from fogbank.access.question import Policies, Query, denial_message
from fogbank.kernel.arn import partition_of
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.services.events import routing
from fogbank.services.events.addresses import address_of_arn, get_bus, missing
from fogbank.services.events.delivering import Job
from fogbank.services.events.state import Bus

ACTION = "events:PutEvents"


def conditions(body: dict[str, Any]) -> dict[str, Any]:
    """The condition keys of PutEvents about one event."""
    values = {"events:source": body["source"], "events:detail-type": body["detail-type"]}
    detail = body["detail"]
    for name, path in (("events:detail.service", "service"), ("events:detail.eventtypecode", "eventTypeCode")):
        if isinstance(detail.get(path), str):
            values[name] = detail[path]
    identity = detail.get("userIdentity")
    if isinstance(identity, dict) and isinstance(identity.get("principalId"), str):
        values["events:detail.useridentity.principalid"] = identity["principalId"]
    return values


def send(ctx: Context, job: Job) -> None:
    """Errors: ResourceNotFoundException, AccessDeniedException, and those of a third bus."""
    where = address_of_arn(job.target.arn)
    bus = get_bus(ctx, where) if where is not None else None
    if bus is None:
        raise missing(f"Event bus {job.target.arn}")
    body = job.event.body
    if bus.account != job.rule.account and body["account"] != job.rule.account:
        raise ServiceException("THIRD_ACCOUNT_HOP_DETECTED", "The event came from another account: it is not sent on to a third.")
    if bus.region != job.rule.region and body["region"] != job.rule.region:
        raise ServiceException("THIRD_REGION_HOP_DETECTED", "The event came from another region: it is not sent on to a third.")
    if job.event.forwarded:
        raise ServiceException("THIRD_BUS_HOP_DETECTED", "The event came from another event bus: it is not sent on to a third.")
    acting = job.acting()
    if isinstance(acting, Role):
        values = {name.replace(":", "__"): value for name, value in conditions(body).items()}
        ctx.as_role(acting).authorize(ACTION, job.target.arn, events__eventBusInvocation="true", **values)
    else:
        _check_account(ctx, job, bus)
    routing.route(ctx, bus, job.event._replace(forwarded=True))


def _check_account(ctx: Context, job: Job, bus: Bus) -> None:
    """The other bus's policy must let the account itself. Raises AccessDeniedException."""
    principal = root(job.rule.account, partition_of(job.rule.region))
    values = {**conditions(job.event.body), "events:eventbusinvocation": "true"}
    query = Query(principal, ACTION, job.target.arn, Conditions(principal, None, bus.region, ctx.now, values))
    named = Named(job.target.arn, policy.parse(bus.policy, "resource")) if bus.policy else None
    made = ctx.decide(query, Policies(resource=named, resource_account=bus.account))
    if not made.allowed:
        raise ServiceException("AccessDeniedException", denial_message(query, made))
