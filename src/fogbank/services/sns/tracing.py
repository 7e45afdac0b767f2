"""Active tracing: the topic's own segment of a message that is followed, with a subsegment for each delivery, in the topic's account.

Source: "Active tracing in Amazon SNS" in the Developer Guide.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.telemetry import SPANS
from fogbank.services.sns.addresses import arn_of
from fogbank.services.sns.endpoints import shown
from fogbank.services.sns.rendering import Parcel, Target
from fogbank.services.sns.state import Topic


def _followed(topic: Topic, header: str) -> dict[str, str]:
    """What the header of a message says, where the message is followed by the topic too; else nothing."""
    if topic.tracing != "Active" or "Sampled=1" not in header:
        return {}
    said = dict(part.strip().partition("=")[::2] for part in header.split(";"))
    return said if said.get("Root") and said.get("Parent") else {}


def _tell(ctx: Context, topic: Topic, said: dict[str, str], id: str, name: str, start_ms: int, **more: Any) -> None:
    document = {
        "trace_id": said["Root"],
        "id": id,
        "parent_id": said["Parent"],
        "name": name,
        "start_time": start_ms / 1000,
        "end_time": ctx.now / 1000,
        **more,
    }
    ctx.tell(SPANS, (topic.account, topic.region, document))


def under_topic(ctx: Context, topic: Topic) -> Context:
    """A call that publishes, carried on under the topic's segment, where there is one."""
    said = _followed(topic, ctx.trace)
    if not said:
        return ctx
    id = ctx.random.hex(16)
    about = {"operation": "Publish", "account_id": topic.account, "region": topic.region, "topic_arn": arn_of(topic)}
    _tell(ctx, topic, said, id, topic.name, ctx.now, origin="AWS::SNS::Topic", aws=about)
    return ctx.traced(";".join(f"{name}={value}" for name, value in {**said, "Parent": id}.items()))


def delivered(ctx: Context, parcel: Parcel, target: Target, refused: ServiceException | None = None) -> None:
    """Tells of a delivery that is over, from when the message was published: that it arrived, or why it never will."""
    said = _followed(parcel.topic, parcel.message.trace)
    if not said:
        return
    more: dict[str, Any] = {"type": "subsegment", "namespace": "remote", "aws": {"operation": "Deliver", "protocol": target.protocol}}
    name = target.endpoint.rpartition(":")[2] if target.endpoint.startswith("arn:") else shown(target.endpoint)
    if refused is not None:
        cause = {"exceptions": [{"id": ctx.random.hex(16), "type": refused.code, "message": refused.message, "remote": True}]}
        more |= {"fault" if refused.status >= 500 else "error": True, "cause": cause}
    _tell(ctx, parcel.topic, said, ctx.random.hex(16), name, parcel.message.at_ms, **more)
