"""Delivery status logging: an entry in CloudWatch Logs for each delivery, written as the role that the topic names.

Log groups are `sns/REGION/ACCOUNT/TOPIC` and the same with `/Failure`. Source: "Amazon SNS message delivery status" in the Developer Guide.
"""

from __future__ import annotations

from hashlib import md5
from typing import Any

import msgspec

from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.services.sns.addresses import PRINCIPAL
from fogbank.services.sns.envelopes import instant
from fogbank.services.sns.rendering import Parcel, Target

LOGGED = {"http": "HTTP", "https": "HTTP", "lambda": "Lambda", "sqs": "SQS", "firehose": "Firehose", "application": "Application"}
_PRESENT = ("ResourceAlreadyExistsException",)


def note(
    ctx: Context, parcel: Parcel, target: Target, attempts: int, status: int, dwelt_ms: int, refused: ServiceException | None = None
) -> None:
    """Has a delivery logged, where the topic asks for it."""
    feedback, protocol = parcel.topic.feedback, LOGGED.get(target.protocol)
    if not feedback or protocol is None:
        return
    role = feedback.get(f"{protocol}{'Success' if refused is None else 'Failure'}FeedbackRoleArn")
    if not role or (refused is None and not _sampled(ctx, feedback.get(f"{protocol}SuccessFeedbackSampleRate", "0"))):
        return
    topic, message = parcel.topic, parcel.message
    answer: dict[str, Any] = {"statusCode": status}
    if refused is not None:
        answer = {"ErrorCode": refused.code, "ErrorMessage": refused.message}
    entry = {
        "notification": {
            "messageMD5Sum": md5(parcel.body(target.protocol).encode(), usedforsecurity=False).hexdigest(),
            "messageId": message.id,
            "topicArn": parcel.topic_arn,
            "timestamp": instant(message.at_ms)[:-1].replace("T", " "),
        },
        "delivery": {
            "deliveryId": ctx.random.uuid(),
            "destination": target.endpoint,
            "providerResponse": msgspec.json.encode(answer).decode(),
            "dwellTimeMs": dwelt_ms,
            "attempts": attempts,
            "statusCode": status,
        },
        "status": "SUCCESS" if refused is None else "FAILURE",
    }
    group = f"sns/{topic.region}/{topic.account}/{topic.name}{'' if refused is None else '/Failure'}"
    payload = {
        "role": role,
        "topic": parcel.topic_arn,
        "account": topic.account,
        "region": topic.region,
        "group": group,
        "entry": msgspec.json.encode(entry).decode(),
        "at_ms": ctx.now,
    }
    ctx.later("sns.log", payload)


def _sampled(ctx: Context, rate: str) -> bool:
    return int(ctx.random.hex(4), 16) % 100 < int(rate)


@task("log")
def log(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Writes it, in a stream of the day; where the role may not, nothing is written."""
    role = Role(payload["role"], PRINCIPAL, "sns-delivery-status", payload["topic"], payload["account"])
    region, group = payload["region"], payload["group"]
    stream = instant(payload["at_ms"])[:10].replace("-", "/")

    def call(operation: str, **members: Any) -> None:
        try:
            ctx.call("logs", operation, {"logGroupName": group, **members}, acting=role, region=region)
        except ServiceException as refused:
            if refused.code not in _PRESENT:
                raise

    events = [{"timestamp": payload["at_ms"], "message": payload["entry"]}]
    try:
        try:
            call("PutLogEvents", logStreamName=stream, logEvents=events)
        except ServiceException as refused:
            if refused.code != "ResourceNotFoundException":
                raise
            call("CreateLogGroup")
            call("CreateLogStream", logStreamName=stream)
            call("PutLogEvents", logStreamName=stream, logEvents=events)
    except ServiceException as refused:
        if refused.status >= 500 and refused.code != "NotImplemented":
            raise
    return None
