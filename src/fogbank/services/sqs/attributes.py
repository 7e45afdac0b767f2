"""The attributes of a queue: AWS's names and texts on one side, the fields of its record on the other.

Source: API reference, CreateQueue, SetQueueAttributes and GetQueueAttributes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import msgspec

from fogbank.access import grammar
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.sqs.addresses import address_of_arn, arn_of, get_queue_by_arn
from fogbank.services.sqs.faults import invalid
from fogbank.services.sqs.messages import approximate_counts
from fogbank.services.sqs.state import Queue

Fields = dict[str, Any]

NUMBERS = {
    "DelaySeconds": ("delay_s", 0, 900),
    "MaximumMessageSize": ("maximum_message_bytes", 1024, 1_048_576),
    "MessageRetentionPeriod": ("retention_s", 60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": ("receive_wait_s", 0, 20),
    "VisibilityTimeout": ("visibility_s", 0, 43_200),
    "KmsDataKeyReusePeriodSeconds": ("kms_reuse_s", 60, 86_400),
}
FIFO_ONLY = ("ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")
CHOICES: dict[str, tuple[str, dict[str, Any]]] = {
    "ContentBasedDeduplication": ("content_based_deduplication", {"true": True, "false": False}),
    "SqsManagedSseEnabled": ("sqs_managed_sse", {"true": True, "false": False}),
    "DeduplicationScope": ("deduplication_scope", {"queue": "queue", "messageGroup": "messageGroup"}),
    "FifoThroughputLimit": ("fifo_throughput_limit", {"perQueue": "perQueue", "perMessageGroupId": "perMessageGroupId"}),
}
PERMISSIONS = ("allowAll", "denyAll", "byQueue")
SOURCE_ARNS_LIMIT = 10
MAX_RECEIVE_COUNT_LIMIT = 1000

DESCRIBED: dict[str, Callable[[Queue], Any]] = {
    "QueueArn": arn_of,
    "CreatedTimestamp": lambda q: q.created_at_ms // 1000,
    "LastModifiedTimestamp": lambda q: q.modified_at_ms // 1000,
    "VisibilityTimeout": lambda q: q.visibility_s,
    "MaximumMessageSize": lambda q: q.maximum_message_bytes,
    "MessageRetentionPeriod": lambda q: q.retention_s,
    "DelaySeconds": lambda q: q.delay_s,
    "ReceiveMessageWaitTimeSeconds": lambda q: q.receive_wait_s,
    "Policy": lambda q: q.policy or None,
    "RedrivePolicy": lambda q: _redrive_policy(q) if q.dead_letter_arn else None,
    "RedriveAllowPolicy": lambda q: q.redrive_allow_policy or None,
    "SqsManagedSseEnabled": lambda q: _truth(q.sqs_managed_sse),
    "FifoQueue": lambda q: "true" if q.fifo else None,
    "ContentBasedDeduplication": lambda q: _truth(q.content_based_deduplication) if q.fifo else None,
    "DeduplicationScope": lambda q: q.deduplication_scope if q.fifo else None,
    "FifoThroughputLimit": lambda q: q.fifo_throughput_limit if q.fifo else None,
    "KmsMasterKeyId": lambda q: q.kms_key or None,
    "KmsDataKeyReusePeriodSeconds": lambda q: q.kms_reuse_s if q.kms_key else None,
}
COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _redrive_policy(queue: Queue) -> str:
    return msgspec.json.encode({"deadLetterTargetArn": queue.dead_letter_arn, "maxReceiveCount": queue.max_receive_count}).decode()


def unknown(name: str) -> ServiceException:
    return ServiceException("InvalidAttributeName", f"Unknown Attribute {name}.")


def refuse(name: str, reason: str = "") -> NoReturn:
    raise ServiceException("InvalidAttributeValue", f"Invalid value for the parameter {name}.{' Reason: ' + reason if reason else ''}")


def describe(ctx: Context, queue: Queue, names: list[str]) -> dict[str, str]:
    """The attributes asked for that the queue has, as text. Raises InvalidAttributeName."""
    wanted: Any = dict.fromkeys(names)
    if "All" in wanted:
        wanted = dict.fromkeys([*DESCRIBED, *COUNTS])
    counts: dict[str, int] = {}
    if any(name in COUNTS for name in wanted):
        counts = dict(zip(COUNTS, approximate_counts(ctx, queue), strict=True))
    answer: dict[str, str] = {}
    for name in wanted:
        value: Any
        if name in counts:
            value = counts[name]
        elif name in DESCRIBED:
            value = DESCRIBED[name](queue)
        else:
            raise unknown(name)
        if value is not None:
            answer[name] = str(value)
    return answer


def read(ctx: Context, queue: Queue, given: Mapping[str, str]) -> Fields:
    """The fields that given attributes set on a queue (which may be one that is still to be made).

    Raises InvalidAttributeName, InvalidAttributeValue, InvalidParameterValue.
    """
    fields: Fields = {}
    for name, text in given.items():
        if name in NUMBERS:
            field, low, high = NUMBERS[name]
            fields[field] = _number(name, text, low, high)
        elif name in CHOICES:
            if name in FIFO_ONLY and not queue.fifo:
                raise unknown(name)
            field, values = CHOICES[name]
            if text.strip() not in values:
                refuse(name)
            fields[field] = values[text.strip()]
        elif name == "FifoQueue":
            if text != "true" or not queue.fifo:
                refuse(name, "Modifying queue type is not supported.")
        elif name == "Policy":
            fields["policy"] = read_policy(text)
        elif name == "RedrivePolicy":
            fields |= _read_redrive_policy(ctx, queue, text)
        elif name == "RedriveAllowPolicy":
            fields["redrive_allow_policy"] = _read_redrive_allow_policy(text)
        elif name == "KmsMasterKeyId":
            fields["kms_key"] = text.strip()
        else:
            raise unknown(name)
    _check_throughput(queue, fields)
    _choose_encryption(fields)
    return fields


def _choose_encryption(fields: Fields) -> None:
    """A queue has SSE-KMS or SSE-SQS, not both: asking for one ends the other."""
    if fields.get("kms_key"):
        if fields.get("sqs_managed_sse"):
            refuse("SqsManagedSseEnabled", "You can use one type of server-side encryption (SSE) at one time.")
        fields["sqs_managed_sse"] = False
    elif fields.get("sqs_managed_sse"):
        fields["kms_key"] = ""


def _number(name: str, text: str, low: int, high: int) -> int:
    try:
        value = int(text)
    except ValueError:
        refuse(name)
    if not low <= value <= high:
        refuse(name)
    return value


def _check_throughput(queue: Queue, fields: Fields) -> None:
    """Throughput by group goes only with deduplication by group."""
    limit = fields.get("fifo_throughput_limit", queue.fifo_throughput_limit)
    scope = fields.get("deduplication_scope", queue.deduplication_scope)
    if limit == "perMessageGroupId" and scope != "messageGroup":
        name = "FifoThroughputLimit" if "fifo_throughput_limit" in fields else "DeduplicationScope"
        refuse(name, "The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup.")


def read_policy(text: str) -> str:
    """A queue policy as it was given, its syntax checked; "" takes the policy away. Raises InvalidAttributeValue."""
    if not text.strip():
        return ""
    try:
        grammar.read(text, "resource")
    except ServiceException:
        refuse("Policy")
    return text


def _read_object(text: str) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None


def _read_redrive_policy(ctx: Context, queue: Queue, text: str) -> Fields:
    if not text.strip():
        return {"dead_letter_arn": "", "max_receive_count": 0}

    def bad(reason: str) -> ServiceException:
        return invalid(text, "RedrivePolicy", reason)

    policy = _read_object(text)
    if policy is None:
        raise bad("Redrive policy is not a valid JSON map.")
    if extra := policy.keys() - {"deadLetterTargetArn", "maxReceiveCount"}:
        raise bad(f"Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount]; found {min(extra)}.")
    for name in ("deadLetterTargetArn", "maxReceiveCount"):
        if name not in policy:
            raise bad(f"Redrive policy does not contain mandatory attribute: {name}.")
    arn, count = policy["deadLetterTargetArn"], _whole(policy["maxReceiveCount"])
    if count is None or not 1 <= count <= MAX_RECEIVE_COUNT_LIMIT:
        raise bad(f"Invalid value for maxReceiveCount: {policy['maxReceiveCount']}, valid values are from 1 to 1000 both inclusive.")
    where = address_of_arn(arn) if isinstance(arn, str) else None
    if where is None:
        raise bad("Invalid value for deadLetterTargetArn.")
    if (where.account, where.region) != (queue.account, queue.region):
        raise bad("Dead letter target must be in the account and region of the source.")
    target = get_queue_by_arn(ctx, arn)
    if target is None:
        raise bad("Dead letter target does not exist.")
    if target.fifo != queue.fifo:
        raise bad("Dead-letter queue must be same type of queue as the source.")
    if not _allows(target, arn_of(queue)):
        raise bad("Queue does not have permission to use the dead letter target: see its RedriveAllowPolicy.")
    return {"dead_letter_arn": arn, "max_receive_count": count}


def _whole(value: Any) -> int | None:
    try:
        return int(value) if isinstance(value, int | str) and not isinstance(value, bool) else None
    except ValueError:
        return None


def _allows(target: Queue, source_arn: str) -> bool:
    """Whether a dead-letter queue may be used by a source queue."""
    policy = msgspec.json.decode(target.redrive_allow_policy or b"{}")
    permission = policy.get("redrivePermission", "allowAll")
    return permission == "allowAll" or (permission == "byQueue" and source_arn in policy.get("sourceQueueArns", ()))


def _read_redrive_allow_policy(text: str) -> str:
    if not text.strip():
        return ""

    def bad(reason: str) -> ServiceException:
        return invalid(text, "RedriveAllowPolicy", reason)

    policy = _read_object(text)
    if policy is None:
        raise bad("Redrive allow policy is not a valid JSON map.")
    permission, sources = policy.get("redrivePermission"), policy.get("sourceQueueArns")
    if permission not in PERMISSIONS:
        raise bad("redrivePermission must be one of allowAll, denyAll, byQueue.")
    if policy.keys() - {"redrivePermission", "sourceQueueArns"}:
        raise bad("Only following attributes are supported: [redrivePermission, sourceQueueArns].")
    if (permission == "byQueue") != (sources is not None):
        raise bad("sourceQueueArns goes with the redrivePermission byQueue, and only with it.")
    if permission == "byQueue":
        if not isinstance(sources, list) or not 1 <= len(sources) <= SOURCE_ARNS_LIMIT:
            raise bad(f"sourceQueueArns must be a list of 1 to {SOURCE_ARNS_LIMIT} ARNs.")
        if not all(isinstance(source, str) and address_of_arn(source) for source in sources):
            raise bad("sourceQueueArns must contain ARNs of queues.")
    return msgspec.json.encode(policy).decode()
