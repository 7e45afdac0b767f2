"""GetMetricData: queries answered, in pages of data points."""

from __future__ import annotations

from collections.abc import Iterator
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
    results = [result for query in queries if query.returned for result in results_of(answers, query, zone)]
    newest_first = req.ScanBy != "TimestampAscending"
    page, token = _page(results, limit, newest_first, _place(req.NextToken))
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


def _place(token: str | None) -> tuple[int, int]:
    """Where a page begins: in which result, after how many of its points."""
    place = paging.place(token, bad_token)
    if place is None:
        return 0, 0
    result, _, point = place.partition(":")
    return paging.number(result, bad_token), paging.number(point, bad_token)


def _page(results: list[Result], limit: int, newest_first: bool, begin: tuple[int, int]) -> tuple[list[dict[str, Any]], str | None]:
    page: list[dict[str, Any]] = []
    first, skipped = begin
    for n, (query, series, label) in enumerate(results):
        if n < first:
            continue
        items = sorted(series.points.items(), reverse=newest_first)[skipped if n == first else 0 :]
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
        if len(taken) < len(items) or (limit == 0 and n + 1 < len(results)):
            done = len(taken) + (skipped if n == first else 0)
            return page, paging.token(f"{n}:{done}" if len(taken) < len(items) else f"{n + 1}:0")
    return page, None
