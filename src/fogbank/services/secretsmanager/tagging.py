"""Tags of secrets."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.secretsmanager import replication
from fogbank.services.secretsmanager.addresses import arn_of, primary_at
from fogbank.services.secretsmanager.rules import invalid
from fogbank.services.secretsmanager.state import TAGS_LIMIT, Secret
from fogbank.store import change


def read(given: list[Any]) -> dict[str, str]:
    """Tags as they are given. Raises InvalidParameterException."""
    tags: dict[str, str] = {}
    for tag in given:
        if not tag.Key:
            raise invalid("You must provide a key for each tag.")
        if tag.Key.lower().startswith("aws:"):
            raise invalid(f"Tag keys can't begin with aws:, as {tag.Key} does.")
        if tag.Key in tags:
            raise invalid(f"The tag key {tag.Key} is given more than once.")
        tags[tag.Key] = tag.Value or ""
    check(tags)
    return tags


def check(tags: dict[str, str]) -> None:
    if len(tags) > TAGS_LIMIT:
        raise invalid(f"A secret can't have more than {TAGS_LIMIT} tags.")


def _put(ctx: Context, secret: Secret, tags: dict[str, str]) -> None:
    """Puts a secret with other tags, unless the caller would lose the permission to do this with them."""
    check(tags)
    changed = replication.put(ctx, change(secret, tags=tags, changed_at_ms=ctx.now))
    ctx.authorize(f"secretsmanager:{ctx.operation}", arn_of(changed))


@operation("TagResource")
def tag_resource(ctx: Context, req: Any) -> Answer:
    """Adds tags, or gives them new values; at most 50. Refused where the caller would lose the permission to do it.

    Errors: ResourceNotFoundException, InvalidParameterException, InvalidRequestException. Source: API reference, TagResource.
    """
    secret = primary_at(ctx, req.SecretId)
    _put(ctx, secret, {**secret.tags, **read(req.Tags)})
    return None


@operation("UntagResource")
def untag_resource(ctx: Context, req: Any) -> Answer:
    """Takes tags away; a key that is not there is no error. Refused where the caller would lose the permission to do it.

    Errors: ResourceNotFoundException, InvalidParameterException, InvalidRequestException. Source: API reference, UntagResource.
    """
    secret = primary_at(ctx, req.SecretId)
    _put(ctx, secret, {key: value for key, value in secret.tags.items() if key not in req.TagKeys})
    return None
