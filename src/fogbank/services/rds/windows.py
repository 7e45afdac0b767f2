"""Windows of the week and of the day: when backups are made, and what waits is applied. UTC. Pure, but for the choice of one.

"04:10-04:40"            every day
"sun:05:00-sun:05:30"    every week
"""

from __future__ import annotations

import re

from fogbank.kernel.context import Context
from fogbank.services.rds.faults import invalid

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTE_MS = 60_000
DAY_M = 1440
WEEK_M = 7 * DAY_M
_EPOCH_M = 3 * DAY_M
"""The epoch was a Thursday: minutes into a week that begins on Monday."""
_daily = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)").fullmatch
_weekly = re.compile(
    r"(mon|tue|wed|thu|fri|sat|sun):([01]\d|2[0-3]):([0-5]\d)-(mon|tue|wed|thu|fri|sat|sun):([01]\d|2[0-3]):([0-5]\d)"
).fullmatch


def daily(text: str) -> tuple[int, int]:
    """When a window of the day begins, in minutes, and how many it has. Errors: InvalidParameterValue."""
    found = _daily(text)
    if found is None:
        raise invalid(
            f"Invalid backup window format: {text}. Should be specified as a range hh24:mi-hh24:mi (24H Clock UTC). Example: 04:30-05:00"
        )
    begin, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    return begin, _length(begin, end, DAY_M, "backup")


def weekly(text: str) -> tuple[int, int]:
    """When a window of the week begins, in minutes after Monday's first, and how many it has. Errors: InvalidParameterValue."""
    found = _weekly(text.lower())
    if found is None:
        raise invalid(
            f"Invalid maintenance window format: {text}. Should be specified as a range ddd:hh24:mi-ddd:hh24:mi (24H Clock UTC)."
            " Example: Sun:23:45-Mon:00:15"
        )
    begin = DAYS.index(found[1]) * DAY_M + int(found[2]) * 60 + int(found[3])
    end = DAYS.index(found[4]) * DAY_M + int(found[5]) * 60 + int(found[6])
    return begin, _length(begin, end, WEEK_M, "maintenance")


def _length(begin: int, end: int, round_m: int, what: str) -> int:
    length = (end - begin) % round_m
    if length < 30:
        raise invalid(f"The {what} window must be at least 30 minutes.")
    return length


def check(backup: str, maintenance: str) -> None:
    """Errors: InvalidParameterValue, also where the two overlap."""
    begin, length = daily(backup)
    first, span = weekly(maintenance)
    for day in range(-1, 8):
        start = day * DAY_M + begin
        if start < first + span and first < start + length:
            raise invalid("The backup window and maintenance window must not overlap.")


def chosen(ctx: Context, backup: str | None, maintenance: str | None) -> tuple[str, str]:
    """The windows that were asked for, and those of chance where none were; they never overlap. Errors: InvalidParameterValue."""
    begin, length = daily(backup) if backup else (_minutes(ctx, 8 * 60), 30)
    if maintenance:
        first, span = weekly(maintenance)
        if not backup and _overlap(begin, first, span):
            begin = (first + span) % DAY_M
    else:
        first, span = _minutes(ctx, 7) * DAY_M + (begin + length + _minutes(ctx, 8 * 60)) % DAY_M, 30
        if (first - begin) % DAY_M < length or (begin - first) % DAY_M < span:
            first = (first // DAY_M) * DAY_M + (begin + length) % DAY_M
    said = backup or f"{_clock(begin)}-{_clock((begin + 30) % DAY_M)}"
    weeks = maintenance.lower() if maintenance else f"{_day(first)}-{_day((first + 30) % WEEK_M)}"
    check(said, weeks)
    return said, weeks


def _overlap(begin: int, first: int, span: int) -> bool:
    return any(day * DAY_M + begin < first + span and first < day * DAY_M + begin + 30 for day in range(-1, 8))


def _minutes(ctx: Context, below: int) -> int:
    return int.from_bytes(ctx.random.bytes(4), "big") % below


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _day(minute: int) -> str:
    return f"{DAYS[minute // DAY_M]}:{_clock(minute % DAY_M)}"


def next_daily(text: str, now_ms: int) -> int:
    """When the window opens next, after now."""
    begin, _ = daily(text)
    return _next(begin, DAY_M, now_ms, 0)


def next_weekly(text: str, now_ms: int) -> int:
    """When the window opens next, after now; now, while it is open."""
    begin, length = weekly(text)
    opens = _next(begin, WEEK_M, now_ms, _EPOCH_M)
    return now_ms if opens - WEEK_M * MINUTE_MS + length * MINUTE_MS > now_ms else opens


def _next(begin: int, round_m: int, now_ms: int, epoch_m: int) -> int:
    now_m = now_ms // MINUTE_MS + epoch_m
    ahead = (begin - now_m) % round_m or round_m
    return (now_ms // MINUTE_MS + ahead) * MINUTE_MS
