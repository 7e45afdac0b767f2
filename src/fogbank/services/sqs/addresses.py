"""How a queue is named: by URL, by ARN, by name; and finding it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.sqs import handles
from fogbank.services.sqs.state import QUEUES, Queue

# Any host: only the path decides. The second form, with the region in it, is one that migrating users have.
_url = re.compile(r"(?:https?://[^/]*)?(?:/queue/(?P<region>[a-z0-9-]+))?/(?P<account>\d{12})/(?P<name>[\w-]+(?:\.fifo)?)/?").fullmatch


class Address(NamedTuple):
    account: str
    region: str
    name: str


@lru_cache(4096)
def address(url: str, region: str) -> Address | None:
    """The queue that a URL names, None where it names none. `region` counts where the URL has none."""
    found = _url(url)
    return Address(found["account"], found["region"] or region, found["name"]) if found else None


@lru_cache(4096)
def address_of_arn(arn: str) -> Address | None:
    parts = Arn.parse(arn)
    if parts is None or parts.service != "sqs" or not parts.region or not parts.account:
        return None
    return Address(parts.account, parts.region, parts.resource)


@lru_cache(4096)
def arn(account: str, region: str, name: str) -> str:
    return f"arn:{partition_of(region)}:sqs:{region}:{account}:{name}"


def arn_of(queue: Queue) -> str:
    return arn(queue.account, queue.region, queue.name)


def url_of(ctx: Context, queue: Queue) -> str:
    """The URL as the caller reaches it; a queue of another region than the call's says so in its path."""
    where = "" if queue.region == ctx.region else f"/queue/{queue.region}"
    return f"{ctx.endpoint}{where}/{queue.account}/{queue.name}"


def no_queue() -> ServiceException:
    return ServiceException("QueueDoesNotExist", "The specified queue does not exist.")


@lru_cache(4096)
def _key(where: Address | None) -> bytes:
    """Under which the queue is filed; no queue is under the empty key."""
    return QUEUES.key(*where) if where else b""


def queue_at(ctx: Context, url: str) -> Queue:
    """Raises QueueDoesNotExist."""
    queue = QUEUES.at(ctx, _key(address(url, ctx.region)))
    if queue is None:
        raise no_queue()
    return queue


def own_queue_at(ctx: Context, url: str) -> Queue:
    """For operations to which cross-account permissions do not apply. Raises QueueDoesNotExist, AccessDenied."""
    queue = queue_at(ctx, url)
    if queue.account != ctx.account:
        raise ServiceException("AccessDenied", f"Access to the resource {url} is denied.", status=403)
    return queue


def get_queue_by_arn(ctx: Context, arn: str) -> Queue | None:
    return QUEUES.at(ctx, _key(address_of_arn(arn)))


def arn_of_request(ctx: Context, req: Any) -> str | None:
    """What a request is about, for the door."""
    if (url := getattr(req, "QueueUrl", None)) is not None:
        where = address(url, ctx.region)
        return arn(*where) if where else None
    if (name := getattr(req, "QueueName", None)) is not None:
        return arn(getattr(req, "QueueOwnerAWSAccountId", None) or ctx.account, ctx.region, name)
    if (handle := getattr(req, "TaskHandle", None)) is not None:
        task = handles.read_task(handle)
        return task[1] if task else None
    source: str | None = getattr(req, "SourceArn", None)
    return source


def tags_of(ctx: Context, arn: str) -> dict[str, str] | None:
    queue = get_queue_by_arn(ctx, arn)
    return queue.tags if queue else None


def policy_of(ctx: Context, arn: str) -> str | None:
    queue = get_queue_by_arn(ctx, arn)
    return queue.policy or None if queue else None
