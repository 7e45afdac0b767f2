"""What a service is told of calls to it, and hosts that a service serves by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fogbank.gateway.sites import Sites
from fogbank.kernel.context import Context
from fogbank.kernel.http import HttpResponse, Visit
from fogbank.kernel.seen import Seen
from fogbank.testing import Cloud

from .raw import Raw, head


@pytest.fixture
def sqs(cloud: Cloud) -> Iterator[Any]:
    """SQS's manifest, whose additions are taken away again."""
    manifest = cloud.house.app.gateway.manifest("sqs")
    assert manifest is not None
    yield manifest
    manifest.observe = manifest.site = manifest.resolve = None


def test_calls_are_seen(cloud: Cloud, sqs: Any) -> None:
    """A call that is watched is told once, answered or refused, with who asked, for what, and how it ended."""
    told: list[Seen] = []
    sqs.observe = lambda ctx, seen: told.append(seen)
    sqs.resolve = lambda ctx, req: ctx.watch() if ctx.operation != "GetQueueAttributes" else None
    client = cloud.client("sqs")
    made = client.create_queue(QueueName="q")
    client.get_queue_attributes(QueueUrl=made["QueueUrl"])
    with pytest.raises(ClientError):
        client.get_queue_url(QueueName="none")
    with pytest.raises(ClientError):
        cloud.client("sqs", access_key="AKIANOBODY").list_queues()
    cloud.house.on_loop(lambda: None)
    assert [(seen.operation, seen.status, seen.error) for seen in told] == [
        ("CreateQueue", 200, ""),
        ("GetQueueUrl", 400, "QueueDoesNotExist"),
        ("ListQueues", 403, told[2].error),
    ]
    first = told[0]
    assert (first.principal.account, first.region, first.members.QueueName) == ("000000000000", "us-east-1", "q")
    assert first.request_id == made["ResponseMetadata"]["RequestId"]
    assert (first.at_ms, first.sent_bytes > 0, first.took_ms >= first.turned_ms > 0) == (cloud.now_ms, True, True)
    assert (told[2].principal.kind, told[2].members) == ("anonymous", None)


def test_an_onlooker_s_mistakes_are_its_own(cloud: Cloud, sqs: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Who fails while being told leaves nothing behind, and the caller has long been answered."""

    def observe(ctx: Context, seen: Seen) -> None:
        ctx.later("sqs.nothing", {})
        raise ValueError("mine")

    sqs.observe = observe
    sqs.resolve = lambda ctx, req: ctx.watch()
    cloud.client("sqs").create_queue(QueueName="q")
    cloud.settle()
    assert "telling of what was seen" in capfd.readouterr().err


def test_hosts_of_a_service(cloud: Cloud, sqs: Any, raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request to such a host is the service's whatever it says, in a transaction, as nobody's; failures are no tracebacks."""

    def site(ctx: Context, visit: Visit) -> HttpResponse:
        if visit.request.method == "POST":
            raise ValueError("mine")
        ctx.later("sqs.nothing", {}, delay_s=60)
        said = f"{visit.names['name']} {visit.request.path} {ctx.principal.kind} {visit.request.body.read().decode()}"
        return HttpResponse(201, [("X-Own", "yes")], said.encode())

    sqs.site = site
    monkeypatch.setattr(cloud.house.app.gateway, "sites", Sites({r"(?P<name>\w+)\.own": "sqs"}))
    host = {"Host": "shop.own.localhost:80", "Authorization": "AWS4-HMAC-SHA256 nonsense", "Content-Length": "4"}
    answer = raw.send(head("PUT", "/_fogbank/clock", host) + b"body").answer()
    assert (answer.status, answer.headers["x-own"], answer.body) == (201, "yes", b"shop /_fogbank/clock anonymous body")
    failed = raw.send(head("POST", "/", host) + b"body").answer()
    assert (failed.status, failed.body.startswith(b"InternalFailure: ")) == (500, True)
    assert raw.send(head("GET", "/", {"Host": "own.localhost", "Content-Length": "0"})).answer().status != 201


def test_patterns_of_hosts() -> None:
    """A pattern is of what stands in front of the endpoint, as a whole; its groups are what the host says besides."""
    sites = Sites({r"(?P<bucket>.+)\.s3-website[.-](?P<region>[a-z0-9-]+)": "s3"})
    for _ in range(2):
        assert sites.at("my.shop.s3-website-eu-west-1.localhost:4566", "/") == ("s3", {"bucket": "my.shop", "region": "eu-west-1"})
        assert sites.at("my.shop.s3-website.eu-west-1.amazonaws.com", "/") == ("s3", {"bucket": "my.shop", "region": "eu-west-1"})
        assert sites.at("s3-website-eu-west-1.localhost", "/") is sites.at("localhost:4566", "/") is sites.at("", "/") is None
