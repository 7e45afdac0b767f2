"""Names of objects: prefixes with expressions, and what is added to them. Pure.

Source: developer guide, Understand custom prefixes for Amazon S3 objects; Configure Amazon S3 object name format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fogbank.services.firehose.faults import invalid

DEFAULT = "!{timestamp:yyyy/MM/dd/HH/}"
PREFIX_LIMIT = 512
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_expression = re.compile(r"!\{([A-Za-z]+):([^{}]+)\}")
_letters = re.compile(r"'(?:[^']|'')*'|([A-Za-z])\1*|.", re.DOTALL)

EXTENSIONS = {"UNCOMPRESSED": "", "GZIP": ".gz", "ZIP": ".zip", "Snappy": ".snappy", "HADOOP_SNAPPY": ".hsnappy"}


def expressions(prefix: str) -> list[tuple[str, str]]:
    """(namespace, value) of each."""
    return [(found[1], found[2]) for found in _expression.finditer(prefix)]


def check(prefix: str, error_prefix: str | None, *, dynamic: bool, queried: Iterable[str], by_function: bool) -> None:
    """Raises InvalidArgumentException for prefixes that Firehose does not take. `queried`: keys that a query extracts."""
    used = expressions(prefix)
    for text in (prefix, error_prefix or ""):
        if "!{" in _expression.sub("", text):
            raise invalid("The character sequence '!{' can only appear in an expression of the form !{namespace:value}.")
    for namespace, value in [*used, *expressions(error_prefix or "")]:
        if namespace == "timestamp":
            formatted(value, datetime(2000, 1, 1, tzinfo=UTC))
        elif namespace == "firehose" and value not in ("random-string", "error-output-type"):
            raise invalid(f"Invalid value for the firehose namespace: {value}.")
        elif namespace not in ("firehose", "partitionKeyFromQuery", "partitionKeyFromLambda"):
            raise invalid(f"Invalid namespace in prefix expression: {namespace}.")
    if ("firehose", "error-output-type") in used:
        raise invalid("Prefix cannot contain !{firehose:error-output-type}.")
    if used and not error_prefix:
        raise invalid("ErrorOutputPrefix cannot be null or empty when Prefix contains expressions.")
    if error_prefix and expressions(error_prefix) and ("firehose", "error-output-type") not in expressions(error_prefix):
        raise invalid("ErrorOutputPrefix with expressions must contain at least one instance of !{firehose:error-output-type}.")
    _check_keys(used, error_prefix or "", dynamic, set(queried), by_function)


def _check_keys(used: list[tuple[str, str]], error_prefix: str, dynamic: bool, queried: set[str], by_function: bool) -> None:
    if any(namespace.startswith("partitionKey") for namespace, _ in expressions(error_prefix)):
        raise invalid("ErrorOutputPrefix cannot contain partition keys.")
    keys = [(namespace, key) for namespace, key in used if namespace.startswith("partitionKey")]
    if not dynamic:
        if keys:
            raise invalid("Prefix cannot contain partition keys when dynamic partitioning is not enabled.")
        return
    if not keys:
        raise invalid("S3 Prefix should contain Dynamic Partitioning namespaces when Dynamic Partitioning is enabled.")
    for namespace, key in keys:
        if namespace == "partitionKeyFromQuery" and key not in queried:
            raise invalid(f"S3 Prefix contains the partition key {key}, which MetadataExtractionQuery does not extract.")
        if namespace == "partitionKeyFromLambda" and not by_function:
            raise invalid("S3 Prefix contains partitionKeyFromLambda, and no Lambda processor is configured.")
    missing = queried - {key for namespace, key in keys if namespace == "partitionKeyFromQuery"}
    if missing:
        raise invalid(f"S3 Prefix must contain all partition keys that are extracted; missing: {', '.join(sorted(missing))}.")


def zone(name: str) -> ZoneInfo:
    """Raises InvalidArgumentException."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise invalid(f"Invalid time zone: {name}.") from None


def evaluated(
    prefix: str, at_ms: int, zone_name: str, random: Callable[[int, str], str], keys: Mapping[str, str] = {}, error_type: str = ""
) -> str:
    """A prefix with its expressions replaced. One without any has the hour added, and before that the type of error, if it is one."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone(zone_name))
    if not expressions(prefix):
        prefix = prefix + (f"{error_type}/" if error_type else "") + DEFAULT

    def value(found: re.Match[str]) -> str:
        namespace, what = found[1], found[2]
        if namespace == "timestamp":
            return formatted(what, at)
        if namespace == "firehose":
            return random(11, ALPHABET) if what == "random-string" else error_type
        return keys.get(f"{namespace}:{what}", "")

    return _expression.sub(value, prefix)[:PREFIX_LIMIT]


def error_prefix(prefix: str, given: str | None) -> str:
    """The prefix of failed records: the one given for them, or the ordinary one."""
    return given if given else prefix


def suffix(name: str, version: int, at_ms: int, zone_name: str, uuid: str, extension: str) -> str:
    """What follows the prefix."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone(zone_name))
    return f"{name}-{version}-{at:%Y-%m-%d-%H-%M-%S}-{uuid}{extension}"


# Java's DateTimeFormatter, as far as instants need it


def _number(value: int, width: int) -> str:
    return str(value).zfill(width)


def _year(value: int, width: int) -> str:
    return f"{value % 100:02}" if width == 2 else _number(value, width)


def _month(at: datetime, width: int) -> str:
    return _number(at.month, width) if width < 3 else at.strftime("%b") if width == 3 else at.strftime("%B")


def _offset(at: datetime, width: int, zero: str) -> str:
    total = int(at.utcoffset().total_seconds()) if (at.utcoffset()) else 0  # type: ignore[union-attr]
    if not total and zero:
        return zero
    sign, hours, minutes = "-" if total < 0 else "+", abs(total) // 3600, abs(total) % 3600 // 60
    if width == 1:
        return f"{sign}{hours:02}" + (f"{minutes:02}" if minutes else "")
    return f"{sign}{hours:02}{':' if width % 2 else ''}{minutes:02}"


FIELDS: dict[str, Callable[[datetime, int], str]] = {
    "y": lambda at, width: _year(at.year, width),
    "u": lambda at, width: _year(at.year, width),
    "Y": lambda at, width: _year(at.isocalendar()[0], width),
    "Q": lambda at, width: _number((at.month + 2) // 3, width) if width < 3 else f"Q{(at.month + 2) // 3}",
    "M": _month,
    "L": _month,
    "w": lambda at, width: _number(at.isocalendar()[1], width),
    "D": lambda at, width: _number(at.timetuple().tm_yday, width),
    "d": lambda at, width: _number(at.day, width),
    "E": lambda at, width: at.strftime("%a") if width < 4 else at.strftime("%A"),
    "e": lambda at, width: _number(at.isoweekday() % 7 + 1, width) if width < 3 else at.strftime("%a" if width == 3 else "%A"),
    "a": lambda at, width: at.strftime("%p"),
    "H": lambda at, width: _number(at.hour, width),
    "k": lambda at, width: _number(at.hour or 24, width),
    "h": lambda at, width: _number(at.hour % 12 or 12, width),
    "K": lambda at, width: _number(at.hour % 12, width),
    "m": lambda at, width: _number(at.minute, width),
    "s": lambda at, width: _number(at.second, width),
    "S": lambda at, width: f"{at.microsecond:06}".ljust(9, "0")[:width],
    "n": lambda at, width: _number(at.microsecond * 1000, width),
    "A": lambda at, width: _number(((at.hour * 60 + at.minute) * 60 + at.second) * 1000 + at.microsecond // 1000, width),
    "V": lambda at, width: str(at.tzinfo),
    "z": lambda at, width: at.strftime("%Z"),
    "Z": lambda at, width: _offset(at, 2, ""),
    "X": lambda at, width: _offset(at, width, "Z"),
    "x": lambda at, width: _offset(at, width, ""),
}


@lru_cache(256)
def _pieces(pattern: str) -> list[tuple[str, int]]:
    """Letters with how many of them there are, and text (0). Raises InvalidArgumentException."""
    pieces: list[tuple[str, int]] = []
    for found in _letters.finditer(pattern):
        text = found[0]
        if text[0] == "'":
            pieces.append((text[1:-1].replace("''", "'") or "'", 0))
        elif found[1] is None:
            pieces.append((text, 0))
        elif found[1] in FIELDS:
            pieces.append((found[1], len(text)))
        else:
            raise invalid(f"Invalid timestamp format {pattern}: unknown pattern letter: {found[1]}.")
    return pieces


def formatted(pattern: str, at: datetime) -> str:
    """An instant by a pattern of Java's. Raises InvalidArgumentException."""
    return "".join(FIELDS[text](at, width) if width else text for text, width in _pieces(pattern))
