"""The log under pressure: what is forgotten is refused, what is loaded is not overwritten, what is said to be durable is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from fogbank.control.client import ask
from fogbank.store.store import Problem, Store
from fogbank.store.tables import Record, Table
from fogbank.testing import Process


class Entry(Record, frozen=True, kw_only=True):
    name: str
    text: str = ""


ENTRIES = Table("review.entries", Entry, key=("name",))


def put(store: Store, name: str, text: str, at_ms: int) -> int:
    tx = store.begin("main", at_ms)
    ENTRIES.put(tx, Entry(name=name, text=text))
    tx.commit()
    store.write()
    return store.sequence


class At:
    def __init__(self, tx: Any) -> None:
        self.tx = tx


def test_a_past_that_was_collected_is_refused(tmp_path: Path) -> None:
    """After a collection, a sequence number before its horizon cannot be gone back to: what was there is not kept any more."""
    store = Store.open(tmp_path, memory_limit=2)
    store.create("main", 1)
    put(store, "a", "first", 2)
    early = put(store, "b", "first", 3)
    for number in range(8):
        late = put(store, "a", f"later {number}", 10 + number)
    store.archived(wait=True)
    while not store.archived():
        store.archived(wait=True)
    assert store.collect(late, 30)
    while not store.archived():
        store.archived(wait=True)
    try:
        was = ENTRIES.get(At(store.past("main", early)), "a")
    except Problem:
        pass
    else:
        assert was is not None
        assert was.text == "first"
    finally:
        store.close()


def test_power_syncs_a_segment_before_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With durability against loss of power, no segment is left with bytes that were not synced."""
    synced: dict[int, int] = {}
    real = os.fdatasync

    def note(descriptor: int) -> None:
        real(descriptor)
        status = os.fstat(descriptor)
        synced[status.st_ino] = status.st_size

    monkeypatch.setattr(os, "fdatasync", note)
    store = Store.open(tmp_path, sync=True, memory_limit=3)
    store.create("main", 1)
    first = store.log.path(store.log.number)
    inode = first.stat().st_ino
    for number in range(2):
        put(store, str(number), "x", 2 + number)
    size = first.stat().st_size if first.exists() else -1
    ended = store.log.path(store.log.number) != first
    store.close()
    assert ended
    assert synced.get(inode, 0) >= size > 0


def bodies(s3: Any) -> dict[str, bytes]:
    listed = s3.list_objects_v2(Bucket="bkt").get("Contents", [])
    return {o["Key"]: s3.get_object(Bucket="bkt", Key=o["Key"])["Body"].read() for o in listed}


def test_a_snapshot_in_a_younger_cloud_is_not_overwritten(tmp_path: Path) -> None:
    """What is written after a snapshot was loaded does not take the place of what was loaded, though the cloud is younger."""
    old = Process(tmp_path / "old").start()
    young = Process(tmp_path / "young").start()
    try:
        s3 = old.client("s3")
        s3.create_bucket(Bucket="bkt")
        s3.put_bucket_versioning(Bucket="bkt", VersioningConfiguration={"Status": "Enabled"})
        for number in range(60):
            s3.put_object(Bucket="bkt", Key=f"old-{number}", Body=f"old {number}".encode())
        ask(old.endpoint, "POST", "/snapshot", {"save": str(tmp_path / "snapshot")})
        ask(young.endpoint, "POST", "/snapshot", {"load": str(tmp_path / "snapshot")})
        s3 = young.client("s3")
        for number in range(60):
            s3.put_object(Bucket="bkt", Key=f"new-{number}", Body=f"new {number}".encode())
        latest = s3.put_object(Bucket="bkt", Key="old-59", Body=b"newest")["VersionId"]
        expected = {f"old-{n}": f"old {n}".encode() for n in range(59)} | {f"new-{n}": f"new {n}".encode() for n in range(60)}
        assert bodies(s3) == expected | {"old-59": b"newest"}
        versions = s3.list_object_versions(Bucket="bkt", Prefix="old-59")["Versions"]
        assert [v["VersionId"] for v in versions if v["IsLatest"]] == [latest]
    finally:
        old.stop()
        young.stop()


def test_the_instant_after_a_reset_is_empty(tmp_path: Path) -> None:
    """Going back to an instant after a reset shows what the reset left: nothing."""
    import time

    server = Process(tmp_path / "data").start()
    try:
        s3 = server.client("s3")
        s3.create_bucket(Bucket="before")
        ask(server.endpoint, "POST", "/reset", {})
        time.sleep(0.5)
        between = ask(server.endpoint, "GET", "/clock")["now_ms"]
        time.sleep(0.1)
        s3.create_bucket(Bucket="after")
        ask(server.endpoint, "POST", "/backtrack", {"to": f"{between / 1000:.3f}"})
        assert s3.list_buckets()["Buckets"] == []
    finally:
        server.stop()


def test_a_long_poll_over_a_backtrack_ends_by_the_clock_that_is(tmp_path: Path) -> None:
    """A call that waits when the cloud goes back behind an advance of its clock still ends within its wait."""
    import threading
    import time

    server = Process(tmp_path / "data").start()
    try:
        sqs = server.client("sqs")
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        here = ask(server.endpoint, "GET", "/health")["sequence"]
        ask(server.endpoint, "POST", "/clock", {"advance": "2 hours"})
        took: list[float] = []

        def wait() -> None:
            begin = time.monotonic()
            server.client("sqs", read_timeout=12).receive_message(QueueUrl=url, WaitTimeSeconds=3)
            took.append(time.monotonic() - begin)

        waiter = threading.Thread(target=wait)
        waiter.start()
        time.sleep(1)
        ask(server.endpoint, "POST", "/backtrack", {"to": f"@{here}"})
        waiter.join(15)
        assert took
        assert took[0] < 8
    finally:
        server.stop()
