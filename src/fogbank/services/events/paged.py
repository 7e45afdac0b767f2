"""The pages of EventBridge's listings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from fogbank.kernel import paging
from fogbank.kernel.errors import ServiceException
from fogbank.services.events.addresses import invalid

PAGE = 100

T = TypeVar("T")


def _bad() -> ServiceException:
    return invalid("Parameter NextToken is not valid.")


def after(req: Any) -> str:
    """The name that a page begins after; "" for the first one. Raises ValidationException."""
    return paging.place(req.NextToken, _bad) or ""


def page(req: Any, items: Iterable[T], name: Callable[[T], str]) -> tuple[list[T], str | None]:
    """The items of a page, and the token of the next."""
    return paging.named(items, req.Limit or PAGE, name)
