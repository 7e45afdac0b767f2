"""Query and Scan."""

from __future__ import annotations

from typing import Any, NamedTuple

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.dynamodb import expressions, reading, values
from fogbank.services.dynamodb.expressions import KeyRange
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.reading import Start
from fogbank.services.dynamodb.schema import View, composed, escaped, hashed

HASHES = 1 << 32


class Span(NamedTuple):
    """Sort keys as text: those that begin with `starting`, from `low` on, below `high` (None: no bound)."""

    starting: str = ""
    low: str | None = None
    high: str | None = None

    def has(self, sort: str) -> bool:
        return sort.startswith(self.starting) and (self.low is None or sort >= self.low) and (self.high is None or sort < self.high)

    def bounds(self) -> dict[str, Any]:
        """As arguments of a table's scan."""
        found: dict[str, Any] = {}
        if self.starting:
            found["starting"] = self.starting
        if self.low is not None:
            found["at"] = self.low
        if self.high is not None:
            found["before"] = self.high
        return found


def span(view: View, wanted: KeyRange) -> Span:
    """The sort keys that a key condition asks for."""
    single = len(view.sort) == 1
    prefix = "".join([escaped(values.key_text(value)) for value in wanted.sort])
    if len(wanted.sort) == len(view.sort):
        if not view.sort:
            return Span()
        exact = values.key_text(wanted.sort[0]) if single else prefix
        return Span(low=exact, high=exact + "\0")
    operator = wanted.operator
    if not operator:
        return Span(prefix)
    texts = [values.key_text(value) for value in wanted.operands]
    if operator == "begins_with":
        return Span(texts[0] if single else prefix + escaped(texts[0])[:-2])
    at = texts if single else [prefix + escaped(text) for text in texts]
    past = [text + "\0" for text in texts] if single else [text[:-1] + "\1" for text in at]
    low = {">=": at[0], ">": past[0], "BETWEEN": at[0]}.get(operator)
    high = past[1] if operator == "BETWEEN" else {"<": at[0], "<=": past[0]}.get(operator)
    return Span(prefix, low, high)


@operation("Query")
def query(ctx: Context, req: Any) -> Answer:
    """Items with one partition key, in the order of the sort key, of a table or an index; at most 1 MB a page.

    Limit counts items read, before the filter. An index that was just added can be queried when it is ACTIVE.

    Errors: ResourceNotFoundException, ProvisionedThroughputExceededException, ValidationException. Source: API reference, Query.
    """
    asked = expressions.of(req)
    source = reading.source(ctx, req, asked)
    view = source.view
    if asked.key is None:
        raise invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
    wanted = asked.key.range([part.name for part in view.partition], [part.name for part in view.sort], view.types)
    if asked.filter is not None:
        for name in view.types:
            if name in asked.filter.attributes:
                raise invalid(f"Filter Expression can only contain non-primary key attributes: Primary key attribute: {name}")
    partition = hashed(composed([values.key_text(value) for value in wanted.partition]))
    within = span(view, wanted)
    start: Start | None = None
    if req.ExclusiveStartKey is not None:
        start = reading.start_of(source, req.ExclusiveStartKey)
        if start[0] != partition or not within.has(start[1]):
            raise invalid("The provided starting key is outside query boundaries based on provided conditions")
    reverse = req.ScanIndexForward is False
    found = reading.rows(ctx, source, partition, start=start, reverse=reverse, **within.bounds())
    return reading.answer(ctx, req, source, reading.page(ctx, source, found, asked.filter, req.Limit))


@operation("Scan")
def scan(ctx: Context, req: Any) -> Answer:
    """Every item of a table or an index, in the order of a hash of the partition key; at most 1 MB a page.

    A segment of a parallel scan is a range of hashes; a page goes on in the segment that it began in.

    Errors: ResourceNotFoundException, ProvisionedThroughputExceededException, ValidationException. Source: API reference, Scan.
    """
    asked = expressions.of(req)
    segment, segments = req.Segment, req.TotalSegments
    if (segment is None) != (segments is None):
        given, missing = ("Segment", "TotalSegments") if segments is None else ("TotalSegments", "Segment")
        raise invalid(f"The {missing} parameter is required but was not present in the request when {given} parameter is present")
    bounds: dict[str, Any] = {}
    if segments is not None:
        if segment >= segments:
            raise invalid(
                "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
                f"Segment: {segment} is not less than TotalSegments: {segments}"
            )
        if segment:
            bounds["at"] = f"{-(-segment * HASHES // segments):08x}"
        if segment + 1 < segments:
            bounds["before"] = f"{-(-(segment + 1) * HASHES // segments):08x}"
    source = reading.source(ctx, req, asked)
    start = reading.start_of(source, req.ExclusiveStartKey) if req.ExclusiveStartKey is not None else None
    if start is not None and not bounds.get("at", "") <= start[0] < bounds.get("before", "g"):
        raise invalid(
            "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. "
            f"TotalSegments: {segments} Segment: {segment}"
        )
    found = reading.rows(ctx, source, start=start, **bounds)
    return reading.answer(ctx, req, source, reading.page(ctx, source, found, asked.filter, req.Limit))
