"""MariaDB's parameters, as RDS's parameter groups describe them; and the formulas that their values may be. Pure.

`parameters.json` is what a server says of its variables (`describe.py`).
"""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

_TYPES = {
    "BOOLEAN": "boolean", "INT": "integer", "INT UNSIGNED": "integer", "BIGINT": "integer", "BIGINT UNSIGNED": "integer",
    "DOUBLE": "float", "ENUM": "string", "VARCHAR": "string", "SET": "list", "FLAGSET": "list",
}  # fmt: skip
DEFAULTS = {
    "innodb_buffer_pool_size": "{DBInstanceClassMemory*3/4}",
    "max_connections": "LEAST({DBInstanceClassMemory/25165760},12000)",
    "read_only": "{TrueIfReplica}",
    "innodb_log_file_size": "50331648",
    "max_allowed_packet": "67108864",
    "binlog_annotate_row_events": "0",
}
"""What RDS's default groups say otherwise than MariaDB itself."""


class Parameter(NamedTuple):
    """A parameter. default: may be a formula; type: string, boolean, integer, float, list; allowed: as RDS writes it."""

    name: str
    default: str
    type: str
    allowed: str
    dynamic: bool
    modifiable: bool
    description: str


@lru_cache(1)
def parameters() -> dict[str, Parameter]:
    """All of them, by name."""
    found: dict[str, Parameter] = {}
    rows = json.loads(Path(__file__).with_name("parameters.json").read_bytes())
    for name, default, kind, least, most, values, dynamic, modifiable, text in rows:
        type_ = _TYPES.get(kind, "string")
        if type_ == "boolean":
            default, allowed = str(int(default == "ON")), "0,1"
        elif type_ in ("integer", "float"):
            allowed = f"{least}-{most}" if type_ == "float" else f"{int(float(least))}-{int(float(most))}"
        else:
            allowed = values
        default = DEFAULTS.get(name, default)
        found[name] = Parameter(name, default, type_, allowed, bool(dynamic), bool(modifiable), text)
    return found


def dynamic(name: str) -> bool:
    """Whether it takes effect without a restart."""
    found = parameters().get(name)
    return found is not None and found.dynamic


def check(name: str, value: str) -> str:
    """Why a value cannot be; "" where it can."""
    found = parameters().get(name)
    if found is None:
        return f"Could not find parameter with name: {name}"
    if not found.modifiable:
        return f"The parameter {name} cannot be modified."
    if "{" in value:
        return "" if _FORMULA.fullmatch(value.replace(" ", "")) else f"Invalid parameter value: {value} for: {name}"
    allowed = _allows(found, value)
    return "" if allowed else f"Invalid parameter value: {value} for: {name} allowed values are: {found.allowed}"


def _allows(found: Parameter, value: str) -> bool:
    if found.type == "boolean":
        return value.lower() in ("0", "1", "on", "off", "true", "false")
    if found.type in ("integer", "float"):
        least, most = re.fullmatch(r"(-?[\d.e+]+)-(-?[\d.e+]+)", found.allowed.lower()).groups()  # type: ignore[union-attr]
        try:
            number = float(value) if found.type == "float" else int(value)
        except ValueError:
            return False
        return float(least) <= number <= float(most)
    if not found.allowed:
        return "\n" not in value
    words = [word.strip().lower() for word in found.allowed.split(",")]
    given = value.split(",") if found.type == "list" else [value]
    return all(one.strip().lower() in words or (one.strip().isdigit() and int(one) < len(words)) for one in given if one.strip())


def expression(name: str, value: str | None) -> str:
    """A value as SET GLOBAL takes it; None: its default."""
    found = parameters().get(name)
    if value is None:
        if found is None or name in DEFAULTS:
            return "DEFAULT"
        value = found.default
    if found is not None and found.type in ("integer", "float", "boolean") and _PLAIN.fullmatch(value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


_NAMES = r"AllocatedStorage|DBInstanceClassMemory|DBInstanceVCPU|EndPointPort|TrueIfReplica"
_TERM = rf"(?:\d+(?:\.\d+)?|{_NAMES}|[-+*/()])"
_BRACES = rf"\{{{_TERM}+\}}"
_FORMULA = re.compile(rf"(?:{_BRACES}|(?:GREATEST|LEAST|SUM|LOG|[(),{{}}]|{_TERM})+)", re.IGNORECASE)
_PLAIN = re.compile(r"-?[\d.]+(e[+-]?\d+)?|on|off|true|false", re.IGNORECASE)
_TOKEN = re.compile(rf"\s*(GREATEST|LEAST|SUM|LOG|{_NAMES}|\d+(?:\.\d+)?|[-+*/(),{{}}])", re.IGNORECASE)


def evaluate(value: str, *, memory_bytes: int, cpus: int, storage_bytes: int = 0, port: int = 3306, replica: bool = False) -> str:
    """What a value is on an instance: RDS's formulas, with whole numbers as results. Raises ValueError for one that is none."""
    if "{" not in value:
        return value
    names = {
        "allocatedstorage": storage_bytes, "dbinstanceclassmemory": memory_bytes, "dbinstancevcpu": cpus,
        "endpointport": port, "trueifreplica": int(replica),
    }  # fmt: skip
    tokens, at = [], 0
    while at < len(value.rstrip()):
        match = _TOKEN.match(value, at)
        if match is None:
            raise ValueError(f"{value} is no formula")
        tokens.append(match[1].lower())
        at = match.end()
    result, left = _sum(tokens, names)
    if left:
        raise ValueError(f"{value} is no formula")
    return str(int(result))


def _sum(tokens: list[str], names: dict[str, int]) -> tuple[float, list[str]]:
    result, tokens = _product(tokens, names)
    while tokens and tokens[0] in "+-":
        sign = 1 if tokens[0] == "+" else -1
        term, tokens = _product(tokens[1:], names)
        result += sign * term
    return result, tokens


def _product(tokens: list[str], names: dict[str, int]) -> tuple[float, list[str]]:
    result, tokens = _factor(tokens, names)
    while tokens and tokens[0] in "*/":
        factor, rest = _factor(tokens[1:], names)
        result = result * factor if tokens[0] == "*" else result / factor if factor else math.inf
        tokens = rest
    return result, tokens


_FUNCTIONS = {"greatest": max, "least": min, "sum": sum, "log": lambda found: math.log2(found[0])}
_ENDS = {"(": ")", "{": "}"}


def _factor(tokens: list[str], names: dict[str, int]) -> tuple[float, list[str]]:
    if not tokens:
        raise ValueError("a formula ends too early")
    first, rest = tokens[0], tokens[1:]
    if first == "-":
        negated, rest = _factor(rest, names)
        return -negated, rest
    if first in names:
        return names[first], rest
    if first[0].isdigit():
        return float(first), rest
    if first in _FUNCTIONS and rest[:1] == ["("]:
        found: list[float] = []
        while rest and rest[0] in "(,":
            one, rest = _sum(rest[1:], names)
            found.append(one)
        if rest[:1] != [")"]:
            raise ValueError("a formula lacks )")
        return float(_FUNCTIONS[first](found)), rest[1:]  # type: ignore[operator]
    if first in _ENDS:
        result, rest = _sum(rest, names)
        if rest[:1] != [_ENDS[first]]:
            raise ValueError(f"a formula lacks {_ENDS[first]}")
        return result, rest[1:]
    raise ValueError(f"{first} does not belong into a formula")
