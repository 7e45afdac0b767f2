"""Updates: what they make of an item."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.services.dynamodb import values
from fogbank.services.dynamodb.expressions import Update

from .language import asked, item, refusal, wire

ITEM = item(pk="k", n=5, s="x", l=[1, 2, 3], m={"a": 1, "b": {"c": [10, 20]}}, tags={"a", "b"}, ns={1, 2})
DATA = "An operand in the update expression has an incorrect data type"
PLACE = "The document path provided in the update expression is invalid for update"
ABSENT = "The provided expression refers to an attribute that does not exist in the item"


def update_of(text: str, names: dict[str, str] | None = None, /, **literals: Any) -> Update:
    update = asked(names, literals or None, UpdateExpression=text).update
    assert update is not None
    return update


def updated(text: str, **literals: Any) -> Any:
    """The item after an update of ITEM, which itself must not change."""
    before = copy.deepcopy(ITEM)
    after = update_of(text, **literals).apply(ITEM)
    assert before == ITEM
    assert values.checked(copy.deepcopy(after)) == after, "the outcome is canonical"
    return after


@pytest.mark.parametrize(
    ("text", "literals", "changed"),
    [
        ("SET x = :v", {"v": 1}, {"x": 1}),
        ("set n = :v", {"v": "y"}, {"n": "y"}),
        ("SET n = n + :v", {"v": 2}, {"n": 7}),
        ("SET n = n - :v", {"v": 2.5}, {"n": 2.5}),
        ("SET n = (:v - n)", {"v": 1}, {"n": -4}),
        ("SET n = (n + :v) + n", {"v": 1}, {"n": 11}),
        ("SET x = n, n = :v", {"v": 1}, {"x": 5, "n": 1}),
        ("SET s = n, n = s", {}, {"s": 5, "n": "x"}),
        ("SET x = if_not_exists(x, :v)", {"v": 1}, {"x": 1}),
        ("SET n = if_not_exists(n, :v)", {"v": 1}, {}),
        ("SET n = if_not_exists(n, :v) + :v", {"v": 1}, {"n": 6}),
        ("SET x = if_not_exists(x, n)", {}, {"x": 5}),
        ("SET l = list_append(l, :v)", {"v": [4]}, {"l": [1, 2, 3, 4]}),
        ("SET l = list_append(:v, l)", {"v": [0]}, {"l": [0, 1, 2, 3]}),
        ("SET x = list_append(if_not_exists(x, :e), :v)", {"e": [], "v": [1]}, {"x": [1]}),
        ("SET m.a = :v", {"v": 9}, {"m": {"a": 9, "b": {"c": [10, 20]}}}),
        ("SET m.b.c[0] = :v, m.b.d = :v", {"v": 9}, {"m": {"a": 1, "b": {"c": [9, 20], "d": 9}}}),
        ("SET l[1] = :v", {"v": 9}, {"l": [1, 9, 3]}),
        ("SET l[9] = :v, l[7] = :w", {"v": 9, "w": 7}, {"l": [1, 2, 3, 7, 9]}),
        ("SET x = m.b.c[1]", {}, {"x": 20}),
        ("SET x = l[0] + l[1]", {}, {"x": 3}),
        ("REMOVE s", {}, {"s": None}),
        ("REMOVE absent, l[8], m.z", {}, {}),
        ("REMOVE l[0], l[2]", {}, {"l": [2]}),
        ("REMOVE l[0] SET l[1] = :v", {"v": 9}, {"l": [9, 3]}),
        ("SET l[9] = :v REMOVE l[0], l[3]", {"v": 4}, {"l": [2, 3, 4]}),
        ("REMOVE m.b.c[0], m.a", {}, {"m": {"b": {"c": [20]}}}),
        ("ADD n :v", {"v": -2}, {"n": 3}),
        ("ADD x :v", {"v": 7}, {"x": 7}),
        ("ADD tags :v", {"v": {"b", "c"}}, {"tags": {"a", "b", "c"}}),
        ("ADD x :v", {"v": {"c"}}, {"x": {"c"}}),
        ("ADD ns :v", {"v": {2, 10}}, {"ns": {1, 2, 10}}),
        ("ADD m.a :v", {"v": 1}, {"m": {"a": 2, "b": {"c": [10, 20]}}}),
        ("DELETE tags :v", {"v": {"b", "z"}}, {"tags": {"a"}}),
        ("DELETE tags :v", {"v": {"a", "b"}}, {"tags": None}),
        ("DELETE x :v", {"v": {"a"}}, {}),
        ("SET a1 = :v ADD n :v REMOVE s DELETE tags :w", {"v": 1, "w": {"a"}}, {"a1": 1, "n": 6, "s": None, "tags": {"b"}}),
    ],
)
def test_updates(text: str, literals: dict[str, Any], changed: dict[str, Any]) -> None:
    """Right-hand sides read the old item; indexes are those of the old item; what is past the end of a list is its end."""
    expected = dict(ITEM)
    for name, value in changed.items():
        if value is None:
            del expected[name]
        else:
            expected[name] = wire(value)
    assert updated(text, **literals) == values.checked(expected)


@pytest.mark.parametrize(
    ("text", "literals", "reason"),
    [
        ("SET x = y", {}, ABSENT),
        ("SET x = absent + :v", {"v": 1}, ABSENT),
        ("SET x = list_append(absent, :v)", {"v": [1]}, ABSENT),
        ("SET x = s + :v", {"v": 1}, DATA),
        ("SET x = list_append(s, :v)", {"v": [1]}, DATA),
        ("SET x = if_not_exists(s, :v) + :v", {"v": 1}, DATA),
        ("ADD s :v", {"v": 1}, DATA),
        ("ADD tags :v", {"v": 1}, DATA),
        ("ADD tags :v", {"v": {1}}, DATA),
        ("DELETE l :v", {"v": {"a"}}, DATA),
        ("SET x.y = :v", {"v": 1}, PLACE),
        ("SET s.y = :v", {"v": 1}, PLACE),
        ("SET m[0] = :v", {"v": 1}, PLACE),
        ("SET l.x = :v", {"v": 1}, PLACE),
        ("SET l[8].x = :v", {"v": 1}, PLACE),
        ("REMOVE x.y", {}, PLACE),
        ("REMOVE m[0]", {}, PLACE),
        ("ADD x.y :v", {"v": 1}, PLACE),
        ("DELETE x.y :v", {"v": {"a"}}, PLACE),
        ("SET n = n + :v", {"v": ("N", "1e-38")}, "Attempting to store more than 38 significant digits in a Number"),
    ],
)
def test_updates_that_do_not_fit_the_item(text: str, literals: dict[str, Any], reason: str) -> None:
    """What depends on the item is refused when it is met."""
    assert refusal(update_of(text, **literals).apply, ITEM) == reason


def test_an_update_cannot_nest_too_deeply() -> None:
    """A value that is put into a document counts from where it is put."""
    deep: Any = "x"
    for _ in range(31):
        deep = [deep]
    update_of("SET x = :v", v=deep).apply(ITEM)
    assert refusal(update_of("SET m.z = :v", v=deep).apply, ITEM).startswith("Nesting Levels have exceeded supported limits")


def test_what_an_update_touched() -> None:
    """UPDATED_OLD and UPDATED_NEW give what lies on the update's paths."""
    update = update_of("SET m.b.c[0] = :v, n = :v REMOVE s", v=9)
    new = update.apply(ITEM)
    assert update.touched(ITEM) == item(m={"b": {"c": [10]}}, n=5, s="x")
    assert update.touched(new) == item(m={"b": {"c": [9]}}, n=9)
    assert update.attributes == {"m", "n", "s"}


paths_ = st.sampled_from(["a", "b", "m.x", "m.y", "l[0]", "l[1]", "l[2]", "l[5]"])


@given(st.dictionaries(paths_, st.tuples(st.sampled_from(["SET", "REMOVE"]), st.integers(0, 99)), min_size=1))
def test_updates_are_as_if_made_one_by_one(actions: dict[str, tuple[str, int]]) -> None:
    """Assignments and removals do what a simple reading says: assign and append in the order of indexes, then drop."""
    old = item(a=1, m={"x": 1}, l=[10, 20, 30])
    model: dict[str, Any] = {"a": 1, "m": {"x": 1}, "l": [10, 20, 30]}
    texts: dict[str, list[str]] = {"SET": [], "REMOVE": []}
    literals = {}
    gone = object()
    for number, (path, (clause, value)) in enumerate(sorted(actions.items())):
        texts[clause].append(path if clause == "REMOVE" else f"{path} = :v{number}")
        if clause == "SET":
            literals[f"v{number}"] = value
        if path.startswith("l["):
            index = int(path[2])
            if clause == "SET" and index >= 3:
                model["l"].append(value)
            elif index < 3:
                model["l"][index] = value if clause == "SET" else gone
        else:
            *way, last = path.split(".")
            owner = model["m"] if way else model
            if clause == "SET":
                owner[last] = value
            else:
                owner.pop(last, None)
    model["l"] = [member for member in model["l"] if member is not gone]
    text = " ".join(f"{clause} {', '.join(parts)}" for clause, parts in texts.items() if parts)
    assert update_of(text, **literals).apply(old) == item(**model)
