"""What a transaction that was taken back had written is not remembered of anybody."""

from __future__ import annotations

from fogbank.services.iam.state import ACCESS_KEYS
from fogbank.testing import Cloud


def test_callers_are_as_they_were(cloud: Cloud) -> None:
    """A key that was looked up while a transaction had deleted it is there again when that is undone."""
    iam = cloud.client("iam")
    iam.create_user(UserName="ada")
    key = iam.create_access_key(UserName="ada")["AccessKey"]["AccessKeyId"]

    def delete_look_and_undo() -> bool:
        inner = cloud.inner
        assert inner.callers.find(key) is not None
        tx = inner.begin()
        ACCESS_KEYS.delete(tx, ACCESS_KEYS.get(tx, key))
        inner.callers.forget()
        assert inner.callers.find(key) is None
        inner.undo(tx)
        return inner.callers.find(key) is not None

    assert cloud.house.on_loop(delete_look_and_undo)
