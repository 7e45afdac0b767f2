"""What a message is made of: allowed characters, attributes, structure, sizes. Arithmetic, without ctx.

Source: API reference, Publish; "Amazon SNS message attributes" in the Developer Guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from fogbank.languages import documents
from fogbank.services.sns.faults import bad_value, invalid
from fogbank.services.sns.state import Attribute

SUBJECT_LETTERS = 100
_name = re.compile(r"(?!(?i:aws\.(?!SNS\.(?:SMS|MOBILE)\.|MM\.SMS\.)|amazon\.))(?!\.)(?!.*\.\.)[A-Za-z0-9_.\-]{1,256}(?<!\.)").fullmatch
_type = re.compile(r"(String|Number|Binary)(\.[^\x00-\x1f]+)?").fullmatch
_token = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}").fullmatch
_controls = re.compile(r"[\x00-\x1f\x7f]").search


def check_subject(subject: str) -> None:
    """1 to 100 characters, no line breaks or control characters. Raises InvalidParameter."""
    if not subject or len(subject) > SUBJECT_LETTERS or _controls(subject):
        raise invalid("Subject")


def check_token(value: str, parameter: str) -> None:
    """Group and deduplication ids. Raises InvalidParameter."""
    if not _token(value):
        raise invalid(parameter, f"{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length.")


def read_structure(message: str, structure: str | None) -> dict[str, str] | None:
    """What MessageStructure json says for each protocol; None without it. Raises InvalidParameter."""
    if structure is None:
        return None
    if structure != "json":
        raise invalid("MessageStructure")
    try:
        told = documents.read_object(message)
    except documents.Malformed:
        raise invalid("Message Structure - JSON message body failed to parse") from None
    if not isinstance(told.get("default"), str):
        raise invalid("Message Structure - No default entry in JSON message body")
    return {name: value for name, value in told.items() if isinstance(value, str)}


def read_attributes(given: Mapping[str, Any] | None) -> tuple[Attribute, ...]:
    """A request's MessageAttributes, in their order. Raises ParameterValueInvalid."""
    return tuple([_attribute(name, one) for name, one in given.items()]) if given else ()


def _attribute(name: str, given: Any) -> Attribute:
    if not _name(name):
        raise bad_value(f"The message attribute name '{name}' is invalid.")
    if not given.DataType:
        raise bad_value(f"The message attribute '{name}' must contain non-empty message attribute type.")
    kind = _type(given.DataType)
    if not kind or len(given.DataType) > 256:
        raise bad_value(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary,"
            " Number, and String."
        )
    binary = kind[1] == "Binary"
    value, other = (given.BinaryValue, given.StringValue) if binary else (given.StringValue, given.BinaryValue)
    if other:
        raise bad_value(f"The message attribute '{name}' with type '{given.DataType}' must use field '{'Binary' if binary else 'String'}'.")
    if not value:
        raise bad_value(
            f"The message attribute '{name}' must contain non-empty message attribute value for message attribute type '{given.DataType}'."
        )
    if binary:
        return Attribute(name, given.DataType, binary=value)
    if kind[1] == "Number":
        _check_number(name, value)
    return Attribute(name, given.DataType, value)


def _check_number(name: str, value: str) -> None:
    try:
        finite = Decimal(value.strip()).is_finite()
    except InvalidOperation:
        finite = False
    if not finite:
        raise bad_value(f"Could not cast message attribute '{name}' value to number.")


def size_of(message: str, attributes: Iterable[Attribute]) -> int:
    """Bytes of the message, and of its attributes' names, types and values."""
    size = len(message.encode("utf-8", "surrogatepass"))
    for a in attributes:
        size += len(a.name) + len(a.type.encode()) + len(a.text.encode() if a.binary is None else a.binary)
    return size
