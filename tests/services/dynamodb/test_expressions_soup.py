"""Whatever is sent, an expression or a statement is carried out or refused: it never ends in a fault of ours."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fogbank.kernel.errors import ServiceException
from fogbank.services.dynamodb import expressions, values
from fogbank.services.dynamodb.expressions import Update
from fogbank.services.dynamodb.partiql import parsed, planned
from fogbank.services.dynamodb.partiql.templates import filled

from .language import Request, item, wire

ITEM = item(a=1, b="x", l=[1, {"c": "d"}], m={"a": {"b": 2}}, s={"x"})
TEXT = """a b l m s m.a l[0] l[1].c m.a.b gone #n name :n :s :b :l :m :set :gone , . [ ] ( ) + - = <> < <= > >= AND OR NOT BETWEEN IN
    SET REMOVE ADD DELETE attribute_exists( attribute_not_exists( attribute_type( begins_with( contains( size( if_not_exists(
    list_append( foo( 0 1 $ _ é"""
WORDS = TEXT.split()
OPERANDS = WORDS[:20]
VALUES: dict[str, Any] = {":n": 1, ":s": "S", ":b": True, ":l": [1], ":m": {"a": 1}, ":set": {"x"}}
SQL_TEXT = """SELECT * a "b" m.a l[0] FROM T . "I" WHERE pk = 'x' sk 1 -1 ? AND OR NOT IN ( ) [ ] BETWEEN IS MISSING NULL INSERT INTO
    VALUE { } : , << >> UPDATE SET REMOVE list_append( set_add( size( begins_with( contains( + - DELETE RETURNING ALL OLD EXISTS
    ORDER BY DESC true < <> ' " \\"""
SQL = SQL_TEXT.split()
REFUSALS = {"ValidationException", "SerializationException"}


def refusal(call: Any) -> str | None:
    """The code of the refusal that a call ends in; None where it is carried out."""
    try:
        call()
    except ServiceException as fault:
        return fault.code
    return None


def soup(words: list[str], least: int = 0) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(words), min_size=least, max_size=12).map(" ".join)


conditions = st.one_of(
    soup(WORDS),
    st.lists(
        st.tuples(st.sampled_from(["", "NOT "]), soup(OPERANDS, 1), st.sampled_from(["=", "<>", "<", "IN"]), soup(OPERANDS, 1)).map(
            " ".join
        ),
        min_size=1,
        max_size=3,
    ).map(" AND ".join),
)
updates = st.one_of(
    soup(WORDS), soup(WORDS, 1).map("SET a = ".__add__), soup(WORDS, 1).map("ADD a ".__add__), soup(WORDS, 1).map("REMOVE ".__add__)
)


@settings(max_examples=400)
@given(st.sampled_from(["ConditionExpression", "KeyConditionExpression", "ProjectionExpression", "UpdateExpression"]), st.data())
def test_expressions(kind: str, data: Any) -> None:
    """Any words as any expression, on an item that fits and on one that does not."""
    text = data.draw(updates if kind == "UpdateExpression" else conditions)
    used: Any = {name: wire(value) for name, value in VALUES.items() if name in text.split()}
    names = {"#n": "b"} if "#n" in text.split() else None
    request = Request(ExpressionAttributeNames=names, ExpressionAttributeValues=used or None, **{kind: text})

    def carried_out() -> None:
        asked = expressions.of(request)
        for one in (ITEM, {}):
            if asked.condition is not None:
                assert asked.condition.holds(one) in (True, False)
            if asked.projection is not None:
                assert set(asked.projection.pick(one)) <= set(one)
            if asked.key is not None:
                asked.key.range(("a",), ("b",), {"a": "N", "b": "S"})
            if asked.update is not None:
                new = asked.update.apply(one)
                assert values.checked(new) == new
                asked.update.touched(new)

    assert refusal(carried_out) in (None, "ValidationException")


statements = st.one_of(
    soup(SQL),
    soup(SQL, 1).map("SELECT * FROM T WHERE pk = 'x' AND ".__add__),
    soup(SQL, 1).map("INSERT INTO T VALUE ".__add__),
    soup(SQL, 1).map(lambda text: f"UPDATE T SET a = {text} WHERE pk = 'x' AND sk = 1"),
)


@settings(max_examples=400)
@given(statements)
def test_statements(text: str) -> None:
    """Any words as a statement."""

    def carried_out() -> None:
        statement = parsed(text)
        made = {name: filled(template, [{"S": "x"}] * statement.parameters) for name, template in statement.literals.items()}
        values.checked(made)
        types = tuple((name, values.type_of(value)) for name, value in made.items())
        plan = planned(text, types, ("pk",), ("sk",))
        for check in plan.checks:
            check(made)
        if plan.test is not None:
            assert plan.test(ITEM, made) in (True, False)
        if plan.update is not None:
            Update(plan.update, made).apply(ITEM)

    assert refusal(carried_out) in (None, "ValidationException")


types_ = st.sampled_from(["S", "N", "M", "L", "SS", "NS", "BS", "B", "BOOL", "NULL", "a"])
leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text())


@settings(max_examples=200)
@given(st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(types_, inner)))
def test_values(anything: Any) -> None:
    """Any JSON as a value, of an item and of an expression."""
    request = Request(ConditionExpression="a = :v", ExpressionAttributeValues={":v": anything})
    first = refusal(lambda: expressions.of(request))
    assert first is None or first in REFUSALS
    assert refusal(lambda: values.checked({"a": anything})) == first
