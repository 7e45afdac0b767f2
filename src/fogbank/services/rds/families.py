"""Parameter group families: what an engine can be told, by its own names, and a few names of RDS's.

Real of RDS's own are `rds.force_ssl` and `require_secure_transport` (endpoints refuse clients without TLS) and `rds.logical_replication`
(PostgreSQL's `wal_level`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from fogbank.engines import sizing
from fogbank.engines.mariadb import parameters as mariadb
from fogbank.engines.postgres import parameters as postgres
from fogbank.services.rds.faults import ENGINES, invalid
from fogbank.services.rds.instance_classes import InstanceClass, sized

_NUMBER = r"-?[\d.]+(?:e[+-]?\d+)?"
_range = re.compile(rf"({_NUMBER})-({_NUMBER})", re.IGNORECASE).fullmatch
_TRUE = {"1": "1", "on": "1", "true": "1", "yes": "1", "0": "0", "off": "0", "false": "0", "no": "0"}
_split = re.compile(r"(aurora-postgresql|postgres|aurora-mysql|mysql|mariadb)(\d+(?:\.\d+)?)").fullmatch


class Parameter(NamedTuple):
    """`default`: None where the engine decides by itself; `allowed`: as AWS writes it ("0-100", "on,off"), "" where it is any;
    `type`: string, integer, float, boolean, list; `dynamic`: it changes without a restart."""

    name: str
    default: str | None
    type: str
    allowed: str
    dynamic: bool
    modifiable: bool
    description: str


FORCE_SSL, SECURE_TRANSPORT, LOGICAL = "rds.force_ssl", "require_secure_transport", "rds.logical_replication"
_OWN = {
    "postgres": (
        Parameter(FORCE_SSL, "1", "boolean", "0,1", True, True, "Force SSL connections."),
        Parameter(LOGICAL, "0", "boolean", "0,1", False, True, "Enables logical decoding."),
    ),
    "mariadb": (
        Parameter(
            SECURE_TRANSPORT, "OFF", "boolean", "ON,OFF", True, True, "Whether clients are required to use some form of secure transport."
        ),
    ),
}

_POSTGRES = {
    "max_connections": "LEAST({DBInstanceClassMemory/9531392},5000)",
    "maintenance_work_mem": "GREATEST({DBInstanceClassMemory*1024/63963136},65536)",
    "max_worker_processes": "GREATEST({DBInstanceVCPU*2},8)",
}
_AURORA_BUFFERS = "SUM({DBInstanceClassMemory/12038},-50003)"
_POOL = "{DBInstanceClassMemory*3/4}"
_AURORA_MYSQL = "GREATEST({log(DBInstanceClassMemory/805306368)*45},{log(DBInstanceClassMemory/8187281408)*1000})"
_BY_CLASS: dict[str, dict[str, str]] = {
    "aurora-postgresql": {**_POSTGRES, "shared_buffers": _AURORA_BUFFERS, "effective_cache_size": _AURORA_BUFFERS},
    "postgres": {
        **_POSTGRES,
        "shared_buffers": "{DBInstanceClassMemory/32768}",
        "effective_cache_size": "{DBInstanceClassMemory/16384}",
    },
    "aurora-mysql": {"max_connections": _AURORA_MYSQL, "innodb_buffer_pool_size": _POOL},
    "mysql": {"max_connections": "{DBInstanceClassMemory/12582880}", "innodb_buffer_pool_size": _POOL},
    "mariadb": {"max_connections": "LEAST({DBInstanceClassMemory/25165760},12000)", "innodb_buffer_pool_size": _POOL},
}
"""The defaults of AWS's own groups that go by the instance class."""


def split(family: str) -> tuple[str, str]:
    """A family's engine and major version. Errors: InvalidParameterValue."""
    found = _split(family)
    if found is None:
        raise invalid(f"ParameterGroupFamily {family} is not a valid parameter group family")
    return found[1], found[2]


@lru_cache(32)
def parameters(family: str) -> dict[str, Parameter]:
    """All parameters of a family, by name. Errors: InvalidParameterValue."""
    name = split(family)[0]
    engine = ENGINES[name]
    theirs: Iterable[Any] = (postgres.parameters(family) if engine == "postgres" else mariadb.parameters()).values()
    found = {one.name: Parameter(*one) for one in theirs} | {one.name: one for one in _OWN[engine]}
    found |= {parameter: found[parameter]._replace(default=formula) for parameter, formula in _BY_CLASS[name].items()}
    return {name: found[name] for name in sorted(found)}


def engine_values(engine: str, values: dict[str, str]) -> dict[str, str]:
    """Values as the engine is told them: without RDS's own names, but with what they mean."""
    told = {name: value for name, value in values.items() if name not in (FORCE_SSL, SECURE_TRANSPORT, LOGICAL)}
    if values.get(LOGICAL) == "1":
        told["wal_level"] = "logical"
    return told


def given(engine: str, size: InstanceClass) -> dict[str, str]:
    """What a class gives an engine: the defaults that go by it, as far as this machine bears them."""
    return dict(_given(engine, size, sizing.memory_bytes()))


@lru_cache(64)
def _given(engine: str, size: InstanceClass, memory: int) -> dict[str, str]:
    found = {name: int(computed(formula, size)) for name, formula in _BY_CLASS[engine].items()}
    return {name: str(sizing.bounded(name, value, memory)) for name, value in found.items()}


def tls_only(family: str, values: dict[str, str]) -> bool:
    """Whether clients have to use TLS."""
    engine = ENGINES[split(family)[0]]
    own = _OWN[engine][0]
    value = values.get(own.name) or own.default or ""
    return _TRUE.get(value.lower()) == "1"


def computed(value: str, size: InstanceClass | None = None) -> str:
    """What a value comes to for an instance class: formulas have braces. Errors: InvalidParameterValue.

    Source: "Specifying DB parameters" in the Amazon RDS User Guide.
    """
    if "{" not in value:
        return value
    size = size or sized("")
    try:
        return mariadb.evaluate(value, memory_bytes=size.memory_bytes, cpus=size.processors)
    except (ValueError, OverflowError) as problem:
        raise invalid(f"Invalid parameter value: {value}: {problem}") from None


def check_value(parameter: Parameter, text: str) -> None:
    """Errors: InvalidParameterValue, for a value that is not allowed."""
    if not parameter.modifiable:
        raise invalid(f"The parameter {parameter.name} cannot be modified.")
    if not _fits(parameter, computed(text)):
        raise invalid(f"Invalid parameter value: {text} for: {parameter.name} allowed values are: {parameter.allowed or parameter.type}")


def _fits(parameter: Parameter, value: str) -> bool:
    if "\n" in value or "\0" in value:
        return False
    if parameter.type == "boolean":
        return value.lower() in _TRUE
    if parameter.type in ("integer", "float"):
        bounds = _range(parameter.allowed)
        if not _number(value, whole=parameter.type == "integer") or bounds is None:
            return False
        return float(bounds[1]) <= float(value) <= float(bounds[2])
    choices = [choice.strip().lower() for choice in parameter.allowed.split(",") if choice.strip()]
    given = value.split(",") if parameter.type == "list" else [value]
    words = (one.partition("=")[0].strip().lower() if parameter.type == "list" else one.lower() for one in given)
    return not choices or all(word in choices or (parameter.type == "list" and not word) for word in words)


def _number(value: str, *, whole: bool) -> bool:
    try:
        return math.isfinite(int(value) if whole else float(value))
    except ValueError:
        return False
