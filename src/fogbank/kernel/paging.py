"""Pages of a listing: opaque tokens that carry the place to go on from."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from fogbank.kernel.errors import ServiceException

T = TypeVar("T")
_DIGITS = 18
"""Of the greatest number that a key may have."""


def token(place: str) -> str:
    """An opaque token for a place in an order."""
    return base64.urlsafe_b64encode(place.encode()).decode()


def place(token: str | None, error: Callable[[], ServiceException]) -> str | None:
    """The place that a token stands for; raises `error()` for one that we did not make."""
    if not token:
        return None
    try:
        return base64.b64decode(token.encode(), b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise error() from None


def number(place: str, error: Callable[[], ServiceException]) -> int:
    """A place that is a number; raises `error()` for what we cannot have written."""
    if not place.isdecimal() or len(place) > _DIGITS:
        raise error()
    return int(place)


def named(items: Iterable[T], size: int, name: Callable[[T], str]) -> tuple[list[T], str | None]:
    """The first `size` items, and the token of the next page, which begins after the name of the last one; None where there is no more."""
    found, more = page(items, size)
    return found, token(name(found[-1])) if more else None


def page(items: Iterable[T], size: int) -> tuple[list[T], bool]:
    """The first `size` items, and whether there are more. Reads at most one item too many."""
    out: list[T] = []
    for item in items:
        if len(out) == size:
            return out, True
        out.append(item)
    return out, False


class Pages(NamedTuple):
    """How a service pages its listings by name. `member` of a request says how many it wants; `error` is for a wrong NextToken."""

    member: str
    error: Callable[[], ServiceException]
    size: int = 100

    def after(self, req: Any) -> str:
        """The name that a page begins after; "" for the first one. Raises `error()`."""
        return place(req.NextToken, self.error) or ""

    def page(self, req: Any, items: Iterable[T], name: Callable[[T], str]) -> tuple[list[T], str | None]:
        """The items of a page, and the token of the next."""
        return named(items, getattr(req, self.member) or self.size, name)
