"""The log under pressure: what is forgotten is refused, what is loaded is not overwritten, what is said to be durable is."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from fogbank.control.client import ask
from fogbank.store.archiver import Kept
from fogbank.store.store import Problem, Store
from fogbank.store.tables import Record, Table
from fogbank.store.vault import Vault
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
    while not store.collect(late, 30):
        store.archived(wait=True)
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


def test_what_is_kept_longer_can_be_read_longer(tmp_path: Path) -> None:
    """After a collection, rows that somebody wants to look back at are there at every instant since, and at each single one asked for."""
    store = Store.open(tmp_path, memory_limit=2)
    store.create("main", 1)
    for at_ms in range(10, 40):
        for name in ("any", "single", "since"):
            put(store, name, f"{name} at {at_ms}", at_ms)
    store.archived(wait=True)
    while not store.archived():
        store.archived(wait=True)
    kept = [
        Kept(*ENTRIES.watch("since"), store.reached("main", 20) or 0, []),
        Kept(*ENTRIES.watch("single"), store.sequence, [store.reached("main", at_ms) or 0 for at_ms in (12, 25)]),
    ]
    while not store.collect(store.sequence, 40, kept):
        store.archived(wait=True)
    store.archived(wait=True)
    for at_ms in range(20, 40):
        found = ENTRIES.get(At(store.past_of("main", at_ms)), "since")
        assert found is not None
        assert found.text == f"since at {at_ms}"
    texts = [ENTRIES.get(At(store.past_of("main", at_ms)), "single") for at_ms in (12, 25)]
    assert [found and found.text for found in texts] == ["single at 12", "single at 25"]
    rows = sqlite3.connect(tmp_path / "archive").execute("SELECT count(*) FROM version WHERE space & 4294967295 = ?", (ENTRIES.space,))
    assert rows.fetchone()[0] <= 3 + 20 + 2 + 1
    store.close()


def test_a_vault_opens_only_what_it_sealed(tmp_path: Path) -> None:
    """What is sealed is opened in its own context by who has the root key, also after a restart; nothing altered is."""
    vault = Vault(tmp_path / "keys")
    sealed = vault.seal(b"secret", b"context")
    assert b"secret" not in sealed
    again = Vault(tmp_path / "keys")
    assert again.open(sealed, b"context") == b"secret"
    stranger = Vault(tmp_path / "others")
    altered = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for vault, value, context in ((again, sealed, b"other"), (again, altered, b"context"), (stranger, sealed, b"context")):
        with pytest.raises(ValueError):
            vault.open(value, context)
    stranger.add(again.root_keys()[0])
    assert stranger.open(sealed, b"context") == b"secret"
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()} == {0o600}


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
            server.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=3)
            took.append(time.monotonic() - begin)

        waiter = threading.Thread(target=wait)
        waiter.start()
        time.sleep(1)
        ask(server.endpoint, "POST", "/backtrack", {"to": f"@{here}"})
        waiter.join(90)
        assert took
        assert took[0] < 50
    finally:
        server.stop()
