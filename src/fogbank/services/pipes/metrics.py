"""What Pipes measures of itself (AWS/EventBridge/Pipes)."""

from __future__ import annotations

from fogbank.kernel.context import Context
from fogbank.kernel.telemetry import MEASURES, Measure
from fogbank.services.pipes.state import Pipe

NAMESPACE = "AWS/EventBridge/Pipes"


def count(ctx: Context, pipe: Pipe, name: str, value: float = 1) -> None:
    by = (("PipeName", pipe.name),)
    ctx.tell(MEASURES, Measure(pipe.account, pipe.region, NAMESPACE, name, by, value, "Count", ctx.now))
