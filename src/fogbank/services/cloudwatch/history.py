"""The history of alarms: what happened to each in the last thirty days, whether it is still there or not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.cloudwatch.faults import bad_token
from fogbank.services.cloudwatch.state import (
    DAY_MS,
    HISTORIES,
    HISTORY_BY_AGE,
    HISTORY_BY_TIME,
    HISTORY_MS,
    KEEPING,
    METRIC,
    Alarm,
    History,
    Keeping,
)

PAGE_LIMIT = 100
PORTION = 500
FORGET = "history"


def add(ctx: Context, alarm: Alarm, at_ms: int, kind: str, summary: str, content: dict[str, Any]) -> None:
    """Adds an entry to an alarm's history."""
    HISTORIES.put(
        ctx,
        History(
            account=alarm.account,
            region=alarm.region,
            name=alarm.name,
            at_ms=at_ms,
            number=ctx.tx.unique(),
            alarm_kind=alarm.kind,
            kind=kind,
            summary=summary[:255],
            content=msgspec.json.encode({"version": "1.0", **content}).decode(),
        ),
    )
    kept = KEEPING.get(ctx, FORGET)
    if kept is None or not kept.at_ms:
        _come(ctx, at_ms + HISTORY_MS + DAY_MS)


def _come(ctx: Context, at_ms: int) -> None:
    KEEPING.put(ctx, Keeping(name=FORGET, at_ms=at_ms))
    ctx.later("cloudwatch.forget", {"at_ms": at_ms}, at_ms=at_ms)


@task("forget")
def forget(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes history that is old enough, and comes again when there will be more."""
    kept = KEEPING.get(ctx, FORGET)
    if kept is None or kept.at_ms != payload["at_ms"]:
        return None
    for entry in list(islice(HISTORY_BY_AGE.scan(ctx, before=ctx.now - HISTORY_MS), PORTION)):
        HISTORIES.delete(ctx, entry)
    oldest = next(HISTORY_BY_AGE.scan(ctx), None)
    if oldest is None:
        KEEPING.put(ctx, Keeping(name=FORGET, at_ms=0))
    else:
        _come(ctx, ctx.now if oldest.at_ms < ctx.now - HISTORY_MS else oldest.at_ms + HISTORY_MS + DAY_MS)
    return None


@operation("DescribeAlarmHistory")
def describe_alarm_history(ctx: Context, req: Any) -> Answer:
    """What happened to an alarm, or to all metric alarms (AlarmTypes says otherwise), newest first unless ScanBy says otherwise.

    Errors: InvalidNextToken. Source: API reference, DescribeAlarmHistory.
    """
    newest_first = req.ScanBy != "TimestampAscending"
    place = paging.place(req.NextToken, bad_token)
    after: tuple[int, int] | None = None
    if place is not None:
        at, _, number = place.partition(":")
        after = paging.number(at, bad_token), paging.number(number, bad_token)
    kinds = set(req.AlarmTypes or (() if req.AlarmName else (METRIC,)))
    matching = (
        entry
        for entry in _scan(ctx, req.AlarmName, req.StartDate, req.EndDate, after, newest_first=newest_first)
        if (not kinds or entry.alarm_kind in kinds) and req.HistoryItemType in (None, entry.kind) and req.AlarmContributorId is None
    )
    page, more = paging.page(matching, req.MaxRecords or PAGE_LIMIT)
    token = paging.token(f"{page[-1].at_ms}:{page[-1].number}") if more else None
    return {"AlarmHistoryItems": [_describe(entry) for entry in page], "NextToken": token}


def _scan(
    ctx: Context, name: str | None, start_ms: int | None, end_ms: int | None, after: tuple[int, int] | None, *, newest_first: bool
) -> Iterator[History]:
    low = max(start_ms or 0, ctx.now - HISTORY_MS)
    bounds: dict[str, Any] = {"at": (low,), "before": (end_ms + 1,) if end_ms is not None else None}
    if after is not None:
        bounds |= {"before": after} if newest_first else {"at": None, "after": after}
    if name is not None:
        return HISTORIES.scan(ctx, ctx.account, ctx.region, name, reverse=newest_first, **bounds)
    return HISTORY_BY_TIME.scan(ctx, ctx.account, ctx.region, reverse=newest_first, **bounds)


def _describe(entry: History) -> dict[str, Any]:
    return {
        "AlarmName": entry.name,
        "AlarmType": entry.alarm_kind,
        "Timestamp": entry.at_ms,
        "HistoryItemType": entry.kind,
        "HistorySummary": entry.summary,
        "HistoryData": entry.content[:4095],
    }
