"""AddPermission, RemovePermission: statements of the queue's policy by their label."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from fogbank.kernel.arn import partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.sqs.addresses import arn_of, own_queue_at
from fogbank.services.sqs.faults import invalid, missing
from fogbank.services.sqs.state import QUEUES, Queue
from fogbank.store import change

ACTIONS_LIMIT = 7
STATEMENTS_LIMIT = 20
PRINCIPALS_LIMIT = 50
GRANTED = frozenset(
    {
        "*",
        "ChangeMessageVisibility",
        "DeleteMessage",
        "GetQueueAttributes",
        "GetQueueUrl",
        "ListDeadLetterSourceQueues",
        "PurgeQueue",
        "ReceiveMessage",
        "SendMessage",
    }
)
OWNERS = frozenset(
    {
        "AddPermission",
        "CancelMessageMoveTask",
        "CreateQueue",
        "DeleteQueue",
        "ListMessageMoveTasks",
        "ListQueueTags",
        "ListQueues",
        "RemovePermission",
        "SetQueueAttributes",
        "StartMessageMoveTask",
        "TagQueue",
        "UntagQueue",
    }
)
_label = re.compile(r"[\w-]{1,80}", re.ASCII).fullmatch
_account = re.compile(r"\d{12}").fullmatch


@operation("AddPermission")
def add_permission(ctx: Context, req: Any) -> Answer:
    """Adds a statement to the queue's policy that allows accounts to do actions; at most 7 actions, 20 statements, 50 accounts.

    Errors: QueueDoesNotExist, OverLimit, MissingParameter, InvalidParameterValue. Source: API reference, AddPermission.
    """
    queue = own_queue_at(ctx, req.QueueUrl)
    _check(req)
    policy = _policy(queue)
    if any(statement.get("Sid") == req.Label for statement in policy["Statement"]):
        raise invalid(req.Label, "Label", "Already exists.")
    if len(policy["Statement"]) >= STATEMENTS_LIMIT:
        raise ServiceException(
            "OverLimit", f"{len(policy['Statement']) + 1} statements were found, maximum allowed is {STATEMENTS_LIMIT}.", status=403
        )
    partition = partition_of(queue.region)
    principals = [f"arn:{partition}:iam::{account}:root" for account in req.AWSAccountIds]
    actions = [f"SQS:{action}" for action in req.Actions]
    policy["Statement"].append(
        {
            "Sid": req.Label,
            "Effect": "Allow",
            "Principal": {"AWS": principals[0] if len(principals) == 1 else principals},
            "Action": actions[0] if len(actions) == 1 else actions,
            "Resource": arn_of(queue),
        }
    )
    _put(ctx, queue, policy)
    return None


@operation("RemovePermission")
def remove_permission(ctx: Context, req: Any) -> Answer:
    """Takes the statement with a label out of the queue's policy.

    Errors: QueueDoesNotExist, InvalidParameterValue. Source: API reference, RemovePermission.
    """
    queue = own_queue_at(ctx, req.QueueUrl)
    policy = _policy(queue)
    kept = [statement for statement in policy["Statement"] if statement.get("Sid") != req.Label]
    if len(kept) == len(policy["Statement"]):
        raise invalid(req.Label, "Label", "can't find label.")
    policy["Statement"] = kept
    _put(ctx, queue, policy)
    return None


def _check(req: Any) -> None:
    if not _label(req.Label):
        raise invalid(req.Label, "Label", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.")
    if not req.Actions:
        raise missing("Actions")
    if not req.AWSAccountIds:
        raise missing("AWSAccountIds")
    if len(req.Actions) > ACTIONS_LIMIT:
        raise ServiceException("OverLimit", f"{len(req.Actions)} Actions were found, maximum allowed is {ACTIONS_LIMIT}.", status=403)
    if len(req.AWSAccountIds) > PRINCIPALS_LIMIT:
        raise ServiceException(
            "OverLimit", f"{len(req.AWSAccountIds)} principals were found, maximum allowed is {PRINCIPALS_LIMIT}.", status=403
        )
    for action in req.Actions:
        if action in OWNERS:
            raise invalid(f"SQS:{action}", "ActionName", "Only the queue owner is allowed to invoke this action.")
        if action not in GRANTED:
            raise invalid(f"SQS:{action}", "ActionName", "Please refer to the appropriate WSDL for a list of valid actions.")
    for account in req.AWSAccountIds:
        if not _account(account):
            raise invalid(account, "PrincipalId", "Unable to verify.")


def _policy(queue: Queue) -> dict[str, Any]:
    """The queue's policy with its statements as a list, or an empty one."""
    if not queue.policy:
        return {"Version": "2008-10-17", "Id": f"{arn_of(queue)}/SQSDefaultPolicy", "Statement": []}
    policy: dict[str, Any] = msgspec.json.decode(queue.policy)
    if isinstance(policy["Statement"], dict):
        policy["Statement"] = [policy["Statement"]]
    return policy


def _put(ctx: Context, queue: Queue, policy: dict[str, Any]) -> None:
    """A policy without statements is none."""
    text = msgspec.json.encode(policy).decode() if policy["Statement"] else ""
    QUEUES.put(ctx, change(queue, policy=text, modified_at_ms=ctx.now))
