"""Log groups: made, described, changed, deleted.

Classes: STANDARD, and INFREQUENT_ACCESS, whose events only Logs Insights reads. DELIVERY and ESSENTIALS are refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.logs import encrypting
from fogbank.services.logs.faults import bad_token, invalid, not_here
from fogbank.services.logs.names import arn_of, group_arn, group_at, group_by, named
from fogbank.services.logs.state import GROUPS, INFREQUENT_ACCESS, STANDARD, TALLIES, Group, Tally
from fogbank.services.logs.tagging import matches
from fogbank.store import change

PAGE_LIMIT = 50


@operation("CreateLogGroup")
def create_log_group(ctx: Context, req: Any) -> Answer:
    """Makes a group. Its events do not expire unless it is given a retention. With tags the caller needs logs:TagResource, too.

    Errors: ResourceAlreadyExistsException; InvalidParameterException (a name that begins with `aws/`, a KMS key that CloudWatch Logs
    cannot use). Source: API reference, CreateLogGroup.
    """
    name = req.logGroupName
    if name.startswith("aws/"):
        raise invalid("Log groups starting with AWS/ are reserved for AWS.")
    log_class = req.logGroupClass or STANDARD
    if log_class not in (STANDARD, INFREQUENT_ACCESS):
        raise not_here("CreateLogGroup", f"with the class {log_class}")
    if GROUPS.get(ctx, ctx.account, ctx.region, name) is not None:
        raise ServiceException("ResourceAlreadyExistsException", "The specified log group already exists")
    arn = group_arn(ctx.account, ctx.region, name)
    if req.tags and not ctx.may("logs:TagResource", arn):
        ctx.authorize("logs:TagLogGroup", f"{arn}:log-stream:")
    if req.kmsKeyId:
        _check_key(ctx, req.kmsKeyId, arn)
    group = Group(
        account=ctx.account,
        region=ctx.region,
        name=name,
        id=ctx.tx.unique(),
        created_at_ms=ctx.now,
        log_class=log_class,
        kms_key=req.kmsKeyId or "",
        deletion_protected=bool(req.deletionProtectionEnabled),
        tags=dict(req.tags or {}),
    )
    GROUPS.put(ctx, group)
    return None


@operation("DeleteLogGroup")
def delete_log_group(ctx: Context, req: Any) -> Answer:
    """Deletes a group with its streams, events and filters; they are out of sight at once.

    Errors: ResourceNotFoundException, ValidationException (it is protected). Source: API reference, DeleteLogGroup.
    """
    group = group_at(ctx, req.logGroupName)
    check_unprotected(group)
    GROUPS.delete(ctx, group)
    ctx.later("logs.drop", {"group": group.id})
    return None


def check_unprotected(group: Group) -> None:
    """Errors: ValidationException."""
    if group.deletion_protected:
        message = f"The log group {group.name} has deletion protection enabled. Disable deletion protection before you delete it."
        raise ServiceException("ValidationException", message)


@operation("DescribeLogGroups")
def describe_log_groups(ctx: Context, req: Any) -> Answer:
    """Groups by name, at most 50 a page; of those with a logGroupNamePattern only ARN, name and instant.

    Errors: InvalidParameterException. Source: API reference, DescribeLogGroups.
    """
    _check_own(ctx, req, "DescribeLogGroups")
    if req.logGroupNamePrefix is not None and req.logGroupNamePattern is not None:
        raise invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
    if req.logGroupIdentifiers is not None:
        if any(given is not None for given in (req.logGroupNamePrefix, req.logGroupNamePattern, req.logGroupClass)):
            raise invalid("logGroupIdentifiers can't be specified together with other filters.")
        groups = [group_by(ctx, identifier) for identifier in req.logGroupIdentifiers]
        return {"logGroups": [_described(ctx, group) for group in groups]}
    pattern, prefix, classes = req.logGroupNamePattern, req.logGroupNamePrefix or "", _classes(req.logGroupClass)
    after = paging.place(req.nextToken, bad_token)
    found = GROUPS.scan(ctx, ctx.account, ctx.region, starting=prefix, after=after)
    chosen = (g for g in found if (pattern is None or pattern in g.name) and g.log_class in classes)
    page, more = paging.page(chosen, req.limit or PAGE_LIMIT)
    described = [_described(ctx, group) for group in page]
    if pattern is not None:
        described = [{key: one[key] for key in ("arn", "creationTime", "logGroupName")} for one in described]
    return {"logGroups": described, "nextToken": paging.token(page[-1].name) if more else None}


def _classes(given: str | None) -> tuple[str, ...]:
    return (STANDARD, INFREQUENT_ACCESS) if given is None else (INFREQUENT_ACCESS,) if given == "ESSENTIALS" else (given,)


def _check_own(ctx: Context, req: Any, operation: str) -> None:
    """Accounts that are linked to this one are not here."""
    if req.includeLinkedAccounts or set(req.accountIdentifiers or ()) - {ctx.account}:
        raise not_here(operation, "with linked accounts")


def _described(ctx: Context, group: Group) -> dict[str, Any]:
    arn = arn_of(group)
    return {
        "logGroupName": group.name,
        "creationTime": group.created_at_ms,
        "retentionInDays": group.retention_days or None,
        "metricFilterCount": group.metric_filters,
        "arn": f"{arn}:*",
        "logGroupArn": arn,
        "storedBytes": (TALLIES.get(ctx, group.id) or Tally(group=group.id)).size,
        "kmsKeyId": group.kms_key or None,
        "logGroupClass": group.log_class,
        "dataProtectionStatus": group.protection_status or None,
        "deletionProtectionEnabled": group.deletion_protected,
    }


@operation("ListLogGroups")
def list_log_groups(ctx: Context, req: Any) -> Answer:
    """Groups by name, at most 1,000 a page. logGroupNamePattern: parts joined by `|`, each a substring, or with `^` a prefix.

    logGroupTags: all of them must fit; a value may begin with `!` and have `*` at its ends. Data sources and fields of indexes are
    not kept here, and refused.

    Errors: InvalidParameterException. Source: API reference, ListLogGroups.
    """
    _check_own(ctx, req, "ListLogGroups")
    for member in ("dataSources", "fieldIndexNames"):
        if getattr(req, member):
            raise not_here("ListLogGroups", f"with {member}")
    fits = re.compile(req.logGroupNamePattern.replace(".", r"\.")).search if req.logGroupNamePattern else None
    after = paging.place(req.nextToken, bad_token)
    chosen: Iterator[Group] = (
        group
        for group in GROUPS.scan(ctx, ctx.account, ctx.region, after=after)
        if (fits is None or fits(group.name))
        and (req.logGroupClass is None or group.log_class == req.logGroupClass)
        and all(matches(group.tags, wanted.key, wanted.values or ()) for wanted in req.logGroupTags or ())
    )
    page, more = paging.page(chosen, req.limit or PAGE_LIMIT)
    listed = [{"logGroupName": g.name, "logGroupArn": arn_of(g), "logGroupClass": g.log_class} for g in page]
    return {"logGroups": listed, "nextToken": paging.token(page[-1].name) if more else None}


# Settings


@operation("PutLogGroupDeletionProtection")
def put_log_group_deletion_protection(ctx: Context, req: Any) -> Answer:
    """While it is on, neither the group nor any of its streams can be deleted.

    Errors: ResourceNotFoundException, InvalidParameterException. Source: API reference, PutLogGroupDeletionProtection.
    """
    group = group_by(ctx, req.logGroupIdentifier)
    GROUPS.put(ctx, change(group, deletion_protected=req.deletionProtectionEnabled))
    return None


def of_resource(ctx: Context, identifier: str) -> Group:
    """The group that a resourceIdentifier names by its ARN."""
    if not identifier.startswith("arn:") or named(identifier) is None:
        raise invalid(f"Invalid resource identifier: {identifier}")
    return group_by(ctx, identifier)


def put_key(ctx: Context, group: Group, kms_key: str) -> None:
    """Events that come in from now on are sealed under the key; what is there stays as it is. Errors: InvalidParameterException."""
    if kms_key:
        _check_key(ctx, kms_key, arn_of(group))
    GROUPS.put(ctx, change(group, kms_key=kms_key))


def _check_key(ctx: Context, kms_key: str, arn: str) -> None:
    if not kms_key.startswith("arn:"):
        raise invalid("The KMS key must be given by its ARN.")
    encrypting.check(ctx, kms_key, arn, "LogGroup")
