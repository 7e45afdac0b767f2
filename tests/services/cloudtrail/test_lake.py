"""CloudTrail Lake: event data stores keep what their selectors want, and SQL finds it."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

ACCOUNT = "000000000000"


@pytest.fixture
def trails(cloud: Any) -> Any:
    return cloud.client("cloudtrail")


@pytest.fixture
def store(trails: Any) -> str:
    return str(trails.create_event_data_store(Name="lake", TerminationProtectionEnabled=False)["EventDataStoreArn"])


def code(caught: Any) -> str:
    return str(caught.value.response["Error"]["Code"])


def ask(cloud: Any, trails: Any, sql: str, store: str, **more: Any) -> list[dict[str, str]]:
    """The rows that a statement finds; {} stands for the store."""
    query = trails.start_query(QueryStatement=sql.format(store.rpartition("/")[2]), **more)["QueryId"]
    cloud.settle()
    answer = trails.get_query_results(QueryId=query)
    assert answer["QueryStatus"] == "FINISHED", answer
    return [{k: v for cell in row for k, v in cell.items()} for row in answer["QueryResultRows"]]


def test_sql_over_what_happened(cloud: Any, trails: Any, store: str) -> None:
    """Calls after the store was made are rows, with nested fields, maps, functions, groups and parameters."""
    sqs = cloud.client("sqs")
    for name in ("a", "b"):
        sqs.create_queue(QueueName=name)
    cloud.client("sts").get_caller_identity()
    counted = "SELECT eventName, count(*) AS n FROM {} WHERE eventSource = 'sqs.amazonaws.com' GROUP BY eventName"
    assert ask(cloud, trails, counted, store) == [{"eventName": "CreateQueue", "n": "2"}]
    nested = (
        "SELECT userIdentity.arn, element_at(requestParameters, 'queueName') AS q FROM {} "
        "WHERE eventName = ? AND eventTime > '2020-01-01 00:00:00' AND NOT readOnly ORDER BY q DESC LIMIT 1"
    )
    assert ask(cloud, trails, nested, store, QueryParameters=["CreateQueue"]) == [{"arn": f"arn:aws:iam::{ACCOUNT}:root", "q": "b"}]
    joined = "SELECT a.eventName FROM {0} AS a JOIN {0} AS b ON a.eventID = b.eventID WHERE a.eventName LIKE 'GetCaller%'"
    assert ask(cloud, trails, joined, store) == [{"eventName": "GetCallerIdentity"}]


@pytest.mark.parametrize(
    "sql",
    ["DROP TABLE {}", "SELECT 1", "SELECT * FROM read_csv('/etc/passwd')", "SELECT FROM WHERE", "SELECT * FROM {0}; SELECT * FROM {0}"],
)
def test_no_statement(trails: Any, store: str, sql: str) -> None:
    """What is not one SELECT from event data stores is InvalidQueryStatementException."""
    with pytest.raises(ClientError) as caught:
        trails.start_query(QueryStatement=sql.format(store.rpartition("/")[2]))
    assert code(caught) == "InvalidQueryStatementException"


def test_a_query_that_fails(cloud: Any, trails: Any, store: str) -> None:
    """A statement that names what is not there fails when it runs, and says why."""
    query = trails.start_query(QueryStatement=f"SELECT nothing FROM {store.rpartition('/')[2]}")["QueryId"]
    cloud.settle()
    told = trails.describe_query(QueryId=query)
    assert (told["QueryStatus"], "nothing" in told["ErrorMessage"]) == ("FAILED", True)
    with pytest.raises(ClientError) as caught:
        trails.cancel_query(QueryId=query)
    assert code(caught) == "InactiveQueryException"
    assert [q["QueryStatus"] for q in trails.list_queries(EventDataStore=store)["Queries"]] == ["FAILED"]


def test_selectors_of_data_events(cloud: Any, trails: Any) -> None:
    """A store that selects data events keeps these, and no management events."""
    fields = [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::SQS::Queue"]}]
    store = trails.create_event_data_store(Name="data", AdvancedEventSelectors=[{"FieldSelectors": fields}])["EventDataStoreArn"]
    url = cloud.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="x")
    assert ask(cloud, trails, "SELECT eventName FROM {}", store) == [{"eventName": "SendMessage"}]


def test_ingestion_stops_and_starts(cloud: Any, trails: Any, store: str) -> None:
    """Between stop and start nothing is taken in."""
    sqs = cloud.client("sqs")
    sqs.create_queue(QueueName="a")
    trails.stop_event_data_store_ingestion(EventDataStore=store)
    sqs.create_queue(QueueName="b")
    cloud.settle()
    trails.start_event_data_store_ingestion(EventDataStore=store)
    sqs.create_queue(QueueName="c")
    found = ask(cloud, trails, "SELECT element_at(requestParameters, 'queueName') AS q FROM {} WHERE eventName = 'CreateQueue'", store)
    assert [row["q"] for row in found] == ["a", "c"]


def test_deletion_takes_seven_days(cloud: Any, trails: Any, store: str) -> None:
    """A protected store stays; one that is deleted can be restored for seven days, and is then gone."""
    trails.update_event_data_store(EventDataStore=store, TerminationProtectionEnabled=True)
    with pytest.raises(ClientError) as caught:
        trails.delete_event_data_store(EventDataStore=store)
    assert code(caught) == "EventDataStoreTerminationProtectedException"
    trails.update_event_data_store(EventDataStore=store, TerminationProtectionEnabled=False)
    trails.delete_event_data_store(EventDataStore=store)
    with pytest.raises(ClientError) as caught:
        trails.start_query(QueryStatement=f"SELECT * FROM {store.rpartition('/')[2]}")
    assert code(caught) == "InactiveEventDataStoreException"
    trails.restore_event_data_store(EventDataStore=store)
    cloud.advance(8 * 86_400)
    assert trails.get_event_data_store(EventDataStore=store)["Status"] == "ENABLED"
    trails.delete_event_data_store(EventDataStore=store)
    cloud.advance(8 * 86_400)
    assert trails.list_event_data_stores()["EventDataStores"] == []


def test_retention(cloud: Any, trails: Any, store: str) -> None:
    """After its retention an event is found no more."""
    trails.update_event_data_store(EventDataStore=store, RetentionPeriod=7)
    cloud.client("sqs").create_queue(QueueName="a")
    sql = "SELECT count(*) AS n FROM {} WHERE eventName = 'CreateQueue'"
    assert ask(cloud, trails, sql, store) == [{"n": "1"}]
    cloud.advance(7 * 86_400 + 1)
    assert ask(cloud, trails, sql, store) == [{"n": "0"}]


def test_under_a_key(cloud: Any, trails: Any) -> None:
    """A store under a KMS key needs a key that CloudTrail may use; when the key is disabled its events cannot be queried."""
    kms = cloud.client("kms")
    closed = kms.create_key()["KeyMetadata"]["Arn"]
    with pytest.raises(ClientError) as caught:
        trails.create_event_data_store(Name="sealed", KmsKeyId=closed)
    assert code(caught) == "InsufficientEncryptionPolicyException"
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"},
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudtrail.amazonaws.com"},
            "Action": ["kms:GenerateDataKey*", "kms:Decrypt"],
            "Resource": "*",
        },
    ]
    key = kms.create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))["KeyMetadata"]["Arn"]
    store = trails.create_event_data_store(Name="sealed", KmsKeyId=key)["EventDataStoreArn"]
    cloud.client("sqs").create_queue(QueueName="a")
    assert ask(cloud, trails, "SELECT eventName FROM {} WHERE eventName = 'CreateQueue'", store) == [{"eventName": "CreateQueue"}]
    kms.disable_key(KeyId=key)
    query = trails.start_query(QueryStatement=f"SELECT * FROM {store.rpartition('/')[2]}")["QueryId"]
    cloud.settle()
    assert trails.describe_query(QueryId=query)["QueryStatus"] == "FAILED"


def test_results_in_s3(cloud: Any, trails: Any, store: str) -> None:
    """A result lies in the bucket as compressed CSV, beside its signature; a bucket that is closed is said so."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="results")
    allow = {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:PutObject"}
    statement = {**allow, "Resource": "arn:aws:s3:::results/*", "Condition": {"StringEquals": {"aws:SourceArn": store}}}
    cloud.client("sqs").create_queue(QueueName="a")
    sql = f"SELECT eventName FROM {store.rpartition('/')[2]} WHERE eventName = 'CreateQueue'"
    for policy, expected in ((None, "ACCESS_DENIED"), (statement, "SUCCESS")):
        if policy is not None:
            s3.put_bucket_policy(Bucket="results", Policy=json.dumps({"Version": "2012-10-17", "Statement": [policy]}))
        query = trails.start_query(QueryStatement=sql, DeliveryS3Uri="s3://results/out")["QueryId"]
        cloud.settle()
        assert trails.describe_query(QueryId=query)["DeliveryStatus"] == expected
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket="results")["Contents"]]
    assert [key.rpartition("/")[2] for key in keys] == ["result_1.csv.gz", "result_sign.json"]
    content = gzip.decompress(s3.get_object(Bucket="results", Key=keys[0])["Body"].read()).decode()
    assert list(csv.reader(io.StringIO(content))) == [["eventName"], ["CreateQueue"]]


def test_policies(cloud: Any, trails: Any, store: str) -> None:
    """A user needs the permission on the store that the statement names; the store's policy can deny it."""
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    allow = {"Effect": "Allow", "Action": "cloudtrail:StartQuery", "Resource": store}
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}))
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = cloud.client("cloudtrail", key["AccessKeyId"], key["SecretAccessKey"])
    other = trails.create_event_data_store(Name="other")["EventDataStoreArn"].rpartition("/")[2]
    own = store.rpartition("/")[2]
    user.start_query(QueryStatement=f"SELECT * FROM {own}")
    for sql in (f"SELECT * FROM {other}", f"SELECT a.* FROM {own} a JOIN {other} b ON true"):
        with pytest.raises(ClientError) as caught:
            user.start_query(QueryStatement=sql)
        assert code(caught) == "AccessDeniedException"
    deny = {"Effect": "Deny", "Principal": "*", "Action": "cloudtrail:StartQuery", "Resource": store}
    trails.put_resource_policy(ResourceArn=store, ResourcePolicy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    with pytest.raises(ClientError) as caught:
        user.start_query(QueryStatement=f"SELECT * FROM {own}")
    assert code(caught) == "AccessDeniedException"


def test_tags_and_limits(cloud: Any, trails: Any, store: str) -> None:
    """Stores have tags, names of their own, and no organizations."""
    trails.add_tags(ResourceId=store, TagsList=[{"Key": "a", "Value": "b"}])
    assert trails.list_tags(ResourceIdList=[store])["ResourceTagList"][0]["TagsList"] == [{"Key": "a", "Value": "b"}]
    with pytest.raises(ClientError) as caught:
        trails.create_event_data_store(Name="lake")
    assert code(caught) == "EventDataStoreAlreadyExistsException"
    with pytest.raises(ClientError) as caught:
        trails.create_event_data_store(Name="all", OrganizationEnabled=True)
    assert code(caught) == "NotImplemented"
