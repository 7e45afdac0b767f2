"""Continuous backup, whole: a real PostgreSQL cluster is staged in S3, and restored to what only S3 has."""

from __future__ import annotations

import asyncio
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
import zstandard

from fogbank.control import client as control
from fogbank.services.rds import staging
from fogbank.services.rds.state import STAGED, Staged
from fogbank.testing import Cloud
from fogbank.testing.cloud import House, Process

WORD = "correct-horse"
ENGINE = "aurora-postgresql"
BUCKET = staging.bucket("us-east-1")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    house = House(Path(tmp_path_factory.mktemp("data")))
    yield house.cloud()
    house.close()


def until(look: Callable[[], Any], seconds: float = 120) -> Any:
    """What a look gives once it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise TimeoutError


def described(rds: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]
    return found


def instance(rds: Any, name: str) -> None:
    """The cluster's instance, of the same name, once it is available."""
    rds.create_db_instance(DBInstanceIdentifier=name, DBClusterIdentifier=name, Engine=ENGINE, DBInstanceClass="db.r6g.large")

    def status() -> bool:
        found = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["DBInstanceStatus"]
        if found == "failed":
            raise AssertionError(rds.describe_events(SourceType="db-cluster", SourceIdentifier=name)["Events"])
        return bool(found == "available")

    until(status)


def make(rds: Any, name: str) -> None:
    account = {"MasterUsername": "boss", "MasterUserPassword": WORD, "DatabaseName": "shop"}
    rds.create_db_cluster(DBClusterIdentifier=name, Engine=ENGINE, BackupRetentionPeriod=7, **account)
    instance(rds, name)
    sql(rds, name, "create table t (n int)")


def sql(rds: Any, name: str, statement: str) -> Any:
    where = {"host": described(rds, name)["Endpoint"], "port": 5432, "user": "boss", "password": WORD, "dbname": "shop"}
    with psycopg.connect(**where, connect_timeout=60, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None  # type: ignore[index]


def numbers(rds: Any, name: str) -> str:
    found: str = sql(rds, name, "select coalesce(string_agg(n::text, ' ' order by n), '') from t")
    return found


def volume_of(rds: Any, cloud: Cloud, name: str) -> tuple[str, Any]:
    """The name of a cluster's volume, and the volume itself."""
    runners = cloud.inner.databases._runners
    runner = runners[described(rds, name)["DbClusterResourceId"]]
    return runner.wanted.volume, runner.volume


def rows(cloud: Cloud, volume: str) -> list[Staged]:
    found: list[Staged] = cloud.house.on_loop(lambda: list(STAGED.scan(cloud.inner.reader(), volume)))
    return found


def restored(rds: Any, source: str, name: str, at_ms: int) -> None:
    rds.restore_db_cluster_to_point_in_time(
        DBClusterIdentifier=name, SourceDBClusterIdentifier=source, RestoreToTime=datetime.fromtimestamp(at_ms / 1000, UTC)
    )


def on_loop(cloud: Cloud, work: Any) -> Any:
    return asyncio.run_coroutine_threadsafe(work, cloud.house.loop).result(120)


def age(cloud: Cloud, volume: Any) -> None:
    """Coalesces what there is and lets go, here, of all that is staged."""
    volume.record.window_ms = 0
    on_loop(cloud, volume.coalesce())
    cloud.advance(300)
    cloud.advance(300)


def shown(cloud: Cloud, rds: Any, name: str) -> None:
    """The cluster was looked at since the clock was moved: it can be restored to what it is now."""
    until(lambda: described(rds, name)["LatestRestorableTime"].timestamp() * 1000 >= cloud.now_ms)


def turn(cloud: Cloud, rds: Any, name: str) -> None:
    """Has the log go on in its next segment, and an image need no more than that."""
    runner = cloud.inner.databases._runners[described(rds, name)["DbClusterResourceId"]]
    server = runner.running[runner.writer].server
    on_loop(cloud, server.sql("select pg_switch_wal()", None, "rdsadmin"))
    on_loop(cloud, server.checkpoint())


def test_what_is_being_copied_does_not_go(cloud: Cloud) -> None:
    """An image that somebody copies outlives that newer ones are made and older ones let go; then it goes too."""
    rds = cloud.client("rds")
    make(rds, "busy")
    _, volume = volume_of(rds, cloud, "busy")
    with volume.held(volume.newest()) as folder:
        sql(rds, "busy", "insert into t values (1)")
        age(cloud, volume)
        assert any(folder.iterdir())
    sql(rds, "busy", "insert into t values (2)")
    age(cloud, volume)
    assert not folder.exists()


def test_restored_from_what_only_s3_has(cloud: Cloud) -> None:
    """What was let go of here is restored to any instant from S3: over several pieces and images; and the rows say what is there."""
    rds = cloud.client("rds")
    make(rds, "a")
    name, volume = volume_of(rds, cloud, "a")
    instants = []
    for number in range(1, 4):
        sql(rds, "a", f"insert into t values ({number})")
        cloud.advance(1)
        instants.append(cloud.now_ms)
        cloud.advance(300)
        if number == 2:
            age(cloud, volume)
    age(cloud, volume)
    assert min(image.at_ms for image in volume.record.images) > cloud.inner.clock.wall_at(instants[1])
    images = [row for row in rows(cloud, name) if row.kind == "image"]
    log = [row for row in rows(cloud, name) if row.kind == "log"]
    assert len(images) == 3
    assert log[0].start == images[0].start
    assert all(one.end == other.start for one, other in pairwise(log))
    earliest = described(rds, "a")["EarliestRestorableTime"].timestamp() * 1000
    assert earliest <= instants[0]
    shown(cloud, rds, "a")
    objects = cloud.client("s3", staging.ACCOUNT).list_objects_v2(Bucket=BUCKET, Prefix=name)["Contents"]
    assert {one["Key"]: one["Size"] for one in objects} == {staging.key_of(row): row.bytes for row in rows(cloud, name)}
    assert BUCKET not in [one["Name"] for one in cloud.client("s3").list_buckets()["Buckets"]]
    for number, at_ms in enumerate(instants, 1):
        restored(rds, "a", f"a{number}", at_ms)
        instance(rds, f"a{number}")
        assert numbers(rds, f"a{number}") == " ".join(str(n) for n in range(1, number + 1))
    sql(rds, "a1", "insert into t values (100)")
    assert numbers(rds, "a1") == "1 100"
    assert numbers(rds, "a") == "1 2 3"


def test_objects_that_are_lost(cloud: Cloud) -> None:
    """A restore whose objects somebody has deleted fails, and the event names what is missing; later instants are not touched by it."""
    rds, s3 = cloud.client("rds"), cloud.client("s3", staging.ACCOUNT)
    make(rds, "b")
    name, volume = volume_of(rds, cloud, "b")
    cloud.advance(1)
    at_ms = cloud.now_ms
    cloud.advance(300)
    age(cloud, volume)
    key = next(staging.key_of(row) for row in rows(cloud, name) if row.kind == "log")
    s3.delete_object(Bucket=BUCKET, Key=key)
    restored(rds, "b", "b1", at_ms)
    until(lambda: described(rds, "b1")["Status"] == "failed")
    events = rds.describe_events(SourceType="db-cluster", SourceIdentifier="b1")["Events"]
    assert f"has lost {key}: The specified key does not exist." in events[-1]["Message"]
    shown(cloud, rds, "b")
    restored(rds, "b", "b2", cloud.now_ms)
    instance(rds, "b2")


def test_what_nobody_may_ask_for_goes(cloud: Cloud) -> None:
    """What is older than the retention period goes, but for the image that its first instant needs; with the cluster, all of it."""
    rds, s3 = cloud.client("rds"), cloud.client("s3", staging.ACCOUNT)
    make(rds, "c")
    name, volume = volume_of(rds, cloud, "c")
    cloud.advance(300)
    for number in range(2):
        sql(rds, "c", f"insert into t values ({number})")
        turn(cloud, rds, "c")
        age(cloud, volume)
    first, *_, last = [row for row in rows(cloud, name) if row.kind == "image"]
    cloud.advance(8 * 86_400)
    cloud.advance(300)
    left = rows(cloud, name)
    assert [row for row in left if row.kind == "image"] == [last]
    assert first.start < last.start <= min(row.end for row in left if row.kind == "log")
    assert {one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET, Prefix=name)["Contents"]} == {staging.key_of(row) for row in left}
    shown(cloud, rds, "c")
    assert described(rds, "c")["EarliestRestorableTime"].timestamp() * 1000 == cloud.now_ms - 7 * 86_400_000
    rds.delete_db_instance(DBInstanceIdentifier="c")
    rds.delete_db_cluster(DBClusterIdentifier="c", SkipFinalSnapshot=True, DeleteAutomatedBackups=True)
    until(lambda: not rows(cloud, name))
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix=name)


def test_what_came_last_is_staged_at_a_stop(cloud: Cloud) -> None:
    """A cluster that was stopped is staged up to its end, and says so."""
    rds = cloud.client("rds")
    make(rds, "d")
    name, _ = volume_of(rds, cloud, "d")
    sql(rds, "d", "insert into t values (1)")
    rds.stop_db_cluster(DBClusterIdentifier="d")
    until(lambda: described(rds, "d")["Status"] == "stopped")
    cloud.settle()
    log = [row for row in rows(cloud, name) if row.kind == "log"]
    assert log
    assert described(rds, "d")["LatestRestorableTime"].timestamp() * 1000 == log[-1].at_ms


def pieces(s3: Any, prefix: str = "") -> dict[str, bytes]:
    """What objects there are."""
    try:
        found = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    except s3.exceptions.NoSuchBucket:
        return {}
    return {one["Key"]: s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() for one in found}


def log_bytes(content: bytes) -> int:
    """How much of the log a piece has."""
    with tarfile.open(fileobj=zstandard.ZstdDecompressor().stream_reader(content), mode="r|") as tar:
        return next(member.size for member in tar if member.name == "log")


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that the engines' user may go to."""
    made = Path(tempfile.mkdtemp(prefix="fogbank-test-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


def test_killed_in_the_middle(folder: Path) -> None:
    """Killed while it stages, it goes on where it was: no piece is lost, none is there twice."""
    process = Process(folder).start()
    try:
        rds, s3 = process.client("rds"), process.client("s3", access_key=staging.ACCOUNT)
        make(rds, "k")
        for number in range(2):
            sql(rds, "k", f"insert into t select generate_series(1, {100_000 * number + 1})")
            before = len(pieces(s3))
            control.ask(process.endpoint, "POST", "/clock", {"advance": "5m"})
            until(lambda before=before: list(folder.glob("databases/volumes/*/staging/*")) or len(pieces(s3)) > before)  # type: ignore[misc]
            process.kill()
            process.start()
            until(lambda: sql_or_nothing(rds, "k", "select 1"))
        staged = pieces(s3)
        control.ask(process.endpoint, "POST", "/clock", {"advance": "5m"})
        until(lambda: len(pieces(s3)) > len(staged))
        sql(rds, "k", "insert into t values (1)")
        time.sleep(1)
        control.ask(process.endpoint, "POST", "/clock", {"advance": "5m"})
        until(lambda: any(key not in staged for key in pieces(s3)))
        log: dict[str, list[tuple[int, int]]] = {}
        for key, content in pieces(s3).items():
            _, kind, timeline, place = key.split("/")
            if kind == "log":
                log.setdefault(timeline, []).append((int(place, 16), int(place, 16) + log_bytes(content)))
        assert log
        assert all(one[1] == other[0] for spans in log.values() for one, other in pairwise(spans))
    finally:
        process.stop()


def sql_or_nothing(rds: Any, name: str, statement: str) -> Any:
    try:
        return sql(rds, name, statement)
    except psycopg.OperationalError:
        return None
