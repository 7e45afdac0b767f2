"""The account's quotas, and the endpoint."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.dynamodb.definitions import UNITS_LIMIT

ACCOUNT_UNITS = 80_000


@operation("DescribeLimits")
def describe_limits(ctx: Context, req: Any) -> Answer:
    """How many capacity units can be provisioned: in all tables of the region, and in one. Source: API reference, DescribeLimits."""
    return {
        "AccountMaxReadCapacityUnits": ACCOUNT_UNITS,
        "AccountMaxWriteCapacityUnits": ACCOUNT_UNITS,
        "TableMaxReadCapacityUnits": UNITS_LIMIT,
        "TableMaxWriteCapacityUnits": UNITS_LIMIT,
    }


@operation("DescribeEndpoints")
def describe_endpoints(ctx: Context, req: Any) -> Answer:
    """Where to send requests: here. Source: API reference, DescribeEndpoints."""
    return {"Endpoints": [{"Address": ctx.endpoint.partition("://")[2], "CachePeriodInMinutes": 1440}]}
