"""What a message is made of: allowed characters, attributes, sizes, MD5s. Arithmetic, without ctx.

Source: "Amazon SQS message metadata" in the SQS Developer Guide (attribute rules, and how the MD5 is calculated).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from hashlib import md5
from struct import Struct
from typing import Any

from fogbank.kernel.errors import ServiceException
from fogbank.services.sqs.faults import invalid
from fogbank.services.sqs.state import Attribute

ATTRIBUTES_LIMIT = 10
_forbidden = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]").search
_PLAIN = b"\t\n\r" + bytes(range(0x20, 0x80))
"""What is allowed of ASCII."""
_attribute_name = re.compile(r"(?!(?i:aws\.|amazon\.))(?!\.)(?!.*\.\.)[A-Za-z0-9_.\-]{1,256}(?<!\.)").fullmatch
_attribute_type = re.compile(r"(String|Number|Binary)(\.[^\x00-\x1f]+)?").fullmatch
_token = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}").fullmatch
_trace_header = re.compile(r"Root=1-[0-9a-fA-F]{8}-[0-9a-fA-F]{24}(;[^;=\s]+=[^;=\s]*)*;?").fullmatch
_length = Struct(">I").pack


def check_characters(text: str) -> None:
    """Raises InvalidMessageContents for characters that XML does not allow."""
    if text.encode().translate(None, _PLAIN) if text.isascii() else _forbidden(text):
        raise ServiceException(
            "InvalidMessageContents",
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD"
            " | #x10000 to #x10FFFF",
        )


def check_token(value: str, parameter: str) -> None:
    """Group, deduplication and attempt ids. Raises InvalidParameterValue."""
    if not _token(value):
        raise invalid(value, parameter, f"{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length.")


def _refuse(sentence: str) -> ServiceException:
    return ServiceException("InvalidParameterValue", sentence)


def read_attributes(given: Mapping[str, Any]) -> tuple[Attribute, ...]:
    """A request's MessageAttributes, in order of their names. Raises InvalidParameterValue."""
    if len(given) > ATTRIBUTES_LIMIT:
        raise _refuse(f"Number of message attributes [{len(given)}] exceeds the allowed maximum [{ATTRIBUTES_LIMIT}].")
    return tuple([_attribute(name, given[name]) for name in sorted(given)])


def _attribute(name: str, given: Any) -> Attribute:
    if not _attribute_name(name):
        raise _refuse(
            f"The message attribute name '{name}' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and"
            " period (.) characters, must not start or end with a period, have periods in succession or start with AWS. or Amazon.,"
            " and can be 1 to 256 long."
        )
    if not given.DataType:
        raise _refuse(f"The message attribute '{name}' must contain a non-empty message attribute type.")
    kind = _attribute_type(given.DataType)
    if not kind or len(given.DataType) > 256:
        raise _refuse(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary,"
            " Number, and String."
        )
    if given.StringListValues or given.BinaryListValues:
        raise _refuse("Message attribute list values in SendMessage operation are not supported.")
    is_binary = kind[1] == "Binary"
    value, other = (given.BinaryValue, given.StringValue) if is_binary else (given.StringValue, given.BinaryValue)
    if other:
        raise _refuse(f"The message attribute '{name}' has a value of another type than its message attribute type '{given.DataType}'.")
    if not value:
        raise _refuse(f"The message attribute '{name}' must contain a non-empty message attribute value of type '{given.DataType}'.")
    if is_binary:
        return Attribute(name, given.DataType, binary=value)
    check_characters(value)
    if kind[1] == "Number":
        _check_number(name, value)
    return Attribute(name, given.DataType, value)


def _check_number(name: str, value: str) -> None:
    """At most 38 digits, between -10^128 and 10^126."""
    try:
        number = Decimal(value.strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or len(number.as_tuple().digits) > 38 or not -(Decimal(10) ** 128) <= number <= Decimal(10) ** 126:
        raise _refuse(f"Can't cast the value of message attribute '{name}' to a number.")


def read_trace_header(given: Mapping[str, Any]) -> str:
    """AWSTraceHeader of a request's MessageSystemAttributes, "" without one. Raises InvalidParameterValue."""
    for name, attribute in given.items():
        if name != "AWSTraceHeader":
            raise invalid(name, "MessageSystemAttributeName", "Only the system attribute AWSTraceHeader can be sent.")
        if attribute.DataType != "String" or not attribute.StringValue or not _trace_header(attribute.StringValue):
            raise _refuse("The message system attribute 'AWSTraceHeader' must contain an X-Ray trace header of type 'String'.")
        header: str = attribute.StringValue
        return header
    return ""


def attributes_bytes(attributes: Iterable[Attribute]) -> int:
    """What attributes add to a message's size: names, types and values."""
    return sum(len(a.name) + len(a.type.encode()) + len(a.text.encode() if a.binary is None else a.binary) for a in attributes)


def attributes_md5(attributes: Iterable[Attribute]) -> str:
    """By name: the lengths and bytes of name and type, 1 (text) or 2 (bytes), the length and bytes of the value."""
    digest = md5(usedforsecurity=False)
    for attribute in attributes:
        for part in (attribute.name.encode(), attribute.type.encode()):
            digest.update(_length(len(part)) + part)
        value, mark = (attribute.text.encode(), b"\1") if attribute.binary is None else (attribute.binary, b"\2")
        digest.update(mark + _length(len(value)) + value)
    return digest.hexdigest()


def body_md5(body: bytes) -> str:
    return md5(body, usedforsecurity=False).hexdigest()


def select(attributes: tuple[Attribute, ...], names: Iterable[str]) -> tuple[Attribute, ...]:
    """The attributes that MessageAttributeNames asks for: by name, `prefix.*`, `.*` or `All`."""
    wanted = set(names)
    if "All" in wanted or ".*" in wanted:
        return attributes
    prefixes = tuple([n[:-2] for n in wanted if n.endswith(".*")])
    return tuple([a for a in attributes if a.name in wanted or (prefixes and a.name.startswith(prefixes))])
