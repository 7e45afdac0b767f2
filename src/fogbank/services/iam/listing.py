"""IAM's pages: MaxItems in, IsTruncated and Marker out. A marker carries the key of the last item that was shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from fogbank.kernel import paging
from fogbank.services.iam.refusals import invalid_value

T = TypeVar("T")


def place(req: Any) -> str | None:
    """Where the page begins: after this key; None from the start."""
    return paging.place(req.Marker, lambda: invalid_value(f"Invalid Marker: {req.Marker}"))


def page(
    req: Any, member: str, items: Iterable[T], key: Callable[[T], str], describe: Callable[[T], Any], size: int = 100
) -> dict[str, Any]:
    """A page of items that come in order from `place(req)` on."""
    shown, more = paging.page(items, req.MaxItems or size)
    answer: dict[str, Any] = {member: [describe(item) for item in shown], "IsTruncated": more}
    if more:
        answer["Marker"] = paging.token(key(shown[-1]))
    return answer


def page_of(req: Any, member: str, items: Iterable[T], key: Callable[[T], str], describe: Callable[[T], Any]) -> dict[str, Any]:
    """A page of a short listing, sorted here by `key`."""
    start = place(req)
    ordered = sorted(items, key=key)
    return page(req, member, (i for i in ordered if start is None or key(i) > start), key, describe)
