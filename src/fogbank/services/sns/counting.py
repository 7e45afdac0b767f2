"""SNS's own metrics, as CloudWatch has them. Source: "Monitoring Amazon SNS topics using CloudWatch" in the Developer Guide."""

from __future__ import annotations

from fogbank.kernel.context import Context
from fogbank.kernel.telemetry import MEASURES, Measure
from fogbank.services.sns.state import Topic

NAMESPACE = "AWS/SNS"


def measure(ctx: Context, topic: Topic, name: str, value: float, unit: str = "Count") -> None:
    """A metric of a topic: in its own account, whoever publishes."""
    _tell(ctx, topic.account, topic.region, name, value, unit, (("TopicName", topic.name),))


def measure_message(ctx: Context, account: str, region: str, name: str, value: float, dimensions: tuple[tuple[str, str], ...]) -> None:
    """A metric of a text message or of a push notification."""
    _tell(ctx, account, region, name, value, "Count", tuple(sorted(dimensions)))


def _tell(ctx: Context, account: str, region: str, name: str, value: float, unit: str, dimensions: tuple[tuple[str, str], ...]) -> None:
    ctx.tell(MEASURES, Measure(account, region, NAMESPACE, name, dimensions, value, unit, ctx.now))
