"""Attribute values: checked, canonical, measured, ordered."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.kernel.errors import ServiceException
from fogbank.services.dynamodb import numbers, values

from .language import refusal

EMPTY = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
SEVERAL = "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
INVALID = "One or more parameter values were invalid: "

decimals = st.builds(
    lambda sign, digits, exponent: Decimal((sign, tuple(map(int, str(digits))), exponent)),
    st.integers(0, 1),
    st.integers(0, 10**38 - 1),
    st.integers(-130, 88),
)
"""Every one is a number that DynamoDB can hold."""


def canonical(value: Any) -> Any:
    values.check_value(value)
    return value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("0.000", "0"),
        ("0e999", "0"),
        ("007", "7"),
        ("+5", "5"),
        ("1.50", "1.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1E2", "100"),
        ("1E+0000000002", "100"),
        ("-1.5e1", "-15"),
        ("1e-3", "0.001"),
        ("1e125", "1" + "0" * 125),
        ("-1e-130", "-0." + "0" * 129 + "1"),
        ("1" * 38, "1" * 38),
        ("1" * 38 + "000", "1" * 38 + "000"),
    ],
)
def test_a_number_is_written_in_one_way(text: str, expected: str) -> None:
    """A number keeps its value and loses zeros, signs and exponents that say nothing."""
    assert canonical({"N": text}) == {"N": expected}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "The parameter cannot be converted to a numeric value"),
        ("x", "The parameter cannot be converted to a numeric value: x"),
        (" 1", "The parameter cannot be converted to a numeric value:  1"),
        ("1e", "The parameter cannot be converted to a numeric value: 1e"),
        ("Infinity", "The parameter cannot be converted to a numeric value: Infinity"),
        ("٣", "The parameter cannot be converted to a numeric value: ٣"),
        ("1" * 39, "Attempting to store more than 38 significant digits in a Number"),
        ("0." + "1" * 39, "Attempting to store more than 38 significant digits in a Number"),
        ("1e126", "Number overflow. Attempting to store a number with magnitude larger than supported range"),
        ("-1e99999999999", "Number overflow. Attempting to store a number with magnitude larger than supported range"),
        ("1e-131", "Number underflow. Attempting to store a number with magnitude smaller than supported range"),
    ],
)
def test_what_is_no_number_is_refused(text: str, reason: str) -> None:
    """At most 38 significant digits, from 1E-130 to just below 1E+126."""
    assert refusal(canonical, {"N": text}) == reason


@given(decimals)
def test_canonical_numbers_keep_their_value(number: Decimal) -> None:
    """However a number is written, its canonical text has its value, and is its own canonical text."""
    for text in (str(number), f"{number:f}", f"{number:e}"):
        written = numbers.canonical(text)
        assert Decimal(written) == number
        assert numbers.canonical(written) == written
        assert "e" not in written.lower()


@given(decimals, decimals)
def test_numbers_keep_their_order_as_keys(a: Decimal, b: Decimal) -> None:
    """Key texts, ranks and numbers stand to each other in the same way."""
    one, two = numbers.canonical(str(a)), numbers.canonical(str(b))
    first, second = numbers.key_text(one), numbers.key_text(two)
    assert (first < second) == (a < b)
    assert (first == second) == (a == b)
    assert (numbers.rank(one) < numbers.rank(two)) == (a < b)
    assert first.isascii()


@given(st.decimals(-(10**17), 10**17, places=4), st.decimals(-(10**17), 10**17, places=4))
def test_sums_are_exact(a: Decimal, b: Decimal) -> None:
    """Addition and subtraction lose nothing."""
    one, two = numbers.canonical(str(a)), numbers.canonical(str(b))
    assert Decimal(numbers.add(one, two)) == a + b
    assert Decimal(numbers.subtract(one, two)) == a - b


def test_a_sum_of_too_many_digits_is_refused() -> None:
    """A sum is never rounded: it is refused, like any number that cannot be held."""
    assert "38 significant digits" in refusal(numbers.add, "1" + "0" * 40, "0.1")
    assert "overflow" in refusal(numbers.add, "5" + "0" * 125, "5" + "0" * 125)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, EMPTY),
        ({"X": "1"}, EMPTY),
        ({"S": None}, EMPTY),
        ({"S": "a", "N": "1"}, SEVERAL),
        ({"NULL": False}, INVALID + "Null attribute value types must have the value of true"),
        ({"SS": []}, INVALID + "An string set  may not be empty"),
        ({"NS": []}, INVALID + "An number set  may not be empty"),
        ({"BS": []}, INVALID + "Binary sets should not be empty"),
        ({"SS": ["a", "a"]}, INVALID + "Input collection [a, a] contains duplicates."),
        ({"NS": ["1", "1.0"]}, "Input collection contains duplicates"),
        ({"BS": ["Yg==", "Yg=="]}, INVALID + "Input collection [Yg==, Yg==]of type BS contains duplicates."),
        ({"M": {"a": {}}}, EMPTY),
        ({"L": [{"N": "x"}]}, "The parameter cannot be converted to a numeric value: x"),
    ],
)
def test_what_is_no_value_is_refused(value: Any, reason: str) -> None:
    """A value has exactly one type; sets have members, each once."""
    assert refusal(canonical, value) == reason
    assert refusal(values.checked, {"a": value}) == reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"S": 5}, "NUMBER_VALUE can not be converted to String"),
        ({"N": 5}, "NUMBER_VALUE can not be converted to String"),
        ({"BOOL": "yes"}, "STRING_VALUE can not be converted to Boolean"),
        ({"NULL": 1}, "NUMBER_VALUE can not be converted to Boolean"),
        ({"S": []}, "Start of list found where not expected"),
        ({"S": {}}, "Start of structure or map found where not expected."),
        ({"L": "x"}, "Unexpected field type"),
        ({"M": "x"}, "Unexpected field type"),
        ({"SS": "x"}, "Unexpected field type"),
        ({"B": "?"}, '"?" can not be converted to a Blob: not base64-encoded'),
        ("x", "Unexpected field type"),
    ],
)
def test_json_of_the_wrong_type_is_not_deserialized(value: Any, reason: str) -> None:
    """What is no attribute value at all is a SerializationException."""
    for call, argument in ((values.check_value, value), (values.checked, {"a": value})):
        with pytest.raises(ServiceException) as caught:
            call(argument)
        assert (caught.value.code, caught.value.message) == ("SerializationException", reason)


def test_an_explicit_null_is_absent() -> None:
    """Members of a value that are null are as good as not there."""
    assert canonical({"S": "x", "N": None}) == {"S": "x"}


def test_checked_values_are_canonical() -> None:
    """Numbers, base64 and the order of sets are brought into one form, at every depth."""
    item = {
        "n": {"N": "1.0"},
        "m": {"M": {"l": {"L": [{"N": "2.50"}, {"NS": ["10", "9.0", "-1"]}]}}},
        "ss": {"SS": ["b", "a", ""]},
        "bs": {"BS": ["Yg==", "YQ=="]},
        "b": {"B": ""},
        "t": {"BOOL": True},
        "z": {"NULL": True},
    }
    assert values.checked(item) is item
    assert item == {
        "n": {"N": "1"},
        "m": {"M": {"l": {"L": [{"N": "2.5"}, {"NS": ["-1", "9", "10"]}]}}},
        "ss": {"SS": ["", "a", "b"]},
        "bs": {"BS": ["YQ==", "Yg=="]},
        "b": {"B": ""},
        "t": {"BOOL": True},
        "z": {"NULL": True},
    }


def nested(levels: int) -> Any:
    value: Any = {"S": "x"}
    for _ in range(levels):
        value = {"L": [value]}
    return value


def test_values_nest_32_levels() -> None:
    """A value may lie in 31 lists or maps, not in 32."""
    values.checked({"a": nested(31)})
    expected = "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"
    assert refusal(values.checked, {"a": nested(32)}) == expected


def test_names_are_not_empty_and_not_too_long() -> None:
    """Attribute names have 1 to 65,535 bytes."""
    values.checked({"é" * 32_767: {"S": "x"}})
    for name in ("", "é" * 32_768):
        assert refusal(values.checked, {name: {"S": "x"}}).startswith(INVALID)
        assert refusal(values.checked, {"m": {"M": {name: {"S": "x"}}}}).startswith(INVALID)


@pytest.mark.parametrize(
    ("value", "bytes_"),
    [
        ({"S": "abc"}, 3),
        ({"S": "é"}, 2),
        ({"N": "0"}, 1),
        ({"N": "5"}, 2),
        ({"N": "123"}, 3),
        ({"N": "-123"}, 4),
        ({"N": "1000"}, 2),
        ({"N": "0.0012"}, 2),
        ({"B": base64.b64encode(b"12345").decode()}, 5),
        ({"B": ""}, 0),
        ({"BOOL": False}, 1),
        ({"NULL": True}, 1),
        ({"L": []}, 3),
        ({"L": [{"S": "ab"}, {"BOOL": True}]}, 3 + 3 + 2),
        ({"M": {"ab": {"S": "c"}}}, 3 + 1 + 2 + 1),
        ({"SS": ["a", "é"]}, 3),
        ({"NS": ["1", "100"]}, 4),
        ({"BS": ["YQ==", "YWI="]}, 3),
    ],
)
def test_sizes(value: Any, bytes_: int) -> None:
    """Sizes are those of the developer guide; an item's are those of its names and values."""
    assert values.value_size(value) == bytes_
    assert values.size({"ñ": value}) == bytes_ + 2


@given(st.binary(max_size=8), st.binary(max_size=8))
def test_binaries_are_ordered_by_unsigned_bytes(a: bytes, b: bytes) -> None:
    """Binary values, as operands and as keys, stand to each other as their bytes do."""
    one, two = ({"B": base64.b64encode(raw).decode()} for raw in (a, b))
    assert values.less(one, two) == (a < b)
    assert (values.key_text(one) < values.key_text(two)) == (a < b)
    assert (values.key_text(one) == values.key_text(two)) == (a == b)


@given(st.text(max_size=6), st.text(max_size=6))
def test_strings_are_ordered_by_utf8(a: str, b: str) -> None:
    """String values stand to each other as their UTF-8 bytes do."""
    assert values.less({"S": a}, {"S": b}) == (a.encode() < b.encode())


def test_different_types_have_no_order() -> None:
    """Neither of two values of different types, or of types without order, comes first."""
    for a, b in [({"S": "1"}, {"N": "2"}), ({"N": "1"}, {"S": "2"}), ({"BOOL": False}, {"BOOL": True}), ({"L": []}, {"L": [{"S": "a"}]})]:
        assert not values.less(a, b)
        assert not values.less(b, a)
