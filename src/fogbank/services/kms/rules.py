"""What each operation asks of a key before it looks at anything else: how it may be named, whose it may be, and its state.

Source: "Key states of KMS keys" in the KMS Developer Guide; "Cross-account use" of each operation in the API reference.
"""

from __future__ import annotations

from typing import NamedTuple

from fogbank.kernel.errors import ServiceException


class Rule(NamedTuple):
    """`states`: those in which the operation runs. `alias`: KeyId may be an alias. `abroad`: the key may be another account's."""

    states: frozenset[str]
    alias: bool = False
    abroad: bool = False


ENABLED, DISABLED, UPDATING, CREATING = "Enabled", "Disabled", "Updating", "Creating"
PENDING_IMPORT, PENDING_DELETION, PENDING_REPLICA_DELETION = "PendingImport", "PendingDeletion", "PendingReplicaDeletion"

_ANY = frozenset({ENABLED, DISABLED, UPDATING, CREATING, PENDING_IMPORT, PENDING_DELETION, PENDING_REPLICA_DELETION})
_DOOMED = frozenset({PENDING_DELETION, PENDING_REPLICA_DELETION})
_LIVING = _ANY - _DOOMED
_USABLE = frozenset({ENABLED, UPDATING})

_USE = Rule(_USABLE, alias=True, abroad=True)
_LOOK = Rule(_ANY)

RULES: dict[str, Rule] = {
    "CancelKeyDeletion": Rule(_DOOMED),
    "CreateAlias": Rule(_LIVING),
    "CreateGrant": Rule(_USABLE, abroad=True),
    "Decapsulate": _USE,
    "Decrypt": _USE,
    "DeleteAlias": _LOOK,
    "DeleteImportedKeyMaterial": Rule(_ANY - {CREATING, UPDATING}),
    "DeriveSharedSecret": _USE,
    "DescribeKey": Rule(_ANY, alias=True, abroad=True),
    "DisableKey": Rule(frozenset({ENABLED, DISABLED})),
    "DisableKeyRotation": Rule(frozenset({ENABLED})),
    "EnableKey": Rule(frozenset({ENABLED, DISABLED})),
    "EnableKeyRotation": Rule(frozenset({ENABLED})),
    "Encapsulate": _USE,
    "Encrypt": _USE,
    "GenerateDataKey": _USE,
    "GenerateDataKeyPair": _USE,
    "GenerateDataKeyPairWithoutPlaintext": _USE,
    "GenerateDataKeyWithoutPlaintext": _USE,
    "GenerateMac": _USE,
    "GetKeyLastUsage": _LOOK,
    "GetKeyPolicy": _LOOK,
    "GetKeyRotationStatus": Rule(_ANY, abroad=True),
    "GetParametersForImport": Rule(_LIVING - {CREATING, UPDATING}),
    "GetPublicKey": _USE,
    "ImportKeyMaterial": Rule(_LIVING - {CREATING, UPDATING}),
    "ListAliases": _LOOK,
    "ListGrants": Rule(_ANY, abroad=True),
    "ListKeyPolicies": _LOOK,
    "ListKeyRotations": _LOOK,
    "ListResourceTags": _LOOK,
    "PutKeyPolicy": _LOOK,
    "ReEncrypt": _USE,
    "ReplicateKey": Rule(frozenset({ENABLED})),
    "RetireGrant": Rule(_ANY, abroad=True),
    "RevokeGrant": Rule(_ANY, abroad=True),
    "RotateKeyOnDemand": Rule(frozenset({ENABLED})),
    "ScheduleKeyDeletion": Rule(_LIVING - {CREATING, UPDATING}),
    "Sign": _USE,
    "TagResource": Rule(_LIVING),
    "UntagResource": Rule(_LIVING),
    "UpdateAlias": Rule(_LIVING),
    "UpdateKeyDescription": Rule(_LIVING),
    "UpdatePrimaryRegion": Rule(frozenset({ENABLED})),
    "Verify": _USE,
    "VerifyMac": _USE,
}

_SAID = {
    PENDING_DELETION: "is pending deletion.",
    PENDING_REPLICA_DELETION: "is pending replica deletion.",
    PENDING_IMPORT: "is pending import.",
    CREATING: "is creating.",
    UPDATING: "is updating.",
}


def wrong_state(operation: str, arn: str, state: str) -> ServiceException:
    """What an operation says to a key in a state in which it does not run."""
    if operation == "CancelKeyDeletion":
        return ServiceException("KMSInvalidStateException", f"{arn} is not pending deletion.")
    if state == DISABLED:
        return ServiceException("DisabledException", f"{arn} is disabled.")
    return ServiceException("KMSInvalidStateException", f"{arn} {_SAID[state]}")
