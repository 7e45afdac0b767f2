"""What services are told afterwards, many at once: metrics, spans, log lines, the trail of calls.

`ctx.tell` only adds to a list; the gateway adds what it has to say of each call. Within half a second, or when somebody
is about to read, the services' `gather` gets all of it in one transaction. What must not be lost is a task instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fogbank.access.principal import service as service_principal
from fogbank.kernel.telemetry import MEASURES, Counted

if TYPE_CHECKING:
    from fogbank.gateway.call import Entry
    from fogbank.gateway.cloud import Cloud
    from fogbank.gateway.pipeline import Gateway
    from fogbank.store.transaction import Transaction

WAIT_S = 0.5
_ROUNDS = 8
"""What is gathered may have something to tell in its turn: log lines a metric, a metric an alarm."""


class Gathering:
    """What one cloud has to tell its services."""

    def __init__(self, gateway: Gateway, cloud: Cloud) -> None:
        self._gateway = gateway
        self._cloud = cloud
        self._told: list[tuple[str, Any]] = []
        self._calls: dict[tuple[Entry, str, str, str, str], list[float]] = {}
        """(operation, account, region, error, about what) -> how many calls, and their milliseconds."""
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def waiting(self) -> bool:
        """Whether there is something that nobody has been told."""
        return bool(self._told or self._calls)

    def heard(self, tx: Transaction) -> None:
        """Adds what a transaction that was undone had to tell."""
        if tx.told is not None:
            self.take(tx.told)

    def take(self, told: Sequence[tuple[str, Any]]) -> None:
        """Adds (service, what) to what will be told."""
        self._told += told
        if self._timer is None:
            self._soon()

    def count(self, entry: Entry, account: str, region: str, error: str, about: str, took_ms: float) -> None:
        """A call that was answered."""
        key = (entry, account, region, error, about)
        counted = self._calls.get(key)
        if counted is not None:
            counted[0] += 1
            counted[1] += took_ms
            return
        self._calls[key] = [1, took_ms]
        if self._timer is None:
            self._soon()

    def _soon(self) -> None:
        if not self._closed:
            self._timer = self._gateway.loop.call_later(WAIT_S, self.flush)

    def flush(self) -> None:
        """Tells everything."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for _ in range(_ROUNDS):
            if not self.waiting:
                return
            told, self._told = self._told, []
            by_service: dict[str, list[Any]] = {}
            if self._calls:
                by_service[MEASURES] = self._counted()
            for service, what in told:
                by_service.setdefault(service, []).append(what)
            for service, items in by_service.items():
                self._tell(service, items)

    def _counted(self) -> list[Any]:
        calls, self._calls = self._calls, {}
        now_ms = self._cloud.clock.now_ms()
        return [
            Counted(account, region, entry.service, entry.operation, error, int(count), took_ms, now_ms, about)
            for (entry, account, region, error, about), (count, took_ms) in calls.items()
        ]

    def _tell(self, service: str, items: list[Any]) -> None:
        gateway, cloud = self._gateway, self._cloud
        manifest = gateway.manifest(service)
        if manifest is None or manifest.gather is None:
            return
        tx = cloud.begin()
        principal = service_principal(f"{service}.amazonaws.com")
        try:
            manifest.gather(gateway.context(cloud, tx, manifest, principal, "", "", service, "gather", cloud.chance.request_id()), items)
            cloud.commit(tx)
        except Exception:
            cloud.undo(tx)
            gateway.report(f"{service}: gathering")

    def close(self) -> None:
        """Tells what there is, and nothing more."""
        self.flush()
        self._closed = True

    def forget(self) -> None:
        """The cloud is another one now."""
        self._told.clear()
        self._calls.clear()
