"""What seals events and query results: the cloud's vault, or a data key of the KMS key that a group has.

CloudWatch Logs asks KMS as itself (`logs.<region>.amazonaws.com`), in the encryption context of the group's ARN: the key's policy
must let it. So who reads events needs nothing of KMS, but whoever closes the key to CloudWatch Logs closes the events to everybody,
after OPEN_MS at the latest.

Source: "Encrypt log data in CloudWatch Logs using AWS KMS" in the CloudWatch Logs User Guide.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.logs.faults import invalid
from fogbank.services.logs.names import arn_of
from fogbank.services.logs.state import DATA_KEYS, DataKey, Group
from fogbank.store.vault import Openings, Seal

OPEN_MS = 300_000
"""For how long an opened data key serves, and a made one is not made again."""
_open = Openings()


def acting(region: str, account: str, arn: str) -> Acting:
    """CloudWatch Logs itself, on behalf of a group."""
    return Acting(f"logs.{region}.amazonaws.com", arn, account)


def ask_kms(ctx: Context, operation: str, account: str, arn: str, members: dict[str, Any]) -> Any:
    """Errors: AccessDeniedException and what else KMS says."""
    members = {**members, "EncryptionContext": {"aws:logs:arn": arn}}
    return ctx.call("kms", operation, members, acting=acting(ctx.region, account, arn))


def check(ctx: Context, kms_key: str, arn: str, what: str) -> None:
    """That CloudWatch Logs can use a key: a symmetric one, which is there and open to it. Errors: InvalidParameterException."""
    try:
        made = ask_kms(ctx, "GenerateDataKey", ctx.account, arn, {"KeyId": kms_key, "KeySpec": "AES_256"})
        ask_kms(ctx, "Decrypt", ctx.account, arn, {"CiphertextBlob": made["CiphertextBlob"], "KeyId": kms_key})
    except NotImplementedOperation:
        raise
    except ServiceException:
        raise invalid(f"The specified KMS key does not exist or is not allowed to be used with {what} '{arn}'") from None


def seal_now(ctx: Context, group: Group) -> tuple[Seal, int]:
    """What seals a group's new events, and the number of the data key (0: the vault).

    Errors: AccessDeniedException, KMSInvalidStateException and what else KMS says, where the group's key cannot be used any more.
    """
    if not group.kms_key:
        return ctx.vault, 0
    newest = next(DATA_KEYS.scan(ctx, group.id, reverse=True), None)
    if newest is None or newest.key_arn != group.kms_key:
        arn = arn_of(group)
        made = ask_kms(ctx, "GenerateDataKey", group.account, arn, {"KeyId": group.kms_key, "KeySpec": "AES_256"})
        newest = DataKey(
            group=group.id, number=ctx.tx.unique(), key_arn=group.kms_key, ciphertext=made["CiphertextBlob"], made_at_ms=ctx.now
        )
        DATA_KEYS.put(ctx, newest)
    return seal_of(ctx, group, newest.number), newest.number


def seal_of(ctx: Context, group: Group, number: int) -> Seal:
    """What opens a chunk that is sealed under a data key of its group. Errors: what KMS says."""
    if not number:
        vault: Seal = ctx.vault
        return vault
    data_key = DATA_KEYS.get(ctx, group.id, number)
    assert data_key is not None
    members = {"CiphertextBlob": data_key.ciphertext, "KeyId": data_key.key_arn}

    def opened() -> bytes:
        plaintext: bytes = ask_kms(ctx, "Decrypt", group.account, arn_of(group), members)["Plaintext"]
        return plaintext

    return _open.seal(ctx, group.id, data_key.ciphertext, ctx.now, OPEN_MS, opened)
