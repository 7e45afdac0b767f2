"""Destinations: a stream of this account that other accounts' subscription filters may lead to, if its policy lets them.

Source: "Cross-account log data sharing with subscriptions" in the CloudWatch Logs User Guide.
"""

from __future__ import annotations

from typing import Any

from fogbank.access import grammar
from fogbank.kernel import paging
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.logs.faults import bad_token, invalid, missing
from fogbank.services.logs.names import destination_arn
from fogbank.services.logs.state import DESTINATIONS, Destination
from fogbank.store import change

PAGE_LIMIT = 50
POLICY_BYTES = 5120
_SERVICES = ("kinesis", "firehose")


def destination_by(ctx: Context, arn: str) -> Destination:
    """The destination of an ARN, of any account. Errors: ResourceNotFoundException."""
    parts = Arn.parse(arn)
    found = DESTINATIONS.get(ctx, parts.account, parts.region, parts.resource.removeprefix("destination:")) if parts is not None else None
    if found is None:
        raise missing("The specified destination does not exist.")
    return found


def _own(ctx: Context, name: str) -> Destination:
    return destination_by(ctx, destination_arn(ctx.account, ctx.region, name))


@operation("PutDestination")
def put_destination(ctx: Context, req: Any) -> Answer:
    """Makes a destination, or changes its target and role; its policy stays. The caller must be allowed to pass the role.

    Errors: InvalidParameterException. Source: API reference, PutDestination.
    """
    target = Arn.parse(req.targetArn)
    if target is None or target.service not in _SERVICES:
        raise invalid("Invalid targetArn: it must be a Kinesis stream or a Firehose stream.")
    ctx.authorize("iam:PassRole", req.roleArn, iam__PassedToService=f"logs.{ctx.region}.amazonaws.com")
    _check_role(ctx, req.roleArn, ctx.arn(f"destination:{req.destinationName}"))
    old = DESTINATIONS.get(ctx, ctx.account, ctx.region, req.destinationName)
    made = Destination(
        account=ctx.account,
        region=ctx.region,
        name=req.destinationName,
        target_arn=req.targetArn,
        role_arn=req.roleArn,
        created_at_ms=ctx.now if old is None else old.created_at_ms,
        policy="" if old is None else old.policy,
        tags={**(old.tags if old is not None else {}), **(req.tags or {})},
    )
    DESTINATIONS.put(ctx, made)
    return {"destination": _described(made)}


def _check_role(ctx: Context, role_arn: str, own: str) -> None:
    """That CloudWatch Logs can be the role, on behalf of the destination with this ARN. Errors: InvalidParameterException."""
    try:
        ctx.as_role(Role(role_arn, f"logs.{ctx.region}.amazonaws.com", "CloudWatchLogs", own, ctx.account))
    except NotImplementedOperation:
        raise
    except ServiceException:
        raise invalid("Could not assume the specified role. Make sure that it trusts CloudWatch Logs.") from None


@operation("PutDestinationPolicy")
def put_destination_policy(ctx: Context, req: Any) -> Answer:
    """Says who may subscribe to a destination; at most 5,120 bytes. Errors: InvalidParameterException, ResourceNotFoundException.

    `forceUpdate` says that subscribers know of it; nothing here needs it. Source: API reference, PutDestinationPolicy.
    """
    found = _own(ctx, req.destinationName)
    if len(req.accessPolicy.encode()) > POLICY_BYTES:
        raise invalid(f"The access policy has more than {POLICY_BYTES} bytes.")
    try:
        grammar.read(req.accessPolicy, "resource")
    except ServiceException as refused:
        raise invalid(f"The access policy is not valid: {refused.message}") from None
    DESTINATIONS.put(ctx, change(found, policy=req.accessPolicy))
    return None


@operation("DeleteDestination")
def delete_destination(ctx: Context, req: Any) -> Answer:
    """Deletes a destination; subscriptions that lead to it fail from then on.

    Errors: ResourceNotFoundException. Source: API reference, DeleteDestination.
    """
    DESTINATIONS.delete(ctx, _own(ctx, req.destinationName))
    return None


@operation("DescribeDestinations")
def describe_destinations(ctx: Context, req: Any) -> Answer:
    """This account's destinations, by name, at most 50 a page. Source: API reference, DescribeDestinations."""
    after = paging.place(req.nextToken, bad_token)
    found = DESTINATIONS.scan(ctx, ctx.account, ctx.region, starting=req.DestinationNamePrefix or "", after=after)
    page, more = paging.page(found, req.limit or PAGE_LIMIT)
    return {"destinations": [_described(one) for one in page], "nextToken": paging.token(page[-1].name) if more else None}


def _described(one: Destination) -> dict[str, Any]:
    return {
        "destinationName": one.name,
        "targetArn": one.target_arn,
        "roleArn": one.role_arn,
        "accessPolicy": one.policy or None,
        "arn": destination_arn(one.account, one.region, one.name),
        "creationTime": one.created_at_ms,
    }
