"""Where events go besides LookupEvents: trails that log, event data stores that ingest, and, with a trail, EventBridge."""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.cloudtrail import keeping, kinds
from fogbank.services.cloudtrail.documents import document
from fogbank.services.cloudtrail.event import Event
from fogbank.services.cloudtrail.selectors import selected, wants
from fogbank.services.cloudtrail.state import INGESTING, PENDING, STORES, TRAILS, Pending, Store, Trail
from fogbank.store.tables import At

PRINCIPAL = "cloudtrail.amazonaws.com"
SEALED_FOR = b"cloudtrail pending"
_ENTRIES = 10
_OWN_SOURCES = {"monitoring": "cloudwatch", "email": "ses", "streams.dynamodb": "dynamodb"}
"""An eventSource's first words -> what EventBridge's events say, where that is another word."""


def arn_of(trail: Trail) -> str:
    return f"arn:aws:cloudtrail:{trail.region}:{trail.account}:trail/{trail.name}"


def data_types(at: At) -> set[str]:
    """The types of data events that somebody wants."""
    selectors = [s for trail in TRAILS.scan(at) if trail.logging for s in (*trail.advanced, *trail.basic)]
    selectors += [s for store in STORES.scan(at) if store.status == INGESTING for s in store.selectors]
    found: set[str] = set()
    for selector in selectors:
        found |= {resource["Type"] for resource in selector.get("DataResources", ())}
        for field in selector.get("FieldSelectors", ()):
            if field["Field"] == "resources.type":
                found |= set(field.get("Equals", ()))
    return found & kinds.TYPES


class Destinations:
    """What of one gathering goes where."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._trails: dict[str, list[Trail]] = {}
        self._stores: dict[str, list[Store]] = {}
        for trail in TRAILS.scan(ctx):
            if trail.logging:
                self._trails.setdefault(trail.account, []).append(trail)
        for store in STORES.scan(ctx):
            if store.status == INGESTING:
                self._stores.setdefault(store.account, []).append(store)
        self._pending: dict[tuple[str, str], list[tuple[int, bytes]]] = {}
        self._kept: dict[tuple[str, str, str], list[tuple[int, bytes]]] = {}
        self._announced: dict[tuple[str, str], list[tuple[Event, bytes]]] = {}

    def __contains__(self, account: str) -> bool:
        """Whether anybody of an account wants events."""
        return account in self._trails or account in self._stores

    def offer(self, event: Event) -> None:
        """Gives an event to all that want it."""
        trails = [t for t in self._trails.get(event.account, ()) if (t.multi_region or t.region == event.region) and wants(t, event)]
        stores = [
            s for s in self._stores.get(event.account, ()) if (s.multi_region or s.region == event.region) and selected(s.selectors, event)
        ]
        if not trails and not stores:
            return
        written = event.call.at_ms, msgspec.json.encode(document(event))
        for trail in trails:
            self._pending.setdefault((arn_of(trail), event.region), []).append(written)
        for store in stores:
            self._kept.setdefault((store.account, store.region, store.id), []).append(written)
        if trails and not _of_delivery(event):
            self._announced.setdefault((event.account, event.region), []).append((event, written[1]))

    def put(self) -> None:
        """Writes everything down, and tells EventBridge."""
        ctx = self._ctx
        for (trail, region), documents in self._pending.items():
            sealed = ctx.vault.seal(msgspec.msgpack.encode(documents), SEALED_FOR)
            PENDING.insert(ctx, Pending(trail=trail, region=region, at_ms=documents[0][0], number=ctx.tx.unique(), sealed=sealed))
        for key, documents in self._kept.items():
            store = STORES.get(ctx, *key)
            assert store is not None, key
            keeping.keep(ctx, store, documents)
        for (account, region), told in self._announced.items():
            _announce(ctx, account, region, told)


def _of_delivery(event: Event) -> bool:
    """Whether a service did it by itself, on data: what EventBridge or a trail delivers would cause the next event without end."""
    return event.who.kind == "service" or (event.type is not None and not event.caller.client)


def _announce(ctx: Context, account: str, region: str, told: list[tuple[Event, bytes]]) -> None:
    """Puts "AWS API Call via CloudTrail" events on the default bus. Which rules get those that only read, EventBridge knows."""
    acting = Acting(PRINCIPAL, f"arn:aws:cloudtrail:{region}:{account}:trail", account)
    entries: list[dict[str, Any]] = []
    for event, text in told:
        source = event.source.removesuffix(".amazonaws.com")
        entries.append(
            {
                "Source": f"aws.{_OWN_SOURCES.get(source, source)}",
                "DetailType": "AWS API Call via CloudTrail",
                "Detail": text.decode(),
                "Time": event.call.at_ms,
            }
        )
    for start in range(0, len(entries), _ENTRIES):
        try:
            ctx.call("events", "PutEvents", {"Entries": entries[start : start + _ENTRIES]}, acting=acting, region=region)
        except ServiceException:
            continue  # such a batch is too large: these are lost, as there
