"""Event patterns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.languages import patterns
from fogbank.languages.patterns import InvalidPattern

EVENT = {
    "version": "0",
    "detail-type": "EC2 Instance State-change Notification",
    "source": "aws.ec2",
    "time": "2017-12-22T18:43:48Z",
    "resources": ["arn:1", "arn:2"],
    "detail": {
        "state": "Running",
        "count": 5,
        "price": 3.5,
        "ip": "10.0.3.7",
        "ip6": "2001:db8::7",
        "path": "dir/sub/file.PNG",
        "null": None,
        "empty": "",
        "flag": True,
        "none": [],
        "items": [{"a": 1, "b": "x"}, {"a": 2, "b": "y", "deep": [{"c": 1}, {"c": 2}]}],
    },
}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"source": ["aws.ec2"]}, True),
        ({"source": ["aws.s3", "aws.ec2"]}, True),
        ({"source": ["aws.s3"]}, False),
        ({"resources": ["arn:2"]}, True),
        ({"resources": ["arn:3"]}, False),
        ({"detail": {"state": [{"prefix": "Run"}]}}, True),
        ({"detail": {"state": [{"prefix": "run"}]}}, False),
        ({"detail": {"state": [{"prefix": {"equals-ignore-case": "RUN"}}]}}, True),
        ({"detail": {"path": [{"suffix": ".png"}]}}, False),
        ({"detail": {"path": [{"suffix": {"equals-ignore-case": ".png"}}]}}, True),
        ({"detail": {"state": [{"equals-ignore-case": "RUNNING"}]}}, True),
        ({"detail": {"path": [{"wildcard": "dir/*.PNG"}]}}, True),
        ({"detail": {"path": [{"wildcard": "*/sub/*"}]}}, True),
        ({"detail": {"path": [{"wildcard": "*sub*sub*"}]}}, False),
        ({"detail": {"path": [{"wildcard": "dir/file*"}]}}, False),
        ({"detail": {"state": [{"anything-but": "Running"}]}}, False),
        ({"detail": {"state": [{"anything-but": ["a", "b"]}]}}, True),
        ({"detail": {"count": [{"anything-but": [4, 6]}]}}, True),
        ({"detail": {"count": [{"anything-but": 5}]}}, False),
        ({"detail": {"count": [{"anything-but": "5"}]}}, True),
        ({"detail": {"state": [{"anything-but": {"prefix": "Ru"}}]}}, False),
        ({"detail": {"state": [{"anything-but": {"prefix": ["St", "Ru"]}}]}}, False),
        ({"detail": {"state": [{"anything-but": {"suffix": "x"}}]}}, True),
        ({"detail": {"state": [{"anything-but": {"equals-ignore-case": ["running", "x"]}}]}}, False),
        ({"detail": {"path": [{"anything-but": {"wildcard": "*/sub/*"}}]}}, False),
        ({"detail": {"missing": [{"anything-but": "x"}]}}, False),
        ({"resources": [{"anything-but": "arn:1"}]}, True),
        ({"detail": {"count": [{"numeric": ["=", 5]}]}}, True),
        ({"detail": {"count": [{"numeric": [">", 5]}]}}, False),
        ({"detail": {"price": [{"numeric": [">", 3, "<=", 3.5]}]}}, True),
        ({"detail": {"state": [{"numeric": [">", 3]}]}}, False),
        ({"detail": {"flag": [1]}}, False),
        ({"detail": {"flag": [True]}}, True),
        ({"detail": {"flag": [{"numeric": ["=", 1]}]}}, False),
        ({"detail": {"null": [None]}}, True),
        ({"detail": {"empty": [None]}}, False),
        ({"detail": {"empty": [""]}}, True),
        ({"detail": {"ip": [{"cidr": "10.0.0.0/16"}]}}, True),
        ({"detail": {"ip": [{"cidr": "10.1.0.0/16"}]}}, False),
        ({"detail": {"ip6": [{"cidr": "2001:db8::/32"}]}}, True),
        ({"detail": {"state": [{"cidr": "10.0.0.0/8"}]}}, False),
        ({"detail": {"state": [{"exists": True}]}}, True),
        ({"detail": {"state": [{"exists": False}]}}, False),
        ({"detail": {"missing": [{"exists": False}]}}, True),
        ({"missing": {"deeper": [{"exists": False}]}}, True),
        ({"detail": [{"exists": True}]}, False),
        ({"detail": [{"exists": False}]}, True),
        ({"detail": {"none": [{"exists": True}]}}, False),
        ({"detail": {"null": [{"exists": True}]}}, True),
        ({"detail": {"state": ["x", {"exists": False}]}}, False),
        ({"detail": {"missing": ["x", {"exists": False}]}}, True),
        ({"detail": {"items": {"a": [1], "b": ["x"]}}}, True),
        ({"detail": {"items": {"a": [1], "b": ["y"]}}}, False),
        ({"detail": {"items": {"a": [2], "deep": {"c": [2]}}}}, True),
        ({"detail": {"items": {"a": [1], "deep": {"c": [2]}}}}, False),
        ({"detail": {"items": {"deep": {"c": [{"exists": False}]}}}}, False),
        ({"$or": [{"source": ["x"]}, {"detail": {"count": [5]}}]}, True),
        ({"$or": [{"source": ["x"]}, {"detail": {"count": [6]}}]}, False),
        ({"source": ["x"], "$or": [{"source": ["aws.ec2"]}, {"detail": {"count": [5]}}]}, False),
        ({"detail": {"$or": [{"count": [6]}, {"items": {"a": [2], "b": ["y"]}}], "state": ["Running"]}}, True),
        ({"detail": {"items": {"a": [1]}, "$or": [{"items": {"b": ["y"]}}, {"items": {"b": ["z"]}}]}}, False),
    ],
)
def test_what_matches(pattern: dict[str, Any], expected: bool) -> None:
    """Each operator wants what AWS's documentation says it does."""
    assert patterns.compile(pattern).matches(EVENT) is expected


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("[]", "Filter is not an object"),
        ("{}", "Empty objects are not allowed"),
        ('{"a": {}}', "Empty objects are not allowed"),
        ('{"a": []}', "Empty arrays are not allowed"),
        ('{"a": "x"}', '"a" must be an object or an array'),
        ('{"a": [["x"]]}', "Match value must be String, number, true, false, or null"),
        ('{"a": [{"like": "x"}]}', "Unrecognized match type like"),
        ('{"a": [{"prefix": 1}]}', "prefix match pattern must be a string"),
        ('{"a": [{"prefix": "a", "suffix": "b"}]}', "Only one key allowed in match expression"),
        ('{"a": [{"wildcard": "a**b"}]}', "Consecutive wildcard characters at pos 1"),
        ('{"a": [{"wildcard": "a\\\\b"}]}', "Invalid escape character at pos 1"),
        ('{"a": [{"numeric": ["~", 1]}]}', "Unrecognized numeric range operator: ~"),
        ('{"a": [{"numeric": [">", "1"]}]}', "Value of > must be numeric"),
        ('{"a": [{"numeric": [">", 2, "<", 1]}]}', "Bottom must be less than top"),
        ('{"a": [{"exists": "x"}]}', "exists match pattern must be either true or false."),
        ('{"a": [{"anything-but": [1, "x"]}]}', "mixed type is not supported"),
        ('{"a": [{"anything-but": [true]}]}', "start|null|boolean is not supported"),
        ('{"a": [{"cidr": "10.0.0/8/8"}]}', "Malformed CIDR"),
        ('{"$or": [{"a": [1]}]}', "Unrecognized match type a"),
        ('{"a": [', "truncated"),
    ],
)
def test_what_is_no_pattern(pattern: str, reason: str) -> None:
    """A pattern that is wrong is refused with the reason."""
    with pytest.raises(InvalidPattern, match=None) as refused:
        patterns.compile(pattern)
    assert reason in str(refused.value)


def test_too_many_alternatives() -> None:
    """Choices multiply, up to a thousand combinations."""
    choice = [{"a": [n]} for n in range(11)]
    patterns.compile({"x": {"$or": choice[:10]}, "y": {"$or": choice[:10]}, "z": {"$or": choice[:10]}})
    with pytest.raises(InvalidPattern):
        patterns.compile({"x": {"$or": choice}, "y": {"$or": choice}, "z": {"$or": choice}})


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"source": ["a", "b"]}, {"a", "b"}),
        ({"source": ["a", {"prefix": "b"}]}, None),
        ({"detail": {"x": [1]}}, None),
        ({"$or": [{"source": ["a"]}, {"source": ["b"]}]}, {"a", "b"}),
        ({"$or": [{"source": ["a"]}, {"detail": {"x": [1]}}]}, None),
        ({"source": ["a"], "$or": [{"account": ["a"]}, {"detail": {"x": [1]}}]}, {"a"}),
    ],
)
def test_first_key(pattern: dict[str, Any], expected: set[str] | None) -> None:
    """A pattern knows the values that a field of the event must have, where it is closed."""
    assert patterns.compile(pattern).only("source") == expected


# A plain model: every list of the event stands for one of its elements; what then is no list can be compared as it is.

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(0, 3), st.sampled_from(["", "a", "ab", "b", "B"]))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)),
    max_leaves=8,
)
EVENTS = st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=3)
ITEMS = st.one_of(
    SCALARS,
    st.sampled_from(
        [
            {"prefix": "a"},
            {"suffix": "b"},
            {"equals-ignore-case": "b"},
            {"wildcard": "*b"},
            {"anything-but": "a"},
            {"anything-but": [1, 2]},
            {"anything-but": {"prefix": "a"}},
            {"numeric": [">", 0, "<", 3]},
            {"exists": True},
            {"exists": False},
        ]
    ),
)
FIELDS = st.recursive(
    st.dictionaries(st.sampled_from("xyz"), st.lists(ITEMS, min_size=1, max_size=2), min_size=1, max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("xyz"), inner, min_size=1, max_size=2),
    max_leaves=4,
)
PATTERNS = st.one_of(FIELDS, st.lists(FIELDS, min_size=2, max_size=3).map(lambda some: {"$or": some}))
_TESTS = {
    "prefix": lambda value, wanted: isinstance(value, str) and value.startswith(wanted),
    "suffix": lambda value, wanted: isinstance(value, str) and value.endswith(wanted),
    "equals-ignore-case": lambda value, wanted: isinstance(value, str) and value.lower() == wanted,
    "wildcard": lambda value, wanted: isinstance(value, str) and value.endswith(wanted[1:]),
    "numeric": lambda value, wanted: type(value) is int and wanted[1] < value < wanted[3],
    "exists": lambda value, wanted: wanted,
}


def worlds(value: Any) -> Iterator[Any]:
    """The value with every list replaced by one of its elements, or taken away where it has none."""
    if isinstance(value, list):
        for each in value:
            yield from worlds(each)
        if not value:
            yield _GONE
    elif isinstance(value, dict):
        made: list[dict[str, Any]] = [{}]
        for name, inner in value.items():
            choices = list(worlds(inner))
            made = [{**one, name: choice} if choice is not _GONE else one for one in made for choice in choices]
        yield from made
    else:
        yield value


_GONE: Any = object()


def has(value: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return not isinstance(value, dict)


def item_holds(item: Any, value: Any) -> bool:
    if not isinstance(item, dict):
        return type(item) is type(value) and item == value
    ((name, wanted),) = item.items()
    if name == "anything-but":
        if isinstance(wanted, dict):
            return not item_holds(wanted, value)
        listed = wanted if isinstance(wanted, list) else [wanted]
        return not any(item_holds(one, value) for one in listed)
    return bool(_TESTS[name](value, wanted))


def holds(pattern: Any, world: Any, path: tuple[str, ...], every: list[Any]) -> bool:
    if isinstance(pattern, list):
        if {"exists": False} in pattern and not any(has(one, path) for one in every):
            return True
        if world is _GONE or isinstance(world, dict):
            return False
        return any(item_holds(item, world) for item in pattern if item != {"exists": False})
    for name, wanted in pattern.items():
        if name == "$or":
            if not any(holds(one, world, path, every) for one in wanted):
                return False
        else:
            inner = world.get(name, _GONE) if isinstance(world, dict) else _GONE
            if not holds(wanted, inner, (*path, name), every):
                return False
    return True


@given(PATTERNS, EVENTS)
def test_as_the_model(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    """A compiled pattern matches what it matches by the plain reading of the documentation."""
    every = list(worlds(event))
    assert patterns.compile(pattern).matches(event) == any(holds(pattern, world, (), every) for world in every)
