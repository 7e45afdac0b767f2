"""Connections and API destinations."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from fogbank.testing.cloud import ACCOUNT, Cloud

from .conftest import Queue, make_role, put, rule_to

Refused = Callable[..., tuple[str, str]]


class Endpoint:
    """An HTTP server that remembers what it was asked, and answers as it is told."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.tokens = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.requests.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                answer = b"{}"
                status = 200
                if self.path.startswith("/token"):
                    outer.tokens += 1
                    answer = json.dumps({"access_token": f"token-{outer.tokens}"}).encode()
                elif outer.statuses:
                    status = outer.statuses.pop(0)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_PUT = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.close()


BASIC = {"AuthorizationType": "BASIC", "AuthParameters": {"BasicAuthParameters": {"Username": "u", "Password": "p"}}}


def destination(cloud: Cloud, endpoint: Endpoint, path: str = "/in", connection: Any = BASIC, rule: bool = True, **settings: Any) -> str:
    """A connection, an API destination, a role and a rule: the destination's ARN."""
    events = cloud.client("events")
    arn = events.create_connection(Name="c", **connection)["ConnectionArn"]
    made: str = events.create_api_destination(
        Name="d", ConnectionArn=arn, InvocationEndpoint=endpoint.url + path, HttpMethod=settings.pop("HttpMethod", "POST")
    )["ApiDestinationArn"]
    role = make_role(cloud, "invoke", "events.amazonaws.com", ("events:InvokeApiDestination", made))
    if rule:
        rule_to(events, made, RoleArn=role, **settings)
    cloud.settle()
    return made


def test_basic(cloud: Cloud, events: Any, endpoint: Endpoint) -> None:
    """An event is posted as JSON with the connection's authorization; the password lies in Secrets Manager and is not shown."""
    destination(cloud, endpoint)
    id = put(events)["EventId"]
    cloud.settle()
    method, path, headers, body = endpoint.requests[0]
    assert (method, path, json.loads(body)["id"]) == ("POST", "/in", id)
    assert headers["authorization"] == "Basic " + base64.b64encode(b"u:p").decode()
    assert headers["content-type"] == "application/json; charset=utf-8"
    shown = events.describe_connection(Name="c")
    assert shown["ConnectionState"] == "AUTHORIZED"
    assert shown["AuthParameters"] == {"BasicAuthParameters": {"Username": "u"}}
    assert ":secret:events!connection/c/" in shown["SecretArn"]
    secret = cloud.client("secretsmanager").get_secret_value(SecretId=shown["SecretArn"])["SecretString"]
    assert json.loads(secret)["BasicAuthParameters"]["Password"] == "p"


def test_parameters(cloud: Cloud, events: Any, endpoint: Endpoint) -> None:
    """Path, headers and query come from the target, from the event, and from the connection, which comes first."""
    connection = {
        "AuthorizationType": "API_KEY",
        "AuthParameters": {
            "ApiKeyAuthParameters": {"ApiKeyName": "x-key", "ApiKeyValue": "k"},
            "InvocationHttpParameters": {
                "HeaderParameters": [{"Key": "x-both", "Value": "connection", "IsValueSecret": True}],
                "QueryStringParameters": [{"Key": "q", "Value": "c", "IsValueSecret": False}],
                "BodyParameters": [{"Key": "added", "Value": "b"}],
            },
        },
    }
    http = {
        "PathParameterValues": ["$.detail.id", "a/b"],
        "HeaderParameters": {"x-both": "target", "x-kind": "$.detail-type"},
        "QueryStringParameters": {"r": "$.source"},
    }
    destination(cloud, endpoint, "/things/*/*", connection, HttpMethod="PUT", HttpParameters=http, InputPath="$.detail")
    put(events)
    cloud.settle()
    method, path, headers, body = endpoint.requests[0]
    assert (method, path) == ("PUT", "/things/1/a%2Fb?r=shop&q=c")
    assert (headers["x-key"], headers["x-both"], headers["x-kind"]) == ("k", "connection", "Order")
    assert json.loads(body) == {"id": 1, "added": "b"}
    shown = events.describe_connection(Name="c")["AuthParameters"]["InvocationHttpParameters"]
    assert shown["HeaderParameters"] == [{"Key": "x-both", "IsValueSecret": True}]
    assert shown["QueryStringParameters"] == [{"Key": "q", "Value": "c", "IsValueSecret": False}]


def test_oauth(cloud: Cloud, events: Any, endpoint: Endpoint) -> None:
    """The token is fetched with the client's credentials, and again when it is refused."""
    connection = {
        "AuthorizationType": "OAUTH_CLIENT_CREDENTIALS",
        "AuthParameters": {
            "OAuthParameters": {
                "ClientParameters": {"ClientID": "id", "ClientSecret": "secret"},
                "AuthorizationEndpoint": endpoint.url + "/token",
                "HttpMethod": "POST",
                "OAuthHttpParameters": {"BodyParameters": [{"Key": "scope", "Value": "all"}]},
            }
        },
    }
    destination(cloud, endpoint, connection=connection)
    assert events.describe_connection(Name="c")["ConnectionState"] == "AUTHORIZED"
    asked = parse_qs(endpoint.requests[0][3].decode())
    assert asked == {"grant_type": ["client_credentials"], "client_id": ["id"], "client_secret": ["secret"], "scope": ["all"]}
    endpoint.statuses = [401]
    put(events)
    cloud.settle()
    cloud.advance(5)
    assert [r[2]["authorization"] for r in endpoint.requests if r[1] == "/in"] == ["Bearer token-1", "Bearer token-2"]


def test_no_token(cloud: Cloud, events: Any, endpoint: Endpoint, refused: Refused) -> None:
    """A connection whose token cannot be had is deauthorized, with the reason; parameters of another type are refused."""
    oauth = {
        "ClientParameters": {"ClientID": "id", "ClientSecret": "secret"},
        "AuthorizationEndpoint": "http://127.0.0.1:1/token",
        "HttpMethod": "POST",
    }
    kind = "OAUTH_CLIENT_CREDENTIALS"
    assert events.create_connection(Name="c", AuthorizationType=kind, AuthParameters={"OAuthParameters": oauth})["ConnectionState"] == (
        "AUTHORIZING"
    )
    cloud.settle()
    shown = events.describe_connection(Name="c")
    assert shown["ConnectionState"] == "DEAUTHORIZED"
    assert "No access token" in shown["StateReason"]
    assert refused(events.create_connection, Name="d", AuthorizationType="BASIC", AuthParameters={"OAuthParameters": oauth})[0] == (
        "ValidationException"
    )
    events.update_connection(Name="c", **BASIC)
    assert events.describe_connection(Name="c")["ConnectionState"] == "AUTHORIZED"


def test_tried_again(cloud: Cloud, events: Any, endpoint: Endpoint, make_queue: Callable[..., Queue]) -> None:
    """429 and 5xx are tried again, later and later, as often as the policy says; others are dead letters at once."""
    dead = make_queue("dead")
    policy = {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 3600}
    destination(cloud, endpoint, RetryPolicy=policy, DeadLetterConfig={"Arn": dead.arn})
    endpoint.statuses = [503, 429]
    put(events)
    cloud.settle()
    assert len(endpoint.requests) == 1
    cloud.advance(60)
    assert len(endpoint.requests) == 3
    endpoint.statuses = [500] * 4
    put(events)
    cloud.advance(60)
    attributes = {n: v["StringValue"] for n, v in dead.messages()[0]["MessageAttributes"].items()}
    assert attributes["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert attributes["RETRY_ATTEMPTS"] == "3"
    assert len(endpoint.requests) == 7
    endpoint.statuses = [400]
    put(events)
    attributes = {n: v["StringValue"] for n, v in dead.messages()[0]["MessageAttributes"].items()}
    assert attributes["ERROR_CODE"] == "ERROR_FROM_TARGET"
    assert "EXHAUSTED_RETRY_CONDITION" not in attributes


def test_a_day_of_attempts(cloud: Cloud, events: Any, endpoint: Endpoint, make_queue: Callable[..., Queue]) -> None:
    """Without a policy it is tried for a day, up to 185 times."""
    dead = make_queue("dead")
    destination(cloud, endpoint, DeadLetterConfig={"Arn": dead.arn})
    endpoint.statuses = [500] * 300
    put(events)
    cloud.advance(20 * 3600)
    assert dead.messages() == []
    cloud.advance(5 * 3600)
    attributes = {n: v["StringValue"] for n, v in dead.messages()[0]["MessageAttributes"].items()}
    assert attributes["EXHAUSTED_RETRY_CONDITION"] in ("MaximumRetryAttempts", "MaximumEventAgeInSeconds")
    assert 170 <= int(attributes["RETRY_ATTEMPTS"]) <= 185


def test_rate(cloud: Cloud, events: Any, endpoint: Endpoint) -> None:
    """What comes faster than the rate waits."""
    destination(cloud, endpoint)
    events.update_api_destination(Name="d", InvocationRateLimitPerSecond=2)
    for _ in range(5):
        put(events)
    cloud.settle()
    assert len(endpoint.requests) == 2
    cloud.advance(1)
    cloud.advance(1)
    cloud.advance(1)
    assert len(endpoint.requests) == 5


def test_without_permission(cloud: Cloud, events: Any, endpoint: Endpoint, make_queue: Callable[..., Queue]) -> None:
    """The role must be allowed events:InvokeApiDestination."""
    dead = make_queue("dead")
    arn = destination(cloud, endpoint, rule=False)
    role = make_role(cloud, "other", "events.amazonaws.com", ("events:PutEvents", "*"))
    rule_to(events, arn, RoleArn=role, DeadLetterConfig={"Arn": dead.arn})
    put(events)
    assert dead.messages()[0]["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    assert endpoint.requests == []


def test_life(cloud: Cloud, events: Any, endpoint: Endpoint, refused: Refused) -> None:
    """Connections and destinations are listed, changed, deauthorized and deleted; then the secret is gone, too."""
    destination(cloud, endpoint)
    arn = events.describe_connection(Name="c")["ConnectionArn"]
    assert arn.startswith(f"arn:aws:events:us-east-1:{ACCOUNT}:connection/c/")
    assert events.list_connections(ConnectionState="AUTHORIZED")["Connections"][0]["Name"] == "c"
    assert events.list_api_destinations(ConnectionArn=arn)["ApiDestinations"][0]["ApiDestinationState"] == "ACTIVE"
    secret = events.describe_connection(Name="c")["SecretArn"]
    assert events.deauthorize_connection(Name="c")["ConnectionState"] == "DEAUTHORIZED"
    assert events.describe_api_destination(Name="d")["ApiDestinationState"] == "INACTIVE"
    with pytest.raises(events.exceptions.ClientError):
        cloud.client("secretsmanager").describe_secret(SecretId=secret)
    events.delete_api_destination(Name="d")
    events.delete_connection(Name="c")
    assert refused(events.describe_connection, Name="c")[0] == "ResourceNotFoundException"
    assert refused(events.describe_api_destination, Name="d")[0] == "ResourceNotFoundException"
    assert refused(events.create_api_destination, Name="d", ConnectionArn=arn, InvocationEndpoint="http://x/", HttpMethod="GET")[0] == (
        "ResourceNotFoundException"
    )


def test_a_connections_own_key(cloud: Cloud, events: Any, endpoint: Endpoint) -> None:
    """A connection's secret lies under its KMS key, which the service-linked role may use where it is tagged for that."""
    kms = cloud.client("kms")
    tagged = kms.create_key(Tags=[{"TagKey": "EventBridgeApiDestinations", "TagValue": "true"}])["KeyMetadata"]["Arn"]
    bare = kms.create_key()["KeyMetadata"]["Arn"]
    with pytest.raises(events.exceptions.ClientError):
        events.create_connection(Name="c", KmsKeyIdentifier=bare, **BASIC)
    destination(cloud, endpoint, connection={**BASIC, "KmsKeyIdentifier": tagged})
    shown = events.describe_connection(Name="c")
    assert shown["KmsKeyIdentifier"] == tagged
    assert cloud.client("secretsmanager").describe_secret(SecretId=shown["SecretArn"])["KmsKeyId"] == tagged
    put(events)
    cloud.settle()
    assert len(endpoint.requests) == 1
