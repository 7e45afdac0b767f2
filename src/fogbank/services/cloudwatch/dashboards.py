"""Dashboards: put, got, listed, deleted. They are an account's, in all regions."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from fogbank.kernel import paging
from fogbank.kernel.arn import partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.cloudwatch.faults import bad_token, bad_value, invalid
from fogbank.services.cloudwatch.state import DASHBOARDS, Dashboard
from fogbank.services.cloudwatch.tagging import read_tags
from fogbank.services.cloudwatch.widgets import check_body

PAGE_LIMIT = 1000
NAMES_LIMIT = 100
BODY_BYTES = 1 << 20
_name = re.compile(r"[A-Za-z0-9._-]{1,255}").fullmatch


def arn_of(account: str, region: str, name: str) -> str:
    return f"arn:{partition_of(region)}:cloudwatch::{account}:dashboard/{name}"


@operation("PutDashboard")
def put_dashboard(ctx: Context, req: Any) -> Answer:
    """Makes a dashboard, or replaces one. What is wrong with its body is said by place; what is only odd is a warning in the answer.

    Errors: InvalidParameterInput, with dashboardValidationMessages. Source: API reference, PutDashboard; "Dashboard body structure and
    syntax".
    """
    if not _name(req.DashboardName):
        raise _wrong(f"The value {req.DashboardName} for field DashboardName contains invalid characters.", [])
    if len(req.DashboardBody.encode()) > BODY_BYTES:
        raise _wrong("The field DashboardBody must not be larger than 1048576 bytes", [])
    errors, warnings = check_body(req.DashboardBody)
    if errors:
        raise _wrong(f"The dashboard body is invalid, there are {len(errors)} validation errors: {_listed(errors)}", errors)
    old = DASHBOARDS.get(ctx, ctx.account, req.DashboardName)
    tags = old.tags if old is not None else read_tags(ctx, req.Tags, arn_of(ctx.account, ctx.region, req.DashboardName))
    DASHBOARDS.put(ctx, Dashboard(account=ctx.account, name=req.DashboardName, body=req.DashboardBody, modified_at_ms=ctx.now, tags=tags))
    return {"DashboardValidationMessages": [{"DataPath": path, "Message": text} for path, text in warnings]}


def _listed(problems: list[tuple[str, str]]) -> str:
    return msgspec.json.encode([{"dataPath": path, "message": text} for path, text in problems]).decode()


def _wrong(message: str, problems: list[tuple[str, str]]) -> ServiceException:
    said = [{"DataPath": path, "Message": text} for path, text in problems]
    return ServiceException("DashboardInvalidInputError", message, dashboardValidationMessages=said)


@operation("GetDashboard")
def get_dashboard(ctx: Context, req: Any) -> Answer:
    """A dashboard's body, as it was put. Errors: ResourceNotFound. Source: API reference, GetDashboard."""
    dashboard = DASHBOARDS.get(ctx, ctx.account, req.DashboardName)
    if dashboard is None:
        raise ServiceException("DashboardNotFoundError", f"Dashboard {req.DashboardName} does not exist", status=404)
    arn = arn_of(ctx.account, ctx.region, dashboard.name)
    return {"DashboardArn": arn, "DashboardBody": dashboard.body, "DashboardName": dashboard.name}


@operation("ListDashboards")
def list_dashboards(ctx: Context, req: Any) -> Answer:
    """Dashboards by name, 1000 at a time. Errors: InvalidParameterValue. Source: API reference, ListDashboards."""
    prefix = req.DashboardNamePrefix or ""
    if prefix and not _name(prefix):
        raise bad_value(prefix, "DashboardNamePrefix")
    after = paging.place(req.NextToken, bad_token)
    page, more = paging.page(DASHBOARDS.scan(ctx, ctx.account, starting=prefix, after=after), PAGE_LIMIT)
    entries = [
        {
            "DashboardName": one.name,
            "DashboardArn": arn_of(ctx.account, ctx.region, one.name),
            "LastModified": one.modified_at_ms,
            "Size": len(one.body.encode()),
        }
        for one in page
    ]
    return {"DashboardEntries": entries, "NextToken": paging.token(page[-1].name) if more else None}


@operation("DeleteDashboards", authorized_here=True)
def delete_dashboards(ctx: Context, req: Any) -> Answer:
    """Deletes up to 100 dashboards, all or none. Errors: ResourceNotFound. Source: API reference, DeleteDashboards."""
    if len(req.DashboardNames) > NAMES_LIMIT:
        raise invalid(f"The collection DashboardNames must not have a size greater than {NAMES_LIMIT}.")
    for name in req.DashboardNames:
        ctx.authorize("cloudwatch:DeleteDashboards", arn_of(ctx.account, ctx.region, name))
    found = [(name, DASHBOARDS.get(ctx, ctx.account, name)) for name in dict.fromkeys(req.DashboardNames)]
    if missing := [name for name, dashboard in found if dashboard is None]:
        raise ServiceException(
            "DashboardNotFoundError", f"The specified dashboard does not exist. [dashboardNames: {', '.join(missing)}]", status=404
        )
    for _, dashboard in found:
        if dashboard is not None:
            DASHBOARDS.delete(ctx, dashboard)
    return {}
