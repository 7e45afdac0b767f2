"""What a request is about: an instance, and a time."""

from __future__ import annotations

from typing import Any, NamedTuple

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.services.pi.dimensions import GROUPS
from fogbank.services.pi.faults import invalid
from fogbank.services.pi.state import DAY_MS, HOUR_S, MINUTE_S, SOURCES, Source

PERIODS_S = (1, 60, 300, 3600, 86_400)
POINTS_GOAL = 200
POINTS_MOST = 100_000


class Time(NamedTuple):
    """A time whose ends are whole periods."""

    start_ms: int
    end_ms: int
    period_s: int

    @property
    def unit_s(self) -> int:
        """The finest span that has to be read."""
        return 1 if self.period_s < MINUTE_S else MINUTE_S if self.period_s < HOUR_S else HOUR_S


def source_at(ctx: Context, req: Any) -> Source:
    """The instance that is asked for. Errors: InvalidArgumentException."""
    found = SOURCES.get(ctx, ctx.account, ctx.region, req.Identifier)
    if req.ServiceType != "RDS" or found is None:
        raise invalid(f"Performance Insights is not enabled for the {req.ServiceType} resource {req.Identifier}")
    return found


def time_of(ctx: Context, req: Any, source: Source) -> Time:
    """Errors: InvalidArgumentException."""
    start_ms, end_ms, period_s = req.StartTime, req.EndTime, req.PeriodInSeconds
    if start_ms >= end_ms:
        raise invalid("StartTime must be earlier than EndTime")
    if start_ms < ctx.now - source.days * DAY_MS:
        raise invalid(f"StartTime must be within the past {source.days} days")
    if period_s is not None and period_s not in PERIODS_S:
        raise invalid(f"PeriodInSeconds must be one of {', '.join(map(str, PERIODS_S))}")
    if period_s is None:
        period_s = next((one for one in PERIODS_S if (end_ms - start_ms) / 1000 / one <= POINTS_GOAL), PERIODS_S[-1])
    if (end_ms - start_ms) / 1000 / period_s > POINTS_MOST:
        raise invalid("The time range has too many data points for this PeriodInSeconds")
    period_ms = period_s * 1000
    return Time(start_ms - start_ms % period_ms, end_ms + -end_ms % period_ms, period_s)


def page(req: Any, items: list[Any], size: int) -> tuple[list[Any], str | None]:
    """A page of a list, and the token of the next. Errors: InvalidArgumentException."""

    def error() -> Exception:
        return invalid("NextToken is not valid")

    token = paging.place(req.NextToken, error)  # type: ignore[arg-type]
    at = paging.number(token, error) if token else 0  # type: ignore[arg-type]
    end = at + (req.MaxResults or size)
    return items[at:end], paging.token(str(end)) if end < len(items) else None


def arn_of(ctx: Context, req: Any) -> str:
    """The ARN of an instance's metrics, for the door."""
    return ctx.arn(f"metrics/{req.ServiceType.lower()}/{req.Identifier}")


def dimensions_of(ctx: Context, req: Any) -> list[str] | None:
    """The dimensions that a request asks for (pi:Dimensions); None where it asks for none."""
    if ctx.operation == "GetDimensionKeyDetails":
        return [_full(req.Group, name) for name in req.RequestedDimensions or ("statement",)]
    found: list[str] = []
    for query in getattr(req, "MetricQueries", None) or [req]:
        for group in (getattr(query, "GroupBy", None), getattr(query, "PartitionBy", None)):
            if group is not None:
                found += group.Dimensions or GROUPS.get(group.Group, (group.Group,))
        found += getattr(query, "Filter", None) or ()
    return found or None


def _full(group: str, name: str) -> str:
    return name if name.startswith(f"{group}.") else f"{group}.{name}"
