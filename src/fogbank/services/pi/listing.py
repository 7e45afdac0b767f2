"""What there is to ask for."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.pi import engines
from fogbank.services.pi.dimensions import groups
from fogbank.services.pi.faults import invalid
from fogbank.services.pi.metrics import LOADS
from fogbank.services.pi.sources import arn_of, page, source_at

_LISTED = 25
_TYPES = ("os", "db", "db.sql.stats", "db.sql_tokenized.stats")
_STATISTICS = ("avg", "max", "min", "sum")


@operation("GetResourceMetadata")
def get_resource_metadata(ctx: Context, req: Any) -> Answer:
    """Which features an instance has. Errors: InvalidArgumentException, NotAuthorizedException.

    Source: Performance Insights API reference, GetResourceMetadata.
    """
    source = source_at(ctx, req)
    status = "UNSUPPORTED" if source.engine != "postgres" else "ENABLED" if source.on else "DISABLED"
    return {"Identifier": source.identifier, "Features": {"SQL_DIGEST_STATISTICS": {"Status": status}}}


@operation("ListAvailableResourceMetrics")
def list_available_resource_metrics(ctx: Context, req: Any) -> Answer:
    """The metrics of the types `db` and `db.sql_tokenized.stats`, in pages of at most 25; of `os` and `db.sql.stats` there are none.

    Errors: InvalidArgumentException, NotAuthorizedException. Source: Performance Insights API reference, ListAvailableResourceMetrics.
    """
    source = source_at(ctx, req)
    for kind in req.MetricTypes:
        if kind not in _TYPES:
            raise invalid(f"{kind} is not a valid metric type")
    found: list[dict[str, str]] = []
    if "db" in req.MetricTypes:
        found += [{"Metric": f"{name}.avg", "Description": "Active sessions", "Unit": "Sessions"} for name in LOADS]
        for one in engines.CATALOGUE[source.engine]:
            found += [{"Metric": f"{one.name}.{statistic}", "Description": one.description, "Unit": one.unit} for statistic in _STATISTICS]
    if "db.sql_tokenized.stats" in req.MetricTypes and source.engine == "postgres":
        found += [{"Metric": name, "Description": text, "Unit": unit} for name, text, unit in _digest_metrics()]
    some, token = page(req, found, _LISTED)
    return {"Metrics": some, "NextToken": token}


def _digest_metrics() -> list[tuple[str, str, str]]:
    found = []
    for number, name in enumerate(engines.STATS):
        said = name.replace("_", " ")
        found.append((f"db.sql_tokenized.stats.{name}_per_sec.avg", f"{said} of the digest, per second", "Per second"))
        if number:
            per_call = "avg_latency" if name == "total_time" else name
            found.append((f"db.sql_tokenized.stats.{per_call}_per_call.avg", f"{said} of the digest, per call", "Per call"))
    return found


@operation("ListAvailableResourceDimensions")
def list_available_resource_dimensions(ctx: Context, req: Any) -> Answer:
    """The dimensions of db.load; with AuthorizedActions those that the caller may ask for in all of these.

    Errors: InvalidArgumentException, NotAuthorizedException. Source: Performance Insights API reference, ListAvailableResourceDimensions.
    """
    source = source_at(ctx, req)
    for metric in req.Metrics:
        if metric not in LOADS:
            raise invalid(f"{metric} is not a valid metric type: dimensions are of {' and '.join(LOADS)}")
    arn = arn_of(ctx, req)

    def may(dimension: str) -> bool:
        return all(ctx.may(f"pi:{action}", arn, pi__dimensions=[dimension]) for action in req.AuthorizedActions or ())

    there = [(name, [one for one in members if may(one)]) for name, members in groups(source.engine).items()]
    described = [{"Group": name, "Dimensions": [{"Identifier": one} for one in members]} for name, members in there if members]
    some, token = page(req, [{"Metric": metric, "Groups": described} for metric in req.Metrics], _LISTED)
    return {"MetricDimensions": some, "NextToken": token}
