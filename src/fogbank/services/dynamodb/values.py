"""Attribute values in their wire form ({"S": "x"}, {"N": "1"}, {"B": "<base64>"}, ...): checked, measured, ordered.

A checked value is canonical: its numbers are written as DynamoDB writes them, its base64 is the one of its bytes, its
sets are sorted. So two checked values are equal exactly if the dicts are (`==`).
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from typing import Any

from fogbank.kernel.errors import ServiceException
from fogbank.services.dynamodb import numbers
from fogbank.services.dynamodb.faults import invalid, invalid_values

Value = dict[str, Any]
Item = dict[str, Value]

TYPES = frozenset({"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"})
SETS = frozenset({"SS", "NS", "BS"})
ORDERED = frozenset({"S", "N", "B"})
"""The types that can be compared, and be keys."""
LEVELS = 32
"""How deep values may lie in one another."""
NAME_BYTES = 65_535


def checked(item: Item) -> Item:
    """The item, made canonical in place.

    Raises ValidationException (a value that DynamoDB does not take) or SerializationException (not a value at all).
    """
    for name, value in item.items():
        if type(value) is dict and len(value) == 1:
            if type(value.get("S")) is str and 0 < len(name) < 16_384:
                continue
            if type(number := value.get("N")) is str and 0 < len(name) < 16_384:
                if (canonical := numbers.canonical(number)) is not number:
                    value["N"] = canonical
                continue
        _check_name(name)
        check_value(value)
    return item


def measured(item: Item) -> int:
    """Makes an item canonical in place, like `checked`, and tells its `size`: both on one walk."""
    return _members(item, 1)


def _members(members: dict[str, Value], level: int) -> int:
    """Checks the attributes of an item or a map; their bytes, names included. Most values are text or whole numbers."""
    names = "".join(members)
    total = len(names) if names.isascii() else len(names.encode())
    if total >= 16_384 or "" in members:
        for name in members:
            _check_name(name)
    for value in members.values():
        if type(value) is dict and len(value) == 1 and level <= LEVELS:
            text = value.get("S")
            if type(text) is str:
                total += len(text) if text.isascii() else len(text.encode())
                continue
            number = value.get("N")
            if type(number) is str and (length := numbers.quick_size(number)):
                total += length
                continue
        total += check_value(value, level)
    return total


def check_value(value: Value, level: int = 1) -> int:
    """Checks one value and makes it canonical in place, like `checked`. `level`: how deep it is nested. Its `value_size`."""
    if type(value) is not dict:
        raise _misfit(value, "a value")
    if len(value) != 1 or None in value.values():
        _drop_nothings(value)
    if level > LEVELS:
        raise invalid("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit")
    (kind,) = value
    content: Any = value[kind]
    if kind == "S":
        if type(content) is not str:
            raise _misfit(content, "String")
        return len(content) if content.isascii() else len(content.encode())
    if kind == "N":
        if type(content) is str and (length := numbers.quick_size(content)):
            return length
        number = _number(content)
        if number is not content:
            value["N"] = number
        return numbers.size(number)
    if kind == "BOOL" or kind == "NULL":
        if type(content) is not bool:
            raise _misfit(content, "Boolean")
        if kind == "NULL" and not content:
            raise invalid_values("Null attribute value types must have the value of true")
        return 1
    if kind == "M":
        if type(content) is not dict:
            raise _misfit(content, "Map")
        return 3 + len(content) + _members(content, level + 1)
    if kind == "L":
        if type(content) is not list:
            raise _misfit(content, "List")
        level += 1
        return 3 + sum([1 + check_value(member, level) for member in content])
    if kind == "B":
        value["B"] = _base64(content)
    elif kind in SETS:
        value[kind] = _set(kind, content)
    else:
        raise _not_one("is empty")
    return value_size(value)


def _not_one(fault: str) -> ServiceException:
    return invalid(f"Supplied AttributeValue {fault}, must contain exactly one of the supported datatypes")


def _drop_nothings(value: Value) -> None:
    """Leaves one type of value: an explicit null is as good as absent, what is no type is not looked at."""
    for kind in [kind for kind, content in value.items() if content is None or kind not in TYPES]:
        del value[kind]
    if len(value) != 1:
        raise _not_one("has more than one datatypes set" if value else "is empty")


def _check_name(name: str) -> None:
    if not name:
        raise invalid_values("Attribute name must not be empty")
    if len(name) * 4 > NAME_BYTES and len(name.encode()) > NAME_BYTES:
        raise invalid_values(f"Attribute name is too large, must be less than {NAME_BYTES + 1} bytes")


def _number(content: Any) -> str:
    if type(content) is not str:
        raise _misfit(content, "String")
    return numbers.canonical(content)


def _base64(content: Any) -> str:
    if type(content) is not str:
        raise _misfit(content, "Blob")
    try:
        return b2a_base64(a2b_base64(content, strict_mode=True), newline=False).decode()
    except (Base64Error, ValueError):
        raise ServiceException("SerializationException", f'"{content[:100]}" can not be converted to a Blob: not base64-encoded') from None


def _set(kind: str, content: Any) -> list[str]:
    """A set's members, canonical and sorted. Raises where there are none, or one twice."""
    if type(content) is not list:
        raise _misfit(content, "List")
    if not content:
        raise invalid_values(
            "Binary sets should not be empty" if kind == "BS" else f"An {'string' if kind == 'SS' else 'number'} set  may not be empty"
        )
    if kind == "SS":
        for member in content:
            if type(member) is not str:
                raise _misfit(member, "String")
        members = content
    else:
        read = _number if kind == "NS" else _base64
        members = [read(member) for member in content]
    if len(set(members)) != len(members):
        if kind == "NS":
            raise invalid("Input collection contains duplicates")
        listed = ", ".join(content)
        raise invalid_values(f"Input collection [{listed}]{'of type BS' if kind == 'BS' else ''} contains duplicates.")
    return sorted_set(kind, members)


def sorted_set(kind: str, members: list[str]) -> list[str]:
    """The canonical order of a set's canonical members."""
    return sorted(members, key=numbers.key_text if kind == "NS" else None)


def _misfit(content: Any, expected: str) -> ServiceException:
    """SerializationException for JSON of the wrong type."""
    if type(content) is dict:
        reason = "Start of structure or map found where not expected."
    elif type(content) is list:
        reason = "Start of list found where not expected"
    elif expected in ("Map", "List", "a value"):
        reason = "Unexpected field type"
    else:
        found = {str: "STRING", int: "NUMBER", float: "DECIMAL", type(None): "NULL"}.get(type(content)) or str(content).upper()
        reason = f"{found}_VALUE can not be converted to {expected}"
    return ServiceException("SerializationException", reason)


def type_of(value: Value) -> str:
    """ "S", "N", ... of a checked value."""
    for kind in value:
        return kind
    raise _not_one("is empty")


def size(item: Item) -> int:
    """The bytes that DynamoDB counts for an item: names and values."""
    total = 0
    for name, value in item.items():
        total += len(name) if name.isascii() else len(name.encode())
        text = value.get("S")
        total += value_size(value) if text is None else len(text) if text.isascii() else len(text.encode())
    return total


def value_size(value: Value) -> int:
    """The bytes that DynamoDB counts for a checked value.

    A list or a map has 3 of its own and 1 for each of its members. Source: developer guide, Item sizes and formats.
    """
    [(kind, content)] = value.items()
    if kind == "S":
        return len(content.encode())
    if kind == "N":
        return numbers.size(content)
    if kind == "B":
        return _raw_length(content)
    if kind == "M":
        return 3 + len(content) + size(content)
    if kind == "L":
        return 3 + sum([1 + value_size(member) for member in content])
    if kind == "SS":
        return sum([len(member.encode()) for member in content])
    if kind == "NS":
        return sum([numbers.size(member) for member in content])
    if kind == "BS":
        return sum([_raw_length(member) for member in content])
    return 1


def _raw_length(base64: str) -> int:
    return len(base64) // 4 * 3 - base64.count("=", -2)


def raw(base64: str) -> bytes:
    """The bytes of a checked B."""
    return a2b_base64(base64)


def key_text(value: Value) -> str:
    """Text that sorts as the values of its type do (S, N, B); equal for equal values, different for different ones."""
    text = value.get("S")
    if text is not None:
        return str(text)
    text = value.get("N")
    return raw(value["B"]).decode("latin-1") if text is None else numbers.key_text(text)


RANKS: dict[str, Callable[[str], Any]] = {"S": str, "N": numbers.rank, "B": raw}
"""What to compare instead of the content, for each type that has an order."""


def less(a: Value, b: Value) -> bool:
    """Whether a comes before b: False where their types differ or have no order."""
    [(kind, content)] = a.items()
    rank = RANKS.get(kind)
    return rank is not None and kind in b and bool(rank(content) < rank(b[kind]))
