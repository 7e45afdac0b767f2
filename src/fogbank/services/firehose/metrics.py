"""Firehose's metrics, told to CloudWatch. Source: developer guide, Monitor Amazon Data Firehose using CloudWatch metrics."""

from __future__ import annotations

from fogbank.kernel.context import Context
from fogbank.kernel.telemetry import MEASURES, Measure
from fogbank.services.firehose.state import BACKUP, OUT, Lane, Stream

_NAMESPACE = "AWS/Firehose"


def _unit(name: str) -> str:
    return "Bytes" if name.endswith("Bytes") else "Seconds" if name.endswith("DataFreshness") else "Count"


def tell(ctx: Context, stream: Stream, /, **values: float) -> None:
    """Values of a stream's metrics; `__` in a name stands for its dot."""
    by = (("DeliveryStreamName", stream.name),)
    for name, value in values.items():
        metric = name.replace("__", ".")
        ctx.tell(MEASURES, Measure(stream.account, stream.region, _NAMESPACE, metric, by, value, _unit(metric), ctx.now))


def delivered(ctx: Context, stream: Stream, parcel: Lane, *, success: bool) -> None:
    """A parcel was brought to its bucket or endpoint, or was not."""
    if parcel.kind not in (OUT, BACKUP):
        return
    head = "BackupToS3" if parcel.kind == BACKUP else "DeliveryToHttpEndpoint" if stream.kind == "HttpEndpoint" else "DeliveryToS3"
    values = {f"{head}__Success": 1.0 if success else 0.0, f"{head}__DataFreshness": (ctx.now - parcel.since_ms) / 1000}
    if success:
        values |= {f"{head}__Bytes": parcel.size, f"{head}__Records": parcel.count}
    tell(ctx, stream, **values)
