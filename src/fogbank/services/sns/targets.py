"""Sending: one message to one target, once. What it raises says whether trying again could help (`is_passing`)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from fogbank.delivery import attempts, http
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.sns import letters, phones, push, retries
from fogbank.services.sns.endpoints import login_of
from fogbank.services.sns.rendering import Parcel, Target

TIMEOUT_S = 15


class Unanswered(ServiceException):
    """An HTTP endpoint's answer that is no success, or none (0)."""

    def __init__(self, message: str, status: int, *, passing: bool) -> None:
        super().__init__("HttpEndpoint", message, status=status)
        self.passing = passing


def is_passing(refused: ServiceException) -> bool:
    """Whether the fault is not the subscriber's: the target may take the message later."""
    return refused.passing if isinstance(refused, Unanswered) else attempts.may_pass(refused)


@lru_cache(4096)
def _arn(text: str) -> Arn:
    parts = Arn.parse(text)
    assert parts is not None, text
    return parts


def send(ctx: Context, parcel: Parcel, target: Target, policy: retries.HttpPolicy | None = None) -> int:
    """Sends it: the HTTP status of the answer. Errors: whatever the target says; Waiting, while an HTTP endpoint has not answered."""
    if target.protocol in ("http", "https"):
        return _http(ctx, parcel, target, policy)
    _SENDERS[target.protocol](ctx, parcel, target)
    return 200


def send_to_queue(ctx: Context, parcel: Parcel, queue_arn: str, target: Target) -> None:
    """Puts what a target gets into a queue, as SNS on behalf of the topic."""
    arn, message = _arn(queue_arn), parcel.message
    members: dict[str, Any] = {"QueueUrl": f"{ctx.endpoint}/{arn.account}/{arn.resource}", "MessageBody": parcel.content(target)}
    if target.raw and message.attributes:
        members["MessageAttributes"] = parcel.attributes()
    if message.trace:
        members["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": message.trace}}
    if message.group:
        members["MessageGroupId"] = message.group
    if arn.resource.endswith(".fifo"):
        members.setdefault("MessageGroupId", target.subscription_arn.rpartition(":")[2])
        members["MessageDeduplicationId"] = message.deduplication_id or message.id
    ctx.call("sqs", "SendMessage", members, acting=parcel.acting, region=arn.region)


def _sqs(ctx: Context, parcel: Parcel, target: Target) -> None:
    send_to_queue(ctx, parcel, target.endpoint, target)


def _lambda(ctx: Context, parcel: Parcel, target: Target) -> None:
    members = {"FunctionName": target.endpoint, "InvocationType": "Event", "Payload": parcel.event(target)}
    ctx.call("lambda", "Invoke", members, acting=parcel.acting, region=_arn(target.endpoint).region)


def _firehose(ctx: Context, parcel: Parcel, target: Target) -> None:
    arn = _arn(target.endpoint)
    members = {"DeliveryStreamName": arn.resource.partition("/")[2], "Record": {"Data": parcel.line(target)}}
    ctx.call("firehose", "PutRecord", members, acting=parcel.role(target.role_arn), region=arn.region)


def _http(ctx: Context, parcel: Parcel, target: Target, policy: retries.HttpPolicy | None) -> int:
    """2xx is success. 4xx other than 429 is the subscriber's fault; all else may pass. An endpoint that answers 401 is sent the user name
    and the password of its address."""
    headers = {
        "x-amz-sns-message-type": target.kind,
        "x-amz-sns-message-id": parcel.message.id,
        "x-amz-sns-topic-arn": parcel.topic_arn,
        "Content-Type": policy.content_type if policy is not None else retries.DEFAULT_CONTENT_TYPE,
        "User-Agent": "Amazon Simple Notification Service Agent",
    }
    if target.kind != "SubscriptionConfirmation":
        headers["x-amz-sns-subscription-arn"] = target.subscription_arn
    if target.raw and target.kind == "Notification":
        headers["x-amz-sns-rawdelivery"] = "true"
    if parcel.message.trace:
        headers["X-Amzn-Trace-Id"] = parcel.message.trace
    body = parcel.content(target).encode()
    answer = http.fetch(ctx, "POST", target.endpoint, headers, body, timeout_s=TIMEOUT_S)
    login = login_of(target.endpoint)
    if answer.status == 401 and login:
        headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        answer = http.fetch(ctx, "POST", target.endpoint, headers, body, timeout_s=TIMEOUT_S, what="login")
    if 200 <= answer.status < 300:
        return answer.status
    passing = answer.status in (0, 429) or answer.status < 200 or answer.status >= 500
    raise Unanswered(answer.problem or f"The endpoint answered {answer.status}", answer.status, passing=passing)


def _email(ctx: Context, parcel: Parcel, target: Target) -> None:
    topic = parcel.topic
    notification = target.kind == "Notification"
    text = parcel.envelope(target) if target.protocol == "email-json" else letters.text_of(ctx, parcel, target)
    letters.post(
        ctx,
        topic.account,
        topic.region,
        channel=target.protocol,
        destination=target.endpoint,
        sender=(topic.display_name or topic.name) if notification else "AWS Notifications",
        message_id=parcel.message.id,
        subject=letters.subject_of(parcel, target),
        text=text,
        source_arn=parcel.topic_arn,
    )


def _sms(ctx: Context, parcel: Parcel, target: Target) -> None:
    topic = parcel.topic
    body = parcel.body("sms")
    text = f"{topic.display_name}> {body}" if topic.display_name else body
    phones.send(ctx, topic.account, topic.region, target.endpoint, text, parcel.message, parcel.topic_arn)


def _application(ctx: Context, parcel: Parcel, target: Target) -> None:
    push.send(ctx, target.endpoint, parcel.message, parcel.topic_arn)


_SENDERS: dict[str, Callable[[Context, Parcel, Target], None]] = {
    "sqs": _sqs,
    "lambda": _lambda,
    "firehose": _firehose,
    "email": _email,
    "email-json": _email,
    "sms": _sms,
    "application": _application,
}
