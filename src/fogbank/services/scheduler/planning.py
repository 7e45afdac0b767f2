"""When a schedule comes next.

A rate counts from StartDate, or from when the schedule was made or changed: then it comes at once. A flexible window puts an
invocation off by chance, within the window.

Source: "Schedule types" and "Configuring flexible time windows" in the EventBridge Scheduler User Guide.
"""

from __future__ import annotations

from fogbank.kernel.context import Context
from fogbank.languages import schedules
from fogbank.services.scheduler.addresses import invalid
from fogbank.services.scheduler.state import Schedule
from fogbank.store import change

MINUTE_MS = 60_000


def read(expression: str, zone: str) -> schedules.Schedule:
    """Raises ValidationException."""
    try:
        schedules.zone_of(zone)
    except schedules.InvalidSchedule:
        raise invalid(f"Invalid ScheduleExpressionTimezone {zone}.") from None
    try:
        return schedules.parse(expression, zone)
    except schedules.InvalidSchedule:
        raise invalid(f"Invalid Schedule Expression {expression}.") from None


def next_ms(schedule: Schedule, after_ms: int) -> int:
    """The first instant after one at which the schedule is due, or 0."""
    when = read(schedule.expression, schedule.zone)
    start_ms: int | None = schedule.start_ms or None
    if isinstance(when, schedules.Rate) and start_ms is None:
        start_ms = schedule.modified_at_ms
    found = when.after(after_ms, start_ms)
    if found is None or (schedule.end_ms and found > schedule.end_ms and not isinstance(when, schedules.Once)):
        return 0
    return found


def planned(ctx: Context, schedule: Schedule, after_ms: int) -> Schedule:
    """The schedule with its next instant, and a task for it."""
    at_ms = next_ms(schedule, after_ms) if schedule.state == "ENABLED" else 0
    if at_ms:
        late_ms = int.from_bytes(ctx.random.bytes(4)) % (schedule.window_minutes * MINUTE_MS) if schedule.window_minutes else 0
        payload = {
            "account": schedule.account,
            "region": schedule.region,
            "group": schedule.group,
            "name": schedule.name,
            "id": schedule.id,
            "version": schedule.version,
            "at_ms": at_ms,
        }
        ctx.later("scheduler.fire", payload, at_ms=at_ms + late_ms)
    return change(schedule, next_at_ms=at_ms)
