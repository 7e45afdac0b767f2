"""Tables under a KMS key of their account: item bodies are sealed under a data key, which the KMS key wraps.

Whoever reads or writes items must be allowed to use the KMS key. As in DynamoDB, an opened data key is kept for five minutes, for
each caller by itself: that long a key that was disabled goes on working. What happens by itself (filling an index, counting)
uses the key by a grant. Sealed are the bodies; key attributes also stand in the places of items, as text, and those are not.

Source: developer guide, DynamoDB encryption at rest.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.dynamodb.faults import invalid, invalid_values
from fogbank.services.dynamodb.state import Encryption, Table
from fogbank.store import change

DEFAULT_KEY = "alias/aws/dynamodb"
GRANTED = ["Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo"]
UNREADABLE = "KMS key access denied error: "


def specified(ctx: Context, table: Table, given: Any) -> Table:
    """The table with the encryption that an SSESpecification asks for; items that are there are turned by a task.

    Raises ValidationException, AccessDeniedException.
    """
    if not given.Enabled:
        if given.KMSMasterKeyId is not None or given.SSEType is not None:
            raise invalid_values("SSEType and KMSMasterKeyId can only be specified when SSE is enabled")
        if table.encryption is None:
            return table
        return change(table, encryption=change(table.encryption, status="DISABLING"))
    if given.SSEType not in (None, "KMS"):
        raise invalid_values(f"SSEType {given.SSEType} is not supported")
    key = _call(ctx, "DescribeKey", {"KeyId": given.KMSMasterKeyId or DEFAULT_KEY}, "KMS validation error: ")["KeyMetadata"]["Arn"]
    before = table.encryption
    if before is not None and before.key_arn == key and before.status == "ENABLED":
        raise invalid_values(f"Table is already encrypted by given KMSMasterKeyId: {key}")
    bound = {"EncryptionContext": _bound(table)}
    grantee = f"dynamodb.{table.region}.amazonaws.com"
    _call(ctx, "CreateGrant", {"KeyId": key, "GranteePrincipal": grantee, "Operations": GRANTED}, "KMS validation error: ")
    if before is None:
        made = _call(ctx, "GenerateDataKeyWithoutPlaintext", {"KeyId": key, "KeySpec": "AES_256", **bound}, UNREADABLE)
        return change(table, encryption=Encryption(key, made["CiphertextBlob"], "ENABLING"))
    members = {
        "CiphertextBlob": before.wrapped,
        "DestinationKeyId": key,
        "SourceEncryptionContext": _bound(table),
        "DestinationEncryptionContext": _bound(table),
    }
    return change(table, encryption=Encryption(key, _call(ctx, "ReEncrypt", members, UNREADABLE)["CiphertextBlob"], "ENABLING"))


def _bound(table: Table) -> dict[str, str]:
    """The encryption context of a table's data key."""
    return {"aws:dynamodb:tableName": table.name, "aws:dynamodb:subscriberId": table.account}


def _call(ctx: Context, operation: str, members: dict[str, Any], failure: str) -> Any:
    """KMS, as the caller. What it refuses becomes DynamoDB's own refusal."""
    try:
        return ctx.call("kms", operation, members)
    except NotImplementedOperation:
        raise
    except ServiceException as refused:
        if refused.code == "AccessDeniedException" or failure == UNREADABLE:
            raise ServiceException("AccessDeniedException", f"{UNREADABLE}{refused.message or refused.code}") from None
        raise invalid(f"{failure}{refused.message or refused.code}") from None


def data_key(ctx: Context, table: Table, encryption: Encryption) -> bytes:
    """A table's data key, opened as the caller."""
    members = {"KeyId": encryption.key_arn, "CiphertextBlob": encryption.wrapped, "EncryptionContext": _bound(table)}
    opened: bytes = _call(ctx, "Decrypt", members, UNREADABLE)["Plaintext"]
    return opened
