"""The example application: every order arrives everywhere; one permission less, and exactly that hop stops and says why."""

from __future__ import annotations

import gzip
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from fogbank.control import client as control

EXAMPLE = Path(__file__).parents[2] / "examples" / "orders"
ORDERS = 6


class Listener(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.heard.append(message)  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class Shop:
    """The application in a cloud, and how to look at it."""

    def __init__(self, cloud: Any, heard: list[Any], built: Any) -> None:
        self.cloud = cloud
        self.heard = heard
        self.built = built

    def client(self, service: str) -> Any:
        return self.cloud.client(service)

    def upload(self, name: str = "one", count: int = ORDERS) -> None:
        lines = [json.dumps({"customer": f"c{n % 3}", "number": n, "cents": n * 100}) for n in range(count)]
        self.client("s3").put_object(Bucket="shop-uploads", Key=name, Body="\n".join(lines).encode())
        self.cloud.settle(60)

    def waiting(self, queue: str) -> int:
        url = self.built.queues[queue]
        attributes = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return int(attributes["ApproximateNumberOfMessages"])

    def lost(self) -> dict[str, int]:
        return {name: count for name in self.built.queues if name.startswith("lost") and (count := self.waiting(name))}

    def archived(self) -> list[Any]:
        s3, found = self.client("s3"), []
        for each in s3.list_objects_v2(Bucket="shop-archive").get("Contents", []):
            text = gzip.decompress(s3.get_object(Bucket="shop-archive", Key=each["Key"])["Body"].read())
            found += [json.loads(line) for line in text.splitlines() if line]
        return found

    def heard_of(self) -> int:
        return sum(message["Type"] == "Notification" for message in self.heard)

    def reached(self) -> dict[str, int]:
        """How many orders are where."""
        return {
            "table": self.client("dynamodb").scan(TableName="orders", Select="COUNT")["Count"],
            "packing": self.waiting("packing.fifo"),
            "http": self.heard_of(),
            "archive": len(self.archived()),
        }

    def without(self, role: str, action: str) -> None:
        """Takes a permission away from a role."""
        iam = self.client("iam")
        document = iam.get_role_policy(RoleName=role, PolicyName="work")["PolicyDocument"]
        document["Statement"].append({"Effect": "Deny", "Action": action, "Resource": "*"})
        iam.put_role_policy(RoleName=role, PolicyName="work", PolicyDocument=json.dumps(document))

    def why(self, service: str) -> str:
        """What the traces say of a refusal by a service, and what explain says of the request."""
        xray = self.client("xray")
        now = self.cloud.now_ms / 1000
        found = xray.get_trace_summaries(StartTime=now - 3600, EndTime=now + 60, TimeRangeType="Event", FilterExpression="error")
        said = ""
        for summary in found["TraceSummaries"]:
            for segment in xray.batch_get_traces(TraceIds=[summary["Id"]])["Traces"][0]["Segments"]:
                document = json.loads(segment["Document"])
                if document.get("error") and document.get("origin", "").startswith(service):
                    said += json.dumps(document["cause"])
                    said += json.dumps(control.ask(self.cloud.endpoint, "GET", f"/explain/{document['aws']['request_id']}"))
        return said


@pytest.fixture
def shop(cloud: Any) -> Iterator[Shop]:
    server = HTTPServer(("127.0.0.1", 0), Listener)
    server.heard = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.path.insert(0, str(EXAMPLE))
    try:
        from deploy import deploy  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(EXAMPLE))
    cloud.client("xray").update_sampling_rule(SamplingRuleUpdate={"RuleName": "Default", "FixedRate": 1.0})
    built = deploy(cloud.client, f"http://127.0.0.1:{server.server_port}/orders")
    cloud.settle(60)
    heard: list[Any] = server.heard  # type: ignore[attr-defined]
    (confirmation,) = heard
    cloud.client("sns").confirm_subscription(TopicArn=confirmation["TopicArn"], Token=confirmation["Token"])
    yield Shop(cloud, heard, built)
    server.shutdown()


def test_every_order_arrives(shop: Shop) -> None:
    """Every order of an uploaded file is in the table, in the packers' queue, at the subscriber and in the archive; nothing is lost."""
    shop.upload()
    shop.cloud.advance(61)
    assert shop.reached() == {"table": ORDERS, "packing": ORDERS, "http": ORDERS, "archive": ORDERS}
    assert shop.lost() == {}


def test_one_trace_goes_through(shop: Shop) -> None:
    """The trace of the upload names the bucket, both functions, the table and the bus."""
    shop.upload()
    now = shop.cloud.now_ms / 1000
    xray = shop.client("xray")
    services: set[str] = set()
    for summary in xray.get_trace_summaries(StartTime=now - 60, EndTime=now + 60, TimeRangeType="Event")["TraceSummaries"]:
        names = {one["Name"] for one in summary["ServiceIds"]}
        if "shop-uploads" in names:
            services |= names
    assert {"shop-uploads", "ingest", "orders"} <= services, services


@pytest.mark.parametrize(
    ("role", "action", "service", "queue", "reached"),
    [
        ("ingesting", "s3:GetObject", "AWS::S3", "lost-uploads", {"table": 0, "packing": 0, "http": 0, "archive": 0}),
        ("ingesting", "dynamodb:BatchWriteItem", "AWS::DynamoDB", "lost-uploads", {"table": 0, "packing": 0, "http": 0, "archive": 0}),
        ("announcing", "events:PutEvents", "AWS::Events", "lost-orders", {"table": ORDERS, "packing": 0, "http": 0, "archive": 0}),
        (
            "to-ledger",
            "kinesis:PutRecord",
            "AWS::Kinesis",
            "lost-ledger",
            {"table": ORDERS, "packing": ORDERS, "http": ORDERS, "archive": 0},
        ),
    ],
)
def test_one_permission_less(shop: Shop, role: str, action: str, service: str, queue: str, reached: dict[str, int]) -> None:
    """Without one permission of one role exactly its hop stops, what it had lies in its queue, and the trace says why."""
    shop.without(role, action)
    shop.upload()
    for _ in range(8):
        shop.cloud.advance(100)
    assert (shop.reached(), set(shop.lost())) == (reached, {queue})
    said = shop.why(service)
    assert action in said, said
    assert "explicit" in said.lower(), said


@pytest.mark.parametrize(("target", "queue", "stopped"), [("packing", "lost-packing", "packing"), ("notices", "lost-notices", "http")])
def test_one_resource_policy_less(shop: Shop, target: str, queue: str, stopped: str) -> None:
    """Where a queue's or a topic's own policy does not let the bus in, that target alone is given up, into its queue."""
    if target == "packing":
        shop.client("sqs").set_queue_attributes(QueueUrl=shop.built.queues["packing.fifo"], Attributes={"Policy": ""})
    else:
        statement = {"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": shop.built.topic}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        shop.client("sns").set_topic_attributes(TopicArn=shop.built.topic, AttributeName="Policy", AttributeValue=policy)
    shop.upload()
    for _ in range(8):
        shop.cloud.advance(100)
    expected = {"table": ORDERS, "packing": ORDERS, "http": ORDERS, "archive": ORDERS} | {stopped: 0}
    assert (shop.reached(), shop.lost()) == (expected, {queue: ORDERS})


def test_an_archive_that_is_closed_for_a_while(shop: Shop) -> None:
    """What cannot be archived waits, and is archived once it may be."""
    shop.without("archiving", "s3:PutObject")
    shop.upload()
    shop.cloud.advance(300)
    assert shop.archived() == []
    iam = shop.client("iam")
    document = iam.get_role_policy(RoleName="archiving", PolicyName="work")["PolicyDocument"]
    document["Statement"].pop()
    iam.put_role_policy(RoleName="archiving", PolicyName="work", PolicyDocument=json.dumps(document))
    shop.cloud.advance(3600)
    assert len(shop.archived()) == ORDERS
