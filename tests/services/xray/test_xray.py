"""X-Ray: what applications send, what the door follows by itself, finding it again, and the map."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fogbank.services.xray import filters
from fogbank.services.xray.traces import assembled

ROOT = "1-5f84c7a1-0123456789abcdef01234567"


def code(caught: Any) -> str:
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture
def xray(cloud: Any) -> Any:
    return cloud.client("xray")


def send(xray: Any, cloud: Any, **fields: Any) -> dict[str, Any]:
    """Sends one segment of two seconds; `at` seconds after now."""
    start = cloud.now_ms / 1000 + fields.pop("at", 0)
    document = {"trace_id": ROOT, "id": "0" * 15 + "1", "name": "web", "start_time": start, "end_time": start + 2} | fields
    answer = xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(document)])
    assert answer["UnprocessedTraceSegments"] == [], answer
    return document


def summaries(xray: Any, cloud: Any, expression: str = "") -> list[dict[str, Any]]:
    now = cloud.now_ms / 1000
    wanted = {"FilterExpression": expression} if expression else {}
    found: list[dict[str, Any]] = xray.get_trace_summaries(StartTime=now - 3600, EndTime=now + 60, TimeRangeType="Event", **wanted)[
        "TraceSummaries"
    ]
    return found


def test_segments_are_kept(xray: Any, cloud: Any) -> None:
    """A segment comes back as it was sent, until thirty days are over."""
    sent = send(xray, cloud)
    found = xray.batch_get_traces(TraceIds=[ROOT, "1-5f84c7a1-000000000000000000000000"])["Traces"]
    assert [json.loads(s["Document"]) for s in found[0]["Segments"]] == [sent]
    assert (len(found), found[0]["Duration"]) == (1, 2.0)
    cloud.advance(30 * 86_400 + 1)
    assert xray.batch_get_traces(TraceIds=[ROOT])["Traces"] == []


@pytest.mark.parametrize(
    "wrong",
    [{"id": "x"}, {"trace_id": "1-2-3"}, {"end_time": None}, {"end_time": 1.0}, {"name": ""}, {"type": "subsegment"}, {"start_time": "x"}],
)
def test_a_wrong_segment_is_named(xray: Any, cloud: Any, wrong: dict[str, Any]) -> None:
    """A document that is wrong is refused by itself."""
    now = cloud.now_ms / 1000
    document = {"trace_id": ROOT, "id": "0" * 16, "name": "web", "start_time": now, "end_time": now + 1} | wrong
    answer = xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(document), "{", json.dumps(document | {"x": 1})])
    assert len(answer["UnprocessedTraceSegments"]) == 3


def test_summaries_tell_what_went_wrong(xray: Any, cloud: Any) -> None:
    """A summary has the entry point, the annotations, and the service where a fault began."""
    send(xray, cloud, http={"request": {"method": "GET", "url": "http://x/"}, "response": {"status": 502}}, fault=True)
    cause = {"exceptions": [{"id": "1" * 16, "type": "Boom", "message": "no"}]}
    send(xray, cloud, id="2" * 16, parent_id="0" * 15 + "1", name="api", fault=True, cause=cause, annotations={"tier": "gold", "n": 3})
    (one,) = summaries(xray, cloud)
    assert (one["HasFault"], one["EntryPoint"]["Name"], one["Http"]["HttpStatus"]) == (True, "web", 502)
    assert one["Annotations"]["tier"][0]["AnnotationValue"] == {"StringValue": "gold"}
    path = one["FaultRootCauses"][0]["Services"]
    assert [s["Name"] for s in path] == ["web", "api"]
    assert path[1]["EntityPath"][0]["Exceptions"] == [{"Name": "Boom", "Message": "no"}]


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("fault", True),
        ("ok", False),
        ("!fault", False),
        ("error = false", True),
        ("responsetime > 1", True),
        ("duration >= 3 AND fault", False),
        ('service("api")', True),
        ('service("web") { fault }', False),
        ('service("api") { fault AND annotation.tier = "gold" }', True),
        ('service(id(name: "api", type: "AWS::Lambda"))', True),
        ('edge("web", "api")', True),
        ('edge("api", "web")', False),
        ('annotation[tier] = "gold"', True),
        ("annotation.n > 2", True),
        ("annotation.missing", False),
        ('http.url BEGINSWITH "http://x" OR ok', True),
        ('http.url CONTAINS "y"', False),
        ("NOT (fault OR http.status = 200)", False),
        ('name ENDSWITH "pi"', True),
        ("rootcause.fault { fault }", True),
    ],
)
def test_filter_expressions(expression: str, holds: bool) -> None:
    """An expression selects what it says."""
    base = {"trace_id": ROOT, "start_time": 1.0, "end_time": 3.0}
    web = base | {"id": "1" * 16, "name": "web", "http": {"request": {"url": "http://x/a"}, "response": {"status": 200}}}
    api = base | {"id": "2" * 16, "name": "api", "parent_id": "1" * 16, "origin": "AWS::Lambda", "fault": True, "end_time": 2.0}
    api |= {"annotations": {"tier": "gold", "n": 3}}
    trace = assembled(ROOT, [json.dumps(d).encode() for d in (web, api)], "1")
    assert filters.compiled(expression)(trace) is holds


@pytest.mark.parametrize("expression", ["fault AND", "nonsense", "responsetime", 'responsetime > "x"', "service(", "#", "fault)"])
def test_a_wrong_expression(xray: Any, cloud: Any, expression: str) -> None:
    """What is no expression is InvalidRequestException."""
    with pytest.raises(ClientError) as caught:
        summaries(xray, cloud, expression)
    assert code(caught) == "InvalidRequestException"


def test_the_map(xray: Any, cloud: Any) -> None:
    """The graph has the client, each service, and edges with their counts; inferred services too."""
    now = cloud.now_ms / 1000
    inner = {"id": "9" * 16, "name": "DynamoDB", "namespace": "aws", "start_time": now, "end_time": now + 0.5, "aws": {"table_name": "t"}}
    send(xray, cloud, subsegments=[inner])
    services = xray.get_service_graph(StartTime=now - 60, EndTime=now + 60)["Services"]
    by_name = {s.get("Name", "client"): s for s in services}
    assert set(by_name) == {"client", "web", "t"}
    assert by_name["t"]["Type"] == "AWS::DynamoDB::Table"
    (edge,) = by_name["web"]["Edges"]
    assert (edge["ReferenceId"], edge["SummaryStatistics"]["OkCount"]) == (by_name["t"]["ReferenceId"], 1)
    series = xray.get_time_series_service_statistics(StartTime=now - 60, EndTime=now + 60)["TimeSeriesServiceStatistics"]
    assert sum(one["ServiceSummaryStatistics"]["TotalCount"] for one in series) == 1


def test_every_call_is_a_span(xray: Any, cloud: Any) -> None:
    """A call through the door is a segment though nobody sent one; what it called is its child, and a refusal says why."""
    xray.update_sampling_rule(SamplingRuleUpdate={"RuleName": "Default", "FixedRate": 1.0})
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    with pytest.raises(ClientError):
        sqs.send_message(QueueUrl=url + "x", MessageBody="x")
    found = summaries(xray, cloud, 'service("orders")')
    assert len(found) == 2
    (refused,) = summaries(xray, cloud, "error")
    exception = refused["ErrorRootCauses"][0]["Services"][0]["EntityPath"][0]["Exceptions"][0]
    assert "NonExistentQueue" in exception["Name"] or exception["Name"] == "QueueDoesNotExist"


def test_a_caller_s_trace_is_continued(xray: Any, cloud: Any) -> None:
    """A call that comes with a sampled header belongs to that trace, under the caller's span."""
    parent = "a" * 16
    sqs = cloud.client("sqs", region="us-east-1")
    sqs.meta.events.register(
        "before-sign.sqs",
        lambda request, **_: request.headers.__setitem__("X-Amzn-Trace-Id", f"Root={ROOT};Parent={parent};Sampled=1"),
        "own",
    )
    try:
        sqs.create_queue(QueueName="q")
    finally:
        sqs.meta.events.unregister("before-sign.sqs", unique_id="own")
    (trace,) = xray.batch_get_traces(TraceIds=[ROOT])["Traces"]
    document = json.loads(trace["Segments"][0]["Document"])
    assert (document["parent_id"], document["aws"]["operation"]) == (parent, "CreateQueue")


def test_sampling_rules(xray: Any) -> None:
    """Rules are listed by priority, Default last; a client gets its share of a reservoir."""
    rule = {"RuleName": "r", "Priority": 5, "FixedRate": 0.1, "ReservoirSize": 10, "ServiceName": "*", "ServiceType": "*", "Host": "*"}
    rule |= {"HTTPMethod": "*", "URLPath": "*", "Version": 1, "ResourceARN": "*"}
    xray.create_sampling_rule(SamplingRule=rule)
    listed = [r["SamplingRule"]["RuleName"] for r in xray.get_sampling_rules()["SamplingRuleRecords"]]
    assert listed == ["r", "Default"]
    document = {"RuleName": "r", "Timestamp": 1, "RequestCount": 4, "SampledCount": 2}
    for number, share in (("1", 10), ("2", 5)):
        answer = xray.get_sampling_targets(SamplingStatisticsDocuments=[document | {"ClientID": number * 24}])
        assert answer["SamplingTargetDocuments"][0]["ReservoirQuota"] == share
    (told,) = xray.get_sampling_statistic_summaries()["SamplingStatisticSummaries"]
    assert (told["RequestCount"], told["SampledCount"]) == (8, 4)
    with pytest.raises(ClientError) as caught:
        xray.delete_sampling_rule(RuleName="Default")
    assert code(caught) == "InvalidRequestException"
    xray.delete_sampling_rule(RuleName="r")


def test_groups(xray: Any, cloud: Any) -> None:
    """A group's graph has what its expression selects."""
    arn = xray.create_group(GroupName="bad", FilterExpression="fault")["Group"]["GroupARN"]
    send(xray, cloud)
    now = cloud.now_ms / 1000
    assert xray.get_service_graph(StartTime=now - 60, EndTime=now + 60, GroupName="bad")["Services"] == []
    xray.update_group(GroupARN=arn, FilterExpression="ok")
    assert len(xray.get_service_graph(StartTime=now - 60, EndTime=now + 60, GroupARN=arn)["Services"]) == 2
    xray.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "b"}])
    assert xray.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    xray.delete_group(GroupName="bad")
    assert xray.get_groups()["Groups"] == []


def test_segments_under_a_key(xray: Any, cloud: Any) -> None:
    """Under a KMS key a trace can be read as long as the key can be used; what came before stays as it was."""
    send(xray, cloud)
    kms = cloud.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    assert xray.put_encryption_config(Type="KMS", KeyId=key)["EncryptionConfig"] == {"KeyId": key, "Status": "ACTIVE", "Type": "KMS"}
    other = ROOT[:-1] + "9"
    send(xray, cloud, trace_id=other)
    assert len(xray.batch_get_traces(TraceIds=[ROOT, other])["Traces"]) == 2
    kms.disable_key(KeyId=key)
    cloud.advance(301)
    assert len(xray.batch_get_traces(TraceIds=[ROOT])["Traces"]) == 1
    with pytest.raises(ClientError) as caught:
        xray.batch_get_traces(TraceIds=[other])
    assert code(caught) == "InvalidRequestException"
    kms.enable_key(KeyId=key)
    xray.put_encryption_config(Type="NONE")
    assert xray.get_encryption_config()["EncryptionConfig"]["Type"] == "NONE"
    assert len(xray.batch_get_traces(TraceIds=[other])["Traces"]) == 1


def traffic(xray: Any, cloud: Any, calls: int, faults: int) -> None:
    """A minute of a web service that calls an API, which fails so often."""
    now = cloud.now_ms / 1000
    documents = []
    for number in range(calls):
        trace = f"1-{int(now):08x}-{cloud.now_ms:016x}{number:08x}"
        fault = {"fault": True} if number < faults else {}
        web = {"trace_id": trace, "id": "1" * 16, "name": "web", "start_time": now, "end_time": now + 0.1, **fault}
        documents += [web, {**web, "id": "2" * 16, "parent_id": "1" * 16, "name": "api"}]
    xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(d) for d in documents])
    cloud.advance(60)


def test_insights(xray: Any, cloud: Any) -> None:
    """A service that fails far more than before makes an insight, which ends when it is quiet; EventBridge hears of it where asked."""
    xray.create_group(GroupName="all", InsightsConfiguration={"InsightsEnabled": True, "NotificationsEnabled": True})
    sqs, events = cloud.client("sqs"), cloud.client("events")
    url = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [allow]})})
    events.put_rule(Name="r", EventPattern=json.dumps({"detail-type": ["AWS X-Ray Insight Update"]}))
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": arn}])

    start = cloud.now_ms / 1000

    def listed(**by: Any) -> list[dict[str, Any]]:
        return list(
            xray.get_insight_summaries(GroupName="all", StartTime=start - 60, EndTime=cloud.now_ms / 1000, **by)["InsightSummaries"]
        )

    for _ in range(3):
        traffic(xray, cloud, 10, 0)
    assert listed() == []
    traffic(xray, cloud, 10, 8)
    (found,) = listed(States=["ACTIVE"])
    assert (found["RootCauseServiceId"]["Name"], found["ClientRequestImpactStatistics"]["FaultCount"]) == ("api", 8)
    cloud.advance(600)
    (found,) = listed()
    assert found["State"] == "CLOSED"
    assert xray.get_insight(InsightId=found["InsightId"])["Insight"]["State"] == "CLOSED"
    assert len(xray.get_insight_events(InsightId=found["InsightId"])["InsightEvents"]) == 2
    graph = xray.get_insight_impact_graph(InsightId=found["InsightId"], StartTime=start, EndTime=cloud.now_ms / 1000)["Services"]
    assert {s.get("Name") for s in graph} >= {"web", "api"}
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [json.loads(m["Body"])["detail"]["State"] for m in messages] == ["ACTIVE", "CLOSED"]


def test_pages_of_summaries(xray: Any, cloud: Any) -> None:
    """All traces of a time are found, 100 a page, each once."""
    now = cloud.now_ms / 1000
    for start in range(0, 250, 50):
        ids = [f"1-{int(now):08x}-{number:024x}" for number in range(start, start + 50)]
        documents = [{"trace_id": id, "id": "1" * 16, "name": "web", "start_time": now, "end_time": now + 1} for id in ids]
        xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(d) for d in documents])
    pages = list(xray.get_paginator("get_trace_summaries").paginate(StartTime=now - 60, EndTime=now + 60))
    found = [s["Id"] for page in pages for s in page["TraceSummaries"]]
    assert (len(found), len(set(found)), len(pages[0]["TraceSummaries"])) == (250, 250, 100)


def test_spans_are_forgotten(xray: Any, cloud: Any) -> None:
    """Spans that nobody looked at are gone after thirty days, like all traces."""
    cloud.client("sqs").create_queue(QueueName="q")
    cloud.settle()
    cloud.advance(31 * 86_400)
    now = cloud.now_ms / 1000
    then = {"StartTime": now - 31 * 86_400, "EndTime": now - 30.9 * 86_400}
    assert xray.get_service_graph(**then)["Services"] == []
