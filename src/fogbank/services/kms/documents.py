"""Key policies as KMS writes them itself, and as it reads them."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import msgspec

from fogbank.kernel.arn import partition_of


def _document(name: str, *statements: dict[str, Any]) -> str:
    """In KMS's own layout, with a space before each colon."""
    return json.dumps({"Version": "2012-10-17", "Id": name, "Statement": list(statements)}, indent=2, separators=(",", " : "))


def _root(account: str, region: str) -> dict[str, str]:
    return {"AWS": f"arn:{partition_of(region)}:iam::{account}:root"}


def default(account: str, region: str) -> str:
    """The default key policy: it hands the key to the account, whose IAM policies then decide."""
    return _document(
        "key-default-1",
        {
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": _root(account, region),
            "Action": "kms:*",
            "Resource": "*",
        },
    )


def managed(account: str, region: str, alias: str, via: str) -> str:
    """An AWS managed key's: everybody in the account uses it, but only through its service; the account sees what there is of it."""
    return _document(
        f"auto-{alias}-1",
        {
            "Sid": f"Allow access through {via} for all principals in the account that are authorized to use it",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey"],
            "Resource": "*",
            "Condition": {"StringEquals": {"kms:CallerAccount": account, "kms:ViaService": f"{via}.{region}.amazonaws.com"}},
        },
        {
            "Sid": "Allow direct access to key metadata to the account",
            "Effect": "Allow",
            "Principal": _root(account, region),
            "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
            "Resource": "*",
        },
    )


@lru_cache(4096)
def effective(document: str) -> str | None:
    """The policy without the statements that have no effect, because they lack an Action or a Resource; None where none is left."""
    policy = msgspec.json.decode(document)
    statements = policy["Statement"] if isinstance(policy.get("Statement"), list) else [policy.get("Statement")]
    whole = [said for said in statements if not isinstance(said, dict) or (_has(said, "Action") and _has(said, "Resource"))]
    if len(whole) == len(statements):
        return document
    return json.dumps({**policy, "Statement": whole}) if whole else None


def _has(statement: dict[str, Any], element: str) -> bool:
    return element in statement or "Not" + element in statement
