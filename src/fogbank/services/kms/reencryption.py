"""ReEncrypt: from one key to another without the plaintext leaving."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kms import conditions, faults, uses
from fogbank.services.kms.encryption import Pairs, check_kind, ciphertext_ignored, seal, unseal
from fogbank.services.kms.faults import check_dry_run, check_tokens
from fogbank.services.kms.names import alias_named, find, key_of_ciphertext
from fogbank.services.kms.rules import RULES, wrong_state
from fogbank.services.kms.specs import SYMMETRIC
from fogbank.services.kms.state import Key


@operation("ReEncrypt", authorized_here=True)
def re_encrypt(ctx: Context, req: Any) -> Answer:
    """Decrypts with one key and encrypts with another, or with the same in another context; the plaintext stays here.

    Needs kms:ReEncryptFrom on the one and kms:ReEncryptTo on the other. Errors: those of Decrypt and Encrypt.
    Source: API reference, ReEncrypt.
    """
    ignored = ciphertext_ignored(req)
    if ignored and req.SourceKeyId is None:
        raise faults.invalid("SourceKeyId is required when DryRunModifiers is IGNORE_CIPHERTEXT.")
    rule = RULES["ReEncrypt"]
    named = req.SourceKeyId
    source = find(ctx, named, rule) if named is not None else key_of_ciphertext(ctx, req.CiphertextBlob)
    target = find(ctx, req.DestinationKeyId, rule)
    from_algorithm = req.SourceEncryptionAlgorithm or SYMMETRIC
    to_algorithm = req.DestinationEncryptionAlgorithm or SYMMETRIC
    same = source.arn == target.arn
    _authorize(ctx, "From", source, req.SourceKeyId, from_algorithm, req.SourceEncryptionContext, same)
    _authorize(ctx, "To", target, req.DestinationKeyId, to_algorithm, req.DestinationEncryptionContext, same)
    for key in (source, target):
        if key.state not in rule.states:
            raise wrong_state("ReEncrypt", key.arn, key.state)
    check_kind(ctx, source, from_algorithm, req.SourceEncryptionContext)
    check_kind(ctx, target, to_algorithm, req.DestinationEncryptionContext)
    check_tokens(ctx, req)
    if ignored:
        check_dry_run(req)
    plaintext, source_material = unseal(ctx, source, from_algorithm, req.CiphertextBlob, req.SourceEncryptionContext)
    check_dry_run(req)
    sealed = seal(ctx, target, to_algorithm, plaintext, req.DestinationEncryptionContext)
    uses.note(ctx, source)
    uses.note(ctx, target)
    return {
        "CiphertextBlob": sealed.ciphertext,
        "SourceKeyId": source.arn,
        "KeyId": target.arn,
        "SourceEncryptionAlgorithm": from_algorithm,
        "DestinationEncryptionAlgorithm": to_algorithm,
        "SourceKeyMaterialId": source_material,
        "DestinationKeyMaterialId": sealed.material,
    }


def _authorize(ctx: Context, way: str, key: Key, key_id: str | None, algorithm: str, context: Pairs, same: bool) -> None:
    """Raises AccessDeniedException unless the caller may take this part in it."""
    own = conditions.of_key(ctx, key, alias_named(key_id))
    ctx.authorize(
        f"kms:ReEncrypt{way}",
        key.arn,
        **own,
        kms__reencryptonsamekey=same,
        kms__encryptionalgorithm=algorithm,
        kms__encryptioncontext__=context or {},
        kms__encryptioncontextkeys=list(context or ()),
    )
