"""How a metric is named: namespace, name, dimensions; and finding it."""

from __future__ import annotations

import re
from typing import Any

from fogbank.kernel.context import Context
from fogbank.services.cloudwatch.faults import bad_value, invalid, missing, too_many
from fogbank.services.cloudwatch.state import METRICS, Dimensions, Metric, packed

DIMENSIONS_LIMIT = 30
_text = re.compile(r"(?=.*[^ ])[ -~]+").fullmatch


def check_namespace(namespace: str) -> None:
    """1 to 255 printable ASCII characters; AWS's own namespaces are for its services. Errors: InvalidParameterValue."""
    if not _text(namespace) or namespace.startswith(("AWS/", ":")):
        raise bad_value(namespace, "Namespace")


def check_name(name: str, parameter: str) -> None:
    if not name.strip() or not _text(name):
        raise bad_value(name, parameter)


def check_dimensions(given: Any, parameter: str = "Dimensions") -> Dimensions:
    """Up to 30 dimensions, as they are kept: in order of their names. Errors: InvalidParameterValue, MissingParameter."""
    if not given:
        return ()
    if len(given) > DIMENSIONS_LIMIT:
        raise too_many(parameter, DIMENSIONS_LIMIT)
    found: dict[str, str] = {}
    for n, dimension in enumerate(given, 1):
        name, value = dimension.Name, dimension.Value
        if name is None or value is None:
            raise missing(f"{parameter}.member.{n}.{'Name' if name is None else 'Value'}")
        if not _text(name) or name.startswith(":"):
            raise bad_value(name, f"{parameter}.member.{n}.Name")
        if not _text(value):
            raise bad_value(value, f"{parameter}.member.{n}.Value")
        if name in found:
            raise invalid(f"The parameter {parameter} must not contain the dimension {name} more than once.")
        found[name] = value
    return tuple(sorted(found.items()))


def get_metric(ctx: Context, namespace: str, name: str, dimensions: Dimensions) -> Metric | None:
    return METRICS.get(ctx, ctx.account, ctx.region, namespace, name, packed(dimensions))


def listed(dimensions: Dimensions) -> list[dict[str, str]]:
    """Dimensions as they are answered."""
    return [{"Name": name, "Value": value} for name, value in dimensions]
