"""ListSecrets: filters, order, pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.secretsmanager.rules import invalid
from fogbank.services.secretsmanager.secrets import describe, stages_by_version
from fogbank.services.secretsmanager.state import BY_CREATION, SECRETS, Secret
from fogbank.services.secretsmanager.versions import no_token

PAGE_LIMIT = 100
_words = re.compile(r"\w+").findall

ATTRIBUTES: dict[str, Callable[[Secret], Iterable[str]]] = {
    "name": lambda s: (s.name,),
    "description": lambda s: (s.description.lower(),),
    "tag-key": lambda s: s.tags.keys(),
    "tag-value": lambda s: s.tags.values(),
    "primary-region": lambda s: (s.primary_region,),
    "owning-service": lambda s: (),
}
ORDERS: dict[str, Callable[[Secret], int]] = {
    "name": lambda s: 0,
    "created-date": lambda s: s.created_at_ms,
    "last-accessed-date": lambda s: s.accessed_at_ms,
    "last-changed-date": lambda s: s.changed_at_ms,
}


@operation("ListSecrets")
def list_secrets(ctx: Context, req: Any) -> Answer:
    """The account's secrets in the region, the newest first if not asked otherwise; those marked for deletion only if asked for.

    All filters must match; of a filter's values one, and none that begins with `!`. Pages of at most 100.

    Errors: InvalidParameterException, InvalidNextTokenException. Source: API reference, ListSecrets.
    """
    found, token = select(
        ctx,
        req,
        size=req.MaxResults or PAGE_LIMIT,
        by=req.SortBy or "created-date",
        ascending=req.SortOrder == "asc",
        deleted=bool(req.IncludePlannedDeletion),
    )
    return {"SecretList": [_entry(secret) for secret in found], "NextToken": token}


def _entry(secret: Secret) -> dict[str, Any]:
    return describe(secret) | {"DeletedDate": secret.deleted_at_ms or None, "SecretVersionsToStages": stages_by_version(secret)}


def select(
    ctx: Context, req: Any, *, size: int, by: str = "created-date", ascending: bool = False, deleted: bool = False
) -> tuple[list[Secret], str | None]:
    """A page of the secrets that a request's filters let through, and the token of the next."""
    filters = [_filter(each) for each in req.Filters or ()]
    place = _read_place(req.NextToken)
    found = _ordered(ctx, by, place, ascending=ascending)
    fitting = (s for s in found if (deleted or not s.purge_at_ms) and all(fits(s) for fits in filters))
    page, more = paging.page(fitting, size)
    return page, paging.token(f"{ORDERS[by](page[-1])} {page[-1].name}") if more else None


def _read_place(token: str | None) -> tuple[int, str] | None:
    text = paging.place(token, no_token)
    if text is None:
        return None
    number, space, name = text.partition(" ")
    if not space:
        raise no_token()
    return paging.number(number, no_token), name


def _ordered(ctx: Context, by: str, place: tuple[int, str] | None, *, ascending: bool) -> Iterator[Secret]:
    """The secrets in an order, after a place in it. Those by creation are read as they are asked for."""
    if by == "created-date":
        edge = {"after" if ascending else "before": place}
        return BY_CREATION.scan(ctx, ctx.account, ctx.region, **edge, reverse=not ascending)  # type: ignore[arg-type]
    order = ORDERS[by]
    rows = sorted(SECRETS.scan(ctx, ctx.account, ctx.region), key=lambda s: (order(s), s.name), reverse=not ascending)
    if place is None:
        return iter(rows)
    return (s for s in rows if ((order(s), s.name) > place) == ascending and (order(s), s.name) != place)


def _filter(given: Any) -> Callable[[Secret], bool]:
    """Whether a secret fits a filter. Raises InvalidParameterException."""
    key, values = given.Key, given.Values or []
    if key is None:
        raise invalid("You must specify the filter key.")
    if not values:
        raise invalid(f"Invalid filter values for key: {key}")
    matches = _by_words if key == "all" else _by_prefix(key)
    wanted = [value for value in values if not value.startswith("!")]
    unwanted = [value[1:] for value in values if value.startswith("!")]
    return lambda s: (not wanted or any(matches(s, v) for v in wanted)) and not any(matches(s, v) for v in unwanted)


def _by_prefix(key: str) -> Callable[[Secret, str], bool]:
    texts = ATTRIBUTES[key]
    if key == "description":
        return lambda s, value: any(text.startswith(value.lower()) for text in texts(s))
    return lambda s, value: any(text.startswith(value) for text in texts(s))


def _by_words(secret: Secret, value: str) -> bool:
    """Whether each word of a value begins a word of an attribute."""
    there = [word for texts in ATTRIBUTES.values() for text in texts(secret) for word in _words(text.lower())]
    return all(any(word.startswith(wanted) for word in there) for wanted in _words(value.lower()))
