"""A secret's life: made, described, changed, listed, deleted, restored."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from fogbank.testing import Cloud

DAY_S = 86_400
TOKEN = "11111111-2222-4333-8444-55555555555"


def test_a_secret_is_made_with_its_first_version(sm: Any) -> None:
    """CreateSecret gives an ARN that ends in six random characters, and AWSCURRENT to the version named by the token."""
    made = sm.create_secret(
        Name="app/db", SecretString="v", Description="d", ClientRequestToken=TOKEN + "1", Tags=[{"Key": "a", "Value": "b"}]
    )
    assert re.fullmatch(r"arn:aws:secretsmanager:us-east-1:000000000000:secret:app/db-[A-Za-z0-9]{6}", made["ARN"])
    assert made["VersionId"] == TOKEN + "1"
    described = sm.describe_secret(SecretId="app/db")
    assert described["VersionIdsToStages"] == {TOKEN + "1": ["AWSCURRENT"]}
    assert described["Tags"] == [{"Key": "a", "Value": "b"}]
    assert described["Description"] == "d"
    assert not {"KmsKeyId", "RotationEnabled", "LastAccessedDate", "DeletedDate", "PrimaryRegion"} & described.keys()


def test_a_secret_is_found_by_name_arn_and_partial_arn(sm: Any, secret: str, refused: Any) -> None:
    """The name, the whole ARN and the ARN without its last seven characters name a secret; another suffix does not."""
    for name in ("db", secret, secret[:-7]):
        assert sm.get_secret_value(SecretId=name)["SecretString"] == "one"
    wrong = secret[:-6] + "......"
    assert refused(sm.get_secret_value, SecretId=wrong) == ("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")


def test_a_name_that_ends_like_an_arn(sm: Any) -> None:
    """A secret whose name ends in a hyphen and six characters is still found by its partial ARN."""
    arn = sm.create_secret(Name="db-secret", SecretString="x")["ARN"]
    assert sm.describe_secret(SecretId=arn[:-7])["Name"] == "db-secret"


def test_making_is_idempotent_by_token(sm: Any, refused: Any) -> None:
    """The same name, token and value again give the same secret; another value, or another token, is refused."""
    first = sm.create_secret(Name="s", SecretString="v", ClientRequestToken=TOKEN + "1")
    again = sm.create_secret(Name="s", SecretString="v", ClientRequestToken=TOKEN + "1")
    assert (first["ARN"], first["VersionId"]) == (again["ARN"], again["VersionId"])
    assert refused(sm.create_secret, Name="s", SecretString="v") == (
        "ResourceExistsException",
        "The operation failed because the secret s already exists.",
    )
    assert refused(sm.create_secret, Name="s", SecretString="w", ClientRequestToken=TOKEN + "1")[0] == "ResourceExistsException"


def test_values_are_checked(sm: Any, refused: Any) -> None:
    """A value is text or binary, at most 65,536 bytes; a name has AWS's characters only."""
    sm.create_secret(Name="binary", SecretBinary=bytes(range(256)))
    assert sm.get_secret_value(SecretId="binary")["SecretBinary"] == bytes(range(256))
    sm.create_secret(Name="large", SecretString="x" * 65_536)
    assert refused(sm.create_secret, Name="larger", SecretString="x" * 65_537)[0] == "ValidationException"
    assert refused(sm.create_secret, Name="wide", SecretString="ä" * 40_000)[0] == "InvalidParameterException"
    assert refused(sm.create_secret, Name="both", SecretString="x", SecretBinary=b"x")[0] == "InvalidParameterException"
    assert refused(sm.create_secret, Name="a b") == (
        "ValidationException",
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
    )
    assert refused(sm.put_secret_value, SecretId="large") == (
        "InvalidRequestException",
        "You must provide either SecretString or SecretBinary.",
    )


def test_a_secret_without_a_value(sm: Any, refused: Any) -> None:
    """A secret may be made without a value; then there is none to get."""
    assert "VersionId" not in sm.create_secret(Name="empty")
    assert refused(sm.get_secret_value, SecretId="empty") == (
        "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
    )
    sm.put_secret_value(SecretId="empty", SecretString="now", VersionStages=["mine"])
    assert sm.get_secret_value(SecretId="empty")["VersionStages"] == ["AWSCURRENT", "mine"]


def test_external_secrets_are_refused_by_name(sm: Any, refused: Any) -> None:
    """What Fogbank does not have, it says."""
    assert refused(sm.create_secret, Name="s", Type="Partner") == (
        "NotImplemented",
        "Fogbank does not implement secretsmanager:CreateSecret with Type: managed external secrets.",
    )


def test_updating(sm: Any, secret: str, refused: Any) -> None:
    """UpdateSecret changes the description, or the value as a new AWSCURRENT; a token that is taken is refused."""
    old = sm.get_secret_value(SecretId="db")["VersionId"]
    assert "VersionId" not in sm.update_secret(SecretId="db", Description="new")
    new = sm.update_secret(SecretId="db", SecretString="two")["VersionId"]
    described = sm.describe_secret(SecretId="db")
    assert described["Description"] == "new"
    assert described["VersionIdsToStages"] == {old: ["AWSPREVIOUS"], new: ["AWSCURRENT"]}
    code, message = refused(sm.update_secret, SecretId="db", SecretString="two", ClientRequestToken=new)
    assert (code, message) == (
        "ResourceExistsException",
        f"You can't use ClientRequestToken {new} because that value is already in use for a version of secret {secret}.",
    )


def test_deleting_waits_for_the_window(cloud: Cloud, sm: Any, secret: str, refused: Any) -> None:
    """A secret marked for deletion cannot be read, keeps its name, and is gone when its window is over."""
    made = sm.delete_secret(SecretId="db", RecoveryWindowInDays=7)
    assert made["DeletionDate"].timestamp() * 1000 == cloud.now_ms + 7 * DAY_S * 1000
    marked = ("InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.")
    assert refused(sm.get_secret_value, SecretId="db") == marked
    assert refused(sm.put_secret_value, SecretId="db", SecretString="x") == marked
    assert sm.describe_secret(SecretId=secret)["DeletedDate"] == made["DeletionDate"]
    assert sm.list_secrets()["SecretList"] == []
    assert [s["Name"] for s in sm.list_secrets(IncludePlannedDeletion=True)["SecretList"]] == ["db"]
    assert refused(sm.create_secret, Name="db", SecretString="x") == (
        "InvalidRequestException",
        "You can't create this secret because a secret with this name is already scheduled for deletion.",
    )
    cloud.advance(7 * DAY_S - 1)
    assert sm.describe_secret(SecretId="db")
    cloud.advance(1)
    assert refused(sm.describe_secret, SecretId="db")[0] == "ResourceNotFoundException"
    assert sm.create_secret(Name="db")["ARN"] != secret


def test_restoring(cloud: Cloud, sm: Any, secret: str) -> None:
    """A restored secret can be read again, and outlives its window."""
    sm.delete_secret(SecretId="db")
    assert sm.restore_secret(SecretId="db")["ARN"] == secret
    assert sm.get_secret_value(SecretId="db")["SecretString"] == "one"
    cloud.advance(31 * DAY_S)
    assert sm.get_secret_value(SecretId="db")["SecretString"] == "one"


def test_deleting_anew_after_a_restore_counts_from_then(cloud: Cloud, sm: Any, secret: str) -> None:
    """The task of an earlier deletion does not delete a secret that was restored and marked anew."""
    sm.delete_secret(SecretId="db", RecoveryWindowInDays=7)
    sm.restore_secret(SecretId="db")
    sm.delete_secret(SecretId="db", RecoveryWindowInDays=30)
    cloud.advance(8 * DAY_S)
    assert sm.describe_secret(SecretId="db")["Name"] == "db"


def test_deleting_at_once(sm: Any, secret: str, refused: Any) -> None:
    """ForceDeleteWithoutRecovery takes a secret away at once, and is no error for one that is not there; the name is free."""
    sm.delete_secret(SecretId="db", ForceDeleteWithoutRecovery=True)
    assert refused(sm.describe_secret, SecretId="db")[0] == "ResourceNotFoundException"
    assert sm.delete_secret(SecretId="db", ForceDeleteWithoutRecovery=True)["Name"] == "db"
    assert sm.create_secret(Name="db")["ARN"] != secret
    assert refused(sm.delete_secret, SecretId="other") == (
        "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret.",
    )


def test_windows_are_checked(sm: Any, secret: str, refused: Any) -> None:
    """A window is 7 to 30 days, and does not go with force."""
    for days in (6, 31):
        assert refused(sm.delete_secret, SecretId="db", RecoveryWindowInDays=days) == (
            "InvalidParameterException",
            "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).",
        )
    assert refused(sm.delete_secret, SecretId="db", RecoveryWindowInDays=7, ForceDeleteWithoutRecovery=True) == (
        "InvalidParameterException",
        "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
    )


def test_access_is_noted_by_the_day(cloud: Cloud, sm: Any, secret: str) -> None:
    """LastAccessedDate, of a secret and of a version, is the day on which a value was last read."""
    sm.get_secret_value(SecretId="db")
    midnight = datetime.fromtimestamp(cloud.now_ms // 1000, UTC).replace(hour=0, minute=0, second=0)
    assert sm.describe_secret(SecretId="db")["LastAccessedDate"] == midnight
    assert sm.list_secret_version_ids(SecretId="db")["Versions"][0]["LastAccessedDate"] == midnight
    cloud.advance(2 * DAY_S)
    sm.get_secret_value(SecretId="db")
    assert (sm.describe_secret(SecretId="db")["LastAccessedDate"] - midnight).days == 2


def test_tags(sm: Any, secret: str, refused: Any) -> None:
    """Tags are added, replaced and taken away; at most 50; aws: is not for users."""
    sm.tag_resource(SecretId="db", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    sm.tag_resource(SecretId="db", Tags=[{"Key": "a", "Value": "3"}])
    sm.untag_resource(SecretId="db", TagKeys=["b", "none"])
    assert sm.describe_secret(SecretId="db")["Tags"] == [{"Key": "a", "Value": "3"}]
    assert refused(sm.tag_resource, SecretId="db", Tags=[{"Key": "aws:x", "Value": ""}])[0] == "InvalidParameterException"
    many = [{"Key": f"k{n}", "Value": ""} for n in range(50)]
    assert refused(sm.tag_resource, SecretId="db", Tags=many)[0] == "InvalidParameterException"


def names(answer: dict[str, Any]) -> list[str]:
    return [secret["Name"] for secret in answer["SecretList"]]


def test_listing_by_filters(sm: Any) -> None:
    """Filters match prefixes; all filters must, one of a filter's values, and none with an exclamation mark."""
    sm.create_secret(Name="prod/db", Description="Main database", Tags=[{"Key": "Team", "Value": "Red"}])
    sm.create_secret(Name="prod/api", Description="key of the API")
    sm.create_secret(Name="test/db", Tags=[{"Key": "team", "Value": "Blue"}])

    def found(*filters: tuple[str, list[str]]) -> list[str]:
        return sorted(names(sm.list_secrets(Filters=[{"Key": key, "Values": values} for key, values in filters])))

    assert found(("name", ["prod/"])) == ["prod/api", "prod/db"]
    assert found(("name", ["PROD/"])) == []
    assert found(("name", ["prod/", "test/"])) == ["prod/api", "prod/db", "test/db"]
    assert found(("name", ["!prod/"])) == ["test/db"]
    assert found(("description", ["MAIN"])) == ["prod/db"]
    assert found(("tag-key", ["Te"])) == ["prod/db"]
    assert found(("tag-value", ["B"]), ("name", ["test"])) == ["test/db"]
    assert found(("all", ["database red"])) == ["prod/db"]
    assert found(("all", ["api"])) == ["prod/api"]
    assert found(("owning-service", ["rds"])) == []


def test_listing_in_order_and_by_pages(cloud: Cloud, sm: Any, refused: Any) -> None:
    """Secrets are listed the newest first, or by name, creation, change or access either way; pages lose none."""
    for name in ("b", "c", "a"):
        sm.create_secret(Name=name, SecretString="v")
        cloud.advance(1)
    sm.update_secret(SecretId="b", Description="d")
    assert names(sm.list_secrets()) == ["a", "c", "b"]
    assert names(sm.list_secrets(SortOrder="asc")) == ["b", "c", "a"]
    assert names(sm.list_secrets(SortBy="name", SortOrder="asc")) == ["a", "b", "c"]
    assert names(sm.list_secrets(SortBy="last-changed-date", SortOrder="desc")) == ["b", "a", "c"]
    for order in ("created-date", "name", "last-changed-date", "last-accessed-date"):
        for direction in ("asc", "desc"):
            pages = sm.get_paginator("list_secrets").paginate(SortBy=order, SortOrder=direction, PaginationConfig={"PageSize": 1})
            assert [n for page in pages for n in names(page)] == names(sm.list_secrets(SortBy=order, SortOrder=direction))
    assert refused(sm.list_secrets, NextToken="nonsense")[0] == "InvalidNextTokenException"


def test_reading_many(sm: Any, refused: Any, every: Any) -> None:
    """BatchGetSecretValue reads by names or by filters, in pages, and tells what it could not read."""
    for name in ("a", "b", "c"):
        sm.create_secret(Name=name, SecretString=f"value of {name}")
    answer = sm.batch_get_secret_value(SecretIdList=["a", "none", "c"])
    assert [v["SecretString"] for v in answer["SecretValues"]] == ["value of a", "value of c"]
    assert answer["Errors"] == [
        {
            "SecretId": "none",
            "ErrorCode": "ResourceNotFoundException",
            "Message": "Secrets Manager can't find the specified secret.",
        }
    ]
    filters = [{"Key": "name", "Values": ["a", "b", "c"]}]
    values = every(sm.batch_get_secret_value, "SecretValues", Filters=filters, MaxResults=2)
    assert sorted(value["Name"] for value in values) == ["a", "b", "c"]
    assert refused(sm.batch_get_secret_value)[0] == "InvalidParameterException"
    assert refused(sm.batch_get_secret_value, SecretIdList=["a"], MaxResults=1)[0] == "InvalidParameterException"


@pytest.mark.parametrize("place", ["abc", "9" * 30, "9" * 30 + " x", "5", "9" * 3000])
def test_tokens_are_ours(sm: Any, secret: str, refused: Any, place: str) -> None:
    """A token that we cannot have given is refused as such."""
    token = base64.b64encode(place.encode()).decode()
    assert refused(sm.list_secrets, NextToken=token)[0] == "InvalidNextTokenException"
    if not place.isdecimal() or len(place) > 18:
        assert refused(sm.list_secret_version_ids, SecretId=secret, NextToken=token)[0] == "InvalidNextTokenException"
