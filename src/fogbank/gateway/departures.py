"""When a cloud's line of history left another: what lives outside of the log (database volumes) follows it by that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fogbank.store import Record, Table

if TYPE_CHECKING:
    from fogbank.gateway.cloud import Cloud


class Departure(Record, frozen=True, kw_only=True):
    """`branch` left its parent as that was at `wall_ms` of the machine's clock."""

    branch: int
    wall_ms: int


DEPARTURES = Table("gateway.departures", Departure, key=("branch",))


def depart(cloud: Cloud, wall_ms: int) -> None:
    """To be said when a cloud was made as a copy of another's history, or taken back in its own."""
    tx = cloud.begin()
    DEPARTURES.put(tx, Departure(branch=cloud.store.heads[cloud.name].number, wall_ms=wall_ms))
    cloud.commit(tx)


def ancestry(cloud: Cloud) -> list[tuple[int, int]]:
    """The branches behind a cloud, newest first: (number, when the one before left it; the first: 0, it is still there)."""
    store = cloud.store
    reader = cloud.reader()
    number, left_ms = store.heads[cloud.name].number, 0
    found: list[tuple[int, int]] = []
    while number:
        found.append((number, left_ms))
        departure = DEPARTURES.get(reader, number)
        left = departure.wall_ms if departure is not None else 0
        left_ms = min(left, left_ms) if left and left_ms else left or left_ms
        number = store.parent(number)
    return found
