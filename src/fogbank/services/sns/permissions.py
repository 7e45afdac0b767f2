"""AddPermission, RemovePermission: statements of the topic's policy by their label."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from fogbank.kernel.arn import partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.sns.addresses import arn_of, topic_at
from fogbank.services.sns.faults import invalid, not_found
from fogbank.services.sns.state import TOPICS, Topic
from fogbank.services.sns.topic_attributes import OWNERS_ACTIONS, encoded
from fogbank.store import change

GRANTED = frozenset({*OWNERS_ACTIONS, "Receive", "ListTagsForResource"})
_account = re.compile(r"\d{12}").fullmatch


def _policy(topic: Topic) -> dict[str, Any]:
    """The topic's policy with its statements as a list, or an empty one."""
    if not topic.policy:
        return {"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": []}
    policy: dict[str, Any] = msgspec.json.decode(topic.policy)
    if isinstance(policy["Statement"], dict):
        policy["Statement"] = [policy["Statement"]]
    return policy


@operation("AddPermission")
def add_permission(ctx: Context, req: Any) -> Answer:
    """Adds a statement to the topic's policy that lets accounts do actions.

    Errors: InvalidParameter, NotFound. Source: API reference, AddPermission.
    """
    topic = topic_at(ctx, req.TopicArn)
    policy = _policy(topic)
    if any(statement.get("Sid") == req.Label for statement in policy["Statement"]):
        raise invalid("Statement already exists")
    if not req.ActionName or not set(req.ActionName) <= GRANTED:
        raise invalid("Policy statement action out of service scope!")
    if not req.AWSAccountId or not all(_account(account) for account in req.AWSAccountId):
        raise invalid("Policy Error: PrincipalNotFound")
    principals = [f"arn:{partition_of(topic.region)}:iam::{account}:root" for account in req.AWSAccountId]
    actions = [f"SNS:{action}" for action in req.ActionName]
    policy["Statement"].append(
        {
            "Sid": req.Label,
            "Effect": "Allow",
            "Principal": {"AWS": principals[0] if len(principals) == 1 else principals},
            "Action": actions[0] if len(actions) == 1 else actions,
            "Resource": arn_of(topic),
        }
    )
    _put(ctx, topic, policy)
    return None


@operation("RemovePermission")
def remove_permission(ctx: Context, req: Any) -> Answer:
    """Takes the statement with a label out of the topic's policy. Errors: InvalidParameter, NotFound."""
    topic = topic_at(ctx, req.TopicArn)
    policy = _policy(topic)
    kept = [statement for statement in policy["Statement"] if statement.get("Sid") != req.Label]
    if len(kept) == len(policy["Statement"]):
        raise not_found("Statement")
    policy["Statement"] = kept
    _put(ctx, topic, policy)
    return None


def _put(ctx: Context, topic: Topic, policy: dict[str, Any]) -> None:
    """A policy without statements is none."""
    TOPICS.put(ctx, change(topic, policy=encoded(policy) if policy["Statement"] else ""))
