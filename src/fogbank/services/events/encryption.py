"""Encryption at rest: what is kept of events, and of rules, under the KMS key of the bus or the archive, or under the root key.

EventBridge asks KMS as itself, on behalf of the bus (or the archive), in the encryption context `aws:events:event-bus:arn`; the key's
policy must let it. A data key serves for five minutes.

Source: "Encrypting event buses with AWS KMS keys" in the Amazon EventBridge User Guide.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.events.addresses import bus_arn, invalid
from fogbank.services.events.state import DATA_KEYS, RULES, Bus, DataKey, Rule, Sealed, Target
from fogbank.store import change
from fogbank.store.vault import Openings, Seal

PRINCIPAL = "events.amazonaws.com"
REUSE_MS = 300_000

_open = Openings()
"""Data keys in the clear."""


class Content(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is sealed of a rule."""

    pattern: str
    targets: tuple[Target, ...]


_decode = msgspec.msgpack.Decoder(Content).decode


def key_arn(ctx: Context, identifier: str | None) -> str:
    """The ARN of a KMS key that the caller names; "" for none. Errors: ValidationException, AccessDeniedException."""
    if not identifier:
        return ""
    try:
        key = ctx.call("kms", "DescribeKey", {"KeyId": identifier})["KeyMetadata"]
    except ServiceException as refused:
        if refused.code == "AccessDeniedException":
            raise
        raise invalid(f"KmsKeyIdentifier {identifier} is not valid: {refused.message}") from None
    if key["KeySpec"] != "SYMMETRIC_DEFAULT" or key["KeyUsage"] != "ENCRYPT_DECRYPT" or not key["Enabled"]:
        raise invalid(f"KmsKeyIdentifier {identifier} is not valid: it must be an enabled symmetric encryption key.")
    arn: str = key["Arn"]
    return arn


def _ask(ctx: Context, key: DataKey, name: str, members: dict[str, Any]) -> Any:
    asked = {**members, "EncryptionContext": {"aws:events:event-bus:arn": key.bus_arn}}
    return ctx.call("kms", name, asked, acting=Acting(PRINCIPAL, key.arn, key.account), region=key.region)


def _seal_of(ctx: Context, key: DataKey) -> Seal:
    """Errors: those of KMS's Decrypt."""

    def opened() -> bytes:
        plaintext: bytes = _ask(ctx, key, "Decrypt", {"CiphertextBlob": key.ciphertext, "KeyId": key.key_arn})["Plaintext"]
        return plaintext

    return _open.seal(ctx, key.arn, key.ciphertext, ctx.now, REUSE_MS, opened)


def data_key(ctx: Context, bus: Bus, kms_key: str = "", arn: str = "") -> DataKey | None:
    """The data key in use for a bus (or for what `arn` names, under another key); None where it has no KMS key. Errors: those of KMS."""
    kms_key = kms_key or ("" if arn else bus.kms_key)
    if not kms_key:
        return None
    where = bus_arn(bus)
    arn = arn or where
    kept = DATA_KEYS.get(ctx, arn)
    if kept is not None and kept.key_arn == kms_key and kept.made_at_ms <= ctx.now < kept.made_at_ms + REUSE_MS:
        return kept
    asked = DataKey(arn=arn, bus_arn=where, key_arn=kms_key, ciphertext=b"", account=bus.account, region=bus.region, made_at_ms=ctx.now)
    made = _ask(ctx, asked, "GenerateDataKey", {"KeyId": kms_key, "KeySpec": "AES_256"})
    key = change(asked, ciphertext=made["CiphertextBlob"])
    DATA_KEYS.put(ctx, key)
    return key


def seal(ctx: Context, key: DataKey | None, content: bytes) -> Sealed:
    return Sealed(content=(ctx.vault if key is None else _seal_of(ctx, key)).seal(content), key=key)


def opened(ctx: Context, sealed: Sealed) -> bytes:
    """Errors: those of KMS's Decrypt."""
    seal = ctx.vault if sealed.key is None else _seal_of(ctx, sealed.key)
    content: bytes = seal.open(sealed.content)
    return content


# Rules


def put_rule(ctx: Context, bus: Bus, rule: Rule) -> None:
    """Puts a rule whose pattern and targets are open; sealed where the bus has a KMS key."""
    if not bus.kms_key:
        RULES.put(ctx, change(rule, sealed=None))
        return
    content = msgspec.msgpack.encode(Content(rule.pattern, rule.targets))
    RULES.put(ctx, change(rule, pattern="", targets=(), sealed=seal(ctx, data_key(ctx, bus), content)))


def open_rule(ctx: Context, rule: Rule) -> Rule:
    """The rule with its pattern and targets. Errors: those of KMS's Decrypt."""
    if rule.sealed is None:
        return rule
    content = _decode(opened(ctx, rule.sealed))
    return change(rule, pattern=content.pattern, targets=content.targets)


def reseal_rules(ctx: Context, before: Bus, after: Bus) -> None:
    """The rules of a bus whose key is another one now."""
    for rule in list(RULES.scan(ctx, before.account, before.region, before.name)):
        put_rule(ctx, after, open_rule(ctx, rule))
