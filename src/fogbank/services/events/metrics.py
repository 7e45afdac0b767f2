"""What EventBridge measures of itself (AWS/Events)."""

from __future__ import annotations

from functools import lru_cache

from fogbank.kernel.context import Context
from fogbank.kernel.telemetry import MEASURES, Measure
from fogbank.services.events.state import DEFAULT, Rule

NAMESPACE = "AWS/Events"
Dimensions = tuple[tuple[str, str], ...]


@lru_cache(4096)
def _of(bus: str, rule: str) -> Dimensions:
    return (("RuleName", rule),) if bus == DEFAULT else (("EventBusName", bus), ("RuleName", rule))


def count(ctx: Context, rule: Rule, *names: str) -> None:
    """One more of each, of a rule."""
    dimensions = _of(rule.bus, rule.name)
    for name in names:
        ctx.tell(MEASURES, Measure(rule.account, rule.region, NAMESPACE, name, dimensions, 1, "Count", ctx.now))


def took(ctx: Context, rule: Rule, name: str, took_ms: int) -> None:
    ctx.tell(MEASURES, Measure(rule.account, rule.region, NAMESPACE, name, _of(rule.bus, rule.name), took_ms, "Milliseconds", ctx.now))
