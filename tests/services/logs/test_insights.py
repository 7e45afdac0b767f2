"""Logs Insights' query language, over events in memory."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fogbank.services.logs.insights import Malformed, Unmet, read
from fogbank.services.logs.insights.program import Counted
from fogbank.services.logs.insights.records import Event, Row, system

START = 1_714_564_800_000  # 2024-05-01 12:00:00


def run(query: str, *messages: Any, of_lambda: bool = False) -> list[dict[str, str]]:
    """The rows of a query over messages, one each minute, the newest first; without pointers."""
    rows = []
    for n, message in reversed(list(enumerate(messages))):
        given = message if isinstance(message, str) else json.dumps(message)
        told = system(START + n * 60_000, START + n * 60_000 + 5, f"s{n % 2}", "000000000000:g")
        rows.append(Row({}, Event(told, given, of_lambda=of_lambda)))
    found = [dict(row) for row in read(query).run(rows, None, START + 3_600_000, Counted())]
    return [{name: value for name, value in row.items() if name != "@ptr"} for row in found]


def values(query: str, *messages: Any) -> list[str | None]:
    """The only column of each row."""
    return [next(iter(row.values()), None) for row in run(query, *messages)]


def test_what_is_shown() -> None:
    """Without `fields`, @timestamp and @message; with it, what it names; `display` alone decides; what is not there is left out."""
    assert run("limit 1", "a") == [{"@timestamp": "2024-05-01 12:00:00.000", "@message": "a"}]
    assert run("fields @message, x, @logStream", {"x": 1}) == [{"@message": '{"x": 1}', "x": "1", "@logStream": "s0"}]
    assert run("fields a, b | display b", {"a": 1, "b": 2}) == [{"b": "2"}]
    assert run("fields a + b as c, a", {"a": 1, "b": 2}, {"a": 5}) == [{"a": "5"}, {"c": "3", "a": "1"}]
    assert run("fields @log, @ingestionTime", "x") == [{"@log": "000000000000:g", "@ingestionTime": "2024-05-01 12:00:00.005"}]
    assert dict(read("fields a").run([Row({}, Event({}, '{"a":1}', of_lambda=False, pointer=lambda: "p"))], None, 0, Counted())[0]) == {
        "a": "1",
        "@ptr": "p",
    }


EVENT = {
    "level": "ERROR",
    "status": 404,
    "latency": 12.5,
    "ok": False,
    "text": "42",
    "user": {"name": "Ann", "tags": ["x", "y"]},
    "a.b": "dotted",
    "ip": "10.1.2.3",
    "none": None,
}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("level = 'ERROR'", True),
        ('level = "error"', False),
        ("level != 'INFO'", True),
        ("status = 404", True),
        ("status = '404'", True),
        ("text = 42.0", True),
        ("status >= 400 and status < 500", True),
        ("status > 500 or latency < 13", True),
        ("not (status = 404)", False),
        ("not status = 405 and level = 'ERROR'", True),
        ("level like 'ERR'", True),
        ("level like /(?i)err/", True),
        ("level not like /INFO/", True),
        ("level =~ /^E.*R$/", True),
        ("status in [200, 404]", True),
        ("level not in ['ERROR', 'WARN']", False),
        ("user.name = 'Ann'", True),
        ("user.tags.1 = 'y'", True),
        ("user.tags[0] = 'x'", True),
        ("`a.b` = 'dotted'", True),
        ("ok = 0", True),
        ("ok = false", True),
        ("ispresent(user.name)", True),
        ("ispresent(nope)", False),
        ("ispresent(none)", False),
        ("nope = 'x'", False),
        ("nope != 'x'", True),
        ("nope not like 'x'", True),
        ("nope > 1", False),
        ("isempty(nope)", True),
        ("strcontains(level, 'RR')", True),
        ("isIpv4InSubnet(ip, '10.0.0.0/8')", True),
        ("isIpInSubnet(ip, '10.2.0.0/16')", False),
        ("isValidIp(ip) and not isValidIpv6(ip)", True),
        ("isValidIp(level)", False),
        ("status % 100 = 4 and 2 ^ 3 = 8 and -status = 0 - 404", True),
        ("(status + 6) / 10 * 2 = 82", True),
        ("latency / 0 = 1", False),
        ("@message like /404/ # a comment", True),
    ],
)
def test_conditions(condition: str, holds: bool) -> None:
    """Comparisons are of numbers where both sides are, else of text; what is not there equals nothing."""
    assert bool(run(f"filter {condition}", EVENT)) is holds


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("abs(0 - 3)", "3"),
        ("ceil(latency)", "13"),
        ("floor(latency)", "12"),
        ("sqrt(16)", "4"),
        ("log(1)", "0"),
        ("greatest(1, status, 7)", "404"),
        ("least(3, text)", "3"),
        ("concat(level, '-', status)", "ERROR-404"),
        ("toupper('a')", "A"),
        ("tolower(level)", "error"),
        ("trim('  a ')", "a"),
        ("ltrim('xxa', 'x')", "a"),
        ("rtrim('axx', 'x')", "a"),
        ("strlen(level)", "5"),
        ("substr(level, 1)", "RROR"),
        ("substr(level, 1, 2)", "RR"),
        ("replace(level, 'R', 'l')", "EllOl"),
        ("coalesce(nope, none, level)", "ERROR"),
        ("10 / 4", "2.5"),
        ("1 / 3", "0.3333"),
        ("1 + 2 * 3", "7"),
        ("bin(1h)", "2024-05-01 12:00:00.000"),
        ("datefloor(@timestamp, 1d)", "2024-05-01 00:00:00.000"),
        ("dateceil(@timestamp, 1d)", "2024-05-02 00:00:00.000"),
        ("datefloor(@timestamp, 1mo)", "2024-05-01 00:00:00.000"),
        ("datefloor(@timestamp, 1w)", "2024-04-29 00:00:00.000"),
        ("dateceil(@timestamp, 1y)", "2025-01-01 00:00:00.000"),
        ("toMillis(@timestamp)", str(START)),
        ("fromMillis(0)", "1970-01-01 00:00:00.000"),
        ("now()", "2024-05-01 13:00:00.000"),
        ("user", '{"name":"Ann","tags":["x","y"]}'),
        ("jsonParse('{\"a\": 1}')", '{"a":1}'),
        ("jsonStringify(user.tags)", '["x","y"]'),
        ("ispresent(level)", "1"),
        ("level = 'ERROR'", "1"),
    ],
)
def test_functions(expression: str, value: str) -> None:
    """Each function gives what AWS's documentation says."""
    assert values(f"fields {expression} as x | display x", EVENT) == [value]


def test_parsed_structures_are_gone_into() -> None:
    """What jsonParse gives can be gone into by points and by numbers."""
    assert values("fields jsonParse(body) as j | display j.a.b[1]", {"body": '{"a": {"b": [1, 2]}}'}) == ["2"]


def test_parse() -> None:
    """Forms with `*` and regular expressions with named groups make fields; where they do not fit, there are none."""
    line = "user=ann, method:GET, latency := 12"
    assert run("parse @message 'user=*, method:*, latency := *' as user, method, latency | display user, method, latency", line, "no") == [
        {},
        {"user": "ann", "method": "GET", "latency": "12"},
    ]
    assert run("parse @message /user=(?<user>\\w+).*?(?<n>\\d+)$/ | display user, n", line) == [{"user": "ann", "n": "12"}]
    assert run("parse '[*] *' as a, b", "[x] y z") == [
        {"@timestamp": "2024-05-01 12:00:00.000", "@message": "[x] y z", "a": "x", "b": "y z"}
    ]
    assert values("fields @message | parse @message '*=' as k | stats count(*) by k", "a=1", "b=1", "a=2")


def test_stats() -> None:
    """Numbers over all rows, and by groups; names are what stands in the query, or aliases."""
    events = [{"n": n, "k": "ab"[n % 2]} for n in range(5)]
    assert run("stats count(*), sum(n), avg(n), min(n), max(n), count_distinct(k), pct(n, 50), stddev(n)", *events) == [
        {
            "count(*)": "5",
            "sum(n)": "10",
            "avg(n)": "2",
            "min(n)": "0",
            "max(n)": "4",
            "count_distinct(k)": "2",
            "pct(n, 50)": "2",
            "stddev(n)": "1.5811",
        }
    ]
    assert run("stats count() as c, latest(n) as l, earliest(n) as e, sortsFirst(n) as f by k | sort k", *events) == [
        {"k": "a", "c": "3", "l": "4", "e": "0", "f": "0"},
        {"k": "b", "c": "2", "l": "3", "e": "1", "f": "1"},
    ]
    assert run("stats count(*) by bin(2m) as t | sort t", *events) == [
        {"t": "2024-05-01 12:00:00.000", "count(*)": "2"},
        {"t": "2024-05-01 12:02:00.000", "count(*)": "2"},
        {"t": "2024-05-01 12:04:00.000", "count(*)": "1"},
    ]
    assert values("stats sum(n) / count(*) as mean", *events) == ["2"]
    assert values("stats count(*) as c by k | stats max(c)", *events) == ["3"]
    assert values("stats count(*) by k | filter k = 'a' | display `count(*)`", *events) == ["3"]
    assert run("stats count(*) as c by k | sort c desc | limit 1", *events, {"z": 1}) == [{"k": "a", "c": "3"}]
    assert run("stats count(*) as c by k | sort k | limit 1", {"z": 1}) == [{"c": "1"}]
    assert values("stats count(*)") == ["0"]


def test_order_and_number() -> None:
    """Events come newest first; `sort` is natural, by several keys; `limit` and `dedup` take the first."""
    events = [{"a": a, "b": b} for a, b in (("x2", 1), ("x10", 2), ("7", 3), ("x2", 4))]
    assert values("fields b", *events) == ["4", "3", "2", "1"]
    assert values("fields a, b | sort a asc, b desc | display b", *events) == ["4", "1", "2", "3"]
    assert values("fields b | sort b desc | limit 2", *events) == ["4", "3"]
    assert values("dedup a | display b", *events, {"b": 9}) == ["9", "4", "3", "2"]
    assert values("fields b | sort @timestamp | limit 1", *events) == ["1"]


def test_unnest() -> None:
    """A row for each item of a list."""
    assert values("fields tags | unnest tags into t | display t", {"tags": ["x", "y"]}, {"tags": []}) == ["x", "y"]


def test_lambda_fields() -> None:
    """Lambda's own lines have fields of their own."""
    request = "8f5a2a94-3c1c-4c56-9b9c-0c1f2a3b4c5d"
    report = (
        f"REPORT RequestId: {request}\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\tMax Memory Used: 35 MB\t"
        "Init Duration: 101.5 ms\t\nXRAY TraceId: 1-5f-ab\tSegmentId: 0a\tSampled: true\t\n"
    )
    console = f"2024-05-01T12:00:00.000Z\t{request}\tINFO\thello"
    query = "filter @type = 'REPORT' | fields @requestId, @duration, @billedDuration, @maxMemoryUsed / 1000 / 1000 as m, @initDuration"
    assert run(query, report, console, of_lambda=True) == [
        {"@requestId": request, "@duration": "12.34", "@billedDuration": "13", "m": "35", "@initDuration": "101.5"}
    ]
    assert [row["@requestId"] for row in run("fields @requestId, @xrayTraceId", report, console, of_lambda=True)] == [request] * 2
    assert run("filter ispresent(@duration)", report) == []


def test_json_within_text_is_discovered() -> None:
    """The first JSON fragment of a message counts."""
    assert values("fields a.b", 'INFO {"a": {"b": 3}} {"a": 4}') == ["3"]


def test_counts() -> None:
    """What the filters let through is counted, whatever is shown of it."""
    rows = [Row({}, Event({}, f'{{"n": {n}}}', of_lambda=False)) for n in range(10)]
    counted = Counted()
    assert len(read("filter n > 2 | limit 2").run(rows, None, 0, counted)) == 2
    assert counted.matched == 7


@pytest.mark.parametrize(
    "query",
    ["nope x", "fields", "filter", "filter a =", "stats a", "stats count(*) by", "limit x", "limit 0", "parse 'a *' as a, b", "fields a |"],
)
def test_what_cannot_be_read(query: str) -> None:
    """A query that is wrong says so."""
    with pytest.raises(Malformed):
        read(query)


@pytest.mark.parametrize("query", ["pattern @message", "fields a | diff", "anomaly", "SOURCE dataSource('x')"])
def test_what_is_not_here(query: str) -> None:
    """Commands that are not here are named."""
    with pytest.raises(Unmet):
        read(query)
