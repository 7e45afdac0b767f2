"""What CreateTable and UpdateTable say of keys, indexes and capacity: read and checked. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.dynamodb.faults import invalid, invalid_values
from fogbank.services.dynamodb.state import Index, KeyPart, Throughput

LOCAL_LIMIT = 5
GLOBAL_LIMIT = 20
ATTRIBUTES_LIMIT = 100
"""Non-key attributes, summed over all indexes."""
PARTS_LIMIT = 4
"""Attributes in the partition key, and in the sort key, of a global index."""
UNITS_LIMIT = 40_000

PROVISIONED = "PROVISIONED"
ON_DEMAND = "PAY_PER_REQUEST"

Attributes = dict[str, str]


def attributes_of(defined: Iterable[Any] | None) -> Attributes:
    """AttributeDefinitions: name -> type."""
    found: Attributes = {}
    for one in defined or ():
        if found.setdefault(one.AttributeName, one.AttributeType) != one.AttributeType:
            raise invalid_values(f"Cannot have two attribute definitions with the same name: {one.AttributeName}")
    return found


def table_key(elements: list[Any], attributes: Attributes) -> tuple[KeyPart, KeyPart | None]:
    """A table's KeySchema: a partition key, and a sort key where there is one."""
    if len(elements) > 2:
        shown = ", ".join(f"KeySchemaElement(attributeName={e.AttributeName}, keyType={e.KeyType})" for e in elements)
        raise invalid(
            f"1 validation error detected: Value '[{shown}]' at 'keySchema' failed to satisfy constraint: "
            "Member must have length less than or equal to 2"
        )
    partition, sort = _key(elements, attributes)
    return partition[0], sort[0] if sort else None


def _key(elements: list[Any], attributes: Attributes) -> tuple[tuple[KeyPart, ...], tuple[KeyPart, ...]]:
    """A KeySchema: the attributes of the partition key, then those of the sort key."""
    if elements[0].KeyType != "HASH":
        raise invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
    kinds = [element.KeyType for element in elements]
    if kinds != sorted(kinds):
        raise invalid("Invalid KeySchema: The HASH key types do not come before the RANGE key types")
    names = [element.AttributeName for element in elements]
    if len(set(names)) < len(names):
        raise invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name")
    missing = [name for name in names if name not in attributes]
    if missing:
        raise invalid_values(
            "Some index key attributes are not defined in AttributeDefinitions. "
            f"Keys: [{', '.join(missing)}], AttributeDefinitions: [{', '.join(attributes)}]"
        )
    parts = [(kind, KeyPart(name, attributes[name])) for kind, name in zip(kinds, names, strict=True)]
    return tuple(part for kind, part in parts if kind == "HASH"), tuple(part for kind, part in parts if kind == "RANGE")


def local_index(given: Any, attributes: Attributes, partition: str, number: int) -> Index:
    """A LocalSecondaryIndex of a table with this partition key."""
    hashes, ranges = _key(given.KeySchema, attributes)
    if [part.name for part in hashes] != [partition]:
        raise invalid_values(
            f"Index KeySchema does not have the same leading hash key as table KeySchema for index: {given.IndexName}. "
            f"index hash key: {hashes[0].name}, table hash key: {partition}"
        )
    if len(ranges) != 1:
        raise invalid_values(f"Index KeySchema does not have a range key for index: {given.IndexName}")
    kind, projected = _projection(given.Projection)
    return Index(
        name=given.IndexName, number=number, local=True, partition=hashes, sort=ranges, projection=kind, attributes=projected,
        status="CREATING",
    )  # fmt: skip


def global_index(given: Any, attributes: Attributes, billing_mode: str, number: int) -> Index:
    """A GlobalSecondaryIndex, as CreateTable and UpdateTable give it."""
    hashes, ranges = _key(given.KeySchema, attributes)
    if len(hashes) > PARTS_LIMIT or len(ranges) > PARTS_LIMIT:
        raise invalid_values(f"Key schema of index {given.IndexName} exceeds the limit of {PARTS_LIMIT} HASH and {PARTS_LIMIT} RANGE keys")
    if given.WarmThroughput is not None:
        raise NotImplementedOperation("dynamodb", "CreateTable", "with WarmThroughput")
    kind, projected = _projection(given.Projection)
    throughput = index_throughput(given.IndexName, given, billing_mode)
    return Index(
        name=given.IndexName, number=number, local=False, partition=hashes, sort=ranges, projection=kind, attributes=projected,
        status="CREATING", throughput=throughput,
    )  # fmt: skip


def _projection(given: Any) -> tuple[str, tuple[str, ...]]:
    kind, attributes = given.ProjectionType, given.NonKeyAttributes
    if kind is None:
        raise invalid_values("Unknown ProjectionType: null")
    if kind == "INCLUDE" and not attributes:
        raise invalid_values("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
    if kind != "INCLUDE" and attributes:
        raise invalid_values(f"ProjectionType is {kind}, but NonKeyAttributes is specified")
    return kind, tuple(dict.fromkeys(attributes or ()))


def check_indexes(indexes: Iterable[Index]) -> None:
    """The limits on a table's indexes together."""
    listed = list(indexes)
    names: set[str] = set()
    for index in listed:
        if index.name in names:
            raise invalid_values(f"Duplicate index name: {index.name}")
        names.add(index.name)
    if sum(index.local for index in listed) > LOCAL_LIMIT:
        raise invalid_values(f"Number of LocalSecondaryIndexes exceeds per-table limit of {LOCAL_LIMIT}")
    if sum(not index.local for index in listed) > GLOBAL_LIMIT:
        raise invalid_values(f"GlobalSecondaryIndex count exceeds the per-table limit of {GLOBAL_LIMIT}")
    if sum(len(index.attributes) for index in listed) > ATTRIBUTES_LIMIT:
        raise invalid_values(f"Number of NonKeyAttributes summed across all indexes exceeds the limit of {ATTRIBUTES_LIMIT}")


def check_used(attributes: Attributes, keys: Iterable[str]) -> None:
    """Every attribute that is defined is part of a key."""
    used = list(dict.fromkeys(keys))
    if set(used) != set(attributes):
        raise invalid_values(
            f"Some AttributeDefinitions are not used. AttributeDefinitions: [{', '.join(attributes)}], keys used: [{', '.join(used)}]"
        )


# capacity


def throughput_of(given: Any, billing_mode: str) -> Throughput:
    """A table's capacity, from its ProvisionedThroughput or OnDemandThroughput."""
    provisioned = given.ProvisionedThroughput
    if billing_mode == PROVISIONED:
        if provisioned is None:
            raise invalid_values("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
    elif provisioned is not None:
        raise invalid_values("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
    return _throughput(given, billing_mode)


def index_throughput(name: str, given: Any, billing_mode: str) -> Throughput:
    """A global index's capacity."""
    provisioned = given.ProvisionedThroughput
    if billing_mode == PROVISIONED:
        if provisioned is None:
            raise invalid_values(f"ProvisionedThroughput must be specified for index: {name}")
    elif provisioned is not None:
        raise invalid_values(f"ProvisionedThroughput should not be specified for index: {name} when BillingMode is PAY_PER_REQUEST")
    return _throughput(given, billing_mode)


def _throughput(given: Any, billing_mode: str) -> Throughput:
    limits = given.OnDemandThroughput
    if billing_mode == PROVISIONED:
        if limits is not None:
            raise invalid_values("OnDemandThroughput cannot be specified when BillingMode is PROVISIONED")
        return Throughput(*units_of(given.ProvisionedThroughput))
    read, write = limits_of(limits) if limits is not None else (0, 0)
    return Throughput(read_limit=read, write_limit=write)


def units_of(provisioned: Any) -> tuple[int, int]:
    """ProvisionedThroughput: units of reading and of writing."""
    read, write = provisioned.ReadCapacityUnits, provisioned.WriteCapacityUnits
    if read > UNITS_LIMIT or write > UNITS_LIMIT:
        raise ServiceException(
            "LimitExceededException",
            f"Subscriber limit exceeded: The requested throughput is above the per-table limit of {UNITS_LIMIT} units.",
        )
    return read, write


def limits_of(given: Any) -> tuple[int, int]:
    """OnDemandThroughput: the limits of reading and of writing; -1 (no limit) is 0 here."""
    found = []
    for name, value in (("MaxReadRequestUnits", given.MaxReadRequestUnits), ("MaxWriteRequestUnits", given.MaxWriteRequestUnits)):
        if value is not None and value != -1 and value < 1:
            raise invalid_values(f"{name} for OnDemandThroughput must be -1 or at least 1")
        found.append(0 if value is None or value == -1 else value)
    return found[0], found[1]
