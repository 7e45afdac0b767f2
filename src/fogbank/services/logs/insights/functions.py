"""Functions of values, by their names in lower case: how many arguments they take, and what they give. Missing arguments are None."""

from __future__ import annotations

import calendar
import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import msgspec

from fogbank.services.logs.insights.values import Instant, number, order, text

Function = Callable[..., Any]
LONGEST_TEXT = 1 << 20
"""What is put together is nothing where it would be longer."""


def _numeric(function: Callable[[Any], Any]) -> Function:
    def call(value: Any) -> Any:
        found = number(value)
        try:
            return None if found is None else function(found)
        except (ValueError, OverflowError):
            return None

    return call


def _textual(function: Callable[..., Any]) -> Function:
    """Of a text; nothing of nothing."""

    def call(value: Any, *more: Any) -> Any:
        return None if value is None else function(text(value), *more)

    return call


def _extreme(sign: int) -> Function:
    def call(*values: Any) -> Any:
        best: Any = None
        for value in values:
            if value is not None and (best is None or (order(value, best) or 0) * sign > 0):
                best = value
        return best

    return call


# Dates

MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
MONTHS = {"mo": 1, "q": 3, "y": 12}
_FIRST_MONDAY_MS = -259_200_000
"""Weeks begin on Mondays."""


def unit(name: str) -> str:
    """The short name of a unit of time."""
    for start, short in (("ms", "ms"), ("mil", "ms"), ("mo", "mo"), ("mi", "m"), ("q", "q"), ("y", "y")):
        if name.startswith(start):
            return short
    return name[0]


def floor_of(at_ms: int, count: int, name: str) -> int:
    """The beginning of the span of time that an instant lies in."""
    if name in MS:
        span = count * MS[name]
        offset = _FIRST_MONDAY_MS if name == "w" else 0
        return (at_ms - offset) // span * span + offset
    date = datetime.fromtimestamp(at_ms // 1000, UTC)
    months = (date.year * 12 + date.month - 1) // (count * MONTHS[name]) * count * MONTHS[name]
    return calendar.timegm((months // 12, months % 12 + 1, 1, 0, 0, 0)) * 1000


def ceil_of(at_ms: int, count: int, name: str) -> int:
    """The end of that span; the instant itself where one begins there."""
    start = floor_of(at_ms, count, name)
    if start == at_ms:
        return start
    if name in MS:
        return start + count * MS[name]
    return floor_of(start + count * MONTHS[name] * 31 * MS["d"], count, name)


# Addresses


@lru_cache(4096)
def _address(value: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(value)
    except ValueError:
        return None


@lru_cache(1024)
def _network(value: str) -> Any:
    try:
        return ip_network(value, strict=False)
    except ValueError:
        return None


def _valid(*versions: int) -> Function:
    def call(value: Any) -> bool:
        found = _address(text(value))
        return found is not None and found.version in versions

    return call


def _in_subnet(*versions: int) -> Function:
    def call(value: Any, subnet: Any) -> bool:
        address, network = _address(text(value)), _network(text(subnet))
        return address is not None and network is not None and address.version in versions and address in network

    return call


# Texts


def _joined(*values: Any) -> str | None:
    texts = list(map(text, values))
    return "".join(texts) if sum(map(len, texts)) <= LONGEST_TEXT else None


def _replaced(value: str, old: Any, new: Any) -> str | None:
    before, after = text(old), text(new)
    if len(after) > len(before) and len(value) + value.count(before) * (len(after) - len(before)) > LONGEST_TEXT:
        return None
    return value.replace(before, after)


def _substring(value: str, start: Any, length: Any = None) -> str:
    first = max(0, int(number(start) or 0))
    count = number(length)
    return value[first:] if count is None else value[first : first + max(0, int(count))]


def _json(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        return value
    try:
        found = msgspec.json.decode(text(value))
    except (msgspec.DecodeError, RecursionError):
        return None
    return found if isinstance(found, (dict, list)) else None


def _instant(value: Any) -> Instant | None:
    found = number(value)
    return Instant(found) if found is not None and math.isfinite(found) else None


def _milliseconds(value: Any) -> int | None:
    return int(value) if isinstance(value, Instant) else None


def _strip(which: Callable[..., str]) -> Function:
    return _textual(lambda value, characters=None: which(value, None if characters is None else text(characters)))


FUNCTIONS: dict[str, tuple[int, int, Function]] = {
    "abs": (1, 1, _numeric(abs)),
    "ceil": (1, 1, _numeric(math.ceil)),
    "floor": (1, 1, _numeric(math.floor)),
    "log": (1, 1, _numeric(math.log)),
    "sqrt": (1, 1, _numeric(math.sqrt)),
    "greatest": (1, 100, _extreme(1)),
    "least": (1, 100, _extreme(-1)),
    "jsonparse": (1, 1, _json),
    "jsonstringify": (1, 1, lambda value: msgspec.json.encode(value).decode() if isinstance(value, (dict, list)) else None),
    "frommillis": (1, 1, _instant),
    "tomillis": (1, 1, _milliseconds),
    "ispresent": (1, 1, lambda value: value is not None),
    "coalesce": (1, 100, lambda *values: next((value for value in values if value is not None), None)),
    "isvalidip": (1, 1, _valid(4, 6)),
    "isvalidipv4": (1, 1, _valid(4)),
    "isvalidipv6": (1, 1, _valid(6)),
    "isipinsubnet": (2, 2, _in_subnet(4, 6)),
    "isipv4insubnet": (2, 2, _in_subnet(4)),
    "isipv6insubnet": (2, 2, _in_subnet(6)),
    "isempty": (1, 1, lambda value: value is None or text(value) == ""),
    "isblank": (1, 1, lambda value: value is None or not text(value).strip()),
    "concat": (1, 100, _joined),
    "trim": (1, 2, _strip(str.strip)),
    "ltrim": (1, 2, _strip(str.lstrip)),
    "rtrim": (1, 2, _strip(str.rstrip)),
    "strlen": (1, 1, _textual(len)),
    "toupper": (1, 1, _textual(str.upper)),
    "tolower": (1, 1, _textual(str.lower)),
    "substr": (2, 3, _textual(_substring)),
    "replace": (3, 3, _textual(_replaced)),
    "strcontains": (2, 2, _textual(lambda value, part: int(text(part) in value))),
}
"""Name -> the least and the most arguments, and the function. Those with spans of time are read in `expressions`."""
