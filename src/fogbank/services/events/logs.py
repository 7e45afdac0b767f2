"""The logging of a bus (LogConfig)."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.errors import NotImplementedOperation


def check(config: Any) -> None:
    """Refuses a level that asks for logs: they go by deliveries of CloudWatch Logs (PutDeliverySource), which are not there."""
    if config.Level not in (None, "OFF"):
        raise NotImplementedOperation("events", "CreateEventBus", f"with LogConfig Level {config.Level}: vended log delivery")
