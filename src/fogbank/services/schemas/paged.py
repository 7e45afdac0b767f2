"""The pages of the listings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from fogbank.kernel.paging import Pages
from fogbank.services.schemas.addresses import bad

_PAGES = Pages("Limit", lambda: bad("The next token is not valid."))
after = _PAGES.after

T = TypeVar("T")


def page(req: Any, items: Iterable[T], name: Callable[[T], str]) -> tuple[list[T], str | None]:
    """The items of a page, and the token of the next. Raises BadRequestException (Limit: 1 to 100)."""
    if req.Limit is not None and not 1 <= req.Limit <= _PAGES.size:
        raise bad(f"Limit must be between 1 and {_PAGES.size}.")
    return _PAGES.page(req, items, name)
