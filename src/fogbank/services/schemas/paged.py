"""The pages of the listings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from fogbank.kernel import paging
from fogbank.kernel.errors import ServiceException
from fogbank.services.schemas.addresses import bad

PAGE = 100

T = TypeVar("T")


def _bad() -> ServiceException:
    return bad("The next token is not valid.")


def after(req: Any) -> str:
    """What a page begins after; "" for the first one. Raises BadRequestException."""
    return paging.place(req.NextToken, _bad) or ""


def page(req: Any, items: Iterable[T], name: Callable[[T], str]) -> tuple[list[T], str | None]:
    """The items of a page, and the token of the next. Raises BadRequestException (Limit: 1 to 100)."""
    size = PAGE if req.Limit is None else req.Limit
    if not 1 <= size <= PAGE:
        raise bad(f"Limit must be between 1 and {PAGE}.")
    return paging.named(items, size, name)
