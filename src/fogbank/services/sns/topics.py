"""Topics: made, described, changed, listed, deleted."""

from __future__ import annotations

import re
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.sns import protection, topic_attributes
from fogbank.services.sns.addresses import arn_of, topic_at, where
from fogbank.services.sns.faults import invalid
from fogbank.services.sns.state import SUBSCRIPTIONS, TOPICS, Topic
from fogbank.services.sns.tags import read_tags
from fogbank.store import change

PAGE = 100
_name = re.compile(r"[A-Za-z0-9_-]{1,256}").fullmatch
_fifo_name = re.compile(r"[A-Za-z0-9_-]{1,251}\.fifo").fullmatch


@operation("CreateTopic")
def create_topic(ctx: Context, req: Any) -> Answer:
    """Makes a standard topic, or a FIFO one (FifoTopic is true and the name ends in `.fifo`).

    A topic that exists is answered where the attributes and tags given are the ones it has.

    Errors: InvalidParameter, TagLimitExceeded, AuthorizationError. Source: API reference, CreateTopic.
    """
    given = dict(req.Attributes or {})
    if req.DataProtectionPolicy is not None:
        given["DataProtectionPolicy"] = req.DataProtectionPolicy
    fifo = _read_type(req.Name, given)
    tags = read_tags(req.Tags)
    found = TOPICS.get(ctx, ctx.account, ctx.region, req.Name)
    topic = found or Topic(
        account=ctx.account,
        region=ctx.region,
        name=req.Name,
        id=ctx.tx.unique(),
        created_at_ms=ctx.now,
        policy=topic_attributes.default_policy(ctx.account, ctx.region, req.Name),
        fifo=fifo,
    )
    protected = given.pop("DataProtectionPolicy", None)
    fields = topic_attributes.read(ctx, topic, given, "Attributes")
    if protected is not None:
        fields["protection"] = protection.read(protected)
    if found is not None:
        if any(getattr(found, field) != value for field, value in fields.items()):
            raise invalid("Attributes", "Topic already exists with different attributes")
        if req.Tags and tags != found.tags:
            raise invalid("Tags", "Topic already exists with different tags")
        return {"TopicArn": arn_of(found)}
    if tags:
        ctx.authorize("sns:TagResource", arn_of(topic))
    TOPICS.put(ctx, change(topic, tags=tags, **fields))
    return {"TopicArn": arn_of(topic)}


def _read_type(name: str, given: dict[str, str]) -> bool:
    """Whether it is a FIFO topic. Raises InvalidParameter where name and type do not go together."""
    kind = given.get("FifoTopic", "false")
    if kind not in ("true", "false"):
        raise invalid("FifoTopic")
    if kind == "true":
        if not _fifo_name(name):
            raise invalid(
                "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, numbers,"
                " underscores, and hyphens, and must be between 1 and 256 characters long."
            )
        return True
    if not _name(name):
        raise invalid("Topic Name")
    return False


@operation("DeleteTopic")
def delete_topic(ctx: Context, req: Any) -> Answer:
    """Deletes a topic and all its subscriptions; one that is not there is no error. What was on its way may not arrive any more.

    Errors: InvalidParameter, InvalidState (a FIFO topic with an archive). Source: API reference, DeleteTopic.
    """
    topic = TOPICS.get(ctx, *where(ctx, req.TopicArn))
    if topic is None:
        return None
    if topic.archive_policy:
        raise ServiceException("InvalidStateException", "Invalid state: Topic has an active archive policy; remove it before deletion.")
    TOPICS.delete(ctx, topic)
    for subscription in list(SUBSCRIPTIONS.scan(ctx, topic.account, topic.region, topic.name)):
        SUBSCRIPTIONS.delete(ctx, subscription)
    if topic.fifo or topic.kms_key:
        ctx.later("sns.drop", {"topic": topic.id})
    return None


@operation("ListTopics")
def list_topics(ctx: Context, req: Any) -> Answer:
    """The caller's topics in the region, by name, 100 a page. Errors: InvalidParameter. Source: API reference, ListTopics."""
    after = paging.place(req.NextToken, lambda: invalid("NextToken"))
    topics, more = paging.page(TOPICS.scan(ctx, ctx.account, ctx.region, after=after), PAGE)
    return {"Topics": [{"TopicArn": arn_of(topic)} for topic in topics], "NextToken": paging.token(topics[-1].name) if more else None}


@operation("GetTopicAttributes")
def get_topic_attributes(ctx: Context, req: Any) -> Answer:
    """All attributes of a topic. Errors: InvalidParameter, NotFound. Source: API reference, GetTopicAttributes."""
    return {"Attributes": topic_attributes.describe(ctx, topic_at(ctx, req.TopicArn))}


@operation("SetTopicAttributes")
def set_topic_attributes(ctx: Context, req: Any) -> Answer:
    """Sets one attribute; without a value it is again what it is by itself, where it can be.

    Errors: InvalidParameter, NotFound. Source: API reference, SetTopicAttributes.
    """
    topic = topic_at(ctx, req.TopicArn)
    if req.AttributeName == "FifoTopic":
        raise invalid("AttributeName")
    fields = topic_attributes.read(ctx, topic, {req.AttributeName: req.AttributeValue or ""})
    TOPICS.put(ctx, change(topic, **fields))
    return None


@operation("GetDataProtectionPolicy")
def get_data_protection_policy(ctx: Context, req: Any) -> Answer:
    """A topic's data protection policy; empty where it has none. Errors: InvalidParameter, NotFound."""
    return {"DataProtectionPolicy": topic_at(ctx, req.ResourceArn, "ResourceArn").protection or None}


@operation("PutDataProtectionPolicy")
def put_data_protection_policy(ctx: Context, req: Any) -> Answer:
    """Sets what a topic does with messages that carry sensitive data (see `protection`); "" ends it.

    Errors: InvalidParameter, NotFound, NotImplemented (audits, identifiers that are not among ours).
    Source: API reference, PutDataProtectionPolicy.
    """
    topic = topic_at(ctx, req.ResourceArn, "ResourceArn")
    TOPICS.put(ctx, change(topic, protection=protection.read(req.DataProtectionPolicy)))
    return None
