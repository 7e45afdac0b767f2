"""Backups, and point-in-time recovery."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from fogbank.services.dynamodb.state import ITEMS, TABLES
from fogbank.testing.cloud import Cloud, House, Process

from .conftest import index, plain, wire

DAY_S = 86_400
PITR = {"PointInTimeRecoveryEnabled": True}


def items(db: Any, name: str, **members: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for page in db.get_paginator("scan").paginate(TableName=name, **members):
        found |= {item["sk"]["S"]: plain(item).get("n") for item in page["Items"]}
    return found


def fill(db: Any, table: str, **values: int) -> None:
    for sk, n in values.items():
        db.put_item(TableName=table, Item=wire(pk="x", sk=sk, n=n))


def at(cloud: Any, ago_s: float = 0) -> datetime:
    return datetime.fromtimestamp(cloud.now_ms / 1000 - ago_s, UTC)


def recoverable(db: Any, table: str, **members: Any) -> None:
    db.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification={**PITR, **members})


def test_a_backup_is_restored(cloud: Any, db: Any, table: str) -> None:
    """A backup has the items of its instant, whatever happened since, even in the same millisecond; its name may repeat."""
    fill(db, table, a=1, b=2)
    details = db.create_backup(TableName=table, BackupName="daily")["BackupDetails"]
    fill(db, table, a=99, c=3)
    db.delete_item(TableName=table, Key=wire(pk="x", sk="b"))
    assert details["BackupStatus"] == "AVAILABLE"
    assert details["BackupType"] == "USER"
    again = db.create_backup(TableName=table, BackupName="daily")["BackupDetails"]
    assert again["BackupArn"] != details["BackupArn"]
    restored = db.restore_table_from_backup(TargetTableName="restored", BackupArn=details["BackupArn"])["TableDescription"]
    assert restored["TableStatus"] == "CREATING"
    assert restored["RestoreSummary"]["RestoreInProgress"]
    cloud.settle()
    assert items(db, "restored") == {"a": 1, "b": 2}
    assert items(db, table) == {"a": 99, "c": 3}
    described = db.describe_table(TableName="restored")["Table"]
    assert described["TableStatus"] == "ACTIVE"
    summary = described["RestoreSummary"]
    assert summary["SourceBackupArn"] == details["BackupArn"]
    assert not summary["RestoreInProgress"]
    db.restore_table_from_backup(TargetTableName="later", BackupArn=again["BackupArn"])
    cloud.settle()
    assert items(db, "later") == {"a": 99, "c": 3}
    fill(db, "restored", a=5)
    assert items(db, "restored")["a"] == 5


def test_a_backup_outlives_its_table(cloud: Any, db: Any, make: Any, refused: Any) -> None:
    """A deleted table comes back from its backup a year later, with indexes, but without tags or a stream.

    Once the backup is deleted it does not.
    """
    table = make(
        "table",
        "pk",
        "sk",
        types={"n": "N"},
        LocalSecondaryIndexes=[index("by_n", "pk", "n", "KEYS_ONLY")],
        GlobalSecondaryIndexes=[index("by_sk", "sk")],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        Tags=[{"Key": "team", "Value": "a"}],
    )
    fill(db, table, **{f"k{n:04}": n for n in range(1, 30)})
    arn = db.create_backup(TableName=table, BackupName="last")["BackupDetails"]["BackupArn"]
    features = db.describe_backup(BackupArn=arn)["BackupDescription"]
    assert features["SourceTableDetails"]["ItemCount"] == 29
    assert features["SourceTableDetails"]["TableSizeBytes"] == db.describe_table(TableName=table)["Table"]["TableSizeBytes"]
    assert features["SourceTableFeatureDetails"]["StreamDescription"]["StreamViewType"] == "KEYS_ONLY"
    assert [one["IndexName"] for one in features["SourceTableFeatureDetails"]["GlobalSecondaryIndexes"]] == ["by_sk"]
    db.delete_table(TableName=table)
    cloud.advance(365 * DAY_S)
    assert [one["BackupArn"] for one in db.list_backups(TableName=table)["BackupSummaries"]] == [arn]
    db.restore_table_from_backup(TargetTableName=table, BackupArn=arn)
    cloud.settle()
    assert len(items(db, table)) == 29
    assert len(items(db, table, IndexName="by_sk")) == len(items(db, table, IndexName="by_n")) == 29
    described = db.describe_table(TableName=table)["Table"]
    assert "LatestStreamArn" not in described
    assert db.list_tags_of_resource(ResourceArn=described["TableArn"])["Tags"] == []
    assert db.delete_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]["BackupStatus"] == "DELETED"
    assert refused(db.describe_backup, BackupArn=arn)[0] == "BackupNotFoundException"
    assert refused(db.restore_table_from_backup, BackupArn=arn, TargetTableName="again")[0] == "BackupNotFoundException"
    assert db.list_backups()["BackupSummaries"] == []
    assert not cloud.problems()


def test_restored_otherwise(cloud: Any, db: Any, make: Any, refused: Any) -> None:
    """A restore takes another billing mode, fewer indexes, another region; no index that the source lacks, no name that is taken."""
    table = make("table", "pk", "sk", GlobalSecondaryIndexes=[index("one", "sk"), index("two", "n", projection="KEYS_ONLY")])
    db.put_item(TableName=table, Item=wire(pk="x", sk="a", n="1"))
    arn = db.create_backup(TableName=table, BackupName="all")["BackupDetails"]["BackupArn"]
    units = {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4}
    db.restore_table_from_backup(
        TargetTableName="fewer",
        BackupArn=arn,
        BillingModeOverride="PROVISIONED",
        ProvisionedThroughputOverride=units,
        GlobalSecondaryIndexOverride=[{**index("one", "sk"), "ProvisionedThroughput": units}],
    )
    cloud.settle()
    fewer = db.describe_table(TableName="fewer")["Table"]
    assert fewer["ProvisionedThroughput"]["WriteCapacityUnits"] == 4
    assert [one["IndexName"] for one in fewer["GlobalSecondaryIndexes"]] == ["one"]
    assert {one["AttributeName"] for one in fewer["AttributeDefinitions"]} == {"pk", "sk"}
    assert items(db, "fewer", IndexName="one") == {"a": "1"}
    wrong = {"TargetTableName": "wrong", "BackupArn": arn}
    assert refused(db.restore_table_from_backup, **wrong, GlobalSecondaryIndexOverride=[index("three", "sk")])[0] == "ValidationException"
    assert refused(db.restore_table_from_backup, **wrong, GlobalSecondaryIndexOverride=[index("one", "n")])[0] == "ValidationException"
    assert refused(db.restore_table_from_backup, **wrong, BillingModeOverride="PROVISIONED")[0] == "ValidationException"
    assert refused(db.restore_table_from_backup, TargetTableName=table, BackupArn=arn)[0] == "TableAlreadyExistsException"
    elsewhere = cloud.client("dynamodb", region="eu-west-1")
    elsewhere.restore_table_from_backup(TargetTableName="moved", BackupArn=arn, LocalSecondaryIndexOverride=[])
    cloud.settle()
    assert items(elsewhere, "moved") == {"a": "1"}
    assert refused(elsewhere.describe_backup, BackupArn=arn)[0] == "BackupNotFoundException"


def test_listed(cloud: Any, db: Any, make: Any) -> None:
    """Backups are listed by table, by age, by kind, page by page."""
    for name in ("one", "two"):
        make(name, "pk", "sk")
        for n in range(3):
            db.create_backup(TableName=name, BackupName=f"{name}-{n}")
            cloud.advance(10)
    every = [one["BackupName"] for one in db.list_backups()["BackupSummaries"]]
    assert sorted(every) == [f"{name}-{n}" for name in ("one", "two") for n in range(3)]
    pages: list[str] = []
    start: dict[str, Any] = {}
    while True:
        page = db.list_backups(Limit=2, **start)
        pages += [one["BackupName"] for one in page["BackupSummaries"]]
        if "LastEvaluatedBackupArn" not in page:
            break
        start = {"ExclusiveStartBackupArn": page["LastEvaluatedBackupArn"]}
    assert pages == every
    late = db.list_backups(TableName="two", TimeRangeLowerBound=at(cloud, 25))["BackupSummaries"]
    assert [one["BackupName"] for one in late] == ["two-1", "two-2"]
    early = db.list_backups(TimeRangeUpperBound=at(cloud, 55))["BackupSummaries"]
    assert [one["BackupName"] for one in early] == ["one-0"]
    assert db.list_backups(BackupType="SYSTEM")["BackupSummaries"] == []


def test_to_a_second_before_a_bad_update(cloud: Any, db: Any, table: str) -> None:
    """A table is restored to the second before an update that ruined it; the table itself stays as it is."""
    recoverable(db, table)
    puts = [{"PutRequest": {"Item": wire(pk=f"p{n}", sk=f"s{n}", n=n)}} for n in range(20)]
    db.batch_write_item(RequestItems={table: puts})
    cloud.advance(3600)
    good = at(cloud)
    cloud.advance(1)
    for n in range(20):
        db.update_item(
            TableName=table,
            Key=wire(pk=f"p{n}", sk=f"s{n}"),
            UpdateExpression="SET n = :zero",
            ExpressionAttributeValues={":zero": {"N": "0"}},
        )
    cloud.advance(7 * DAY_S)
    db.restore_table_to_point_in_time(SourceTableName=table, TargetTableName="mended", RestoreDateTime=good)
    cloud.settle()
    assert items(db, "mended") == {f"s{n}": n for n in range(20)}
    assert set(items(db, table).values()) == {0}
    summary = db.describe_table(TableName="mended")["Table"]["RestoreSummary"]
    assert summary["RestoreDateTime"].timestamp() == int(good.timestamp())


def test_the_window(cloud: Any, db: Any, table: str, refused: Any) -> None:
    """Recovery reaches back to when it was switched on, at most its period; outside it is refused, and switching it off gives it up."""
    assert db.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"] == {
        "ContinuousBackupsStatus": "ENABLED",
        "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"},
    }
    wanted = {"SourceTableName": table, "TargetTableName": "restored"}
    assert (
        refused(db.restore_table_to_point_in_time, **wanted, UseLatestRestorableTime=True)[0] == "PointInTimeRecoveryUnavailableException"
    )
    recoverable(db, table, RecoveryPeriodInDays=2)
    began_s = cloud.now_ms // 1000
    fill(db, table, a=1)

    def window() -> tuple[int, int]:
        described = db.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        assert described["PointInTimeRecoveryStatus"] == "ENABLED"
        assert described["RecoveryPeriodInDays"] == 2
        return int(described["EarliestRestorableDateTime"].timestamp()), int(described["LatestRestorableDateTime"].timestamp())

    assert window() == (began_s, began_s)
    cloud.advance(DAY_S)
    assert window() == (began_s, began_s + DAY_S)
    assert refused(db.restore_table_to_point_in_time, **wanted, RestoreDateTime=began_s - 1)[0] == "InvalidRestoreTimeException"
    assert refused(db.restore_table_to_point_in_time, **wanted, RestoreDateTime=began_s + DAY_S + 5)[0] == "InvalidRestoreTimeException"
    cloud.advance(4 * DAY_S)
    assert window() == (began_s + 3 * DAY_S, began_s + 5 * DAY_S)
    assert refused(db.restore_table_to_point_in_time, **wanted)[0] == "ValidationException"
    fill(db, table, b=2)
    db.restore_table_to_point_in_time(**wanted, UseLatestRestorableTime=True)
    fill(db, table, c=3)
    cloud.settle()
    assert items(db, "restored") == {"a": 1, "b": 2}
    db.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False})
    recoverable(db, table, RecoveryPeriodInDays=2)
    assert window()[0] == cloud.now_ms // 1000
    assert refused(db.describe_continuous_backups, TableName="nothing")[0] == "TableNotFoundException"


def test_a_deleted_table_has_a_system_backup(cloud: Any, db: Any, table: str) -> None:
    """A table with recovery leaves a backup of itself as it was last, for 35 days."""
    recoverable(db, table)
    fill(db, table, a=1)
    db.delete_table(TableName=table)
    cloud.settle()
    [backup] = db.list_backups(TableName=table, BackupType="SYSTEM")["BackupSummaries"]
    assert backup["BackupName"] == "table$DeletedTableBackup"
    assert backup["BackupType"] == "SYSTEM"
    assert (backup["BackupExpiryDateTime"] - backup["BackupCreationDateTime"]).days == 35
    cloud.advance(34 * DAY_S)
    db.restore_table_from_backup(TargetTableName=table, BackupArn=backup["BackupArn"])
    cloud.settle()
    assert items(db, table) == {"a": 1}
    cloud.advance(DAY_S)
    assert db.list_backups(BackupType="ALL")["BackupSummaries"] == []


def test_a_large_table_is_restored_in_portions(cloud: Any, db: Any, table: str) -> None:
    """More items than one transaction copies all arrive, in the table and its index, and the target cannot be used before."""
    for n in range(48):
        puts = [{"PutRequest": {"Item": wire(pk=f"{n}-{m}", sk=f"{n}-{m}", n=n)}} for m in range(25)]
        db.batch_write_item(RequestItems={table: puts})
    arn = db.create_backup(TableName=table, BackupName="all")["BackupDetails"]["BackupArn"]
    db.restore_table_from_backup(TargetTableName="restored", BackupArn=arn)
    cloud.settle()
    assert len(items(db, "restored")) == 1200
    assert not cloud.problems()


@pytest.mark.parametrize("encrypted", [False, True])
def test_encrypted(cloud: Any, db: Any, make: Any, encrypted: bool) -> None:
    """What is encrypted under a KMS key is restored under it, or under another, from a backup and from a second."""
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    table = make("table", "pk", "sk", SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key})
    recoverable(db, table)
    fill(db, table, a=1)
    arn = db.create_backup(TableName=table, BackupName="all")["BackupDetails"]["BackupArn"]
    override = {"SSESpecificationOverride": {"Enabled": encrypted}}
    db.restore_table_from_backup(TargetTableName="first", BackupArn=arn)
    db.restore_table_from_backup(TargetTableName="second", BackupArn=arn, **override)
    db.restore_table_to_point_in_time(SourceTableName=table, TargetTableName="third", UseLatestRestorableTime=True)
    cloud.settle()
    keys = [
        db.describe_table(TableName=name)["Table"].get("SSEDescription", {}).get("KMSMasterKeyArn") for name in ("first", "second", "third")
    ]
    assert keys[0] == keys[2] == key
    assert keys[1] != key
    assert bool(keys[1]) == encrypted
    for name in ("first", "second", "third"):
        assert items(db, name) == {"a": 1}


def test_permissions(cloud: Any, db: Any, table: str) -> None:
    """A restore needs its action on the backup and on the new table, and the right to read and write the new table."""
    arn = db.create_backup(TableName=table, BackupName="all")["BackupDetails"]["BackupArn"]
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    theirs = cloud.client("dynamodb", key["AccessKeyId"], key["SecretAccessKey"])
    target = "arn:aws:dynamodb:us-east-1:000000000000:table/restored"

    def allow(*statements: str) -> None:
        listed = ",".join(f'{{"Effect":"Allow",{statement}}}' for statement in statements)
        iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=f'{{"Version":"2012-10-17","Statement":[{listed}]}}')

    def restored() -> str:
        try:
            theirs.restore_table_from_backup(TargetTableName="restored", BackupArn=arn)
        except theirs.exceptions.ClientError as problem:
            return str(problem.response["Error"]["Code"])
        return ""

    both = f'"Action":"dynamodb:RestoreTableFromBackup","Resource":["{arn}","{target}"]'
    allow(f'"Action":"dynamodb:RestoreTableFromBackup","Resource":"{target}"')
    assert restored() == "AccessDeniedException"
    allow(both)
    assert restored() == "AccessDeniedException"
    data = ["PutItem", "UpdateItem", "DeleteItem", "GetItem", "Query", "Scan", "BatchWriteItem"]
    listed = ",".join(f'"dynamodb:{name}"' for name in data)
    allow(both, f'"Action":[{listed}],"Resource":"{target}"')
    assert restored() == ""
    with pytest.raises(theirs.exceptions.ClientError, match="AccessDenied"):
        theirs.delete_backup(BackupArn=arn)


def test_the_log_keeps_what_is_needed(tmp_path: Any) -> None:
    """What a backup and recovery need outlives the log's own retention; what nobody needs does not, though it was as young."""
    house = House(tmp_path)
    with_clouds = Cloud(house)
    try:
        db = with_clouds.client("dynamodb")
        for name in ("backed", "recoverable", "neither"):
            db.create_table(
                TableName=name,
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                AttributeDefinitions=[{"AttributeName": part, "AttributeType": "S"} for part in ("pk", "sk")],
                BillingMode="PAY_PER_REQUEST",
            )
        with_clouds.settle()
        recoverable(db, "recoverable")
        for name in ("backed", "recoverable", "neither"):
            fill(db, name, a=1)
        arn = db.create_backup(TableName="backed", BackupName="kept")["BackupDetails"]["BackupArn"]
        then_ms = with_clouds.now_ms
        fill(db, "backed", a=2)
        with_clouds.advance(60)
        for n in range(3, 6):
            for name in ("backed", "recoverable", "neither"):
                fill(db, name, a=n)
            with_clouds.advance(60)
        collect(with_clouds)
        contents = {table.name: table.contents for table in house.on_loop(lambda: list(TABLES.scan(with_clouds.inner.reader())))}
        was = house.on_loop(lambda: list(ITEMS.scan(with_clouds.inner.past(then_ms), contents["neither"])))
        assert was == []
        db.restore_table_from_backup(TargetTableName="one", BackupArn=arn)
        db.restore_table_to_point_in_time(SourceTableName="recoverable", TargetTableName="two", RestoreDateTime=then_ms // 1000 + 1)
        with_clouds.settle()
        assert items(db, "one") == items(db, "two") == {"a": 1}
    finally:
        house.close()


def collect(cloud: Cloud) -> None:
    """Has the log forget all that is not the present and is not kept."""
    app = cloud.house.app
    cloud.house.on_loop(app.store.write)
    cloud.house.on_loop(app.store.rotate)
    archived(cloud)
    kept = cloud.house.on_loop(lambda: app._kept_of(cloud.inner))
    assert cloud.house.on_loop(lambda: app.store.collect(app.store.sequence, cloud.now_ms, kept))
    archived(cloud)


def archived(cloud: Cloud) -> None:
    """Returns when the archiver is idle."""
    end = time.monotonic() + 60
    while not cloud.house.on_loop(cloud.house.app.store.archived):
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.slow
def test_a_crash_does_not_stop_a_restore(tmp_path: Any) -> None:
    """A process that is killed while it restores a table goes on when it is started again, and the table is whole."""
    process = Process(tmp_path).start()
    try:
        db = process.client("dynamodb")
        db.create_table(
            TableName="table",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        db.get_waiter("table_exists").wait(TableName="table", WaiterConfig={"Delay": 1})
        for n in range(400):
            db.batch_write_item(RequestItems={"table": [{"PutRequest": {"Item": wire(pk=f"{n}-{m}")}} for m in range(25)]})
        arn = db.create_backup(TableName="table", BackupName="name")["BackupDetails"]["BackupArn"]
        db.restore_table_from_backup(TargetTableName="restored", BackupArn=arn)
        process.kill()
        process.start()
        db = process.client("dynamodb")
        db.get_waiter("table_exists").wait(TableName="restored", WaiterConfig={"Delay": 1})
        assert sum(page["Count"] for page in db.get_paginator("scan").paginate(TableName="restored")) == 10_000
    finally:
        process.stop()
