"""PartiQL statements: how they are read, and what they are planned to do."""

from __future__ import annotations

from typing import Any

import pytest

from fogbank.services.dynamodb import values
from fogbank.services.dynamodb.expressions.keys import Term
from fogbank.services.dynamodb.partiql import Plan, Select, parsed, planned
from fogbank.services.dynamodb.partiql.templates import filled
from fogbank.services.dynamodb.partiql.trees import Source

from .language import item, refusal, wire

FORM = "Statement wasn't well formed, can't be processed: "
ITEM = item(pk="k", sk=1, n=5, s="it's", m={"a": [1, {"b": 2}]}, tags={"a", "b"}, flag=True, nothing=None)


def literals(text: str, *parameters: Any) -> dict[str, Any]:
    made = {name: filled(template, [wire(one) for one in parameters]) for name, template in parsed(text).literals.items()}
    return values.checked(made)


def plan(text: str, *parameters: Any, partition: tuple[str, ...] = ("pk",), sort: tuple[str, ...] = ("sk",)) -> tuple[Plan, Any]:
    filled_in = literals(text, *parameters)
    types = tuple((name, values.type_of(value)) for name, value in filled_in.items())
    return planned(text, types, partition, sort), filled_in


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'it''s'", "it's"),
        ("12", 12),
        ("-1.50e2", -150),
        (".5", 0.5),
        ("true", True),
        ("FALSE", False),
        ("NULL", None),
        ("[1, 'a', [true]]", [1, "a", [True]]),
        ("[]", []),
        ("<<'b', 'a'>>", {"a", "b"}),
        ("<<2, 1.0>>", {1, 2}),
        ("{'a': 1, \"b\": {'c': <<1>>}}", {"a": 1, "b": {"c": {1}}}),
        ("{}", {}),
        ("?", "parameter"),
        ("[?, 1]", ["parameter", 1]),
        ("<<?, 'a'>>", {"parameter", "a"}),
    ],
)
def test_literals(text: str, expected: Any) -> None:
    """Every type but binary can be written; binaries, and anything else, come as parameters."""
    found = literals(f"SELECT * FROM T WHERE a = {text}", *(["parameter"] if "?" in text else []))
    assert list(found.values()) == [values.checked({"x": wire(expected)})["x"]]


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ("n = 5", True),
        ("5 = n", True),
        ("n <> 5", False),
        ("n != 6", True),
        ("n > 4 AND n <= 5", True),
        ("n = 4 OR s = 'it''s'", True),
        ("NOT n = 4", True),
        ("NOT (n = 4 OR n = 5)", False),
        ("n BETWEEN 1 AND 5", True),
        ("n NOT BETWEEN 1 AND 5", False),
        ("n IN [1, 5]", True),
        ("n IN (1, 4)", False),
        ("n NOT IN [1, 4]", True),
        ("gone IS MISSING", True),
        ("n IS NOT MISSING", True),
        ("nothing IS NULL", True),
        ("n IS NOT NULL", True),
        ("begins_with(s, 'it')", True),
        ("BEGINS_WITH(\"s\", 'x')", False),
        ("contains(tags, 'a')", True),
        ("Contains(s, 't''')", True),
        ("attribute_type(flag, 'BOOL')", True),
        ("size(tags) = 2", True),
        ("m.a[1].b = 2", True),
        ('"m"."a"[0] = 1', True),
        ("m['a'][0] = 2", False),
        ("tags = <<'b', 'a'>>", True),
        ("m = {'a': [1, {'b': 2}]}", True),
        ("n = sk", False),
    ],
)
def test_conditions(where: str, holds: bool) -> None:
    """A WHERE clause says of an item what the same expression of another request would say."""
    found, filled_in = plan(f"SELECT * FROM T WHERE {where}", sort=())
    assert found.test is not None
    assert found.partitions == ()
    assert found.test(ITEM, filled_in) is holds


def test_sources_and_names() -> None:
    """Tables and indexes are named plainly, or in quotation marks; names that are keywords must be."""
    assert parsed('select "a", "select" from "my-table"."by-x"').root == Select(
        Source("my-table", "by-x"),
        parsed('SELECT a, "select" FROM T').root.paths,
        None,
        (),  # type: ignore[union-attr]
    )
    assert parsed('SELECT * FROM "a""b"').root.source == Source('a"b')
    assert parsed("SELECT value, old FROM T").root.paths is not None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("where", "partitions", "terms", "rest"),
    [
        ("pk = 'a'", [(":0",)], [], False),
        ("'a' = pk AND n = 1", [(":0",)], [], True),
        ("pk = 'a' AND sk = 1", [(":0",)], [Term("sk", "=", (":1",))], False),
        ("pk = 'a' AND sk > 1 AND sk < 9", [(":0",)], [Term("sk", ">", (":1",))], True),
        ("pk = 'a' AND sk > 1 AND sk = 9", [(":0",)], [Term("sk", "=", (":2",))], True),
        ("pk = 'a' AND 1 < sk", [(":0",)], [Term("sk", ">", (":1",))], False),
        ("pk = 'a' AND sk BETWEEN 1 AND 2", [(":0",)], [Term("sk", "BETWEEN", (":1", ":2"))], False),
        ("pk = 'a' AND begins_with(sk, 'x')", [(":0",)], [Term("sk", "begins_with", (":1",))], False),
        ("pk IN ['a', 'b'] AND (sk = 1)", [(":0",), (":1",)], [Term("sk", "=", (":2",))], False),
        ("pk = 'a' OR pk = 'b'", [(":0",), (":1",)], [], False),
        ("pk = 'a' OR n = 1", [], [], True),
        ("pk > 'a'", [], [], True),
        ("NOT pk = 'a'", [], [], True),
        ("pk = n", [], [], True),
        ("pk.x = 'a'", [], [], True),
        ("sk = 1", [], [], True),
    ],
)
def test_keys_are_found_in_conditions(where: str, partitions: Any, terms: Any, rest: bool) -> None:
    """Equality with the partition key makes a query, also several; one condition narrows the sort key; the rest is a filter."""
    found, _ = plan(f"SELECT * FROM T WHERE {where}")
    assert list(found.partitions) == partitions
    assert list(found.terms) == terms
    assert (found.test is not None) is rest


def test_order() -> None:
    """ORDER BY is by the key, and needs a condition on the partition key."""
    assert plan("SELECT * FROM T WHERE pk = 'a' ORDER BY sk DESC")[0].descending
    assert not plan("SELECT * FROM T WHERE pk = 'a' ORDER BY sk ASC")[0].descending
    assert plan("SELECT * FROM T WHERE pk IN ['a'] ORDER BY pk DESC, sk")[0].partitions_descending
    assert refusal(plan, "SELECT * FROM T ORDER BY sk").startswith("Must have WHERE clause in the statement")
    assert refusal(plan, "SELECT * FROM T WHERE n = 1 ORDER BY sk").startswith("Must have at least one non-optional hash key")
    assert refusal(plan, "SELECT * FROM T WHERE pk = 'a' ORDER BY n") == (
        "Variable reference n in ORDER BY clause must be part of the primary key"
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "Unexpected the end of the statement"),
        ("FROM T", "Unexpected FROM"),
        ("SELECT FROM T", "Unexpected FROM"),
        ("SELECT * T", "Unexpected T"),
        ("SELECT * FROM my-table", "Unexpected -"),
        ("SELECT * FROM T WHERE", "Unexpected the end of the statement"),
        ("SELECT * FROM T WHERE a", "Unexpected the end of the statement"),
        ("SELECT * FROM T WHERE a LIKE 'x'", "Unexpected LIKE"),
        ("SELECT * FROM T WHERE a = 'x", "Unexpected '"),
        ("SELECT * FROM T WHERE a IS STRING", "IS compares with NULL and with MISSING"),
        ("SELECT * FROM T WHERE upper(a) = 'x'", "Unknown function upper"),
        ("SELECT * FROM T WHERE begins_with(a)", "A function that takes 2 operands has 1"),
        ("SELECT * FROM T; SELECT * FROM T", "Unexpected ;"),
        ("UPDATE T WHERE pk = 'a'", "Expected data manipulation"),
        ("UPDATE T SET a = set_add(b, <<1>>) WHERE pk = 'a'", "SET_ADD changes the set that it is assigned to, by a set"),
        ("DELETE FROM T WHERE pk = 'a' RETURNING ALL NEW *", "DELETE returns ALL OLD * or nothing"),
        ("INSERT INTO T VALUE {'a': 1, 'a': 2}", "The attribute a is there twice"),
        ("INSERT INTO T VALUE {a: 1}", "Unexpected a"),
        ("SELECT * FROM T WHERE " + "(" * 70 + "a = 1" + ")" * 70, "The statement is nested too deeply"),
        ("SELECT * FROM T WHERE " + "NOT " * 2000 + "a = 1", "The statement is nested too deeply"),
        ("INSERT INTO T VALUE {'a': " + "[" * 3000 + "]" * 3000 + "}", "The statement is nested too deeply"),
    ],
)
def test_what_is_no_statement_is_refused(text: str, fault: str) -> None:
    """A statement that cannot be read is refused, however it is wrong."""
    assert refusal(parsed, text) == FORM + fault


@pytest.mark.parametrize("where", ["", "WHERE pk = 'a'", "WHERE pk = 'a' AND sk > 1", "WHERE pk IN ['a', 'b'] AND sk = 1"])
@pytest.mark.parametrize("statement", ["UPDATE T SET n = 1", "DELETE FROM T"])
def test_writes_name_one_item(statement: str, where: str) -> None:
    """UPDATE and DELETE must name the whole key by equality."""
    assert refusal(plan, f"{statement} {where}") == "Where clause does not contain a mandatory equality on all key attributes"


def test_deep_values_fit() -> None:
    """The deepest value that an item can hold can be written."""
    value = "[" * 31 + "]" * 31
    values.checked(literals(f"INSERT INTO T VALUE {{'pk': {value}}}")[":0"]["M"])
