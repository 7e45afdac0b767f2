"""Alarms, evaluated by the clock.

Each metric alarm has one task, which evaluates it as of its own instant and then comes again at the next. When the clock was moved far,
the tasks of all alarms are carried out in the order of their instants, as if it had not; an alarm whose metrics have no data in its
evaluation range is not evaluated again until there is some, or something is done that may bring some: nothing can change before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from fogbank.delivery import outbox
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.services.cloudwatch import transitions
from fogbank.services.cloudwatch.judging import BANDS, COMPARISONS, RANGE_MORE, enough_samples, judge
from fogbank.services.cloudwatch.mathematics import insights, search, syntax
from fogbank.services.cloudwatch.mathematics.series import Series
from fogbank.services.cloudwatch.queries import Answers
from fogbank.services.cloudwatch.state import ALARMS, METRICS, POINTS, STEPS, Alarm, Metric, packed
from fogbank.services.cloudwatch.statistics import statistic
from fogbank.services.cloudwatch.wording import Evaluated, reason, reason_json
from fogbank.store import change

WATCHERS = ("cloudwatch.evaluate", "cloudwatch.keep", "cloudwatch.stream", "cloudwatch.train")
"""The tasks that look at data, and bring none."""
PASSED_OVER = 100
"""Instants that are passed over at once, so that other calls get their turn."""
ALWAYS_IGNORES = "AWS/DynamoDB"
"""The namespace whose alarms ignore missing data, whatever they say."""


def cadence_s(alarm: Alarm) -> int:
    """How often an alarm is evaluated."""
    return 10 if alarm.period_s < 60 else 60 if alarm.period_s <= 3600 else 3600


def begin(ctx: Context, alarm: Alarm) -> None:
    """Has an alarm evaluated from now on."""
    every_ms = cadence_s(alarm) * 1000
    _come(ctx, alarm, ctx.now - ctx.now % every_ms)


def _come(ctx: Context, alarm: Alarm, at_ms: int) -> None:
    where = {"account": alarm.account, "region": alarm.region, "name": alarm.name, "revision": alarm.revision, "at_ms": at_ms}
    ctx.later("cloudwatch.evaluate", where, at_ms=at_ms)


class Outcome(NamedTuple):
    """What an evaluation changes. `state` is None where the alarm stays as it is; `error`: its expression cannot be computed."""

    state: str | None = None
    reason: str = ""
    reason_json: str | None = None
    error: bool = False


NOTHING = Outcome()


@task("evaluate", looks=True)
def evaluate(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Evaluates an alarm as of an instant, and comes again at the next at which something may be different.

    While the clock is being caught up with, it passes over the instants at which it would change nothing. What it does change, it
    changes in its turn: others come first whose instants are earlier.
    """
    alarm = ALARMS.get(ctx, payload["account"], payload["region"], payload["name"])
    if alarm is None or alarm.revision != payload["revision"]:
        return None
    at_ms: int = payload["at_ms"]
    alarm = _apply(ctx, alarm, at_ms, _outcome(ctx, alarm, at_ms))
    at_ms = _next_ms(ctx, alarm, at_ms)
    work_ms = outbox.work_ms(ctx, ctx.now, WATCHERS)
    for _ in range(PASSED_OVER):
        if at_ms > work_ms or _outcome(ctx, alarm, at_ms) != NOTHING:
            break
        at_ms = _next_ms(ctx, alarm, at_ms)
    _come(ctx, alarm, at_ms)
    return None


def _start_s(alarm: Alarm, at_ms: int) -> int:
    """Where the evaluation range begins."""
    return at_ms // 1000 - (alarm.evaluation_periods + RANGE_MORE) * alarm.period_s


def _warm_ms(alarm: Alarm) -> int:
    return alarm.created_at_ms + alarm.warm_up_m * 60_000


def _next_ms(ctx: Context, alarm: Alarm, at_ms: int) -> int:
    every_ms = cadence_s(alarm) * 1000
    following_ms = next_ms(ctx, list(_metrics(ctx, alarm)), at_ms, _start_s(alarm, at_ms), every_ms)
    warm_ms = _warm_ms(alarm)
    return max(warm_ms + -warm_ms % every_ms, at_ms + every_ms) if at_ms < warm_ms < following_ms else following_ms


def _outcome(ctx: Context, alarm: Alarm, at_ms: int) -> Outcome:
    """What an evaluation as of an instant would change."""
    if at_ms < _warm_ms(alarm) and alarm.warm_up_whole:
        return Outcome(error=alarm.evaluation_state is not None)
    try:
        evaluated = _evaluated(ctx, alarm, at_ms)
    except ServiceException as problem:
        broken = alarm.state != "INSUFFICIENT_DATA"
        return Outcome("INSUFFICIENT_DATA" if broken else None, problem.message[:1023] if broken else "", error=True)
    there = sum(one.value is not None for one in evaluated)
    if at_ms < _warm_ms(alarm) and there < alarm.evaluation_periods:
        return NOTHING
    missing = alarm.missing or "missing"
    if any(query.namespace == ALWAYS_IGNORES for query in alarm.queries):
        missing = "ignore"
    if alarm.low_sample == "ignore" and not _significant(alarm, evaluated):
        return NOTHING
    verdict = judge([one.breaches for one in evaluated], alarm.evaluation_periods, alarm.datapoints or alarm.evaluation_periods, missing)
    if verdict.state is None or verdict.state == alarm.state:
        return NOTHING
    return Outcome(verdict.state, reason(alarm, verdict.state, verdict, evaluated), reason_json(alarm, at_ms, verdict, evaluated))


def _apply(ctx: Context, alarm: Alarm, at_ms: int, outcome: Outcome) -> Alarm:
    """The alarm as it is after an evaluation."""
    if outcome.error is not (alarm.evaluation_state is not None):
        alarm = change(alarm, evaluation_state="EVALUATION_ERROR" if outcome.error else None)
        ALARMS.put(ctx, alarm)
    if outcome.state is None:
        return alarm
    return transitions.to_state(ctx, alarm, at_ms, outcome.state, outcome.reason, outcome.reason_json)


def _evaluated(ctx: Context, alarm: Alarm, at_ms: int) -> list[Evaluated]:
    """The periods of the evaluation range, the oldest first."""
    start_s = _start_s(alarm, at_ms)
    answers = Answers(ctx, alarm.account, alarm.region, alarm.queries, start_s * 1000, at_ms, as_of_ms=at_ms)
    watched = next(query for query in alarm.queries if query.returned and query.id != alarm.threshold_id)
    counts: dict[int, float] = {}
    if alarm.single:
        of = statistic(watched.stat)
        assert of is not None
        summaries = answers.summaries(watched)
        counts = {at: summary.count for at, summary in summaries.items()}
        values = {at: of.of(summary) for at, summary in summaries.items()}
    else:
        found = answers.of(watched)
        values = dict(found.points) if isinstance(found, Series) else {}
    bands = _bands(alarm, answers)
    out = []
    for at_s in range(start_s, at_ms // 1000, alarm.period_s):
        value, band = values.get(at_s), bands.get(at_s)
        if value is None or (alarm.comparison in BANDS and band is None):
            out.append(Evaluated(at_s * 1000, None))
            continue
        if band is not None:
            breaches = BANDS[alarm.comparison][0](value, *band)
        else:
            assert alarm.threshold is not None
            breaches = COMPARISONS[alarm.comparison][0](value, alarm.threshold)
        out.append(Evaluated(at_s * 1000, value, counts.get(at_s), band, breaches))
    return out


def _bands(alarm: Alarm, answers: Answers) -> dict[int, tuple[float, float]]:
    """(lower, upper) by the period, for an alarm on an anomaly detection band."""
    if alarm.threshold_id is None:
        return {}
    found = answers.of(answers.queries[alarm.threshold_id])
    if not isinstance(found, list) or len(found) != 2:
        return {}
    upper, lower = found
    return {at: (lower.points[at], upper.points[at]) for at in upper.points}


def _significant(alarm: Alarm, evaluated: list[Evaluated]) -> bool:
    """Whether a percentile of the latest datapoints is of enough samples."""
    of = statistic(alarm.queries[0].stat) if alarm.single else None
    if of is None or of.percentile < 0:
        return True
    there = [one for one in evaluated if one.value is not None][-alarm.evaluation_periods :]
    return all(enough_samples(one.samples or 0, of.percentile) for one in there)


# When next


def next_ms(ctx: Context, metrics: list[Metric], at_ms: int, start_s: int, every_ms: int) -> int:
    """The next instant at which metrics may look different from now on, of which one is due every so often.

    `start_s`: since when data counts. While the clock is being caught up with, instants are left out at which there is none.
    """
    last_ms = ctx.now - ctx.now % every_ms
    if at_ms >= last_ms:
        return at_ms + every_ms
    if any(_first_s(ctx, metric, start_s, at_ms // 1000) is not None for metric in metrics):
        return at_ms + every_ms
    firsts = [_first_s(ctx, metric, at_ms // 1000, last_ms // 1000) for metric in metrics]
    instants = [last_ms, outbox.work_ms(ctx, ctx.now, WATCHERS), *(first * 1000 for first in firsts if first is not None)]
    return max(min(instants) // every_ms * every_ms, at_ms) + every_ms


def _first_s(ctx: Context, metric: Metric, start_s: int, end_s: int) -> int | None:
    """When the first point of a metric within some time begins."""
    firsts = (next(POINTS.scan(ctx, metric.id, step_s, at=start_s, before=end_s), None) for step_s, _ in STEPS)
    return min((point.at_s for point in firsts if point is not None), default=None)


def _metrics(ctx: Context, alarm: Alarm) -> Iterator[Metric]:
    """The metrics that an alarm looks at."""
    for query in alarm.queries:
        if query.stat:
            metric = METRICS.get(ctx, alarm.account, alarm.region, query.namespace, query.name, packed(query.dimensions))
            if metric is not None:
                yield metric
        elif insights.is_query(query.expression):
            asked = insights.parse(query.expression)
            yield from METRICS.scan(ctx, alarm.account, alarm.region, asked.namespace, asked.metric)
        else:
            for call in syntax.calls(syntax.parse(query.expression), "SEARCH"):
                wanted = search.parse(call.arguments[0].value) if isinstance(call.arguments[0], syntax.Text) else None
                scope = (wanted.schema[0],) if wanted is not None and wanted.schema is not None else ()
                yield from METRICS.scan(ctx, alarm.account, alarm.region, *scope)
