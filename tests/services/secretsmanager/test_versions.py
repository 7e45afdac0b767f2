"""Versions and their staging labels."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fogbank.services.secretsmanager.rules import labelled, stages_of
from fogbank.services.secretsmanager.state import Secret
from fogbank.testing import Cloud

TOKEN = "11111111-2222-4333-8444-55555555555"


def stages(sm: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = sm.describe_secret(SecretId="db")["VersionIdsToStages"]
    return found


def test_current_and_previous_move(sm: Any, secret: str) -> None:
    """A new value is AWSCURRENT, the one before AWSPREVIOUS, the one before that has no label and is out of sight."""
    one = sm.get_secret_value(SecretId="db")["VersionId"]
    two = sm.put_secret_value(SecretId="db", SecretString="two")
    assert two["VersionStages"] == ["AWSCURRENT"]
    three = sm.put_secret_value(SecretId="db", SecretString="three")["VersionId"]
    assert stages(sm) == {two["VersionId"]: ["AWSPREVIOUS"], three: ["AWSCURRENT"]}
    assert sm.get_secret_value(SecretId="db", VersionStage="AWSPREVIOUS")["SecretString"] == "two"
    assert sm.get_secret_value(SecretId="db", VersionId=one)["SecretString"] == "one"
    assert "VersionStages" not in sm.get_secret_value(SecretId="db", VersionId=one)
    assert [v["VersionId"] for v in sm.list_secret_version_ids(SecretId="db")["Versions"]] == [three, two["VersionId"]]
    assert len(sm.list_secret_version_ids(SecretId="db", IncludeDeprecated=True)["Versions"]) == 3


def test_putting_is_idempotent_by_token(sm: Any, secret: str, refused: Any) -> None:
    """The same token and value change nothing; the same token and another value are refused."""
    first = sm.put_secret_value(SecretId="db", SecretString="two", ClientRequestToken=TOKEN + "1")
    before = stages(sm)
    again = sm.put_secret_value(SecretId="db", SecretString="two", ClientRequestToken=TOKEN + "1")
    assert (again["VersionId"], again["VersionStages"]) == (first["VersionId"], first["VersionStages"])
    assert stages(sm) == before
    assert refused(sm.put_secret_value, SecretId="db", SecretString="three", ClientRequestToken=TOKEN + "1") == (
        "ResourceExistsException",
        f"You can't use ClientRequestToken {TOKEN}1 because that value is already in use for a version of secret {secret}.",
    )
    assert refused(sm.put_secret_value, SecretId="db", SecretBinary=b"two", ClientRequestToken=TOKEN + "1")[0] == "ResourceExistsException"


def test_id_and_label_must_agree(sm: Any, secret: str, refused: Any) -> None:
    """A version is read by id and label only where the label is on that version."""
    one = sm.get_secret_value(SecretId="db")["VersionId"]
    sm.put_secret_value(SecretId="db", SecretString="two")
    assert sm.get_secret_value(SecretId="db", VersionId=one, VersionStage="AWSPREVIOUS")["SecretString"] == "one"
    assert refused(sm.get_secret_value, SecretId="db", VersionId=one, VersionStage="AWSCURRENT") == (
        "InvalidRequestException",
        "You provided a VersionStage that is not associated to the provided VersionId.",
    )
    assert refused(sm.get_secret_value, SecretId="db", VersionId=TOKEN + "9") == (
        "ResourceNotFoundException",
        f"Secrets Manager can't find the specified secret value for VersionId: {TOKEN}9",
    )


def test_labels_of_ones_own(sm: Any, secret: str) -> None:
    """VersionStages puts labels on the new version without making it AWSCURRENT; a label is on one version at a time."""
    one = sm.get_secret_value(SecretId="db")["VersionId"]
    two = sm.put_secret_value(SecretId="db", SecretString="two", VersionStages=["blue", "green"])["VersionId"]
    assert stages(sm) == {one: ["AWSCURRENT"], two: ["blue", "green"]}
    three = sm.put_secret_value(SecretId="db", SecretString="three", VersionStages=["blue"])["VersionId"]
    assert stages(sm) == {one: ["AWSCURRENT"], two: ["green"], three: ["blue"]}


def test_moving_a_label(sm: Any, secret: str, refused: Any) -> None:
    """A label that is on a version moves only where RemoveFromVersionId names it; AWSPREVIOUS goes where AWSCURRENT was."""
    one = sm.get_secret_value(SecretId="db")["VersionId"]
    two = sm.put_secret_value(SecretId="db", SecretString="two", VersionStages=["new"])["VersionId"]
    move = sm.update_secret_version_stage
    assert refused(move, SecretId="db", VersionStage="AWSCURRENT", MoveToVersionId=two) == (
        "InvalidParameterException",
        "The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version "
        f"{one}, so you must explicitly reference that version in RemoveFromVersionId.",
    )
    move(SecretId="db", VersionStage="AWSCURRENT", MoveToVersionId=two, RemoveFromVersionId=one)
    assert stages(sm) == {one: ["AWSPREVIOUS"], two: ["AWSCURRENT", "new"]}
    move(SecretId="db", VersionStage="new", RemoveFromVersionId=two)
    move(SecretId="db", VersionStage="fresh", MoveToVersionId=one)
    assert stages(sm) == {one: ["AWSPREVIOUS", "fresh"], two: ["AWSCURRENT"]}
    assert refused(move, SecretId="db", VersionStage="AWSCURRENT", RemoveFromVersionId=two) == (
        "InvalidParameterException",
        "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.",
    )
    assert refused(move, SecretId="db", VersionStage="x", MoveToVersionId=TOKEN + "9")[0] == "ResourceNotFoundException"
    assert refused(move, SecretId="db", VersionStage="x")[0] == "InvalidParameterException"
    assert refused(move, SecretId="db", VersionStage="x", RemoveFromVersionId=one)[0] == "InvalidParameterException"


def test_twenty_labels(sm: Any, secret: str, refused: Any) -> None:
    """A version has at most 20 labels."""
    version = sm.put_secret_value(SecretId="db", SecretString="two", VersionStages=[f"l{n}" for n in range(20)])["VersionId"]
    assert (
        refused(sm.update_secret_version_stage, SecretId="db", VersionStage="more", MoveToVersionId=version)[0] == "LimitExceededException"
    )


def test_a_hundred_versions(cloud: Cloud, sm: Any, secret: str, refused: Any, every: Any) -> None:
    """The 101st version needs the oldest without a label to be a day old; then that one goes."""
    sm.put_secret_value(SecretId="db", SecretString="kept", VersionStages=["kept"])
    for number in range(98):
        sm.put_secret_value(SecretId="db", SecretString=str(number))
    assert refused(sm.put_secret_value, SecretId="db", SecretString="more")[0] == "LimitExceededException"
    cloud.advance(86_400)
    sm.put_secret_value(SecretId="db", SecretString="more")
    versions = every(sm.list_secret_version_ids, "Versions", SecretId="db", IncludeDeprecated=True, MaxResults=30)
    assert len(versions) == len({v["VersionId"] for v in versions}) == 100
    assert sm.get_secret_value(SecretId="db", VersionStage="kept")["SecretString"] == "kept"


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.lists(st.sampled_from(["AWSCURRENT", "AWSPENDING", "x"]), min_size=1, max_size=2))))
def test_labels_stay_in_order(moves: list[tuple[str, list[str]]]) -> None:
    """However labels are moved, each is on one version, and AWSPREVIOUS is on the version that AWSCURRENT was last on."""
    secret = Secret(account="1", region="r", name="n", id=1, suffix="s", created_at_ms=0, changed_at_ms=0)
    currents: list[str] = []
    for version, labels in moves:
        secret = labelled(secret, labels, version)
        if "AWSCURRENT" in labels and currents[-1:] != [version]:
            currents.append(version)
    assert secret.stages.get("AWSCURRENT") == (currents[-1] if currents else None)
    assert secret.stages.get("AWSPREVIOUS") == (currents[-2] if len(currents) > 1 else None)
    assert sum(len(stages_of(secret, version)) for version in "abc") == len(secret.stages)
