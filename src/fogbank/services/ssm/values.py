"""What a value may be: its size, its type of data, its pattern."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import msgspec
import regex  # type: ignore[import-untyped]

from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.ssm.names import invalid
from fogbank.services.ssm.state import STANDARD, VALUE_BYTES
from fogbank.wire.regions import regions

_GUIDE = "https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"
PATTERN_S = 0.2
PATTERN_LENGTH = 100_000
_label = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_hostname = re.compile(rf"(?=.{{1,253}}$){_label}(\.{_label})*").fullmatch
_email = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@" + rf"{_label}(\.{_label})+").fullmatch
_url = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#]+\S*").fullmatch
_token = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(?:\d*,)?(?P<most>\d{1,9})\}|.", re.DOTALL).finditer
_comment = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL).sub
_trailing_comma = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])').sub


def _parses(read: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            read(text)
        except (ValueError, RecursionError):
            return False
        return True

    return check


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


def _without_comments(text: str) -> str:
    return _trailing_comma(lambda found: found[1] or "", _comment(lambda found: found[1] or " ", text))


DATA_TYPES: dict[str, Callable[[str], bool]] = {
    "text": lambda text: True,
    "boolean": _matches("true|false"),
    "integer": _matches(r"[+-]?\d+"),
    "float": _matches(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"),
    "hostname": lambda text: _hostname(text) is not None,
    "email": lambda text: _email(text) is not None,
    "ipv4-address": _parses(IPv4Address),
    "ipv6-address": _parses(IPv6Address),
    "url": lambda text: _url(text) is not None,
    "json": _parses(msgspec.json.decode),
    "jsonc": _parses(lambda text: msgspec.json.decode(_without_comments(text))),
    "aws:region": lambda text: text in regions(),
    "aws:account:id": _matches(r"\d{12}"),
}
ADVANCED_DATA_TYPES = frozenset({"url", "json", "jsonc"})
MISSING = {
    "aws:ec2:image": "which is checked against Amazon EC2's images",
    "aws:ssm:integration": "which is checked against Systems Manager's integrations",
    "binary": "whose form is not documented",
}


def check_data_type(name: str, kind: str, value: str) -> None:
    """Raises ValidationException."""
    if name in MISSING:
        raise NotImplementedOperation("ssm", "PutParameter", f"with DataType {name}, {MISSING[name]}")
    if name not in DATA_TYPES:
        raise invalid(f"The following data type is not supported: {name} (Data type names are all lowercase.)")
    if name != "text" and kind != "String":
        raise invalid(f"The data type {name} is supported only for parameters of type String.")
    if not DATA_TYPES[name](value):
        raise invalid(f"The parameter value doesn't match the data type {name}.")


def check_value(value: str) -> None:
    if not value:
        raise invalid(
            "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length greater than or"
            " equal to 1"
        )
    if "{{" in value and "}}" in value:
        raise invalid(f'Parameter value: {value} can\'t nest another parameter. Do not use "{{{{}}}}" in the value.')


def check_size(tier: str, value: str) -> None:
    """4 KB in the standard tier, 8 KB in the advanced."""
    limit = VALUE_BYTES[tier]
    if len(value.encode()) <= limit:
        return
    if tier == STANDARD:
        raise invalid(
            f"Standard tier parameters support a maximum parameter value of {limit} characters. To create a larger parameter value,"
            f" upgrade the parameter to use the advanced-parameter tier. For more information, see {_GUIDE}"
        )
    raise invalid(f"Advanced tier parameters support a maximum parameter value of {limit} characters.")


def _written_out(pattern: str) -> int:
    """About how long a pattern is with its counted repetitions written out, as `regex` compiles it."""
    lengths, last = [0], 0
    for token in _token(pattern):
        if token[0] == "(":
            lengths.append(0)
            continue
        if token[0] == ")" and len(lengths) > 1:
            last = lengths.pop()
        elif token["most"]:
            lengths[-1] -= last
            last *= int(token["most"])
        else:
            last = 1
        lengths[-1] += last
    return sum(lengths)


def check_pattern(pattern: str, value: str) -> None:
    """Raises InvalidAllowedPatternException, ParameterPatternMismatchException."""
    try:
        if _written_out(pattern) > PATTERN_LENGTH:
            raise MemoryError
        # `regex` knows more of Java's syntax than `re`, and gives up in time on a pattern that would go on for ever.
        fits = regex.fullmatch(pattern, value, timeout=PATTERN_S) is not None
    except (regex.error, TimeoutError, RecursionError, MemoryError):
        message = f"The allowed pattern {pattern} isn't a valid regular expression."
        raise ServiceException("InvalidAllowedPatternException", message) from None
    if not fits:
        message = f"Parameter value, cannot be validated against allowedPattern: {pattern}"
        raise ServiceException("ParameterPatternMismatchException", message)
