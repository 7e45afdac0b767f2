"""Keeping events in archives, and letting go of those past their retention."""

from __future__ import annotations

from itertools import islice
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.services.events import encryption
from fogbank.services.events.addresses import archive_arn, get_archive
from fogbank.services.events.event import Event
from fogbank.services.events.state import ARCHIVED, ARCHIVES, HOLDINGS, KEPT, Archive, Archived, Bus, Holding
from fogbank.store import change

DAY_MS = 86_400_000
PORTION = 500
"""Events deleted in one transaction."""


def keep(ctx: Context, bus: Bus, arn: str, event: Event) -> None:
    """Adds an event to an archive. Errors: ResourceNotFoundException, those of KMS."""
    archive = get_archive(ctx, arn)
    if archive is None:
        raise ServiceException("ResourceNotFoundException", f"Archive {arn} does not exist.")
    key = encryption.data_key(ctx, bus, archive.kms_key, archive_arn(archive)) if archive.kms_key else encryption.data_key(ctx, bus)
    size = len(event.text)
    ARCHIVED.put(
        ctx,
        Archived(
            archive=archive.id,
            at_ms=event.at_ms,
            number=ctx.tx.unique(),
            kept_at_ms=ctx.now,
            size_bytes=size,
            event=encryption.seal(ctx, key, event.text),
        ),
    )
    held = HOLDINGS.get(ctx, archive.id) or Holding(archive=archive.id)
    HOLDINGS.put(ctx, planned(ctx, archive, change(held, count=held.count + 1, size_bytes=held.size_bytes + size)))


def planned(ctx: Context, archive: Archive, held: Holding) -> Holding:
    """The holding with a sweep set for when its oldest event is past the retention."""
    if not archive.retention_days or held.sweep_at_ms:
        return held
    oldest = KEPT.first(ctx, archive.id)
    if oldest is None:
        return held
    at_ms = max(oldest.kept_at_ms + archive.retention_days * DAY_MS, ctx.now)
    payload = {"account": archive.account, "region": archive.region, "archive": archive.name, "id": archive.id, "at_ms": at_ms}
    ctx.later("events.sweep", payload, at_ms=at_ms)
    return change(held, sweep_at_ms=at_ms)


@task("sweep")
def sweep(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes what is past the retention of an archive, and comes again when the oldest of the rest is."""
    archive = ARCHIVES.get(ctx, payload["account"], payload["region"], payload["archive"])
    held = HOLDINGS.get(ctx, payload["id"])
    if archive is None or archive.id != payload["id"] or held is None or held.sweep_at_ms != payload["at_ms"]:
        return None
    if archive.retention_days:
        until_ms = ctx.now - archive.retention_days * DAY_MS
        for archived in list(islice(KEPT.scan(ctx, archive.id, before=until_ms + 1), PORTION)):
            ARCHIVED.delete(ctx, archived)
            held = change(held, count=held.count - 1, size_bytes=held.size_bytes - archived.size_bytes)
    HOLDINGS.put(ctx, planned(ctx, archive, change(held, sweep_at_ms=0)))
    return None


@task("drop_archive")
def drop_archive(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes the events of an archive that is gone."""
    portion = list(islice(ARCHIVED.scan(ctx, payload["id"]), PORTION))
    for archived in portion:
        ARCHIVED.delete(ctx, archived)
    if len(portion) == PORTION:
        ctx.later("events.drop_archive", payload)
    elif (held := HOLDINGS.get(ctx, payload["id"])) is not None:
        HOLDINGS.delete(ctx, held)
    return None
