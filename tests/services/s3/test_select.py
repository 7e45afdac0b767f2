from __future__ import annotations

import bz2
import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from fogbank.testing.cloud import Cloud

from .asking import allow, as_user, code, refused

PEOPLE = b'name,age,city\nAnn,31,Rome\nBob,25,Oslo\n"Cid, the elder",70,\n'
DOCUMENTS = [
    {"id": 1, "name": "Ann", "tags": ["a", "b"], "at": {"city": "Rome"}, "price": 1.50},
    {"id": 2, "name": "Bob", "tags": [], "at": {"city": None}, "price": 20},
    {"id": 3, "Name": "Cid", "price": "7"},
]
LINES = "\n".join(json.dumps(one) for one in DOCUMENTS).encode()
Ask = Callable[..., str]


@pytest.fixture
def ask(s3: Any, bucket: str) -> Ask:
    """Runs a query over some content; the answer's records."""

    def asked(content: bytes, expression: str, out: dict[str, Any] | None = None, **given: Any) -> str:
        s3.put_object(Bucket=bucket, Key="k", Body=content)
        _, found = select(s3, expression, out, given)
        return found

    return asked


def select(s3: Any, expression: str, out: dict[str, Any] | None, given: dict[str, Any], **more: Any) -> tuple[list[dict[str, Any]], str]:
    given = given or {"CSV": {"FileHeaderInfo": "USE"}}
    span = given.pop("ScanRange", None)
    members = {"Bucket": "bucket", "Key": "k", "Expression": expression, "ExpressionType": "SQL", **more}
    if span:
        members["ScanRange"] = span
    answer = s3.select_object_content(**members, InputSerialization=given, OutputSerialization=out or {"CSV": {}})
    events = list(answer["Payload"])
    return events, b"".join(one["Records"]["Payload"] for one in events if "Records" in one).decode()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("SELECT * FROM S3Object", 'Ann,31,Rome\nBob,25,Oslo\n"Cid, the elder",70,\n'),
        ("SELECT s.name FROM S3Object s WHERE s.city = 'Oslo'", "Bob\n"),
        ('SELECT s._1, s."age" FROM S3Object AS s WHERE CAST(s.AGE AS INT) > 30 LIMIT 1', "Ann,31\n"),
        ("SELECT s.age FROM S3Object s WHERE s.age >= 31", "31\n70\n"),
        ("SELECT name FROM S3Object WHERE name LIKE '%b' OR name LIKE 'C_d%'", 'Bob\n"Cid, the elder"\n'),
        ("SELECT s.name FROM S3Object s WHERE s.age BETWEEN 25 AND 31 AND NOT s.name IN ('Bob')", "Ann\n"),
        (
            "SELECT COUNT(*), AVG(CAST(s.age AS INT)), MAX(CAST(s.age AS INT)), MIN(CAST(s.age AS FLOAT)), SUM(s.age) FROM S3Object s",
            "3,42,70,25.0,126\n",
        ),
        ("SELECT COUNT(*) FROM S3Object s WHERE s.age > 100", "0\n"),
        ("SELECT UPPER(s.name), CHAR_LENGTH(s.city), SUBSTRING(s.name, 1, 2) FROM S3Object s LIMIT 1", "ANN,4,An\n"),
        ("SELECT SUBSTRING(s.name FROM 2), TRIM(LEADING 'A' FROM s.name), TRIM('  x ') FROM S3Object s LIMIT 1", "nn,nn,x\n"),
        ("SELECT CASE WHEN s.age > 60 THEN 'old' WHEN s.age > 30 THEN 'mid' ELSE 'young' END FROM S3Object s", "mid\nyoung\nold\n"),
        ("SELECT s.age + 1, s.age * 2, s.age / 2, s.age % 2, -s.age, s.age - 0.5 FROM S3Object s LIMIT 1", "32,62,15,1,-31,30.5\n"),
        ("SELECT CAST(s.age AS DECIMAL(5,2)), CAST('true' AS BOOL), CAST(s.age AS STRING) FROM S3Object s LIMIT 1", "31.00,true,31\n"),
        ("SELECT COALESCE(NULL, s.name), NULLIF(s.name, 'Ann'), NULLIF(s.age, 30) FROM S3Object s LIMIT 1", "Ann,,31\n"),
        ("SELECT SUM(s.age) / COUNT(*) FROM S3Object s", "42\n"),
        ("SELECT s.name FROM S3Object s WHERE s.name LIKE 'Cid, the e!lder' ESCAPE '!'", '"Cid, the elder"\n'),
    ],
)
def test_queries_over_csv(ask: Ask, expression: str, expected: str) -> None:
    """Columns by the header's names or by place, conditions, functions, arithmetic and aggregates."""
    assert ask(PEOPLE, expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("SELECT s.id, s.name FROM S3Object s", [{"id": 1, "name": "Ann"}, {"id": 2, "name": "Bob"}, {"id": 3, "name": "Cid"}]),
        ('SELECT s."name" FROM S3Object s WHERE s.id = 3', [{}]),
        ("SELECT s.at.city FROM S3Object s", [{"city": "Rome"}, {"city": None}, {}]),
        ("SELECT s.tags[1] AS t FROM S3Object s", [{"t": "b"}, {}, {}]),
        ("SELECT s.id FROM S3Object s WHERE s.at IS MISSING", [{"id": 3}]),
        ("SELECT s.id FROM S3Object s WHERE s.at.city IS NULL AND s.at IS NOT MISSING", [{"id": 2}]),
        ("SELECT t FROM S3Object[*].tags[*] t", [{"t": "a"}, {"t": "b"}, {}]),
        ("SELECT * FROM S3Object[*].at", [{"city": "Rome"}, {"city": None}, {}]),
        ("SELECT s.price FROM S3Object s WHERE s.price > 1.4 AND s.price < 8", [{"price": 1.5}, {"price": "7"}]),
        ("SELECT s['name'] AS n, s.id * 2 AS d FROM S3Object[*] s LIMIT 1", [{"n": "Ann", "d": 2}]),
        ("SELECT SUM(s.id) AS total, COUNT(s.tags) FROM S3Object s", [{"total": 6, "_2": 2}]),
    ],
)
def test_queries_over_json(ask: Ask, expression: str, expected: list[Any]) -> None:
    """Members of members, places in lists, what is null and what is missing; FROM may lead into the document."""
    found = ask(LINES, expression, {"JSON": {}}, JSON={"Type": "LINES"})
    shown = [json.loads(line) for line in found.splitlines()]
    assert [one for one in shown if one] == [one for one in expected if one]
    assert ask(LINES, expression, {"JSON": {}}, JSON={"Type": "DOCUMENT"}) == found


def test_a_list_as_a_document(ask: Ask) -> None:
    """A second [*] goes through the list that a document is; numbers stay as they are written."""
    document = b'[{"a": 1.10, "b": [1, {"c": "\xc3\xbc"}]}, {"a": 2}]'
    found = ask(document, "SELECT s.a, s.b FROM S3Object[*][*] s", {"JSON": {"RecordDelimiter": ";"}}, JSON={"Type": "DOCUMENT"})
    assert found == '{"a":1.10,"b":[1,{"c":"ü"}]};{"a":2};'
    assert ask(document, "SELECT s.b FROM S3Object[*][0] s", JSON={"Type": "DOCUMENT"}) == '"[1,{""c"":""ü""}]"\n'


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("DATE_ADD(year, 5, `2010-01-01T`)", "2015-01-01T"),
        ("DATE_ADD(month, 1, `2010T`)", "2010-02T"),
        ("DATE_ADD(month, 13, `2010T`)", "2011-02T"),
        ("DATE_ADD(day, -1, `2017-01-10T`)", "2017-01-09T"),
        ("DATE_ADD(hour, 1, `2017-01-02T03:04:05-07:00`)", "2017-01-02T04:04:05-07:00"),
        ("DATE_ADD(second, 1, `2017-01-02T03:04:05.006Z`)", "2017-01-02T03:04:06.006Z"),
        ("DATE_DIFF(year, `2010-01-01T`, `2011-01-01T`)", "1"),
        ("DATE_DIFF(month, `2010T`, `2010-05T`)", "4"),
        ("DATE_DIFF(day, `2010-01-01T23:00Z`, `2010-01-02T01:00Z`)", "0"),
        ("EXTRACT(YEAR FROM `2010-01-01T`)", "2010"),
        ("EXTRACT(TIMEZONE_HOUR FROM `2017-01-02T03:04:05-07:08`)", "-7"),
        ("EXTRACT(TIMEZONE_MINUTE FROM `2017-01-02T03:04:05-07:08`)", "-8"),
        ("TO_STRING(`1969-07-20T20:18Z`, 'MMMM d, y')", '"July 20, 1969"'),
        ("TO_STRING(`1969-07-20T20:18Z`, 'MMM d, yyyy h:m a')", '"Jul 20, 1969 8:18 PM"'),
        ("TO_STRING(`1969-07-20T20:18:00+08:00`, 'y-MM-dd''T''H:m:ssXXX')", "1969-07-20T20:18:00+08:00"),
        ("TO_TIMESTAMP('2007-02-23T12:14:33.079-08:00')", "2007-02-23T12:14:33.079-08:00"),
        ("CAST('2007T' AS TIMESTAMP) < `2007-03T`", "true"),
        ("UTCNOW() > `2020T`", "true"),
    ],
)
def test_dates(ask: Ask, expression: str, expected: str) -> None:
    """Timestamps are as exact as they are written."""
    assert ask(b"1\n", f"SELECT {expression} FROM S3Object", CSV={}) == expected + "\n"


def test_compressed_content(ask: Ask) -> None:
    """gzip and bzip2 are taken apart on the way; what is not so compressed is refused."""
    for kind, compress in (("GZIP", gzip.compress), ("BZIP2", bz2.compress)):
        given = {"CSV": {"FileHeaderInfo": "USE"}, "CompressionType": kind}
        assert ask(compress(PEOPLE), "SELECT COUNT(*) FROM S3Object", **given) == "3\n"
        with pytest.raises(Exception, match="InvalidCompressionFormat"):
            ask(PEOPLE, "SELECT COUNT(*) FROM S3Object", CSV={}, CompressionType=kind)


def test_forms_of_csv(ask: Ask) -> None:
    """Delimiters, quotes, escapes, comments and headers, of the input and of the output."""
    strange = b"#note|'a;b';1|'c''d';2|"
    given = {"RecordDelimiter": "|", "FieldDelimiter": ";", "QuoteCharacter": "'", "QuoteEscapeCharacter": "'", "Comments": "#"}
    out = {"CSV": {"QuoteFields": "ALWAYS", "RecordDelimiter": "~\n", "FieldDelimiter": "\t"}}
    assert ask(strange, "SELECT * FROM S3Object", out, CSV=given) == '"a;b"\t"1"~\n"c\'d"\t"2"~\n'
    assert ask(PEOPLE, "SELECT s._1 FROM S3Object s LIMIT 1", CSV={"FileHeaderInfo": "IGNORE"}) == "Ann\n"
    assert ask(PEOPLE, "SELECT s._1 FROM S3Object s LIMIT 1", CSV={}) == "name\n"
    windows = b'a,b\r\n1,"x\r\ny"\r\n'
    quoted = {"FileHeaderInfo": "USE", "AllowQuotedRecordDelimiter": True}
    assert json.loads(ask(windows, "SELECT * FROM S3Object", {"JSON": {}}, CSV=quoted)) == {"a": "1", "b": "x\ny"}
    assert ask(b'a\\"b,1\n', "SELECT s._1 FROM S3Object s", CSV={"QuoteEscapeCharacter": "\\"}) == '"a""b"\n'
    assert json.loads(ask(b"1,2\n", "SELECT * FROM S3Object", {"JSON": {}}, CSV={})) == {"_1": "1", "_2": "2"}


@pytest.mark.parametrize("kind", ["CSV", "JSON"])
def test_scan_ranges_take_each_record_once(s3: Any, bucket: str, kind: str) -> None:
    """Wherever an object is cut into ranges, together they give each record exactly once, in order."""
    rows = [f'{{"n":{n}}}' if kind == "JSON" else f"{n}" for n in range(0, 3000, 7)]
    content = "\n".join(rows).encode()
    s3.put_object(Bucket=bucket, Key="k", Body=content)
    given = {"JSON": {"Type": "LINES"}} if kind == "JSON" else {"CSV": {}}
    expression = "SELECT s.n FROM S3Object s" if kind == "JSON" else "SELECT s._1 FROM S3Object s"
    for step in (97, 500, len(content)):
        found = ""
        for start in range(0, len(content), step):
            _, part = select(s3, expression, None, dict(given), ScanRange={"Start": start, "End": min(start + step, len(content)) - 1})
            found += part
        assert found.split() == [str(n) for n in range(0, 3000, 7)]


def test_the_events_of_an_answer(s3: Any, bucket: str) -> None:
    """Records come in pieces, then Stats and End; Progress where it is asked for."""
    content = b"".join(b"%d,%s\n" % (n, b"x" * 100) for n in range(20_000))
    s3.put_object(Bucket=bucket, Key="k", Body=content)
    events, found = select(s3, "SELECT * FROM S3Object", None, {"CSV": {}}, RequestProgress={"Enabled": True})
    assert found.encode() == content
    kinds = [next(iter(one)) for one in events]
    assert (kinds[:2], kinds[-2:]) == (["Records", "Progress"], ["Stats", "End"])
    details = events[-2]["Stats"]["Details"]
    assert details == dict.fromkeys(("BytesScanned", "BytesProcessed", "BytesReturned"), len(content))


def test_parquet(ask: Ask) -> None:
    """Parquet's columns are members with types."""
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    out = io.BytesIO()
    parquet.write_table(arrow.table({"id": [1, 2, 3], "name": ["a", "b", None], "at": [{"x": 1}, {"x": 2}, None]}), out)
    found = ask(out.getvalue(), "SELECT s.id, s.name, s.at.x FROM S3Object s WHERE s.id > 1", {"JSON": {}}, Parquet={})
    assert [json.loads(line) for line in found.splitlines()] == [{"id": 2, "name": "b", "x": 2}, {"id": 3, "name": None}]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("SELECT * FROM S3Object WHERE (", "ParseUnexpectedToken"),
        ("SELECT * FROM people", "InvalidDataSource"),
        ("SELECT s.name FROM S3Object s GROUP BY s.name", "UnsupportedSyntax"),
        ("SELECT s.name FROM S3Object s ORDER BY s.name", "UnsupportedSyntax"),
        ("SELECT a.name FROM S3Object a JOIN S3Object b ON a.x = b.x", "UnsupportedSyntax"),
        ("SELECT s.name, COUNT(*) FROM S3Object s", "UnsupportedSyntax"),
        ("SELECT SOUNDEX(s.name) FROM S3Object s", "UnsupportedFunction"),
        ("SELECT LOWER(s.name, 1) FROM S3Object s", "EvaluatorInvalidArguments"),
        ("SELECT s.colour FROM S3Object s", "MissingHeaders"),
        ("SELECT CAST(s.name AS INT) FROM S3Object s", "CastFailed"),
        ("SELECT s.name + 1 FROM S3Object s", "InvalidDataType"),
        ("SELECT 1 / 0 FROM S3Object s", "EvaluatorInvalidArguments"),
        ("SELECT * FROM S3Object LIMIT -1", "EvaluatorInvalidArguments"),
        ("SELECT *, s.name FROM S3Object s", "EvaluatorInvalidArguments"),
        ("DELETE FROM S3Object", "ParseSelectMissingFrom"),
        ("SELECT FROM S3Object", "ParseSelectMissingFrom"),
        ("FROM S3Object", "ParseSelectMissingFrom"),
        ("SELECT " + "(" * 5000 + "1" + ")" * 5000 + " FROM S3Object", "ParseUnexpectedToken"),
        ("SELECT * FROM S3Object WHERE " + " AND ".join(["1=1"] * 5000), "UnsupportedSyntax"),
        ("SELECT * FROM S3Object LIMIT " + "9" * 5000, "EvaluatorInvalidArguments"),
        ("SELECT _" + "9" * 5000 + " FROM S3Object", "MissingHeaders"),
        ("SELECT s.age[1.5] FROM S3Object s", "UnsupportedSyntax"),
        ("SELECT * FROM S3Object s WHERE s.age IN (SELECT 1)", "UnsupportedSyntax"),
        ("SELECT CAST(s.age AS DECIMAL(5, x)) FROM S3Object s", "UnsupportedSyntax"),
        ("SELECT CAST('nan' AS DECIMAL) FROM S3Object", "CastFailed"),
        ("SELECT CAST('1e99999999' AS INT) FROM S3Object", "CastFailed"),
        ("SELECT CAST('9223372036854775808' AS INT) FROM S3Object", "CastFailed"),
        ("SELECT CAST('1_000' AS INT) FROM S3Object", "CastFailed"),
        ("SELECT SUBSTRING(s.name FROM '1e99999999') FROM S3Object s", "InvalidDataType"),
        ("SELECT CAST('1.5' AS FLOAT) + " + "9" * 400 + " FROM S3Object", "EvaluatorInvalidArguments"),
        ("SELECT TO_TIMESTAMP('2020-01-01T00:00+99:99') FROM S3Object", "CastFailed"),
        ("SELECT '" + "x" * 262_144 + "' FROM S3Object", "ExpressionTooLong"),
    ],
)
def test_queries_that_are_none(s3: Any, bucket: str, expression: str, expected: str) -> None:
    """What cannot be read, is not part of S3 Select's SQL, or cannot be calculated is refused with its code."""
    s3.put_object(Bucket=bucket, Key="k", Body=PEOPLE)
    members = {"InputSerialization": {"CSV": {"FileHeaderInfo": "USE"}}, "OutputSerialization": {"CSV": {}}}
    assert code(s3.select_object_content, Bucket=bucket, Key="k", Expression=expression, ExpressionType="SQL", **members) == expected


def test_requests_that_are_none(s3: Any, bucket: str) -> None:
    """The forms of input and output go together, and content is what it is said to be."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"{'no json'}\xff")
    good: dict[str, Any] = {
        "InputSerialization": {"JSON": {"Type": "LINES"}},
        "OutputSerialization": {"JSON": {}},
        "Expression": "SELECT * FROM S3Object",
        "ExpressionType": "SQL",
    }
    for wrong, expected in (
        ({}, "InvalidTextEncoding"),
        ({"ExpressionType": "XPATH"}, "InvalidExpressionType"),
        ({"InputSerialization": {}}, "MissingRequiredParameter"),
        ({"OutputSerialization": {"CSV": {}, "JSON": {}}}, "ObjectSerializationConflict"),
        ({"InputSerialization": {"JSON": {"Type": "TREE"}}}, "InvalidJsonType"),
        ({"InputSerialization": {"CSV": {}, "CompressionType": "ZIP"}}, "InvalidCompressionFormat"),
        ({"InputSerialization": {"JSON": {"Type": "DOCUMENT"}}, "ScanRange": {"Start": 1}}, "UnsupportedScanRangeInput"),
        ({"Key": "none"}, "NoSuchKey"),
    ):
        assert code(s3.select_object_content, **({"Bucket": bucket, "Key": "k"} | good | wrong)) == expected
    s3.put_object(Bucket=bucket, Key="k", Body=b"{'no json'}")
    assert code(s3.select_object_content, Bucket=bucket, Key="k", **good) == "JSONParsingError"


def test_the_end_of_an_object(ask: Ask) -> None:
    """A scan range without a Start is the last bytes; one without an End goes to the end."""
    lines = b"1\n2\n3\n4\n5\n"
    assert ask(lines, "SELECT * FROM S3Object", CSV={}, ScanRange={"End": 4}) == "4\n5\n"
    assert ask(lines, "SELECT * FROM S3Object", CSV={}, ScanRange={"End": 50}) == lines.decode()
    assert ask(lines, "SELECT * FROM S3Object", CSV={}, ScanRange={"Start": 6}) == "4\n5\n"


def test_columns_with_the_same_name(ask: Ask) -> None:
    """Nothing is left out of a row because two columns are called the same."""
    assert ask(b"a,a\n1,2\n", "SELECT * FROM S3Object") == "1,2\n"
    assert ask(b"1,2\n", "SELECT _2, _2, _1 FROM S3Object", CSV={}) == "2,2,1\n"


def test_patterns_are_matched_at_once(ask: Ask) -> None:
    """However many wildcards a pattern has, a text that does not match is refused without trying them all."""
    text = b"a" * 30_000 + b"\n"
    assert ask(text, "SELECT * FROM S3Object WHERE _1 LIKE '" + "%a" * 40 + "%b'", CSV={}) == ""
    assert ask(b"axxbyyc\nabc\nacb\n", "SELECT _1 FROM S3Object WHERE _1 LIKE 'a%b_%c' OR _1 LIKE '%b%c'", CSV={}) == "axxbyyc\nabc\n"
    assert ask(b"5%\n50\n", "SELECT _1 FROM S3Object WHERE _1 LIKE '_!%' ESCAPE '!'", CSV={}) == "5%\n"


def test_texts_that_are_none(s3: Any, bucket: str) -> None:
    """Half a character in JSON's escapes is refused, in either form of answer; records may be as long as a mebibyte."""
    s3.put_object(Bucket=bucket, Key="k", Body=b'{"a":"\\ud800"}')
    for out in ({"JSON": {}}, {"CSV": {}}):
        members = {"InputSerialization": {"JSON": {"Type": "LINES"}}, "OutputSerialization": out}
        expression = {"Expression": "SELECT * FROM S3Object", "ExpressionType": "SQL"}
        assert code(s3.select_object_content, Bucket=bucket, Key="k", **members, **expression) == "InvalidTextEncoding"
    members = {"InputSerialization": {"CSV": {}}, "OutputSerialization": {"CSV": {}}}
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 1_000_000 + b"\n")
    assert len(select(s3, "SELECT * FROM S3Object", None, {"CSV": {}})[1]) == 1_000_001
    s3.put_object(Bucket=bucket, Key="k", Body=b"x,y" * 400_000 + b"\n")
    assert code(s3.select_object_content, Bucket=bucket, Key="k", **members, **expression) == "OverMaxRecordSize"


def test_selecting_is_reading(cloud: Cloud, s3: Any, bucket: str) -> None:
    """Who may not get the object may not query it."""
    s3.put_object(Bucket=bucket, Key="k", Body=PEOPLE)
    members = {
        "InputSerialization": {"CSV": {}},
        "OutputSerialization": {"CSV": {}},
        "Expression": "SELECT * FROM S3Object",
        "ExpressionType": "SQL",
    }
    user = as_user(cloud, "u", allow("s3:GetObject", on=f"arn:aws:s3:::{bucket}/other"))
    assert "s3:GetObject" in refused(user.select_object_content, Bucket=bucket, Key="k", **members)["Message"]
