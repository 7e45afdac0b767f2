"""Tasks that wait: for a row, for work beside the loop, for an instant; and what services are told afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from fogbank.delivery import outbox
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Service, Wait, task
from fogbank.kernel.telemetry import Measure
from fogbank.store import Record, Table
from fogbank.testing.cloud import Cloud, House


class Row(Record, frozen=True, kw_only=True):
    name: str
    value: str


ROWS = Table("tests.rows", Row, key=("name",))


class Seen:
    """What the tasks of a test did."""

    def __init__(self) -> None:
        self.ran: list[Any] = []
        self.told: list[Any] = []


def service(seen: Seen) -> Service:
    """Tasks that wait in every way."""
    tasks = ModuleType("tasks")

    @task("watches")
    def watches(ctx: Context, payload: Any) -> Wait | None:
        seen.ran.append("watches")
        row = ROWS.get(ctx, "wanted")
        return Wait((ROWS.watch("wanted"),), ctx.now + 60_000) if row is None and ctx.now < payload else None

    @task("beside")
    def beside(ctx: Context, payload: Any) -> None:
        first = ctx.beside("first", lambda: time.sleep(0.01) or 20)
        second = ctx.outside("second", lambda done: done(first + 1))
        ROWS.put(ctx, Row(name="result", value=str(second)))
        ctx.tell("tests", second)
        ctx.measure("Tests", "Results", second, "None", Name="x")

    @task("fails")
    def fails(ctx: Context, payload: Any) -> None:
        try:
            ctx.outside("failing", lambda done: done(ValueError("no")))
        except ValueError as problem:
            seen.ran.append(str(problem))

    @task("tells")
    def tells(ctx: Context, payload: Any) -> None:
        ctx.tell("tests", "tried")
        raise ServiceException("AccessDenied", "not you", status=403)

    vars(tasks).update(watches=watches, beside=beside, fails=fails, tells=tells)
    return Service("tests", modules=[tasks], gather=lambda ctx, items: seen.told.extend(items))


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def own(seen: Seen) -> Iterator[Cloud]:
    house = House()
    cloud = Cloud(house)
    house.app.gateway._manifests["tests"] = service(seen)
    yield cloud
    house.close()


def begin(cloud: Cloud, name: str, payload: Any = 0, trace: str = "") -> None:
    def put() -> None:
        tx = cloud.inner.begin()
        outbox.put(tx, f"tests.{name}", payload, tx.at_ms, "0" * 12, "us-east-1", trace)
        cloud.inner.commit(tx)

    cloud.house.on_loop(put)
    cloud.settle()


def parked(cloud: Cloud) -> int:
    return cloud.house.on_loop(lambda: len(list(outbox.PARKED.scan(cloud.inner.reader()))))


def test_a_task_waits_for_a_row(own: Cloud, seen: Seen) -> None:
    """A task that waits for a row lies parked, and runs again when the row is written."""
    begin(own, "watches", own.now_ms + 3_600_000)
    assert (seen.ran, parked(own)) == (["watches"], 1)

    def put() -> None:
        tx = own.inner.begin()
        ROWS.put(tx, Row(name="wanted", value=""))
        own.inner.commit(tx)

    own.house.on_loop(put)
    own.settle()
    assert (seen.ran, parked(own)) == (["watches"] * 2, 0)


def test_a_task_waits_for_an_instant(own: Cloud, seen: Seen) -> None:
    """Where no row is written, the task runs again at its instant."""
    begin(own, "watches", own.now_ms + 60_000)
    own.advance(59)
    assert parked(own) == 1
    own.advance(1)
    assert (len(seen.ran), parked(own)) == (2, 0)


def test_work_beside_the_loop(own: Cloud, seen: Seen) -> None:
    """A task that begins two works beside the loop goes on with the results of both, and each is begun once."""
    begin(own, "beside")
    row = own.house.on_loop(lambda: ROWS.get(own.inner.reader(), "result"))
    assert row is not None
    assert (row.value, parked(own), seen.told) == ("21", 0, [21])


def test_work_that_fails(own: Cloud, seen: Seen) -> None:
    """What goes wrong outside is raised in the task that began it."""
    begin(own, "fails")
    assert (seen.ran, parked(own)) == (["no"], 0)


def test_a_task_that_fails_is_told_of(own: Cloud, seen: Seen) -> None:
    """What a failing task has told reaches services all the same, and its trace says why it failed."""
    spans: list[Any] = []
    own.house.app.gateway._manifests["xray"] = Service("xray", modules=[], gather=lambda ctx, items: spans.extend(items))
    begin(own, "tells", trace=f"Root=1-5f84c7a1-0123456789abcdef01234567;Parent={'a' * 16};Sampled=1")
    assert seen.told == ["tried"]
    (span,) = spans
    assert (span.kind, span.status, span.error, span.message) == ("task", 403, "AccessDenied", "not you")


def test_a_backtracked_task_begins_again(own: Cloud, seen: Seen) -> None:
    """What was parked when the branch changed begins again."""
    begin(own, "watches", own.now_ms + 3_600_000)
    own.house.on_loop(own.inner.awake)
    own.settle()
    assert (len(seen.ran), parked(own)) == (2, 1)


def test_a_measure_names_its_account(own: Cloud, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """A measure carries the account, the region and the sorted dimensions of who told it."""
    got: list[Any] = []
    own.house.app.gateway._manifests["cloudwatch"] = Service("cloudwatch", modules=[], gather=lambda ctx, items: got.extend(items))
    begin(own, "beside")
    assert [m for m in got if isinstance(m, Measure)] == [
        Measure("0" * 12, "us-east-1", "Tests", "Results", (("Name", "x"),), 21, "None", own.now_ms)
    ]
