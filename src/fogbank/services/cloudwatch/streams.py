"""Metric streams: what metrics have each minute, sent to a Firehose stream as lines of JSON.

A minute is sent when it is over; what is put for it later is not sent. Source: "Metric streams" in the CloudWatch User Guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from fogbank.kernel import paging
from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.cloudwatch import points, watching
from fogbank.services.cloudwatch.distribution import Summary
from fogbank.services.cloudwatch.faults import bad_token, bad_value, combination, too_many
from fogbank.services.cloudwatch.state import METRICS, MINUTE_MS, STREAMS, Filter, Metric, MetricStream, MoreStatistics, unpacked
from fogbank.services.cloudwatch.statistics import statistic
from fogbank.services.cloudwatch.tagging import read_tags
from fogbank.store import change

PRINCIPAL = "streams.metrics.cloudwatch.amazonaws.com"
NAMESPACE = "AWS/CloudWatch/MetricStreams"
PAGE_LIMIT = 500
FILTER_NAMES_LIMIT = 1000
STATISTICS_LIMIT = 20
BATCH = 500
"""Records of one PutRecordBatch."""
_name = re.compile(r"[A-Za-z0-9_-]{1,255}").fullmatch


def arn_of(stream: MetricStream) -> str:
    return f"arn:{partition_of(stream.region)}:cloudwatch:{stream.region}:{stream.account}:metric-stream/{stream.name}"


def _filters(given: Any) -> tuple[Filter, ...]:
    found = tuple(Filter(one.Namespace, tuple(one.MetricNames or ())) for one in given or ())
    if sum(1 + len(one.names) for one in found) > FILTER_NAMES_LIMIT:
        raise too_many("Filters", FILTER_NAMES_LIMIT)
    return found


def _more(given: Any) -> Iterator[MoreStatistics]:
    for one in given or ():
        if len(one.AdditionalStatistics) > STATISTICS_LIMIT:
            raise too_many("AdditionalStatistics", STATISTICS_LIMIT)
        for name in one.AdditionalStatistics:
            if statistic(name) is None:
                raise bad_value(name, "AdditionalStatistics")
        yield MoreStatistics(tuple((m.Namespace, m.MetricName) for m in one.IncludeMetrics), tuple(one.AdditionalStatistics))


@operation("PutMetricStream")
def put_metric_stream(ctx: Context, req: Any) -> Answer:
    """Makes a metric stream, which runs from the next minute on, or replaces the configuration of one, whose state stays.

    Of all metrics, of some namespaces and names, or of all but some. Needs iam:PassRole on the role, which needs firehose:PutRecordBatch.
    Errors: InvalidParameterValue, InvalidParameterCombination; NotImplemented for OpenTelemetry. Source: API reference, PutMetricStream.
    """
    if not _name(req.Name):
        raise bad_value(req.Name, "Name")
    if req.OutputFormat != "json":
        raise NotImplementedOperation("cloudwatch", "PutMetricStream", f"with OutputFormat {req.OutputFormat}")
    if req.IncludeLinkedAccountsMetrics:
        raise NotImplementedOperation("cloudwatch", "PutMetricStream", "with IncludeLinkedAccountsMetrics: there are no linked accounts")
    if req.IncludeFilters and req.ExcludeFilters:
        raise combination("The parameters IncludeFilters and ExcludeFilters must not be used together.")
    target = Arn.parse(req.FirehoseArn)
    if target is None or target.service != "firehose" or target.account != ctx.account:
        raise bad_value(req.FirehoseArn, "FirehoseArn")
    ctx.authorize("iam:PassRole", req.RoleArn, iam__PassedToService=PRINCIPAL)
    old = STREAMS.get(ctx, ctx.account, ctx.region, req.Name)
    base = old or MetricStream(account=ctx.account, region=ctx.region, name=req.Name, created_at_ms=ctx.now, state="running")
    stream = change(
        base,
        include=_filters(req.IncludeFilters),
        exclude=_filters(req.ExcludeFilters),
        more=tuple(_more(req.StatisticsConfigurations)),
        firehose_arn=req.FirehoseArn,
        role_arn=req.RoleArn,
        updated_at_ms=ctx.now,
    )
    if old is None:
        stream = change(stream, tags=read_tags(ctx, req.Tags, arn_of(stream)))
        stream = _begin(ctx, stream)
    STREAMS.put(ctx, stream)
    return {"Arn": arn_of(stream)}


def _begin(ctx: Context, stream: MetricStream) -> MetricStream:
    """Has the minute that is under way sent when it is over."""
    at_ms = ctx.now - ctx.now % MINUTE_MS + MINUTE_MS
    _come(ctx, stream, at_ms)
    return change(stream, next_ms=at_ms, state="running")


def _come(ctx: Context, stream: MetricStream, at_ms: int) -> None:
    where = {"account": stream.account, "region": stream.region, "name": stream.name, "at_ms": at_ms}
    ctx.later("cloudwatch.stream", where, at_ms=at_ms)


def _stream_at(ctx: Context, name: str) -> MetricStream:
    stream = STREAMS.get(ctx, ctx.account, ctx.region, name)
    if stream is None:
        raise ServiceException(
            "ResourceNotFoundException", f"Metric stream {name} does not exist.", status=404, ResourceType="MetricStream", ResourceId=name
        )
    return stream


@operation("GetMetricStream")
def get_metric_stream(ctx: Context, req: Any) -> Answer:
    """A metric stream. Errors: ResourceNotFoundException. Source: API reference, GetMetricStream."""
    stream = _stream_at(ctx, req.Name)
    more = [
        {
            "IncludeMetrics": [{"Namespace": namespace, "MetricName": name} for namespace, name in one.metrics],
            "AdditionalStatistics": list(one.statistics),
        }
        for one in stream.more
    ]
    return {
        **_entry(stream),
        "IncludeFilters": _listed(stream.include),
        "ExcludeFilters": _listed(stream.exclude),
        "RoleArn": stream.role_arn,
        "StatisticsConfigurations": more or None,
    }


def _listed(filters: tuple[Filter, ...]) -> list[dict[str, Any]] | None:
    return [{"Namespace": one.namespace, **({"MetricNames": list(one.names)} if one.names else {})} for one in filters] or None


def _entry(stream: MetricStream) -> dict[str, Any]:
    return {
        "Arn": arn_of(stream),
        "Name": stream.name,
        "FirehoseArn": stream.firehose_arn,
        "State": stream.state,
        "CreationDate": stream.created_at_ms,
        "LastUpdateDate": stream.updated_at_ms,
        "OutputFormat": "json",
    }


@operation("ListMetricStreams")
def list_metric_streams(ctx: Context, req: Any) -> Answer:
    """Metric streams by name. Errors: InvalidNextToken. Source: API reference, ListMetricStreams."""
    after = paging.place(req.NextToken, bad_token)
    page, more = paging.page(STREAMS.scan(ctx, ctx.account, ctx.region, after=after), req.MaxResults or PAGE_LIMIT)
    return {"Entries": [_entry(stream) for stream in page], "NextToken": paging.token(page[-1].name) if more else None}


def _each(ctx: Context, req: Any) -> list[MetricStream]:
    """The streams that a request names; the caller needs the permission on all of them."""
    found = []
    for name in dict.fromkeys(req.Names):
        ctx.authorize(f"cloudwatch:{ctx.operation}", ctx.arn(f"metric-stream/{name}"))
        stream = STREAMS.get(ctx, ctx.account, ctx.region, name)
        if stream is None:
            raise bad_value(name, "Names")
        found.append(stream)
    return found


@operation("StartMetricStreams", authorized_here=True)
def start_metric_streams(ctx: Context, req: Any) -> Answer:
    """Has streams run, all or none. Errors: InvalidParameterValue. Source: API reference, StartMetricStreams."""
    for stream in _each(ctx, req):
        if stream.state != "running":
            STREAMS.put(ctx, change(_begin(ctx, stream), updated_at_ms=ctx.now))
    return {}


@operation("StopMetricStreams", authorized_here=True)
def stop_metric_streams(ctx: Context, req: Any) -> Answer:
    """Has streams stop, all or none. Errors: InvalidParameterValue. Source: API reference, StopMetricStreams."""
    for stream in _each(ctx, req):
        STREAMS.put(ctx, change(stream, state="stopped", next_ms=0, updated_at_ms=ctx.now))
    return {}


@operation("DeleteMetricStream")
def delete_metric_stream(ctx: Context, req: Any) -> Answer:
    """Deletes a metric stream, if it is there. Source: API reference, DeleteMetricStream."""
    stream = STREAMS.get(ctx, ctx.account, ctx.region, req.Name)
    if stream is not None:
        STREAMS.delete(ctx, stream)
    return {}


# Sending


@task("stream", looks=True)
def send(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Sends what metrics had in the minute that ended at an instant, and comes again at the next that may have some."""
    stream = STREAMS.get(ctx, payload["account"], payload["region"], payload["name"])
    at_ms: int = payload["at_ms"]
    if stream is None or stream.next_ms != at_ms:
        return None
    metrics = [metric for metric in METRICS.scan(ctx, stream.account, stream.region) if _takes(stream, metric)]
    start_s, end_s = (at_ms - MINUTE_MS) // 1000, at_ms // 1000
    lines = [line for metric in metrics for line in _lines(ctx, stream, metric, start_s, end_s, at_ms)]
    problem = _deliver(ctx, stream, lines)
    if lines:
        ctx.measure(NAMESPACE, "MetricUpdate", float(len(lines)), "Count", MetricStreamName=stream.name)
        ctx.measure(NAMESPACE, "PublishErrorRate", 1.0 if problem else 0.0, "None", MetricStreamName=stream.name)
    next_ms = watching.next_ms(ctx, metrics, at_ms, start_s, MINUTE_MS)
    STREAMS.put(ctx, change(stream, next_ms=next_ms))
    _come(ctx, stream, next_ms)
    return None


def _takes(stream: MetricStream, metric: Metric) -> bool:
    def meets(one: Filter) -> bool:
        return one.namespace == metric.namespace and (not one.names or metric.name in one.names)

    if stream.include:
        return any(meets(one) for one in stream.include)
    return not any(meets(one) for one in stream.exclude)


def _lines(ctx: Context, stream: MetricStream, metric: Metric, start_s: int, end_s: int, now_ms: int) -> Iterator[bytes]:
    names = {name for one in stream.more if (metric.namespace, metric.name) in one.metrics for name in one.statistics}
    found = points.read(ctx, metric, start_s, end_s, 60, None, distribution=bool(names), now_ms=now_ms)
    for (at_s, unit), summary in sorted(found.items()):
        said = {
            "metric_stream_name": stream.name,
            "account_id": stream.account,
            "region": stream.region,
            "namespace": metric.namespace,
            "metric_name": metric.name,
            "dimensions": dict(unpacked(metric.dimensions)),
            "timestamp": at_s * 1000,
            "value": _values(summary, names),
            "unit": unit,
        }
        yield msgspec.json.encode(said) + b"\n"


def _values(summary: Summary, names: set[str]) -> dict[str, float]:
    said = {"max": summary.maximum, "min": summary.minimum, "sum": summary.sum, "count": summary.count}
    for name in sorted(names):
        of = statistic(name)
        value = of.of(summary) if of is not None else None
        if value is not None:
            said[name] = value
    return said


def _deliver(ctx: Context, stream: MetricStream, lines: list[bytes]) -> bool:
    """Whether something could not be delivered: it is lost then, as AWS says."""
    role = Role(stream.role_arn, PRINCIPAL, stream.name[:64], arn_of(stream), stream.account)
    name = stream.firehose_arn.rpartition("/")[2]
    try:
        for begin in range(0, len(lines), BATCH):
            records = [{"Data": line} for line in lines[begin : begin + BATCH]]
            ctx.call("firehose", "PutRecordBatch", {"DeliveryStreamName": name, "Records": records}, acting=role, region=stream.region)
    except ServiceException:
        return True
    return False
