"""Pages as all of Lambda's listings have them: Marker, MaxItems, NextMarker."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from fogbank.kernel import paging
from fogbank.services.lambda_.faults import invalid

T = TypeVar("T")


def page(
    req: Any,
    name: str,
    items: Iterable[T],
    most: int,
    *,
    key: Callable[[T], Any],
    describe: Callable[[T], Any],
    newest_first: bool = False,
) -> dict[str, Any]:
    """A page of what comes in the order of its keys: after the Marker's.

    `newest_first`: keys are numbers, in falling order. Errors: InvalidParameterValueException.
    """
    place = paging.place(req.Marker, lambda: invalid("The marker is not valid."))
    if place is not None:
        if newest_first:
            last = paging.number(place, lambda: invalid("The marker is not valid."))
            items = (item for item in items if int(key(item)) < last)
        else:
            items = (item for item in items if key(item) > place)
    found, more = paging.page(items, min(req.MaxItems or most, most))
    answer: dict[str, Any] = {name: [describe(item) for item in found]}
    if more:
        answer["NextMarker"] = paging.token(str(key(found[-1])))
    return answer
