"""GetMetricData: queries answered, in pages of data points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.cloudwatch.faults import bad_token, validation
from fogbank.services.cloudwatch.labels import Around, label_of, zone_of
from fogbank.services.cloudwatch.mathematics.series import Series
from fogbank.services.cloudwatch.queries import Answers, check_times, error_in, read
from fogbank.services.cloudwatch.state import Query

DATAPOINTS_LIMIT = 100_800


class Place(NamedTuple):
    """Where a page begins: in which query, in which of its results, after how many of its points."""

    query: int
    result: int
    point: int


class Result(NamedTuple):
    query: Query
    series: Series
    label: str


@operation("GetMetricData")
def get_metric_data(ctx: Context, req: Any) -> Answer:
    """Statistics of metrics, expressions, searches and one Metrics Insights query: newest points first unless ScanBy says otherwise.

    The points of all results together are given in pages of up to MaxDatapoints (100,800): what is cut off has the status PartialData. An
    expression's final result is a time series or an array of them. Periods begin with StartTime, rounded down.
    Errors: ValidationError, InvalidNextToken, InvalidParameterValue; NotImplemented for functions that read from elsewhere.
    Source: API reference, GetMetricData.
    """
    check_times(req.StartTime, req.EndTime)
    limit = DATAPOINTS_LIMIT if req.MaxDatapoints is None else req.MaxDatapoints
    if not 1 <= limit <= DATAPOINTS_LIMIT:
        raise validation(f"The value {limit} for parameter MaxDatapoints must be between 1 and {DATAPOINTS_LIMIT}.")
    zone = zone_of(req.LabelOptions.Timezone if req.LabelOptions is not None else None)
    if zone is None:
        raise validation(f"The value {req.LabelOptions.Timezone} for parameter LabelOptions.Timezone is invalid.")
    if not req.MetricDataQueries:
        raise validation("The parameter MetricDataQueries is required.")
    queries = read(ctx, req.MetricDataQueries, "MetricDataQueries")
    answers = Answers(ctx, ctx.account, ctx.region, queries, req.StartTime, req.EndTime)
    newest_first = req.ScanBy != "TimestampAscending"
    begin = _place(req.NextToken)
    results = (
        (Place(n, m, 0), result)
        for n, query in enumerate(queries)
        if query.returned and n >= begin.query
        for m, result in enumerate(results_of(answers, query, zone))
    )
    page, token = _page(results, limit, newest_first, begin)
    return {
        "MetricDataResults": page,
        "NextToken": token,
        "Messages": [{"Code": code, "Value": text} for code, text in answers.messages] or None,
    }


def results_of(answers: Answers, query: Query, zone: Any) -> Iterator[Result]:
    """The series that answer a query, with their labels."""
    value = answers.of(query)
    if not isinstance(value, (Series, list)):
        raise error_in(query, "The result of the expression is not a time series")
    around = Around(query, answers.account, answers.region, answers.end_s, zone)
    for series in [value] if isinstance(value, Series) else value:
        if query.expression and not isinstance(value, list):
            series = series._replace(name="", label=series.label if series.label and not series.dimensions else "")
        yield Result(query, series, label_of(series, around))


def _place(token: str | None) -> Place:
    place = paging.place(token, bad_token)
    if place is None:
        return Place(0, 0, 0)
    numbers = [paging.number(part, bad_token) for part in place.split(":")]
    if len(numbers) != len(Place._fields):
        raise bad_token()
    return Place(*numbers)


def _page(results: Iterable[tuple[Place, Result]], limit: int, newest_first: bool, begin: Place) -> tuple[list[dict[str, Any]], str | None]:
    """As many points as a page may have; what comes after them is not computed."""
    page: list[dict[str, Any]] = []
    for place, (query, series, label) in results:
        if place < begin._replace(point=0):
            continue
        if not limit:
            return page, _token(place)
        skipped = begin.point if place[:2] == begin[:2] else 0
        items = sorted(series.points.items(), reverse=newest_first)[skipped:]
        taken = items[:limit]
        limit -= len(taken)
        page.append(
            {
                "Id": query.id,
                "Label": label,
                "Timestamps": [at * 1000 for at, _ in taken],
                "Values": [value for _, value in taken],
                "StatusCode": "Complete" if len(taken) == len(items) else "PartialData",
            }
        )
        if len(taken) < len(items):
            return page, _token(place._replace(point=skipped + len(taken)))
    return page, None


def _token(place: Place) -> str:
    return paging.token(":".join(map(str, place)))
