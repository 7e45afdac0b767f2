"""Rotation by the calendar and on demand."""

from __future__ import annotations

import base64
import datetime
from typing import Any

import pytest

from .conftest import DAY_S, Make, Refused


def test_a_key_rotates_by_the_calendar(cloud: Any, kms: Any, key: str) -> None:
    """Every period from the day on which it was enabled; old ciphertexts open, new ones use the new material."""
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False
    first = kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=90)
    status = kms.get_key_rotation_status(KeyId=key)
    created = kms.describe_key(KeyId=key)["KeyMetadata"]["CreationDate"]
    assert (status["RotationPeriodInDays"], status["NextRotationDate"] - created) == (90, datetime.timedelta(days=90))
    cloud.advance(90 * DAY_S - 1)
    assert kms.list_key_rotations(KeyId=key)["Rotations"] == []
    cloud.advance(1)
    [rotation] = kms.list_key_rotations(KeyId=key)["Rotations"]
    assert (rotation["RotationType"], rotation["RotationDate"] - created) == ("AUTOMATIC", datetime.timedelta(days=90))
    second = kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    assert first["KeyMaterialId"] != second["KeyMaterialId"] == rotation["KeyMaterialId"]
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"] == rotation["KeyMaterialId"]
    opened = kms.decrypt(CiphertextBlob=first["CiphertextBlob"])
    assert (opened["Plaintext"], opened["KeyMaterialId"]) == (first["Plaintext"], first["KeyMaterialId"])
    cloud.advance(270 * DAY_S)
    states = [r["KeyMaterialState"] for r in kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]]
    assert states == ["NON_CURRENT"] * 4 + ["CURRENT"]
    kms.disable_key_rotation(KeyId=key)
    cloud.advance(270 * DAY_S)
    first_page = kms.list_key_rotations(KeyId=key, Limit=3)
    rest = kms.list_key_rotations(KeyId=key, Limit=3, Marker=first_page["NextMarker"])
    assert len(first_page["Rotations"] + rest["Rotations"]) == 4


def test_a_disabled_key_makes_up_for_its_rotation(cloud: Any, kms: Any, key: str) -> None:
    """It does not rotate while it is disabled, and at once when it is enabled if it was due; nor while its deletion is pending."""
    kms.enable_key_rotation(KeyId=key)
    kms.disable_key(KeyId=key)
    cloud.advance(400 * DAY_S)
    assert kms.list_key_rotations(KeyId=key)["Rotations"] == []
    kms.schedule_key_deletion(KeyId=key)
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False
    kms.cancel_key_deletion(KeyId=key)
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True
    kms.enable_key(KeyId=key)
    cloud.settle()
    assert len(kms.list_key_rotations(KeyId=key)["Rotations"]) == 1


def test_rotation_on_demand(cloud: Any, kms: Any, key: str, refused: Refused) -> None:
    """25 times at most, beside the calendar; not twenty minutes before an automatic one."""
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=90)
    for _ in range(25):
        assert kms.rotate_key_on_demand(KeyId=key)["KeyId"] == key
        cloud.settle()
    rotations = kms.list_key_rotations(KeyId=key)["Rotations"]
    assert {rotation["RotationType"] for rotation in rotations} == {"ON_DEMAND"}
    assert len({rotation["KeyMaterialId"] for rotation in rotations}) == 25
    assert "OnDemandRotationStartDate" not in kms.get_key_rotation_status(KeyId=key)
    assert refused(kms.rotate_key_on_demand, KeyId=key)[0] == "LimitExceededException"
    cloud.advance(90 * DAY_S - 600)
    assert refused(kms.rotate_key_on_demand, KeyId=key)[0] == "ConflictException"
    cloud.advance(600)
    assert kms.list_key_rotations(KeyId=key)["Rotations"][-1]["RotationType"] == "AUTOMATIC"


def test_not_every_key_rotates(cloud: Any, kms: Any, make: Make, refused: Refused) -> None:
    """Only symmetric keys do, and of imported material only on demand; a period has 90 to 2,560 days."""
    mac = make(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["Arn"]
    for call in (kms.enable_key_rotation, kms.disable_key_rotation, kms.rotate_key_on_demand, kms.get_key_rotation_status):
        assert refused(call, KeyId=mac)[0] == "UnsupportedOperationException"
    external = make(Origin="EXTERNAL")["Arn"]
    assert refused(kms.enable_key_rotation, KeyId=external) == (
        "UnsupportedOperationException",
        f"{external} origin is EXTERNAL which is not valid for this operation.",
    )
    assert kms.get_key_rotation_status(KeyId=external)["KeyRotationEnabled"] is False
    plain = make()["Arn"]
    unchecked = cloud.client("kms", parameter_validation=False)
    for days in (89, 2561):
        assert refused(unchecked.enable_key_rotation, KeyId=plain, RotationPeriodInDays=days)[0] == "ValidationException"


@pytest.mark.parametrize("place", ["abc", "9" * 30, "9" * 200, "-1"])
def test_markers_are_ours(kms: Any, key: str, refused: Refused, place: str) -> None:
    """A marker that we cannot have given is refused as such."""
    marker = base64.b64encode(place.encode()).decode()
    assert refused(kms.list_key_rotations, KeyId=key, Marker=marker)[0] == "InvalidMarkerException"
