"""The tags of IAM's entities: keys differ by more than their case, fifty at most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fogbank.kernel.tags import pairs
from fogbank.services.iam.listing import page_of
from fogbank.services.iam.refusals import invalid, limit

MOST_TAGS = 50


def tagged(tags: Mapping[str, str], added: Iterable[Any] | None) -> dict[str, str]:
    """The tags with those of a request added. A key that is there in another case is replaced.

    Errors: InvalidInput (a key twice, a reserved key), LimitExceeded (more than 50).
    """
    wanted = list(added or ())
    names = [t.Key.lower() for t in wanted]
    if len(set(names)) != len(names):
        raise invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(n.startswith("aws:") for n in names):
        raise invalid("Tag keys that start with 'aws:' are reserved for use by AWS.")
    after = {k: v for k, v in tags.items() if k.lower() not in names}
    after |= {t.Key: t.Value or "" for t in wanted}
    if len(after) > MOST_TAGS:
        raise limit(f"The number of tags has reached the maximum limit: {MOST_TAGS}.")
    return after


def untagged(tags: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    """The tags without those of the given keys."""
    gone = {k.lower() for k in keys}
    return {k: v for k, v in tags.items() if k.lower() not in gone}


def listed(req: Any, tags: Mapping[str, str]) -> dict[str, Any]:
    """A page of tags."""
    return page_of(req, "Tags", pairs(tags), lambda t: t["Key"], lambda t: t)
