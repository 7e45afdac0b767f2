"""How things are named: buses and rules by name and ARN; what a request is about; finding it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.events.state import (
    ARCHIVES,
    BUSES,
    CONNECTIONS,
    DEFAULT,
    DESTINATIONS,
    RULES,
    Archive,
    Bus,
    Connection,
    Destination,
    Rule,
)

_partner = re.compile(r"(aws\.partner(?:/[^/]+){2,})/([^/]+)").fullmatch


class Address(NamedTuple):
    """A bus."""

    account: str
    region: str
    name: str


@lru_cache(4096)
def arn(account: str, region: str, resource: str) -> str:
    return f"arn:{partition_of(region)}:events:{region}:{account}:{resource}"


def bus_arn(bus: Bus | Address) -> str:
    return arn(bus.account, bus.region, f"event-bus/{bus.name}")


def rule_arn(rule: Rule) -> str:
    return arn(rule.account, rule.region, f"rule/{rule.name}" if rule.bus == DEFAULT else f"rule/{rule.bus}/{rule.name}")


def archive_arn(archive: Archive) -> str:
    return arn(archive.account, archive.region, f"archive/{archive.name}")


def connection_arn(connection: Connection) -> str:
    return arn(connection.account, connection.region, f"connection/{connection.name}/{connection.id}")


def destination_arn(destination: Destination) -> str:
    return arn(destination.account, destination.region, f"api-destination/{destination.name}/{destination.id}")


def missing(what: str) -> ServiceException:
    return ServiceException("ResourceNotFoundException", f"{what} does not exist.")


def there(what: str) -> ServiceException:
    return ServiceException("ResourceAlreadyExistsException", f"{what} already exists.")


def over_limit() -> ServiceException:
    return ServiceException("LimitExceededException", "The requested resource exceeds the maximum number allowed.")


def invalid(message: str) -> ServiceException:
    return ServiceException("ValidationException", message)


def bad(name: str, reason: str) -> ServiceException:
    return invalid(f"Parameter {name} is not valid. Reason: {reason}")


# Buses


@lru_cache(4096)
def address_of_arn(text: str) -> Address | None:
    parts = Arn.parse(text)
    if parts is None or parts.service != "events" or not parts.resource.startswith("event-bus/"):
        return None
    return Address(parts.account, parts.region, parts.resource.removeprefix("event-bus/"))


def address(ctx: Context, name: str | None) -> Address:
    """The bus that a name or an ARN means for this caller; the default bus where none is named."""
    if name and name.startswith("arn:"):
        found = address_of_arn(name)
        if found is None:
            raise missing(f"Event bus {name}")
        return found
    return Address(ctx.account, ctx.region, name or DEFAULT)


def get_bus(ctx: Context, where: Address) -> Bus | None:
    bus = BUSES.get(ctx, *where)
    if bus is None and where.name == DEFAULT and where.account:
        return Bus(account=where.account, region=where.region, name=DEFAULT)
    return bus


def bus_at(ctx: Context, name: str | None) -> Bus:
    """Raises ResourceNotFoundException."""
    where = address(ctx, name)
    bus = get_bus(ctx, where)
    if bus is None:
        raise missing(f"Event bus {where.name}")
    return bus


def own_bus_at(ctx: Context, name: str | None) -> Bus:
    """For what only the bus's own account may do. Raises ResourceNotFoundException."""
    bus = bus_at(ctx, name)
    if (bus.account, bus.region) != (ctx.account, ctx.region):
        raise missing(f"Event bus {bus.name}")
    return bus


def readable_bus_at(ctx: Context, name: str | None) -> Bus:
    """For listings, which the door checks for no bus: another account's is refused. Raises ResourceNotFoundException, AccessDenied."""
    bus = bus_at(ctx, name)
    if bus.account != ctx.account:
        ctx.authorize(f"events:{ctx.operation}", bus_arn(bus))
    return bus


# Rules


def get_rule(ctx: Context, where: Address, name: str) -> Rule | None:
    return RULES.get(ctx, *where, name)


def rule_at(ctx: Context, bus_name: str | None, name: str) -> tuple[Bus, Rule]:
    """A rule with its bus. Raises ResourceNotFoundException."""
    bus = bus_at(ctx, bus_name)
    rule = RULES.get(ctx, bus.account, bus.region, bus.name, name)
    if rule is None:
        raise ServiceException("ResourceNotFoundException", f"Rule {name} does not exist on EventBus {bus.name}.")
    return bus, rule


def rule_of_arn(text: str) -> tuple[Address, str] | None:
    """The bus and the name of the rule that an ARN means."""
    parts = Arn.parse(text)
    if parts is None or parts.service != "events" or not parts.resource.startswith("rule/"):
        return None
    path = parts.resource.removeprefix("rule/")
    partner = _partner(path)
    bus, name = (partner[1], partner[2]) if partner else path.rsplit("/", 1) if "/" in path else (DEFAULT, path)
    return Address(parts.account, parts.region, bus), name


# What a request is about, for the door

_BUS_OPERATIONS = frozenset({"CreateEventBus", "DescribeEventBus", "UpdateEventBus", "DeleteEventBus"})


def bus_of_request(ctx: Context, req: Any) -> str | None:
    operation = ctx.operation
    if operation in _BUS_OPERATIONS:
        return bus_arn(address(ctx, req.Name))
    if operation == "StartReplay":
        destination: str = req.Destination.Arn
        return destination
    named: str | None = getattr(req, "ResourceARN", None) or getattr(req, "EventSourceArn", None)
    return named if named and ":event-bus/" in named else None


def rule_of_request(ctx: Context, req: Any) -> str | None:
    """The ARN of the rule, on whatever bus."""
    if (named := getattr(req, "ResourceARN", None)) is not None:
        return named if ":rule/" in named else None
    name: str | None = getattr(req, "Rule", None) or getattr(req, "Name", None)
    if name is None:
        return None
    where = address(ctx, req.EventBusName)
    return arn(where.account, where.region, f"rule/{name}" if where.name == DEFAULT else f"rule/{where.name}/{name}")


def rule_of(kind: str) -> Any:
    """`rule_of_request` for one of the two resource types: rules on the default bus, and on others."""

    def of_request(ctx: Context, req: Any) -> str | None:
        text = rule_of_request(ctx, req)
        found = rule_of_arn(text) if text is not None else None
        return text if found is not None and (found[0].name == DEFAULT) == (kind == DEFAULT) else None

    return of_request


def bus_tags(ctx: Context, text: str) -> dict[str, str] | None:
    where = address_of_arn(text)
    bus = get_bus(ctx, where) if where else None
    return bus.tags if bus else None


def bus_policy(ctx: Context, text: str) -> str | None:
    where = address_of_arn(text)
    bus = get_bus(ctx, where) if where else None
    return bus.policy or None if bus else None


def rule_tags(ctx: Context, text: str) -> dict[str, str] | None:
    found = rule_of_arn(text)
    rule = get_rule(ctx, *found) if found else None
    return rule.tags if rule else None


def rule_policy(ctx: Context, text: str) -> str | None:
    """Rules on a bus are governed by the bus's policy."""
    found = rule_of_arn(text)
    bus = get_bus(ctx, found[0]) if found else None
    return bus.policy or None if bus else None


def named(kind: str, member: str) -> Any:
    """A resource of the caller's that a request names by a member: an archive, a replay."""

    def of_request(ctx: Context, req: Any) -> str | None:
        name: str | None = getattr(req, member, None)
        return arn(ctx.account, ctx.region, f"{kind}/{name}") if name else None

    return of_request


def archive_of_request(ctx: Context, req: Any) -> str | None:
    if ctx.operation == "StartReplay":
        source: str = req.EventSourceArn
        return source
    return arn(ctx.account, ctx.region, f"archive/{req.ArchiveName}")


def connection_of_request(ctx: Context, req: Any) -> str | None:
    if (text := getattr(req, "ConnectionArn", None)) is not None or "Connection" not in ctx.operation:
        return text
    connection = CONNECTIONS.get(ctx, ctx.account, ctx.region, req.Name)
    return connection_arn(connection) if connection else arn(ctx.account, ctx.region, f"connection/{req.Name}")


def destination_of_request(ctx: Context, req: Any) -> str | None:
    destination = DESTINATIONS.get(ctx, ctx.account, ctx.region, req.Name)
    return destination_arn(destination) if destination else arn(ctx.account, ctx.region, f"api-destination/{req.Name}")


def source_of_request(ctx: Context, req: Any) -> str | None:
    name = getattr(req, "EventSourceName", None) or getattr(req, "Name", None)
    return arn("", ctx.region, f"event-source/{name}") if name else None


def get_archive(ctx: Context, text: str) -> Archive | None:
    parts = Arn.parse(text)
    if parts is None or parts.service != "events" or not parts.resource.startswith("archive/"):
        return None
    return ARCHIVES.get(ctx, parts.account, parts.region, parts.resource.removeprefix("archive/"))
