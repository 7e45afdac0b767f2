"""Load over time, by what it can be told apart by, and counters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from .conftest import DB, SOURCE


def when(cloud: Any, seconds: float = 0) -> datetime:
    return datetime.fromtimestamp(cloud.now_ms / 1000 + seconds, UTC)


def ask(cloud: Any, pi: Any, *queries: dict[str, Any], back: float = 60, period: int | None = 1, **members: Any) -> Any:
    if period is not None:
        members["PeriodInSeconds"] = period
    members = {"StartTime": when(cloud, -back), "EndTime": when(cloud, 1), **members}
    return pi.get_resource_metrics(ServiceType="RDS", Identifier=DB, MetricQueries=list(queries), **members)


def values(series: dict[str, Any]) -> list[float]:
    return [point["Value"] for point in series["DataPoints"] if "Value" in point]


def seconds(cloud: Any, count: int) -> None:
    for _ in range(count):
        cloud.advance(1)


def test_load(cloud: Any, pi: Any, busy: Any) -> None:
    """Load is the number of active sessions, second by second."""
    seconds(cloud, 5)
    busy("select pg_sleep(1000)")
    busy("select pg_sleep(2000)", user="boss")
    seconds(cloud, 10)
    (series,) = ask(cloud, pi, {"Metric": "db.load.avg"})["MetricList"]
    assert series["Key"] == {"Metric": "db.load.avg"}
    found = values(series)
    assert set(found) == {0.0, 2.0}
    assert found == sorted(found)
    assert len(series["DataPoints"]) in (61, 62)


def test_groups(cloud: Any, pi: Any, busy: Any) -> None:
    """Load is told apart by user, application, database, wait and SQL, the greatest first."""
    for n in (1, 2):
        busy(f"select pg_sleep(100{n})")
    busy("select pg_sleep(1003)", user="boss", application="report", database="postgres")
    seconds(cloud, 10)

    def groups(name: str, **more: Any) -> dict[Any, list[float]]:
        whole, *others = ask(cloud, pi, {"Metric": "db.load.avg", "GroupBy": {"Group": name, **more}}, back=9)["MetricList"]
        assert set(values(whole)) == {3.0}
        return {tuple(sorted(one["Key"]["Dimensions"].items())): sorted(set(values(one))) for one in others}

    assert list(groups("db.user").values()) == [[2.0], [1.0]]
    assert groups("db.user", Dimensions=["db.user.name"], Limit=1) == {(("db.user.name", "clerk"),): [2.0]}
    assert groups("db.application") == {(("db.application.name", "till"),): [2.0], (("db.application.name", "report"),): [1.0]}
    assert groups("db") == {(("db.name", "shop"),): [2.0], (("db.name", "postgres"),): [1.0]}
    assert groups("db.wait_event") == {(("db.wait_event.name", "PgSleep"), ("db.wait_event.type", "Timeout")): [3.0]}
    assert groups("db.wait_event_type") == {(("db.wait_event_type.name", "Timeout"),): [3.0]}
    assert groups("db.session_type") == {(("db.session_type.name", "client backend"),): [3.0]}
    assert len(groups("db.sql")) == 3
    ((dimensions, load),) = groups("db.sql_tokenized").items()
    assert load == [3.0]
    found = dict(dimensions)
    assert found["db.sql_tokenized.statement"] == "select pg_sleep(?)"
    assert len(found["db.sql_tokenized.id"]) == 40
    assert found["db.sql_tokenized.db_id"].lstrip("-").isdigit()


def test_filter(cloud: Any, pi: Any, busy: Any, refused: Any) -> None:
    """A filter lets only sessions count that have the value."""
    busy("select pg_sleep(1001)")
    busy("select pg_sleep(1002)", user="boss")
    seconds(cloud, 10)
    query = {
        "Metric": "db.load.avg",
        "Filter": {"db.user.name": "boss"},
        "GroupBy": {"Group": "db.sql", "Dimensions": ["db.sql.statement"]},
    }
    whole, one = ask(cloud, pi, query, back=9)["MetricList"]
    assert set(values(whole)) == {1.0}
    assert one["Key"]["Dimensions"] == {"db.sql.statement": "select pg_sleep(1002)"}
    for wrong in (
        {"Filter": {"db.plans.id": "x"}},
        {"GroupBy": {"Group": "db.plans"}},
        {"GroupBy": {"Group": "db", "Dimensions": ["db.x"]}},
    ):
        assert refused(ask, cloud, pi, {"Metric": "db.load.avg", **wrong})[0] == "InvalidArgumentException"


def test_lock(cloud: Any, pi: Any, busy: Any, server: Any) -> None:
    """A session that waits for a lock says so."""
    with server.connect() as holder:
        holder.execute("create table if not exists t (a int)")
        with holder.transaction():
            holder.execute("lock table t")
            busy("select * from t", database="postgres")
            seconds(cloud, 8)
            _, one = ask(cloud, pi, {"Metric": "db.load.avg", "GroupBy": {"Group": "db.wait_event"}})["MetricList"]
            assert one["Key"]["Dimensions"] == {"db.wait_event.name": "relation", "db.wait_event.type": "Lock"}
            busy.stop()


def test_long_times(cloud: Any, pi: Any, busy: Any) -> None:
    """Minutes and hours say the same as seconds do: the mean of the samples that were taken in them."""
    busy("select pg_sleep(1000)")
    cloud.advance(3600.5 - cloud.now_ms / 1000 % 3600)
    seconds(cloud, 70)
    busy.stop()
    seconds(cloud, 60)
    by_second = values(ask(cloud, pi, {"Metric": "db.load.avg"}, back=140)["MetricList"][0])
    (series,) = ask(cloud, pi, {"Metric": "db.load.avg"}, back=140, period=60)["MetricList"]
    one, *_ = found = values(series)[-3:]
    assert one == 1.0
    assert 0 < found[1] < 0.5
    assert found[2] == 0.0
    cloud.advance(3600)
    seconds(cloud, 6)
    (hours,) = ask(cloud, pi, {"Metric": "db.load.avg"}, back=7200, period=3600)["MetricList"]
    mean = sum(by_second) / len(by_second)
    assert abs(next(v for v in values(hours) if v) - mean) < 0.06
    assert len(by_second) > 120


def test_counters(cloud: Any, pi: Any, server: Any, refused: Any) -> None:
    """Counters are rates of the engine's own, with their mean, least, greatest and sum."""
    seconds(cloud, 8)
    with server.connect() as admin:
        committed = "select sum(xact_commit) from pg_stat_database"
        (before,) = admin.execute(committed).fetchone()
        with server.connect() as connection:
            for _ in range(200):
                connection.execute("select txid_current()")
        while admin.execute(committed).fetchone()[0] < before + 200:  # (a session says what it did when it ends)
            pass
    seconds(cloud, 12)
    names = [f"db.Transactions.xact_commit.{statistic}" for statistic in ("avg", "max", "min", "sum")] + ["db.User.numbackends.avg"]
    mean, most, least, total, backends = [
        max(values(one), default=None) for one in ask(cloud, pi, *({"Metric": name} for name in names), period=60, back=60)["MetricList"]
    ]
    assert most > 10
    assert least <= mean <= most <= total
    assert backends >= 1
    for wrong in ("db.nothing.avg", "os.cpuUtilization.idle.avg", "db.User.numbackends.p99", "db.load.max"):
        assert refused(ask, cloud, pi, {"Metric": wrong})[0] == "InvalidArgumentException"


def test_times(cloud: Any, pi: Any, refused: Any) -> None:
    """Times are aligned to periods, a value's instant is its period's end, and what is wrong with them is said."""
    seconds(cloud, 6)
    answer = ask(cloud, pi, {"Metric": "db.load.avg"}, period=60, back=90)
    start, end = answer["AlignedStartTime"].timestamp(), answer["AlignedEndTime"].timestamp()
    assert (start % 60, end % 60) == (0, 0)
    points = answer["MetricList"][0]["DataPoints"]
    assert points[0]["Timestamp"].timestamp() == start + 60
    assert points[-1]["Timestamp"].timestamp() == end
    points = ask(cloud, pi, {"Metric": "db.load.avg"}, period=60, back=90, PeriodAlignment="START_TIME")["MetricList"][0]["DataPoints"]
    assert points[0]["Timestamp"].timestamp() == start
    assert len(ask(cloud, pi, {"Metric": "db.load.avg"}, period=None, back=3600)["MetricList"][0]["DataPoints"]) <= 62
    for wrong in ({"period": 7}, {"back": -5}, {"back": 8 * 86400}):
        assert refused(ask, cloud, pi, {"Metric": "db.load.avg"}, **wrong)[0] == "InvalidArgumentException"


def test_pages(cloud: Any, pi: Any, busy: Any) -> None:
    """Many answers come in pages."""
    busy("select pg_sleep(1000)")
    seconds(cloud, 6)
    query = {"Metric": "db.load.avg", "GroupBy": {"Group": "db.user"}}
    first = ask(cloud, pi, query, MaxResults=1)
    second = ask(cloud, pi, query, MaxResults=1, NextToken=first["NextToken"])
    assert "Dimensions" not in first["MetricList"][0]["Key"]
    assert "Dimensions" in second["MetricList"][0]["Key"]["Dimensions"] or "Dimensions" in second["MetricList"][0]["Key"]
    assert "NextToken" not in second


def test_retention(cloud: Any, pi: Any, tell: Any, busy: Any, refused: Any) -> None:
    """What is older than the retention goes, and when an instance is sampled no more all of it does."""
    busy("select pg_sleep(1000)")
    seconds(cloud, 10)
    busy.stop()
    cloud.advance(8 * 86400)
    seconds(cloud, 70)
    from fogbank.services.pi.state import BATCHES, SOURCES, SPANS, STATEMENTS

    reader = cloud.inner.reader()
    assert all(one.at_ms > cloud.now_ms - 86400_000 for one in BATCHES.scan(reader))
    assert list(BATCHES.scan(reader))
    tell("stop", identifier=DB)
    assert ask(cloud, pi, {"Metric": "db.load.avg"}, back=120)["MetricList"]
    for _ in range(9):
        cloud.advance(86400)
    reader = cloud.inner.reader()
    assert not [*SOURCES.scan(reader), *BATCHES.scan(reader), *SPANS.scan(reader), *STATEMENTS.scan(reader)]
    assert refused(ask, cloud, pi, {"Metric": "db.load.avg"})[0] == "InvalidArgumentException"


def test_stop(cloud: Any, pi: Any, tell: Any, databases: Any) -> None:
    """An instance that is sampled no more is not asked any more; sampled twice, it is asked once."""
    tell("sample", **SOURCE)
    databases.asked.clear()
    seconds(cloud, 10)
    assert len([sql for sql in databases.asked if "pg_stat_activity" in sql]) <= 11
    tell("stop", identifier=DB)
    databases.asked.clear()
    seconds(cloud, 10)
    assert databases.asked == []
    tell("sample", **SOURCE)
    seconds(cloud, 3)
    assert databases.asked
    databases.state = "stopped"
    seconds(cloud, 30)
    databases.asked.clear()
    seconds(cloud, 30)
    assert databases.asked == []
