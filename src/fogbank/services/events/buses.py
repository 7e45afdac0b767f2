"""Event buses."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.events import encryption, logs, paged, sources, tagging
from fogbank.services.events.addresses import bus_arn, bus_at, invalid, over_limit, own_bus_at, there
from fogbank.services.events.state import BUSES, BUSES_LIMIT, DEFAULT, RULES, SOURCES, Bus
from fogbank.store import change


@operation("CreateEventBus")
def create_event_bus(ctx: Context, req: Any) -> Answer:
    """Makes a custom bus, or with EventSourceName the bus of a partner event source, which has the source's name.

    Limits: 100 buses of an account in a region. With KmsKeyIdentifier, EventBridge must be allowed to use the key by its policy.
    Errors: ResourceAlreadyExistsException, ResourceNotFoundException (no such event source), InvalidStateException,
    LimitExceededException, ValidationException. Source: API reference, CreateEventBus.
    """
    if req.Name == DEFAULT or BUSES.get(ctx, ctx.account, ctx.region, req.Name) is not None:
        raise there(f"Event bus {req.Name}")
    source = req.EventSourceName or ""
    if source:
        sources.take(ctx, source, req.Name)
    elif "/" in req.Name:
        raise invalid("Event bus name must not contain '/'.")
    if sum(1 for _ in BUSES.scan(ctx, ctx.account, ctx.region)) >= BUSES_LIMIT:
        raise over_limit()
    bus = Bus(
        account=ctx.account,
        region=ctx.region,
        name=req.Name,
        created_at_ms=ctx.now,
        source=source,
        tags=tagging.read(req.Tags),
    )
    bus = _configured(ctx, bus, req)
    BUSES.put(ctx, bus)
    return {"EventBusArn": bus_arn(bus), **_settings(bus)}


@operation("UpdateEventBus")
def update_event_bus(ctx: Context, req: Any) -> Answer:
    """Changes the description, the KMS key, the dead-letter queue or the logging of a bus; an empty KmsKeyIdentifier takes the key away.

    What is not given stays. The rules of the bus are encrypted anew under another key.
    Errors: ResourceNotFoundException, ValidationException. Source: API reference, UpdateEventBus.
    """
    before = own_bus_at(ctx, req.Name)
    after = _configured(ctx, before, req)
    if after.kms_key != before.kms_key:
        encryption.reseal_rules(ctx, before, after)
    BUSES.put(ctx, after)
    return {"Arn": bus_arn(after), "Name": after.name, **_settings(after)}


def _configured(ctx: Context, bus: Bus, req: Any) -> Bus:
    """The bus with what a request sets."""
    changes: dict[str, Any] = {"modified_at_ms": ctx.now}
    if req.Description is not None:
        changes["description"] = req.Description
    if req.KmsKeyIdentifier is not None:
        changes["kms_key"] = encryption.key_arn(ctx, req.KmsKeyIdentifier)
    if req.DeadLetterConfig is not None:
        changes["dead_letter_arn"] = dead_letter_arn(req.DeadLetterConfig)
    if req.LogConfig is not None:
        logs.check(req.LogConfig)
        changes |= {"log_level": req.LogConfig.Level or "OFF", "log_detail": req.LogConfig.IncludeDetail or "NONE"}
    made = change(bus, **changes)
    if changes.get("kms_key"):
        try:
            encryption.data_key(ctx, made)
        except ServiceException as refused:
            raise invalid(f"EventBridge cannot use the KMS key {made.kms_key}: {refused.message}") from None
    return made


def dead_letter_arn(config: Any) -> str:
    """The queue of a DeadLetterConfig: standard, not FIFO; "" for none. Raises ValidationException."""
    arn: str = (config.Arn if config is not None else None) or ""
    if arn and (":sqs:" not in arn or arn.endswith(".fifo")):
        raise invalid(f"Parameter DeadLetterConfig.Arn is not valid. Reason: {arn} is not the ARN of a standard SQS queue.")
    return arn


def _settings(bus: Bus) -> dict[str, Any]:
    return {
        "Description": bus.description or None,
        "KmsKeyIdentifier": bus.kms_key or None,
        "DeadLetterConfig": {"Arn": bus.dead_letter_arn} if bus.dead_letter_arn else None,
        "LogConfig": {"IncludeDetail": bus.log_detail, "Level": bus.log_level} if bus.log_level else None,
    }


def _shown(bus: Bus) -> dict[str, Any]:
    return {
        "Name": bus.name,
        "Arn": bus_arn(bus),
        "Description": bus.description or None,
        "Policy": bus.policy or None,
        "CreationTime": bus.created_at_ms or None,
        "LastModifiedTime": bus.modified_at_ms or None,
    }


@operation("DescribeEventBus")
def describe_event_bus(ctx: Context, req: Any) -> Answer:
    """A bus with its policy; the default bus where none is named. Errors: ResourceNotFoundException. Source: DescribeEventBus."""
    bus = bus_at(ctx, req.Name)
    return {**_shown(bus), **_settings(bus)}


@operation("ListEventBuses")
def list_event_buses(ctx: Context, req: Any) -> Answer:
    """The buses of the account in the region, by name, the default bus among them. Source: API reference, ListEventBuses."""
    buses = {bus.name: bus for bus in BUSES.scan(ctx, ctx.account, ctx.region)}
    buses.setdefault(DEFAULT, Bus(account=ctx.account, region=ctx.region, name=DEFAULT))
    after = paged.after(req)
    names = sorted(name for name in buses if name.startswith(req.NamePrefix or "") and name > after)
    page, token = paged.page(req, names, str)
    return {"EventBuses": [_shown(buses[name]) for name in page], "NextToken": token}


@operation("DeleteEventBus")
def delete_event_bus(ctx: Context, req: Any) -> Answer:
    """Deletes a custom or partner bus that has no rules; one that is not there is no error. The event source is then pending again.

    Errors: ValidationException (the default bus, or one with rules). Source: API reference, DeleteEventBus.
    """
    if req.Name == DEFAULT:
        raise invalid("Cannot delete event bus default.")
    bus = BUSES.get(ctx, ctx.account, ctx.region, req.Name)
    if bus is None:
        return None
    if next(RULES.scan(ctx, bus.account, bus.region, bus.name), None) is not None:
        raise invalid(f"Event bus {bus.name} can't be deleted since it has rules.")
    source = SOURCES.get(ctx, bus.account, bus.region, bus.source) if bus.source else None
    if source is not None:
        sources.release(ctx, source)
    BUSES.delete(ctx, bus)
    return None
