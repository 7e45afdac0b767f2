"""Function URLs: plain HTTP to a function."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from .conftest import ACCOUNT, allow, arn
from .stage import Stage

ECHO = "def handler(event, context):\n    return event"


class Visitor:
    """Somebody with an HTTP client."""

    def __init__(self, url: str, key: tuple[str, str] | None = None) -> None:
        self.parts = urlsplit(url)
        self.key = key

    def __call__(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        sent = {"Host": self.parts.netloc, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self.key is not None:
            request = AWSRequest(method, f"http://{self.parts.netloc}{path}", headers=sent, data=body)
            SigV4Auth(Credentials(*self.key), "lambda", "us-east-1").add_auth(request)
            sent = dict(request.headers)
        connection = http.client.HTTPConnection("127.0.0.1", self.parts.port, timeout=60)
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


@pytest.fixture
def open_url(lam: Any, create: Any, stage: Stage) -> Callable[..., Visitor]:
    """Makes a function with a URL that is open to everybody."""

    def make(source: str = ECHO, **more: Any) -> Visitor:
        create("f", source)
        made = lam.create_function_url_config(FunctionName="f", AuthType="NONE", **more)
        lam.add_permission(
            FunctionName="f", StatementId="url", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE"
        )
        lam.add_permission(
            FunctionName="f", StatementId="function", Action="lambda:InvokeFunction", Principal="*", InvokedViaFunctionUrl=True
        )
        return Visitor(made["FunctionUrl"])

    return make


def test_configurations(lam: Any, create: Any, refused: Any) -> None:
    """A function and its aliases have a URL each, that is the same for its life."""
    create("f", Publish=True)
    lam.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    made = lam.create_function_url_config(FunctionName="f", AuthType="AWS_IAM", Cors={"AllowOrigins": ["https://x.test"], "MaxAge": 5})
    assert made["FunctionUrl"].startswith("http://")
    assert ".lambda-url.us-east-1.localhost:" in made["FunctionUrl"]
    assert refused(lam.create_function_url_config, FunctionName="f", AuthType="NONE")[0] == "ResourceConflictException"
    lam.create_function_url_config(FunctionName="f", Qualifier="live", AuthType="NONE", InvokeMode="RESPONSE_STREAM")
    changed = lam.update_function_url_config(FunctionName="f", AuthType="NONE")
    assert (changed["FunctionUrl"], changed["AuthType"], changed["Cors"]) == (
        made["FunctionUrl"],
        "NONE",
        {"AllowOrigins": ["https://x.test"], "MaxAge": 5},
    )
    listed = lam.list_function_url_configs(FunctionName="f")["FunctionUrlConfigs"]
    assert [(one["FunctionArn"], one["InvokeMode"]) for one in listed] == [(arn("f"), "BUFFERED"), (arn("f", "live"), "RESPONSE_STREAM")]
    lam.delete_function_url_config(FunctionName="f")
    assert refused(lam.get_function_url_config, FunctionName="f")[0] == "ResourceNotFoundException"


def test_a_request_is_an_event(cloud: Any, open_url: Any) -> None:
    """The function gets the request in payload format 2.0; JSON without a statusCode is a body."""
    visit = open_url()
    status, headers, body = visit("POST", "/a/b%20c?x=1&x=2&y=", b"text", Content_Type="text/plain", Cookie="a=1; b=2")
    assert (status, headers["content-type"]) == (200, "application/json")
    event = json.loads(body)
    context = event.pop("requestContext")
    assert event.pop("headers")["content-type"] == "text/plain"
    assert event == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/a/b%20c",
        "rawQueryString": "x=1&x=2&y=",
        "cookies": ["a=1", "b=2"],
        "queryStringParameters": {"x": "1,2", "y": ""},
        "body": "text",
        "isBase64Encoded": False,
    }
    assert context["http"]["method"] == "POST"
    assert (context["accountId"], context["timeEpoch"]) == ("anonymous", cloud.now_ms)
    _, _, body = visit("PUT", "/", b"\x00\xff")
    assert (json.loads(body)["body"], json.loads(body)["isBase64Encoded"]) == (base64.b64encode(b"\x00\xff").decode(), True)


def test_an_answer_is_a_response(open_url: Any) -> None:
    """Status, headers, cookies and a body, of Base64 too, are the response; what is no response is 502."""
    visit = open_url("import json\ndef handler(event, context):\n    return json.loads(event['body'])")

    def answered(**given: Any) -> tuple[int, dict[str, str], bytes]:
        answer: tuple[int, dict[str, str], bytes] = visit("POST", "/", json.dumps(given).encode(), Content_Type="application/json")
        return answer

    status, headers, body = answered(statusCode=201, headers={"X-A": "b"}, cookies=["c=1"], body="made")
    assert (status, headers["x-a"], headers["set-cookie"], body) == (201, "b", "c=1", b"made")
    assert answered(statusCode=200, body="AP8=", isBase64Encoded=True)[2] == b"\x00\xff"
    assert answered(plain=1)[2] == b'{"plain": 1}'
    assert answered(statusCode="x")[0] == 502
    assert visit("POST", "/", b"{", Content_Type="application/json")[0] == 502


def test_who_may_come_in(lam: Any, create: Any, open_url: Any, user: Any, stage: Stage, cloud: Any) -> None:
    """Without a policy for everybody nobody comes in unsigned; AWS_IAM takes the signature of who may."""
    visit = open_url()
    assert visit("GET", "/")[0] == 200
    lam.remove_permission(FunctionName="f", StatementId="function")
    assert visit("GET", "/")[0::2] == (403, b'{"Message":"Forbidden"}')
    create("g", ECHO)
    url = lam.create_function_url_config(FunctionName="g", AuthType="AWS_IAM")["FunctionUrl"]
    assert Visitor(url)("GET", "/")[0] == 403
    status, _, body = Visitor(url, ("test", "test"))("GET", "/")
    assert status == 200
    assert json.loads(body)["requestContext"]["authorizer"]["iam"]["userArn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert Visitor(url, ("test", "wrong"))("GET", "/")[0] == 403
    iam = cloud.client("iam")
    iam.create_user(UserName="anne")
    key = iam.create_access_key(UserName="anne")["AccessKey"]
    anne = Visitor(url, (key["AccessKeyId"], key["SecretAccessKey"]))
    assert anne("GET", "/")[0] == 403
    via = {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
    statements = [allow("lambda:InvokeFunctionUrl", arn("g")), allow("lambda:InvokeFunction", arn("g"), Condition=via)]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName="anne", PolicyName="p", PolicyDocument=document)
    assert anne("POST", "/", b"x")[0] == 200


def test_its_host_may_be_awss(open_url: Any) -> None:
    """Who has AWS's host for a URL comes in by that too."""
    visit = open_url()
    name = visit.parts.netloc.partition(".")[0]
    status, _, body = visit("GET", "/", Host=f"{name}.lambda-url.us-east-1.on.aws")
    assert status == 200
    assert json.loads(body)["requestContext"]["domainName"] == f"{name}.lambda-url.us-east-1.on.aws"


def test_throttled_and_failing(lam: Any, open_url: Any) -> None:
    """Throttling is 429, a failing function 502, and a URL that is no more 404."""
    visit = open_url("def handler(event, context):\n    raise ValueError('no')")
    assert visit("GET", "/")[0::2] == (502, b"Internal Server Error")
    lam.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    status, _, body = visit("GET", "/")
    assert (status, json.loads(body)["message"]) == (429, "Rate Exceeded.")
    lam.delete_function_url_config(FunctionName="f")
    assert visit("GET", "/")[0] == 404


def test_a_streamed_response(open_url: Any) -> None:
    """With RESPONSE_STREAM the prelude is status and headers, and pieces follow."""
    visit = open_url(
        "import stage\n"
        "def handler(event, context):\n"
        "    context.began('application/vnd.awslambda.http-integration-response')\n"
        '    context.write(b\'{"statusCode": 202, "headers": {"X-A": "b"}}\')\n'
        "    context.write(bytes(8))\n"
        "    context.write(b'one ')\n"
        "    context.write(b'two')\n"
        "    return stage.Streamed()",
        InvokeMode="RESPONSE_STREAM",
    )
    status, headers, body = visit("GET", "/")
    assert (status, headers["x-a"], headers["transfer-encoding"], body) == (202, "b", "chunked", b"one two")


def test_pages_of_other_origins(open_url: Any) -> None:
    """A URL's Cors says which pages may read what it answers, and what they may send."""
    visit = open_url(Cors={"AllowOrigins": ["https://x.test"], "AllowMethods": ["PUT"], "AllowHeaders": ["x-a"], "MaxAge": 60})
    status, headers, _ = visit("OPTIONS", "/", Origin="https://x.test", Access_Control_Request_Method="PUT")
    assert (status, headers["access-control-allow-origin"], headers["access-control-max-age"]) == (200, "https://x.test", "60")
    assert visit("GET", "/", Origin="https://x.test")[1]["access-control-allow-origin"] == "https://x.test"
    assert "access-control-allow-origin" not in visit("GET", "/", Origin="https://y.test")[1]
