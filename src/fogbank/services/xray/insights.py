"""Insights: times in which services of a group failed far more than before. `looking` finds them."""

from __future__ import annotations

from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.xray.state import GROUPS, INSIGHTS, INSIGHTS_BY_START, LOOKING, Insight, InsightEvent, Looking

MINUTE_MS = 60_000


def look_soon(ctx: Context, account: str, region: str) -> None:
    """Segments have come: where a group wants insights, the minute is looked at when it is over."""
    if LOOKING.get(ctx, account, region) is not None or not any(group.insights for group in GROUPS.scan(ctx, account, region)):
        return
    at_ms = (ctx.now // MINUTE_MS + 1) * MINUTE_MS
    LOOKING.put(ctx, Looking(account=account, region=region, at_ms=at_ms))
    ctx.of(account, region).later("xray.look", {"at_ms": at_ms}, at_ms=at_ms)


def refused(message: str) -> ServiceException:
    return ServiceException("InvalidRequestException", message)


def service_id(key: tuple[str, str, str]) -> dict[str, Any]:
    name, type, account = key
    return {"Name": name, "Names": [name], "Type": type or None, "AccountId": account}


def _impact(faults: int, total: int) -> dict[str, int]:
    return {"FaultCount": faults, "OkCount": total - faults, "TotalCount": total}


def described_event(event: InsightEvent) -> dict[str, Any]:
    return {
        "Summary": event.summary,
        "EventTime": event.at_ms,
        "ClientRequestImpactStatistics": _impact(event.client_faults, event.client_total),
        "RootCauseServiceRequestImpactStatistics": _impact(event.root_faults, event.root_total),
        "TopAnomalousServices": [{"ServiceId": service_id(key)} for key in event.top],
    }


def describe(ctx: Context, insight: Insight) -> dict[str, Any]:
    last = described_event(insight.events[-1])
    return {
        "InsightId": insight.id,
        "GroupARN": ctx.arn(f"group/{insight.group}/{insight.group_id}"),
        "GroupName": insight.group,
        "RootCauseServiceId": service_id(insight.root),
        "Categories": ["FAULT"],
        "State": "CLOSED" if insight.ended_at_ms else "ACTIVE",
        "StartTime": insight.started_at_ms,
        "EndTime": insight.ended_at_ms or None,
        **{name: last[name] for name in last if name != "EventTime"},
    }


def insight_at(ctx: Context, id: str) -> Insight:
    """Errors: InvalidRequestException."""
    found = INSIGHTS.get(ctx, ctx.account, ctx.region, id)
    if found is None:
        raise refused(f"The insight {id} does not exist.")
    return found


@operation("GetInsight")
def get_insight(ctx: Context, req: Any) -> Answer:
    """An insight. Errors: InvalidRequestException."""
    return {"Insight": describe(ctx, insight_at(ctx, req.InsightId))}


@operation("GetInsightSummaries")
def get_insight_summaries(ctx: Context, req: Any) -> Answer:
    """A group's insights that began in a time, by state; 100 a page. Errors: InvalidRequestException."""
    if not req.GroupName and not req.GroupARN:
        raise refused("Specify GroupName or GroupARN.")
    name = req.GroupName or req.GroupARN.split("/")[1]
    start_ms, end_ms = int(req.StartTime), int(req.EndTime)
    if end_ms < start_ms:
        raise refused("Invalid time range: the end time must be after the start time.")
    after = paging.place(req.NextToken, lambda: refused("Invalid next token"))
    states = req.States or ("ACTIVE", "CLOSED")
    found = [
        i
        for i in INSIGHTS_BY_START.scan(ctx, ctx.account, ctx.region, at=start_ms, before=end_ms + 1)
        if i.group == name and ("CLOSED" if i.ended_at_ms else "ACTIVE") in states and (after is None or _place(i) > after)
    ]
    page, token = paging.named(found, req.MaxResults or 100, _place)
    return {"InsightSummaries": [{**describe(ctx, i), "LastUpdateTime": i.events[-1].at_ms} for i in page], "NextToken": token}


def _place(insight: Insight) -> str:
    return f"{insight.started_at_ms:015d}{insight.id}"


@operation("GetInsightEvents")
def get_insight_events(ctx: Context, req: Any) -> Answer:
    """How an insight went, latest first; 50 a page. Errors: InvalidRequestException."""
    after = paging.place(req.NextToken, lambda: refused("Invalid next token"))
    start = 0 if after is None else paging.number(after, lambda: refused("Invalid next token"))
    events = insight_at(ctx, req.InsightId).events[::-1]
    end = start + (req.MaxResults or 50)
    return {
        "InsightEvents": [described_event(event) for event in events[start:end]],
        "NextToken": paging.token(str(end)) if end < len(events) else None,
    }
