"""SQS by its older protocol: forms in, XML out, codes as they always were."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SPACE = "{http://queue.amazonaws.com/doc/2012-11-05/}"


@pytest.fixture
def query(cloud: Any) -> Any:
    """Posts a form; (status, the answer's tree)."""

    def call(action: str, **members: str) -> tuple[int, ET.Element]:
        form = urllib.parse.urlencode({"Action": action, "Version": "2012-11-05", **{k.replace("_", "."): v for k, v in members.items()}})
        request = AWSRequest("POST", cloud.endpoint + "/", data=form, headers={"Content-Type": "application/x-www-form-urlencoded"})
        SigV4Auth(Credentials("test", "test"), "sqs", "us-east-1").add_auth(request)
        http = urllib.request.Request(request.url, form.encode(), dict(request.headers.items()))
        try:
            with urllib.request.urlopen(http) as response:
                return response.status, ET.fromstring(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, ET.fromstring(error.read())

    return call


def text(tree: ET.Element, path: str) -> str | None:
    found = tree.find(".//" + "/".join(SPACE + part for part in path.split("/")))
    return None if found is None else found.text


def test_a_message_goes_through_by_query(query: Any, cloud: Any) -> None:
    """CreateQueue, SendMessage with an attribute, ReceiveMessage, DeleteMessage."""
    status, tree = query("CreateQueue", QueueName="q", Attribute_1_Name="DelaySeconds", Attribute_1_Value="0")
    url = text(tree, "CreateQueueResult/QueueUrl")
    assert (status, url) == (200, f"{cloud.endpoint}/000000000000/q")
    _, tree = query(
        "SendMessage",
        QueueUrl=url,
        MessageBody="<hällo & co>",
        MessageAttribute_1_Name="n",
        MessageAttribute_1_Value_DataType="String",
        MessageAttribute_1_Value_StringValue="v",
    )
    sent = text(tree, "SendMessageResult/MessageId")
    _, tree = query("ReceiveMessage", QueueUrl=url, AttributeName_1="All", MessageAttributeName_1="All")
    assert text(tree, "Message/MessageId") == sent
    assert text(tree, "Message/Body") == "<hällo & co>"
    assert text(tree, "Message/MessageAttribute/Name") == "n"
    assert text(tree, "Message/MessageAttribute/Value/StringValue") == "v"
    names = [e.text for e in tree.iterfind(f".//{SPACE}Attribute/{SPACE}Name")]
    assert "ApproximateReceiveCount" in names
    status, _ = query("DeleteMessage", QueueUrl=url, ReceiptHandle=text(tree, "Message/ReceiptHandle"))
    assert status == 200
    _, tree = query("ListQueues")
    assert text(tree, "ListQueuesResult/QueueUrl") == url


def test_errors_have_their_query_codes(query: Any) -> None:
    """The codes that the query protocol always had."""
    status, tree = query("GetQueueUrl", QueueName="none")
    assert (status, text(tree, "Error/Code")) == (400, "AWS.SimpleQueueService.NonExistentQueue")
    assert text(tree, "Error/Message") == "The specified queue does not exist."
    query("CreateQueue", QueueName="q")
    status, tree = query("DeleteMessage", QueueUrl="/000000000000/q", ReceiptHandle="fake")
    assert (status, text(tree, "Error/Code")) == (404, "ReceiptHandleIsInvalid")
    status, tree = query("SendMessage", QueueUrl="/000000000000/q")
    assert (status, text(tree, "Error/Code")) == (400, "MissingParameter")
    status, tree = query("CreateQueue", QueueName="q", Attribute_1_Name="DelaySeconds", Attribute_1_Value="1")
    assert (status, text(tree, "Error/Code")) == (400, "QueueAlreadyExists")
