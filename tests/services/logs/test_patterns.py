"""Filter patterns: what matches, what fields have, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from fogbank.kernel.errors import ServiceException
from fogbank.services.logs.patterns import read

APACHE = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /apache_pb.gif HTTP/1.0" 404 1534'
JSON = (
    '{"eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another"],'
    ' "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "SomeObject": null, "ThisFlag": true, "errorCode": "AccessDenied",'
    ' "user": {"id": 1, "email": "x@y"}, "latency": 1.5e2, "text": "404", "n": 404}'
)


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("", "anything", True),
        ("ERROR", "[ERROR 400] BAD", True),
        ("ERROR", "error", False),
        ("ERROR ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", True),
        ("ERROR ARGUMENTS", "[ERROR 400] BAD", False),
        ("?ERROR ?ARGUMENTS", "x ARGUMENTS", True),
        ("?ERROR ?ARGUMENTS", "x", False),
        ("?ERROR REQUEST", "[INFO] REQUEST", True),
        ('"INTERNAL SERVER ERROR"', "[ERROR 500] INTERNAL SERVER ERROR", True),
        ('"INTERNAL SERVER ERROR"', "ERROR INTERNAL SERVER", False),
        ("ERROR -ARGUMENTS", "ERROR x", True),
        ("ERROR -ARGUMENTS", "ERROR ARGUMENTS", False),
        ('-"a b"', "b a", True),
        ("%AUTHORIZED%", "UNAUTHORIZED", True),
        ("%^\\[ERROR [45]\\d\\d\\]%", "[ERROR 404] x", True),
        ('"say \\"hi\\""', 'say "hi"', True),
        ('{ $.eventType = "UpdateTrail" }', JSON, True),
        ("{ $.eventType = Update* }", JSON, True),
        ('{ $.eventType != "UpdateTrail" }', JSON, False),
        ("{ $.sourceIPAddress != 123.123.* }", JSON, True),
        ("{ $.nope != x }", JSON, False),
        ('{ $.arrayKey[0] = "value" }', JSON, True),
        ('{ $.arrayKey[*] = "another" }', JSON, True),
        ("{ $.objectList[1].id = 2 }", JSON, True),
        ("{ $.objectList[*].id > 1 }", JSON, True),
        ("{ $.objectList[*].id > 2 }", JSON, False),
        ("{ $.SomeObject IS NULL }", JSON, True),
        ("{ $.SomeOtherObject NOT EXISTS }", JSON, True),
        ("{ $.SomeObject NOT EXISTS }", JSON, False),
        ("{ $.SomeObject EXISTS }", JSON, True),
        ("{ $.ThisFlag IS TRUE }", JSON, True),
        ("{ $.ThisFlag IS FALSE }", JSON, False),
        ("{ ($.user.id = 1) && ($.user.email = x*) }", JSON, True),
        ("{ $.user.id = 2 || $.errorCode = AccessDenied && $.n = 404 }", JSON, True),
        ("{ ($.user.id = 2 || $.errorCode = AccessDenied) && $.n = 405 }", JSON, False),
        ("{ $.latency >= 1.5e2 && $.latency < 151 }", JSON, True),
        ("{ $.text = 404 && $.n = 404 && $.n = 4* }", JSON, True),
        ("{ $.user = * }", JSON, False),
        ("{ $.['eventType'] = UpdateTrail }", JSON, True),
        ("{ $.eventType = %Tra[il]+% }", JSON, True),
        ("{ $.eventType = x }", "no json", False),
        ("{ $.eventType = x }", "{broken", False),
        ("[ip, user, username, timestamp, request, status_code, bytes]", APACHE, True),
        ("[ip, user, username, timestamp, request =*.html*, status_code = 4*, bytes]", APACHE, False),
        ("[ip, user, username, timestamp, request =*.gif*, status_code = 4*, bytes > 1000]", APACHE, True),
        ("[ip, user, username]", APACHE, False),
        ("[..., status_code=404 || status_code=410, bytes]", APACHE, True),
        ("[ip, ..., bytes < 1000]", APACHE, False),
        ("[ip=%127\\.0\\.0\\.[1-9]%, ..., bytes > 1000 && bytes < 2000]", APACHE, True),
        ("[..., bytes!=1534]", APACHE, False),
        ('[, , user="fr*", ...]', APACHE, True),
        ("[w1=ERROR, w2]", "ERROR 1", True),
    ],
)
def test_matching(pattern: str, message: str, matches: bool) -> None:
    """AWS's own examples, and their like."""
    assert read(pattern).matches(message) is matches
    assert (read(pattern).find(message) is not None) is matches


@pytest.mark.parametrize(
    "pattern",
    [
        "a!b c(",
        '"open',
        "{ $.a }",
        "{ a = 1 }",
        "{ $.a = }",
        "{ $.a = 1",
        "{ $.a = 1 } x",
        "{ $.a > x }",
        "{ $.a IS MAYBE }",
        "[a, ..., b, ...]",
        "[a b]",
        "[a=1",
        "%a!b%",
        "%(a)%",
        "%[a%",
        "%a% %b% %c%",
    ],
)
def test_refused(pattern: str) -> None:
    """What is not a pattern is an invalid parameter."""
    with pytest.raises(ServiceException) as caught:
        read(pattern)
    assert caught.value.code == "InvalidParameterException"


def test_fields_have_values(logs: Any) -> None:
    """TestMetricFilter tells the fields of what matches: by name, by number where there is none, by selector in JSON."""
    answer = logs.test_metric_filter(filterPattern="[ip, , user, ..., bytes > 1000]", logEventMessages=["x", APACHE])
    assert answer["matches"] == [
        {
            "eventNumber": 2,
            "eventMessage": APACHE,
            "extractedValues": {
                "$ip": "127.0.0.1",
                "$2": "-",
                "$user": "frank",
                "$4": "10/Oct/2000:13:25:15 -0700",
                "$5": "GET /apache_pb.gif HTTP/1.0",
                "$6": "404",
                "$bytes": "1534",
            },
        }
    ]
    found = logs.test_metric_filter(filterPattern="{ $.n > 1 && $.user.id = 1 }", logEventMessages=[JSON])["matches"][0]
    assert found["extractedValues"] == {"$.n": "404", "$.user.id": "1"}
