"""DynamoDB's numbers: decimals of at most 38 significant digits, 1E-130 to 9.99...E+125 and their negatives, as text.

Canonical text has no exponent, no leading or trailing zeros, no plus and no minus zero. Pure arithmetic.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from functools import lru_cache

from fogbank.services.dynamodb.faults import invalid

DIGITS = 38
GREATEST_EXPONENT, LEAST_EXPONENT = 125, -130
_EXACT = Context(prec=400, Emax=10_000, Emin=-10_000)
"""Room for any sum of two numbers, so that what is too long is refused instead of rounded."""

_canonical = re.compile(r"(?:0|-?[1-9][0-9]*|-?(?:0|[1-9][0-9]*)\.[0-9]*[1-9])").fullmatch
_number = re.compile(r"([+-]?)(?=\.?[0-9])([0-9]*)\.?([0-9]*)(?:[eE]([+-]?)0*([0-9]+))?").fullmatch


def canonical(text: str) -> str:
    """A number's canonical text. Raises ValidationException for what is not a number that DynamoDB can hold."""
    if len(text) <= DIGITS and _canonical(text):
        return text
    return _rewritten(text)


@lru_cache(maxsize=1024)
def _rewritten(text: str) -> str:
    parts = _number(text)
    if parts is None:
        raise invalid(f"The parameter cannot be converted to a numeric value{': ' + text if text else ''}")
    sign, whole, fraction, turned, exponent = parts.groups()
    shift = int(f"{turned}{exponent[:9]}") if exponent else 0
    digits = (whole + fraction).lstrip("0")
    point = len(digits) - len(fraction) + shift  # where the decimal point is, counted from the first digit
    digits = digits.rstrip("0")
    if not digits:
        return "0"
    if len(digits) > DIGITS:
        raise invalid("Attempting to store more than 38 significant digits in a Number")
    if point - 1 > GREATEST_EXPONENT:
        raise invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
    if point - 1 < LEAST_EXPONENT:
        raise invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")
    minus = "-" if sign == "-" else ""
    if point <= 0:
        return f"{minus}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return f"{minus}{digits}{'0' * (point - len(digits))}"
    return f"{minus}{digits[:point]}.{digits[point:]}"


def add(a: str, b: str) -> str:
    """The exact sum. Raises ValidationException where it is out of range or has too many digits."""
    if len(a) < 18 and len(b) < 18 and "." not in a and "." not in b:
        return str(int(a) + int(b))
    return canonical(str(_EXACT.add(Decimal(a), Decimal(b))))


def subtract(a: str, b: str) -> str:
    """The exact difference; see `add`."""
    if len(a) < 18 and len(b) < 18 and "." not in a and "." not in b:
        return str(int(a) - int(b))
    return canonical(str(_EXACT.subtract(Decimal(a), Decimal(b))))


def rank(text: str) -> int | Decimal:
    """Something that compares exactly as the canonical number does."""
    return Decimal(text) if "." in text else int(text)


def size(text: str) -> int:
    """The bytes that DynamoDB counts: one for two significant digits, one more, and one more for a negative number."""
    if text[0] == "-":
        return size(text[1:]) + 1
    digits = text.replace(".", "").lstrip("0") if "." in text else text.rstrip("0")
    return (len(digits) + 1) // 2 + 1


def quick_size(text: str) -> int:
    """The size of a canonical number that is a positive integer, as most are; 0 for any other text."""
    if text.isdigit() and text[0] != "0" and len(text) <= DIGITS and text.isascii():
        return (len(text.rstrip("0")) + 3) // 2
    return 0


_COMPLEMENT = str.maketrans("0123456789", "9876543210")


def key_text(text: str) -> str:
    """ASCII text that sorts as canonical numbers do: sign, exponent, digits; in a negative number all turned round.

    A negative number's digits end with "~", which sorts after all digits: -1 comes after -1.5.
    """
    if text[0] == "-":
        return "0" + _magnitude(text[1:]).translate(_COMPLEMENT) + "~"
    return "2" + _magnitude(text) if text != "0" else "1"


def _magnitude(text: str) -> str:
    """A positive number's exponent, counted from the least one, and its digits without zeros around them."""
    whole, _, fraction = text.partition(".")
    if whole != "0":
        return f"{len(whole) - 1 - LEAST_EXPONENT:03}{(whole + fraction).rstrip('0')}"
    digits = fraction.lstrip("0")
    return f"{len(digits) - len(fraction) - 1 - LEAST_EXPONENT:03}{digits}"
