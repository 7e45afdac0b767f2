"""Contributor insights: off, and refused."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.dynamodb.addresses import known_table_at
from fogbank.services.dynamodb.state import Table


def _table_at(ctx: Context, req: Any) -> Table:
    """The table of a request, whose index is there where the request names one. Raises ResourceNotFoundException."""
    table = known_table_at(ctx, req.TableName)
    if req.IndexName is not None and req.IndexName not in [index.name for index in table.indexes if not index.local]:
        raise ServiceException("ResourceNotFoundException", f"Requested resource not found: Index: {req.IndexName} not found")
    return table


def _off(ctx: Context, req: Any) -> dict[str, Any]:
    return {"TableName": _table_at(ctx, req).name, "IndexName": req.IndexName, "ContributorInsightsStatus": "DISABLED"}


@operation("UpdateContributorInsights")
def update_contributor_insights(ctx: Context, req: Any) -> Answer:
    """Contributor insights cannot be switched on: their rules and graphs are CloudWatch's. Errors: ResourceNotFoundException.

    Source: API reference, UpdateContributorInsights.
    """
    answer = _off(ctx, req)
    if req.ContributorInsightsAction == "ENABLE":
        raise NotImplementedOperation(
            "dynamodb", "UpdateContributorInsights", "with ContributorInsightsAction=ENABLE: there is no CloudWatch"
        )
    return answer


@operation("DescribeContributorInsights")
def describe_contributor_insights(ctx: Context, req: Any) -> Answer:
    """DISABLED, for any table. Errors: ResourceNotFoundException. Source: API reference, DescribeContributorInsights."""
    return {**_off(ctx, req), "ContributorInsightsRuleList": []}


@operation("ListContributorInsights")
def list_contributor_insights(ctx: Context, req: Any) -> Answer:
    """None. Errors: ResourceNotFoundException. Source: API reference, ListContributorInsights."""
    if req.TableName is not None:
        known_table_at(ctx, req.TableName)
    return {"ContributorInsightsSummaries": []}
