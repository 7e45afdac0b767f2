"""AWS/Lambda's metrics, with its dimensions: of all functions, of a function, and of what of it was invoked."""

from __future__ import annotations

from fogbank.kernel.context import Context
from fogbank.kernel.telemetry import MEASURES, Measure
from fogbank.services.lambda_.addresses import Address

NAMESPACE = "AWS/Lambda"


def measure(ctx: Context, where: Address, name: str, value: float, unit: str = "Count", *, all_functions: bool = True) -> None:
    """One value of a metric, of the function's account and region."""
    account, region, function, qualifier = where
    resource = f"{function}:{qualifier}" if qualifier else function
    own = ("FunctionName", function)
    for dimensions in ((own,), (own, ("Resource", resource)), ()):
        if dimensions or all_functions:
            ctx.tell(MEASURES, Measure(account, region, NAMESPACE, name, dimensions, value, unit, ctx.now))
