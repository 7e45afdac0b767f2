"""Queries from outside: started, finished, stopped, permitted, forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Refused = Callable[..., tuple[str, str]]
ARN = "arn:aws:logs:us-east-1:000000000000:"


@pytest.fixture
def ask(cloud: Any, logs: Any) -> Callable[..., dict[str, Any]]:
    """A query's results once it is over; over the last hour of `group` where nothing else is said."""

    def call(query: str, client: Any = None, **members: Any) -> dict[str, Any]:
        if not members and not query.startswith("SOURCE"):
            members = {"logGroupName": "group"}
        now = cloud.now_ms // 1000
        started = (client or logs).start_query(**{"startTime": now - 3600, "endTime": now, "queryString": query, **members})
        cloud.settle()
        answer: dict[str, Any] = logs.get_query_results(queryId=started["queryId"])
        return {**answer, "rows": [{cell["field"]: cell["value"] for cell in row} for row in answer["results"]]}

    return call


def test_a_query_finds_events(cloud: Any, logs: Any, put: Any, ask: Any) -> None:
    """The rows, how many events were looked at and how many fit, and pointers that give whole events."""
    put('{"level": "INFO"}', '{"level": "ERROR", "code": 7}', "text", at_ms=cloud.now_ms - 5000)
    answer = ask("filter level = 'ERROR' | fields code")
    assert answer["status"] == "Complete"
    assert [row["code"] for row in answer["rows"]] == ["7"]
    assert answer["statistics"]["recordsMatched"] == 1
    assert answer["statistics"]["recordsScanned"] == 3
    assert answer["statistics"]["bytesScanned"] == sum(map(len, ('{"level": "INFO"}', '{"level": "ERROR", "code": 7}', "text"))) + 3 * 26
    record = logs.get_log_record(logRecordPointer=answer["rows"][0]["@ptr"])["logRecord"]
    assert (record["level"], record["code"], record["@log"], record["@logStream"]) == ("ERROR", "7", "000000000000:group", "stream")
    assert record["@message"] == '{"level": "ERROR", "code": 7}'


def test_a_query_goes_over_groups(cloud: Any, logs: Any, put: Any, ask: Any, refused: Refused) -> None:
    """Several groups by name, by ARN, by a prefix; newest first, whichever group they are in."""
    now = cloud.now_ms
    put("1", group="app-a", at_ms=now - 3000)
    put("2", group="app-b", at_ms=now - 2000)
    put("3", group="app-a", stream="other", at_ms=now - 1000)

    def messages(**members: Any) -> list[str]:
        return [row["@message"] for row in ask(**{"query": "fields @message", **members})["rows"]]

    assert messages(logGroupNames=["app-a", "app-b"]) == ["3", "2", "1"]
    assert messages(logGroupIdentifiers=[ARN + "log-group:app-b"]) == ["2"]
    assert messages(query="SOURCE logGroups(namePrefix: ['app']) | fields @message") == ["3", "2", "1"]
    started = logs.start_query(logGroupNames=["app-a", "app-b"], startTime=0, endTime=now // 1000, queryString="limit 1")["queryId"]
    assert logs.list_log_groups_for_query(queryId=started)["logGroupIdentifiers"] == [ARN + "log-group:app-a", ARN + "log-group:app-b"]
    assert refused(logs.start_query, startTime=0, endTime=1, queryString="limit 1")[0] == "InvalidParameterException"
    assert refused(logs.start_query, logGroupName="nope", startTime=0, endTime=1, queryString="limit 1")[0] == "ResourceNotFoundException"


def test_time_bounds_are_seconds_and_included(cloud: Any, logs: Any, put: Any, ask: Any) -> None:
    """An event of the second at either end is found."""
    second = cloud.now_ms // 1000 - 100
    for n in (-1, 0, 1, 2):
        put(str(n), at_ms=(second + n) * 1000 + 999)
    rows = ask("fields @message", logGroupName="group", startTime=second, endTime=second + 1)["rows"]
    assert [row["@message"] for row in rows] == ["1", "0"]


def test_results_come_by_pages(cloud: Any, logs: Any, put: Any) -> None:
    """maxItems bounds a page, and a token goes on."""
    put(*[str(n) for n in range(25)], at_ms=cloud.now_ms - 1000)
    query = logs.start_query(logGroupName="group", startTime=0, endTime=cloud.now_ms // 1000, queryString="fields @message", limit=20)
    cloud.settle()
    first = logs.get_query_results(queryId=query["queryId"], maxItems=15)
    second = logs.get_query_results(queryId=query["queryId"], maxItems=15, nextToken=first["nextToken"])
    assert (len(first["results"]), len(second["results"]), "nextToken" in second) == (15, 5, False)


def test_what_is_wrong_is_said_at_once(logs: Any, put: Any, refused: Refused) -> None:
    """A query that cannot be read, a command or a language that is not here, times the wrong way round."""
    put("x")
    start = {"logGroupName": "group", "startTime": 0, "endTime": 1}
    assert refused(logs.start_query, **start, queryString="nope")[0] == "MalformedQueryException"
    assert refused(logs.start_query, **start, queryString="pattern @message") == (
        "NotImplemented",
        "Fogbank does not implement logs:StartQuery with the command pattern.",
    )
    assert refused(logs.start_query, **start, queryString="x", queryLanguage="SQL")[0] == "NotImplemented"
    assert refused(logs.start_query, **{**start, "startTime": 2}, queryString="limit 1")[0] == "InvalidParameterException"
    assert refused(logs.get_query_results, queryId="nope")[0] == "ResourceNotFoundException"


def test_a_query_that_is_over_cannot_be_stopped(cloud: Any, logs: Any, put: Any, ask: Any, refused: Refused) -> None:
    """Queries are listed newest first; what is over is over; after seven days it is forgotten."""
    put("x", at_ms=cloud.now_ms - 1000)
    ask("limit 1")
    ask("limit 2")
    listed = logs.describe_queries(logGroupName="group", status="Complete")["queries"]
    assert [query["queryString"] for query in listed] == ["limit 2", "limit 1"]
    assert listed[0]["userIdentity"] == "arn:aws:iam::000000000000:root"
    assert [len(logs.describe_queries(maxResults=1)["queries"]), logs.describe_queries(status="Failed")["queries"]] == [1, []]
    assert refused(logs.stop_query, queryId=listed[0]["queryId"])[0] == "InvalidParameterException"
    cloud.advance(7 * 86_400 + 1)
    assert logs.describe_queries()["queries"] == []
    from fogbank.services.logs.state import QUERY_ROWS

    assert cloud.house.on_loop(lambda: list(QUERY_ROWS.scan(cloud.inner.reader()))) == []


def test_a_query_needs_permission_for_each_group(cloud: Any, put: Any, ask: Any, person: Any, refused: Refused) -> None:
    """logs:StartQuery is asked for every group of the query."""
    put("x", group="a", at_ms=cloud.now_ms - 1000)
    put("x", group="b", at_ms=cloud.now_ms - 1000)
    statement = {"Effect": "Allow", "Action": ["logs:StartQuery", "logs:GetQueryResults"], "Resource": ARN + "log-group:a:*"}
    user = person("u", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    answer = ask("fields @message", client=user, logGroupName="a")
    assert len(answer["rows"]) == 1
    members = {"startTime": 0, "endTime": 1, "queryString": "limit 1"}
    started = user.start_query(logGroupName="a", **members)["queryId"]
    user.get_query_results(queryId=started)
    assert refused(user.start_query, logGroupNames=["a", "b"], **members)[0] == "AccessDeniedException"


def test_saved_queries(logs: Any, refused: Refused) -> None:
    """A saved query is found by the beginning of its name; changing it changes all of it; a token makes it once."""
    token = "t" * 36
    made = logs.put_query_definition(name="errors", queryString="filter x = {{level}}", logGroupNames=["g"], clientToken=token,
                                     parameters=[{"name": "level", "defaultValue": "1"}])["queryDefinitionId"]  # fmt: skip
    assert logs.put_query_definition(name="errors", queryString="x", clientToken=token)["queryDefinitionId"] == made
    logs.put_query_definition(name="other", queryString="limit 1")
    found = logs.describe_query_definitions(queryDefinitionNamePrefix="err")["queryDefinitions"]
    assert [(one["name"], one["logGroupNames"], one["parameters"][0]["name"]) for one in found] == [("errors", ["g"], "level")]
    logs.put_query_definition(name="errors2", queryString="limit 2", queryDefinitionId=made)
    assert logs.describe_query_definitions(queryDefinitionNamePrefix="err")["queryDefinitions"][0]["logGroupNames"] == []
    assert logs.delete_query_definition(queryDefinitionId=made)["success"] is True
    assert refused(logs.delete_query_definition, queryDefinitionId=made)[0] == "ResourceNotFoundException"
    wrong = {"name": "n", "queryString": "limit 1", "parameters": [{"name": "p"}]}
    assert refused(logs.put_query_definition, **wrong)[0] == "InvalidParameterException"


def test_fields_of_a_group(cloud: Any, logs: Any, put: Any) -> None:
    """The fields of recent events, with the part of events that has them."""
    put('{"a": {"b": 1}}', '{"c": 1}', at_ms=cloud.now_ms - 60_000)
    fields = {one["name"]: one["percent"] for one in logs.get_log_group_fields(logGroupName="group")["logGroupFields"]}
    assert fields == {
        "@timestamp": 100,
        "@message": 100,
        "@logStream": 100,
        "@log": 100,
        "@ingestionTime": 100,
        "@ptr": 100,
        "a.b": 50,
        "c": 50,
    }
    cloud.advance(3600)
    assert logs.get_log_group_fields(logGroupName="group")["logGroupFields"] == []


def test_a_pointer_leads_nowhere_when_its_event_is_gone(cloud: Any, logs: Any, put: Any, ask: Any, refused: Refused) -> None:
    """An expired event, a deleted stream, and what is no pointer."""
    put("x", at_ms=cloud.now_ms - 1000)
    pointer = ask("limit 1")["rows"][0]["@ptr"]
    logs.delete_log_stream(logGroupName="group", logStreamName="stream")
    assert refused(logs.get_log_record, logRecordPointer=pointer)[0] == "ResourceNotFoundException"
    assert refused(logs.get_log_record, logRecordPointer="x")[0] == "InvalidParameterException"


def test_a_regular_expression_that_runs_away_stops_nobody(cloud: Any, logs: Any, put: Any, ask: Any) -> None:
    """Such a query times out, and others go on."""
    put("a" * 60 + "b", at_ms=cloud.now_ms - 1000)
    assert ask("filter @message like /(a|a)+$/ | fields @message")["status"] == "Timeout"
    assert ask("filter @message like /a+b$/ | fields @message")["status"] == "Complete"


def test_a_query_reads_what_is_infrequently_accessed(cloud: Any, logs: Any, ask: Any) -> None:
    """Logs Insights is how such a group is read."""
    logs.create_log_group(logGroupName="ia", logGroupClass="INFREQUENT_ACCESS")
    logs.create_log_stream(logGroupName="ia", logStreamName="s")
    logs.put_log_events(logGroupName="ia", logStreamName="s", logEvents=[{"timestamp": cloud.now_ms - 1000, "message": "x"}])
    assert [row["@message"] for row in ask("fields @message", logGroupName="ia")["rows"]] == ["x"]
