"""Queries that belong together, as GetMetricData and alarms have them: read, checked, and answered with series."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.cloudwatch import bands, points
from fogbank.services.cloudwatch.distribution import Summary, merged
from fogbank.services.cloudwatch.faults import invalid, validation
from fogbank.services.cloudwatch.mathematics import insights, search, syntax
from fogbank.services.cloudwatch.mathematics.evaluation import evaluate
from fogbank.services.cloudwatch.mathematics.series import Series, Value, kept
from fogbank.services.cloudwatch.mathematics.tokens import Malformed, Unavailable
from fogbank.services.cloudwatch.names import check_dimensions, listed
from fogbank.services.cloudwatch.periods import check_period, from_s
from fogbank.services.cloudwatch.state import DAY_MS, METRICS, Metric, Query, packed, unpacked
from fogbank.services.cloudwatch.statistics import statistic

QUERIES_LIMIT = 500
SEARCH_LIMIT = 100
LATEST_MS = 253_402_300_799_000
"""The end of the year 9999."""
MADE_LIMIT = 1_000_000
"""Datapoints that the expressions of a request may make where there are none (FILL, TIME_SERIES, bands)."""
INSIGHTS_MS = 14 * DAY_MS
DEFAULT_PERIOD_S = 300
ID_PATTERN = "^[a-z][a-zA-Z0-9_]*$"
_id = re.compile(ID_PATTERN).match


def read(ctx: Context, given: Iterable[Any], parameter: str) -> tuple[Query, ...]:
    """Queries as a request has them, checked one by one and together. Errors: ValidationError."""
    found = tuple(_read_one(ctx, one, f"{parameter}.member.{n}") for n, one in enumerate(given, 1))
    if len(found) > QUERIES_LIMIT:
        raise validation(f"The collection {parameter} must not have a size greater than {QUERIES_LIMIT}.")
    ids = [query.id for query in found]
    if len(set(ids)) < len(ids):
        raise validation(f"The values for parameter id in {parameter} are not unique.")
    for n, query in enumerate(found, 1):
        if query.expression:
            _check_expression(query, set(ids), f"{parameter}.member.{n}.Expression")
    if sum(insights.is_query(query.expression) for query in found) > 1:
        raise validation("Only one Metrics Insights query is allowed in a request.")
    return found


def _read_one(ctx: Context, given: Any, place: str) -> Query:
    if not _id(given.Id):
        raise validation(f"The value {given.Id} for parameter {place}.Id is not matching the expected pattern {ID_PATTERN}.")
    if (given.MetricStat is None) is (given.Expression is None):
        raise validation(f"Exactly one of the parameters {place}.MetricStat and {place}.Expression must be specified.")
    if given.AccountId not in (None, ctx.account):
        raise NotImplementedOperation("cloudwatch", ctx.operation, "with AccountId: there are no linked accounts")
    returned = given.ReturnData is not False
    if given.Expression is not None:
        if given.Period is not None:
            check_period(given.Period, f"{place}.Period")
        return Query(id=given.Id, expression=given.Expression, label=given.Label, returned=returned, period_s=given.Period or 0)
    of = given.MetricStat
    check_period(of.Period, f"{place}.MetricStat.Period")
    if statistic(of.Stat) is None:
        raise validation(f"The value {of.Stat} for parameter {place}.MetricStat.Stat is not supported.")
    for name in ("Namespace", "MetricName"):
        if not getattr(of.Metric, name):
            raise validation(f"The parameter {place}.MetricStat.Metric.{name} is required.")
    return Query(
        id=given.Id,
        label=given.Label,
        returned=returned,
        period_s=of.Period,
        namespace=of.Metric.Namespace,
        name=of.Metric.MetricName,
        dimensions=check_dimensions(of.Metric.Dimensions, f"{place}.MetricStat.Metric.Dimensions"),
        stat=of.Stat,
        unit=of.Unit,
    )


def _check_expression(query: Query, ids: set[str], place: str) -> None:
    try:
        if insights.is_query(query.expression):
            insights.parse(query.expression)
            return
        names = list(syntax.names(syntax.parse(query.expression)))
    except Malformed as problem:
        raise error_in(query, problem) from None
    except RecursionError:
        raise error_in(query, "It is too long") from None
    for name in names:
        if name not in ids and name != name.upper():
            raise error_in(query, f"Unknown identifier '{name}'")


def error_in(query: Query, problem: object) -> ServiceException:
    return validation(f"Error in expression '{query.id}': {problem}")


def describe(query: Query) -> dict[str, Any]:
    """A query as it is answered."""
    answer: dict[str, Any] = {"Id": query.id, "Label": query.label, "ReturnData": query.returned}
    if query.expression:
        return {**answer, "Expression": query.expression, "Period": query.period_s or None}
    metric = {"Namespace": query.namespace, "MetricName": query.name, "Dimensions": listed(query.dimensions)}
    return {**answer, "MetricStat": {"Metric": metric, "Period": query.period_s, "Stat": query.stat, "Unit": query.unit}}


class Answers:
    """The answers to some queries over a time, each computed once, when first asked for.

    It is the scope of the expression that is under way. `messages` are about the whole request: (code, text). With `as_of_ms`, as if
    that were the present, and with periods from the start on, however old it is.
    """

    def __init__(
        self,
        ctx: Context,
        account: str,
        region: str,
        queries: Sequence[Query],
        start_ms: int,
        end_ms: int,
        *,
        as_of_ms: int | None = None,
    ) -> None:
        self.ctx = ctx
        self.account = account
        self.region = region
        self.queries = {query.id: query for query in queries}
        self.start_ms = start_ms
        self.now_ms = ctx.now if as_of_ms is None else as_of_ms
        self._exact = as_of_ms is not None
        self.messages: list[tuple[str, str]] = []
        self.end_s = -(-end_ms // 1000)
        self._found: dict[str, Value] = {}
        self._under_way: list[Query] = []
        self._periods: dict[str, int] = {}
        self._made = 0

    def of(self, query: Query) -> Value:
        """The answer to a query. Errors: ValidationError, where its expression has none; NotImplemented."""
        if query.id in self._found:
            return self._found[query.id]
        if query in self._under_way:
            raise error_in(query, "The expression depends on itself")
        self._under_way.append(query)
        try:
            found = self._found[query.id] = self._compute(query)
        finally:
            self._under_way.pop()
        return found

    def _compute(self, query: Query) -> Value:
        if query.stat:
            return self._metric(query)
        try:
            if insights.is_query(query.expression):
                return self._insights(insights.parse(query.expression), query.period_s or DEFAULT_PERIOD_S)
            return evaluate(syntax.parse(query.expression), self)
        except Malformed as problem:
            raise error_in(query, problem) from None
        except RecursionError:
            raise error_in(query, "It is too long") from None
        except Unavailable as problem:
            raise NotImplementedOperation("cloudwatch", self.ctx.operation, f"with {problem}") from None

    # The scope of the expression that is under way

    @property
    def period_s(self) -> int:
        return self._period(self._under_way[-1]) or DEFAULT_PERIOD_S

    def instants(self, period_s: int) -> range:
        found = range(self._from_s(period_s), self.end_s, period_s)
        self._made += len(found)
        if self._made > MADE_LIMIT:
            raise Malformed(f"More than {MADE_LIMIT:,} datapoints are to be made; use a longer period or a shorter time")
        return found

    def _from_s(self, period_s: int) -> int:
        """Where periods begin."""
        return self.start_ms // 1000 if self._exact else from_s(self.now_ms, self.start_ms, period_s)

    def _period(self, query: Query) -> int:
        """A query's period: its own, or the longest of those that it uses."""
        if query.id not in self._periods:
            self._periods[query.id] = query.period_s  # also while it is looked for, if the query depends on itself
            if not query.period_s and not insights.is_query(query.expression):
                self._periods[query.id] = self._longest_period(query)
        return self._periods[query.id]

    def _longest_period(self, query: Query) -> int:
        tree = syntax.parse(query.expression)
        used = [self.queries[name] for name in syntax.names(tree) if name in self.queries]
        if any(syntax.calls(tree, "METRICS")):
            used += [other for other in self.queries.values() if other.stat]
        periods = [self._period(other) for other in used]
        periods += [int(call.arguments[2].value) for call in syntax.calls(tree, "SEARCH") if _with_period(call)]  # type: ignore[union-attr]
        return max(periods, default=0)

    def named(self, name: str) -> Value | None:
        query = self.queries.get(name)
        return None if query is None else self.of(query)

    def metrics(self, filter: str) -> list[Series]:
        found = [self.of(query) for query in self.queries.values() if query.stat and filter in (query.label or query.name)]
        return [one for one in found if isinstance(one, Series)]

    def search(self, expression: str, statistic: str, period_s: int) -> list[Series]:
        wanted = search.parse(expression)
        _check_searched(statistic, period_s)
        scope = (wanted.schema[0],) if wanted.schema is not None else ()
        found: list[Metric] = []
        for metric in METRICS.scan(self.ctx, self.account, self.region, *scope):
            if metric.seen_ms >= self.now_ms - INSIGHTS_MS and wanted.finds(metric.namespace, metric.name, unpacked(metric.dimensions)):
                if len(found) == SEARCH_LIMIT:
                    self.messages.append(("MaxMetricsExceeded", f"Maximum number of allowed metrics exceeded: {SEARCH_LIMIT}"))
                    break
                found.append(metric)
        labels = distinct_labels([(one.namespace, one.name, *(value for _, value in unpacked(one.dimensions))) for one in found])
        return [self._series(metric, statistic, period_s, None)._replace(label=label) for metric, label in zip(found, labels, strict=True)]

    def band(self, series: Series, deviations: float, source: str) -> list[Series]:
        query = self.queries.get(source)
        if query is None:
            raise Malformed("ANOMALY_DETECTION_BAND expects the id of a metric or of an expression")
        detector = bands.detector_of(self.ctx, self.account, self.region, query, self.queries.values())
        if detector is None or not detector.means:
            self.messages.append(("AnomalyDetectionModelNotTrained", f"There is no trained anomaly detection model for '{source}'."))
            empty = Series({}, series.period_s)
            return [empty._replace(label=f"{source} upper"), empty._replace(label=f"{source} lower")]
        expected = {at: bands.expected(detector, at) for at in self.instants(series.period_s)}
        upper = {at: mean + deviations * deviation for at, (mean, deviation) in expected.items()}
        lower = {at: mean - deviations * deviation for at, (mean, deviation) in expected.items()}
        return [Series(upper, series.period_s, f"{source} upper"), Series(lower, series.period_s, f"{source} lower")]

    # Reading

    def summaries(self, query: Query) -> dict[int, Summary]:
        """What a metric's periods hold; all units together where the query names none."""
        metric = METRICS.get(self.ctx, self.account, self.region, query.namespace, query.name, packed(query.dimensions))
        return {} if metric is None else self._read(metric, query.stat, query.period_s, query.unit)

    def _metric(self, query: Query) -> Series:
        of = statistic(query.stat)
        assert of is not None
        values = kept({at: of.of(summary) for at, summary in self.summaries(query).items()})
        return Series(values, query.period_s, "", query.name, query.dimensions)

    def _series(self, metric: Metric, stat: str, period_s: int, unit: str | None) -> Series:
        of = statistic(stat)
        assert of is not None
        values = kept({at: of.of(summary) for at, summary in self._read(metric, stat, period_s, unit).items()})
        return Series(values, period_s, "", metric.name, unpacked(metric.dimensions))

    def _read(self, metric: Metric, stat: str, period_s: int, unit: str | None) -> dict[int, Summary]:
        of = statistic(stat)
        start_s = self._from_s(period_s)
        raw = of is not None and of.raw
        found = points.read(self.ctx, metric, start_s, self.end_s, period_s, unit, distribution=raw, now_ms=self.now_ms)
        by_period: dict[int, list[Summary]] = {}
        for (at_s, _), summary in found.items():
            by_period.setdefault(at_s, []).append(summary)
        return {at: merged(by_period[at], distribution=raw) for at in sorted(by_period)}

    def _insights(self, query: insights.Query, period_s: int) -> Value:
        of = statistic(query.statistic)
        assert of is not None
        groups: dict[tuple[str, ...], dict[int, list[Summary]]] = {}
        for metric in METRICS.scan(self.ctx, self.account, self.region, query.namespace, query.metric):
            dimensions = dict(unpacked(metric.dimensions))
            if metric.seen_ms < self.now_ms - INSIGHTS_MS or not query.takes(dimensions):
                continue
            group = groups.setdefault(tuple(dimensions[key] for key in query.group), {})
            for at_s, summary in self._read(metric, query.statistic, period_s, None).items():
                group.setdefault(at_s, []).append(summary)
        found: list[Series] = []
        for values, by_period in groups.items():
            series = kept({at: of.of(merged(by_period[at], distribution=False)) for at in sorted(by_period)})
            label = " ".join(values) or query.metric
            found.append(Series(series, period_s, label, query.metric, tuple(zip(query.group, values, strict=True))))
        if not query.group:
            return found[0] if found else Series({}, period_s, query.metric, query.metric)
        found = [one for one in found if one.points]
        if query.order is not None:
            order, descending = query.order
            found.sort(key=lambda one: order(list(one.points.values())), reverse=descending)
        return found[: query.limit]


def _with_period(call: syntax.Call) -> bool:
    return len(call.arguments) > 2 and isinstance(call.arguments[2], syntax.Number)


def _check_searched(stat: str, period_s: int) -> None:
    if statistic(stat) is None:
        raise Malformed(f"SEARCH does not know the statistic '{stat}'")
    try:
        check_period(period_s, "period")
    except ServiceException as problem:
        raise Malformed(problem.message) from None


def distinct_labels(named: Sequence[tuple[str, ...]]) -> list[str]:
    """What tells metrics apart, each given by namespace, name and values of dimensions: those that are not the same for all."""
    if len(named) < 2 or len({len(one) for one in named}) > 1:
        return [" ".join(one[1:]) for one in named]
    varied = [n for n in range(len(named[0])) if len({one[n] for one in named}) > 1]
    return [" ".join(one[n] for n in varied) or one[1] for one in named]


def check_times(start_ms: int, end_ms: int) -> None:
    if start_ms >= end_ms:
        raise invalid("The parameter StartTime must be less than the parameter EndTime.")
    if start_ms < 0 or end_ms > LATEST_MS:
        raise invalid("The parameters StartTime and EndTime must be between the years 1970 and 9999.")
