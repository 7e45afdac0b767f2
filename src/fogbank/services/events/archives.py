"""Archives: each is a managed rule of its bus, which keeps what its pattern matches, except what a replay sends."""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.events import archiving, encryption, paged, rules
from fogbank.services.events.addresses import Address, archive_arn, bad, bus_arn, invalid, missing, own_bus_at, there
from fogbank.services.events.state import ARCHIVES, HOLDINGS, RULES, Archive, Bus, Holding, Rule, Target
from fogbank.store import change

MANAGER = "prod.vhs.events.aws.internal"
NEVER_REPLAYED = {"replay-name": [{"exists": False}]}


@operation("CreateArchive")
def create_archive(ctx: Context, req: Any) -> Answer:
    """Makes an archive of what a bus gets from now on: all of it, or what a pattern matches; for RetentionDays, or (0) for good.

    Errors: ResourceAlreadyExistsException, ResourceNotFoundException (no bus), InvalidEventPatternException, ValidationException.
    Source: API reference, CreateArchive.
    """
    if ARCHIVES.get(ctx, ctx.account, ctx.region, req.ArchiveName) is not None:
        raise there(f"Archive {req.ArchiveName}")
    if ":event-bus/" not in req.EventSourceArn:
        raise bad("EventSourceArn", "Must contain an event bus ARN.")
    bus = own_bus_at(ctx, req.EventSourceArn)
    archive = Archive(
        account=bus.account,
        region=bus.region,
        name=req.ArchiveName,
        id=ctx.tx.unique(),
        bus=bus.name,
        created_at_ms=ctx.now,
    )
    archive = _configured(ctx, bus, archive, req)
    rule = Rule(
        account=bus.account,
        region=bus.region,
        bus=bus.name,
        name=f"Events-Archive-{archive.name}",
        created_at_ms=ctx.now,
        created_by=bus.account,
        managed_by=MANAGER,
        pattern=_pattern(archive),
        targets=(Target(f"Events-Archive-{archive.name}", archive_arn(archive)),),
    )
    rules.put(ctx, bus, None, rule)
    HOLDINGS.put(ctx, Holding(archive=archive.id))
    return _answer(archive)


def _configured(ctx: Context, bus: Bus, archive: Archive, req: Any) -> Archive:
    """The archive with what a request sets; put."""
    changes: dict[str, Any] = {}
    if req.Description is not None:
        changes["description"] = req.Description
    if req.EventPattern is not None:
        if req.EventPattern:
            rules.compiled(req.EventPattern)
        changes["pattern"] = req.EventPattern
    if req.RetentionDays is not None:
        changes["retention_days"] = req.RetentionDays
    if req.KmsKeyIdentifier is not None:
        changes["kms_key"] = encryption.key_arn(ctx, req.KmsKeyIdentifier)
    archive = change(archive, **changes)
    if changes.get("kms_key"):
        encryption.data_key(ctx, bus, archive.kms_key, archive_arn(archive))
    ARCHIVES.put(ctx, archive)
    return archive


def _pattern(archive: Archive) -> str:
    wanted = msgspec.json.decode(archive.pattern) if archive.pattern else {}
    return msgspec.json.encode({**wanted, **NEVER_REPLAYED}).decode()


def _answer(archive: Archive) -> dict[str, Any]:
    return {"ArchiveArn": archive_arn(archive), "State": "ENABLED", "CreationTime": archive.created_at_ms}


def archive_at(ctx: Context, name: str) -> Archive:
    """Raises ResourceNotFoundException."""
    archive = ARCHIVES.get(ctx, ctx.account, ctx.region, name)
    if archive is None:
        raise missing(f"Archive {name}")
    return archive


@operation("UpdateArchive")
def update_archive(ctx: Context, req: Any) -> Answer:
    """Changes pattern, retention, description or KMS key of an archive; what is not given stays.

    Errors: ResourceNotFoundException, InvalidEventPatternException, ValidationException. Source: API reference, UpdateArchive.
    """
    before = archive_at(ctx, req.ArchiveName)
    bus, rule = rules.open_rule_at(ctx, before.bus, f"Events-Archive-{before.name}")
    after = _configured(ctx, bus, before, req)
    rules.put(ctx, bus, rule, change(rule, pattern=_pattern(after)))
    if after.retention_days != before.retention_days:
        held = HOLDINGS.get(ctx, after.id) or Holding(archive=after.id)
        HOLDINGS.put(ctx, archiving.planned(ctx, after, change(held, sweep_at_ms=0)))
    return _answer(after)


@operation("DeleteArchive")
def delete_archive(ctx: Context, req: Any) -> Answer:
    """Deletes an archive with its events. Errors: ResourceNotFoundException. Source: API reference, DeleteArchive."""
    archive = archive_at(ctx, req.ArchiveName)
    rule = RULES.get(ctx, archive.account, archive.region, archive.bus, f"Events-Archive-{archive.name}")
    if rule is not None:
        rules.remove(ctx, encryption.open_rule(ctx, rule))
    ARCHIVES.delete(ctx, archive)
    ctx.later("events.drop_archive", {"id": archive.id})
    return None


def _shown(ctx: Context, archive: Archive) -> dict[str, Any]:
    held = HOLDINGS.get(ctx, archive.id) or Holding(archive=archive.id)
    return {
        "ArchiveName": archive.name,
        "EventSourceArn": bus_arn(Address(archive.account, archive.region, archive.bus)),
        "State": "ENABLED",
        "RetentionDays": archive.retention_days,
        "SizeBytes": held.size_bytes,
        "EventCount": held.count,
        "CreationTime": archive.created_at_ms,
    }


@operation("DescribeArchive")
def describe_archive(ctx: Context, req: Any) -> Answer:
    """An archive, and how much it holds now. Errors: ResourceNotFoundException. Source: API reference, DescribeArchive."""
    archive = archive_at(ctx, req.ArchiveName)
    return {
        **_shown(ctx, archive),
        "ArchiveArn": archive_arn(archive),
        "Description": archive.description or None,
        "EventPattern": archive.pattern or None,
        "KmsKeyIdentifier": archive.kms_key or None,
    }


@operation("ListArchives")
def list_archives(ctx: Context, req: Any) -> Answer:
    """The archives of the account in the region, or those of a bus, in a state, or whose names begin with a prefix; one filter at a time.

    Errors: ValidationException (more than one filter). Source: API reference, ListArchives.
    """
    one_filter(req, "NamePrefix", "EventSourceArn", "State")
    found = ARCHIVES.scan(ctx, ctx.account, ctx.region, starting=req.NamePrefix or "", after=paged.after(req))
    shown = (_shown(ctx, archive) for archive in found)
    wanted = (one for one in shown if all(getattr(req, n) in (None, one[n]) for n in ("EventSourceArn", "State")))
    page, token = paged.page(req, wanted, lambda one: str(one["ArchiveName"]))
    return {"Archives": page, "NextToken": token}


def one_filter(req: Any, *names: str) -> None:
    """Raises ValidationException where more than one of some filters is given."""
    if sum(getattr(req, name) is not None for name in names) > 1:
        listed = ", ".join(names[:-1]) + f", or {names[-1]}"
        raise invalid(f"At most one filter is allowed for this request. Use only one of: {listed}.")
