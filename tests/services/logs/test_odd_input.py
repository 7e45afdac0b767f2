"""Whatever is given, the languages answer with a refusal or with a result; nothing else comes out of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fogbank.kernel.errors import ServiceException
from fogbank.services.logs import emf, patterns
from fogbank.services.logs.identifiers import MANAGED, masked
from fogbank.services.logs.insights import Malformed, Unmet, read
from fogbank.services.logs.insights.program import Counted, TooLarge
from fogbank.services.logs.insights.records import Event, Row, system

WORDS = ["$.a", "$", "{", "}", "[", "]", "...", "(", ")", "&&", "||", "=", "!=", ">", '"', "%", "*", "?", "-", "a", "1", ",", "IS", " "]
COMMANDS = ["fields", "filter", "parse", "stats", "sort", "limit", "dedup", "unnest", "display", "by", "as", "|"]
SYMBOLS = ["(", ")", "[", "]", ",", "=", "+", "/", "^", '"', "`", "#", "like", "in", "not", "and"]
PIECES = ["/a(?<b>.)/", "count(*)", "avg(", "bin(5m)", "@timestamp", "@message", "a.b", "1", "1e999", "'x'", "coalesce(", "substr('a',1)"]
QUERY = [*COMMANDS, *SYMBOLS, *PIECES]
OPERANDS = ["a", "a.b", "@message", "@timestamp", "nope", "1", "0", "2.5", "1e300", "'x'", "''", "true", "null", "a.b[0]", "`q r`", "now()"]
OPERATORS = ["+", "-", "*", "/", "%", "^", "=", "!=", "<", ">=", "and", "or", "like"]
CALLS = ["abs", "ceil", "floor", "sqrt", "log", "strlen", "toupper", "trim", "isempty", "ispresent", "fromMillis", "toMillis", "jsonParse",
         "jsonStringify", "isValidIp", "coalesce", "concat", "greatest"]  # fmt: skip
MESSAGES = ["", "a 1 b", '{"a": {"b": [1, null, true, "x"]}}', '{"a": 1e400}', "[1]", "REPORT RequestId: x"]


@settings(max_examples=400)
@given(st.lists(st.sampled_from(WORDS), max_size=12).map("".join))
def test_patterns(text: str) -> None:
    """A pattern is refused as invalid, or matches and finds alike."""
    try:
        pattern = patterns.read(text)
    except ServiceException as refused:
        if refused.code != "InvalidParameterException":
            raise
        return
    for message in MESSAGES:
        match = pattern.find(message)
        assert pattern.matches(message) == (match is not None)
        assert match is None or all(isinstance(value, str) for value in match.values().values())


def rows_of(text: str) -> None:
    """A query is refused, or its rows are texts under names."""
    try:
        program = read(text)
    except (Malformed, Unmet):
        return
    rows = [Row({}, Event(system(5, 6, "s", "l"), message, of_lambda=True, pointer=lambda: "p")) for message in MESSAGES]
    for row in program.run(rows, None, 7, Counted()):
        assert all(isinstance(name, str) and isinstance(value, str) for name, value in row)


@settings(max_examples=400)
@given(st.lists(st.sampled_from(QUERY), max_size=12).map(" ".join))
def test_queries(text: str) -> None:
    """Any sequence of words."""
    rows_of(text)


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.builds(lambda a, o, b: f"({a} {o} {b})", inner, st.sampled_from(OPERATORS), inner)
    call = st.builds(lambda f, a: f"{f}({a})", st.sampled_from(CALLS), inner)
    among = st.builds(lambda a, b, c: f"({a} in [{b}, {c}])", inner, inner, inner)
    span = st.builds(
        lambda f, a, n: f"{f}({a}, {n})", st.sampled_from(["datefloor", "dateceil"]), inner, st.sampled_from(["5m", "1w", "2mo", "1y"])
    )
    cut = st.builds(lambda a, b, c: f"substr({a}, {b}, {c})", inner, inner, inner)
    return binary | call | among | span | cut | inner.map("not {}".format) | inner.map("-{}".format)


EXPRESSIONS = st.recursive(st.sampled_from(OPERANDS), larger, max_leaves=6)
REST = [
    "",
    "| sort z",
    "| stats avg(z), max(z), pct(z, 90), stddev(z), latest(z) by z",
    "| dedup z",
    "| unnest a into u",
    "| stats sum(z) by bin(1h)",
]


@settings(max_examples=800)
@given(EXPRESSIONS, EXPRESSIONS, st.sampled_from(REST))
def test_expressions(first: str, second: str, rest: str) -> None:
    """Any expression has a value, whatever it is applied to."""
    rows_of(f"fields {first} as z | filter {second} or 1 = 1 {rest}")


@pytest.mark.parametrize("depth", [50, 5000])
def test_depth(depth: int) -> None:
    """What is too deep is refused."""
    try:
        read("filter " + "(" * depth + "1" + ")" * depth)
    except Malformed:
        assert depth > 1000
    with pytest.raises(ServiceException):
        patterns.read("{ " + "(" * 5000)


KEYS = ["_aws", "CloudWatchMetrics", "Timestamp", "Dimensions", "Metrics", "Name", "Namespace"]
LEAVES = st.none() | st.booleans() | st.floats() | st.text(max_size=5)
DOCUMENTS = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner), max_leaves=8)


@given(DOCUMENTS)
def test_documents(document: object) -> None:
    """Any JSON is a document of metrics, or is not."""
    emf.measures("1", "r", json.dumps(document), 1000)


@given(st.text(alphabet="0123456789-.:@ abcdefssn/+=()", max_size=80))
def test_masks(message: str) -> None:
    """A masked message is as long as it was."""
    found = masked(message, tuple(MANAGED.values()))
    assert found is None or len(found) == len(message)


NUMBERS = ["1" + "0" * 400, "-1" + "0" * 400, "1e400", "1e300"]


def test_values_that_no_metric_has(cloud: Any, logs: Any, put: Any) -> None:
    """A number, name or dimension that CloudWatch would not take makes no metric, and spoils no other."""
    put("begin")
    logs.put_metric_filter(
        logGroupName="group",
        filterName="f",
        filterPattern="{ $.a > 5 }",
        metricTransformations=[{"metricName": "m", "metricNamespace": "n", "metricValue": "$.a", "dimensions": {"d": "$.b"}}],
    )
    dimensions = ["\x1f", "\x1e", "é", " ", "", "v" * 1025]
    said = {"Namespace": "E", "Dimensions": [["d"]], "Metrics": [{"Name": "m"}]}
    for number in NUMBERS:
        put(f'{{"a": {number}, "b": "ok"}}')
        put(f'{{"_aws": {{"Timestamp": {cloud.now_ms}, "CloudWatchMetrics": [{json.dumps(said)}]}}, "d": "v", "m": {number}}}')
    for text in dimensions:
        put(json.dumps({"a": 7, "b": text}))
        put(json.dumps({"_aws": {"Timestamp": cloud.now_ms, "CloudWatchMetrics": [said]}, "d": text, "m": 1}))
    put('{"a": 8, "b": "ok"}')
    put(json.dumps({"_aws": {"Timestamp": cloud.now_ms, "CloudWatchMetrics": [said]}, "d": "ok", "m": 2}))
    cloudwatch = cloud.client("cloudwatch")
    assert [one["Dimensions"] for one in cloudwatch.list_metrics(Namespace="n")["Metrics"]] == [[{"Name": "d", "Value": "ok"}]]
    assert [one["Dimensions"] for one in cloudwatch.list_metrics(Namespace="E")["Metrics"]] == [[{"Name": "d", "Value": "ok"}]]
    names = {one["MetricName"] for one in cloudwatch.list_metrics(Namespace="AWS/Logs")["Metrics"]}
    assert "EMFValidationErrors" in names


GROWING = [
    "fields replace(replace(replace(@message, 'a', @message), 'a', @message), 'a', @message) as z",
    "fields concat(@message, @message, @message) as z" + " | fields concat(z, z, z, z) as z" * 8 + " | sort z",
]


@pytest.mark.parametrize("query", GROWING)
def test_texts_that_grow(query: str) -> None:
    """What a query puts together is nothing where it would be longer than a megabyte."""
    rows = [Row({}, Event(system(5, 6, "s", "l"), "a" * 2000, of_lambda=False, pointer=lambda: "p")) for _ in range(20)]
    for row in read(query).run(rows, None, 7, Counted()):
        assert sum(len(value) for _, value in row) < 3 << 20


def test_what_a_query_holds() -> None:
    """A query that would hold more than 256 MB of text is given up, whether it sorts it or shows it."""
    long = " | ".join(["fields concat(@message, @message) as z", *["fields concat(z, z) as z"] * 5])

    def rows() -> Any:
        return (Row({}, Event(system(5, 6, "s", "l"), "a" * 16_000, of_lambda=False, pointer=lambda: "p")) for _ in range(300))

    for query in (long, long + " | sort z | limit 1"):
        with pytest.raises(TooLarge):
            read(query).run(rows(), None, 7, Counted())


def test_expressions_that_run_away() -> None:
    """A regular expression of a filter that gives no answer in time is soon not asked any more."""
    pattern = patterns.read("%[ab]*[ab]*[ab]*[ab]*[ab]*[ab]*[ab]*[ab]*c$%")
    assert sum(pattern.matches("c" + "ab" * 20_000) for _ in range(200)) == 0


@pytest.mark.parametrize(
    "arn", ["arn:aws:logs:destination:alarm", "arn:aws:logs::destination:", "arn:aws:logs:x:destination:y", "arn:aws:logs"]
)
def test_what_is_no_arn(logs: Any, refused: Any, arn: str) -> None:
    """An ARN that is none names nothing."""
    codes = ("ResourceNotFoundException", "InvalidParameterException", "ValidationException", "AccessDeniedException")
    assert refused(logs.list_tags_for_resource, resourceArn=arn)[0] in codes
    assert refused(logs.tag_resource, resourceArn=arn, tags={"a": "b"})[0] in codes
