"""Event selectors: which events a trail wants. Basic ones (read/write, data resources) and advanced ones (fields)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.cloudtrail.event import Event
from fogbank.services.cloudtrail.state import Trail

DEFAULT: tuple[dict[str, Any], ...] = (
    {"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": [], "ExcludeManagementEventSources": []},
)
_DATA_TYPES = ("AWS::S3::Object", "AWS::Lambda::Function", "AWS::DynamoDB::Table")
"""What basic selectors can name."""
_EXCLUDABLE = ("kms.amazonaws.com", "rdsdata.amazonaws.com")
_FIELDS = ("eventCategory", "eventName", "eventSource", "eventType", "readOnly", "resources.ARN", "resources.type", "userIdentity.arn")
_OPERATORS = ("Equals", "StartsWith", "EndsWith", "NotEquals", "NotStartsWith", "NotEndsWith")
_VALUES_LIMIT = 500


def refused(message: str) -> ServiceException:
    return ServiceException("InvalidEventSelectorsException", message)


def basic(given: Any) -> tuple[dict[str, Any], ...]:
    """Basic selectors, checked: at most five, and 250 data resources. Errors: InvalidEventSelectorsException."""
    if len(given) > 5:
        raise refused("The maximum number of event selectors for a trail is 5.")
    out: list[dict[str, Any]] = []
    for one in given:
        resources = [{"Type": r.Type, "Values": list(r.Values or ())} for r in one.DataResources or ()]
        for resource in resources:
            if resource["Type"] not in _DATA_TYPES:
                raise refused(f"The value {resource['Type']} is not a valid data resource type.")
        excluded = list(one.ExcludeManagementEventSources or ())
        if any(source not in _EXCLUDABLE for source in excluded):
            raise refused(f"You can only exclude events from {' and '.join(_EXCLUDABLE)}.")
        managed = True if one.IncludeManagementEvents is None else one.IncludeManagementEvents
        if excluded and not managed:
            raise refused("ExcludeManagementEventSources needs IncludeManagementEvents.")
        out.append(
            {
                "ReadWriteType": one.ReadWriteType or "All",
                "IncludeManagementEvents": managed,
                "DataResources": resources,
                "ExcludeManagementEventSources": excluded,
            }
        )
    if sum(len(r["Values"]) for one in out for r in one["DataResources"]) > 250:
        raise refused("The maximum number of data resources for a trail is 250.")
    return tuple(out)


def advanced(given: Any) -> tuple[dict[str, Any], ...]:
    """Advanced selectors, checked: each must say its eventCategory. Errors: InvalidEventSelectorsException."""
    out: list[dict[str, Any]] = []
    for one in given:
        fields: list[dict[str, Any]] = []
        for field in one.FieldSelectors:
            if field.Field not in _FIELDS:
                raise refused(f"Field {field.Field} is not a valid field for advanced event selectors.")
            tests = {name: list(values) for name in _OPERATORS if (values := getattr(field, name))}
            if not tests:
                raise refused(f"Field {field.Field} needs an operator.")
            fields.append({"Field": field.Field, **tests})
        categories = [f for f in fields if f["Field"] == "eventCategory"]
        if len(categories) != 1 or len(categories[0].get("Equals", ())) != 1:
            raise refused("Advanced event selectors must have one eventCategory field with Equals.")
        category = categories[0]["Equals"][0]
        if category in ("NetworkActivity", "Insight", "ConfigurationItem", "Evidence", "ActivityAuditLog"):
            raise NotImplementedOperation("cloudtrail", "PutEventSelectors", f"with eventCategory {category}")
        if category not in ("Management", "Data"):
            raise refused(f"The value {category} is not a valid eventCategory.")
        if category == "Data" and not any(f["Field"] == "resources.type" and "Equals" in f for f in fields):
            raise refused("Data event selectors must have a resources.type field with Equals.")
        out.append({"Name": one.Name or "", "FieldSelectors": fields})
    if sum(len(values) for one in out for f in one["FieldSelectors"] for values in f.values() if isinstance(values, list)) > _VALUES_LIMIT:
        raise refused(f"The maximum number of values for all advanced event selectors is {_VALUES_LIMIT}.")
    return tuple(out)


def wants(trail: Trail, event: Event) -> bool:
    """Whether a trail delivers an event."""
    if not trail.global_events and event.service in ("iam", "sts"):
        return False
    if trail.advanced:
        return selected(trail.advanced, event)
    return any(_basic_wants(one, event) for one in (trail.basic or DEFAULT))


def _basic_wants(selector: dict[str, Any], event: Event) -> bool:
    kind = selector["ReadWriteType"]
    if (kind == "ReadOnly" and not event.reads) or (kind == "WriteOnly" and event.reads):
        return False
    if event.category == "Management":
        return selector["IncludeManagementEvents"] and event.source not in selector["ExcludeManagementEventSources"]
    return any(
        resource["Type"] == (event.type or "") and any(_under(value, event) for value in resource["Values"])
        for resource in selector["DataResources"]
    )


def _under(value: str, event: Event) -> bool:
    """Whether an event is about what a value names: an ARN's beginning ("arn:aws:s3" is all of them)."""
    return value.count(":") == 2 or any(name.startswith(value) or value.endswith("/" + name) for name in _names(event))


def _names(event: Event) -> list[str]:
    """The ARNs (or names) that an event is about."""
    names = [name for _, name in event.resources]
    for kind, name in event.resources:
        if kind == "AWS::S3::Bucket" and ":" not in name:
            names.append(f"arn:aws:s3:::{name}/")
        elif kind == "AWS::DynamoDB::Table" and ":" not in name:
            names.append(f"arn:aws:dynamodb:{event.region}:{event.account}:table/{name}")
        elif kind == "AWS::Lambda::Function" and ":" not in name:
            names.append(f"arn:aws:lambda:{event.region}:{event.account}:function:{name}")
    return names


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "Equals": lambda v, w: v == w,
    "StartsWith": lambda v, w: v.startswith(w),
    "EndsWith": lambda v, w: v.endswith(w),
}


def selected(selectors: tuple[dict[str, Any], ...], event: Event) -> bool:
    """Whether advanced selectors take an event: any of them, all of its fields."""
    return any(all(_holds(field, event) for field in selector["FieldSelectors"]) for selector in selectors)


def _holds(field: dict[str, Any], event: Event) -> bool:
    values = {
        "eventCategory": [event.category],
        "eventName": [event.name],
        "eventSource": [event.source],
        "eventType": ["AwsApiCall"],
        "readOnly": ["true" if event.reads else "false"],
        "resources.type": [(event.type or "")],
        "resources.ARN": _names(event),
        "userIdentity.arn": [event.who.arn],
    }[field["Field"]]
    for name, test in _TESTS.items():
        if name in field and not any(test(v, w) for v in values for w in field[name]):
            return False
        if f"Not{name}" in field and any(test(v, w) for v in values for w in field[f"Not{name}"]):
            return False
    return True
