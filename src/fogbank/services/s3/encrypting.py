"""Encryption at rest: SSE-S3, SSE-KMS and SSE-C.

Content always lies encrypted under a key of its own (`store.blobs`). What differs is what seals that key: the cloud's root key
(SSE-S3, what every object has unless something else is said), a data key of KMS (SSE-KMS), or the key that the customer sends
with every request and nobody keeps (SSE-C). So the encryption of an object can change without touching its content.

A bucket key (BucketKeyEnabled) makes the bucket, not the object, the encryption context; KMS is asked each time all the same,
so that a permission taken away counts at once.
"""

from __future__ import annotations

import base64
import hashlib
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import locking, refusals, settings, versions
from fogbank.services.s3.state import Bucket, Encryption, Object, bucket_at, object_arn, object_at
from fogbank.store.tables import change
from fogbank.store.vault import KEY_BYTES, Seal

MANAGED_KEY = "alias/aws/s3"
_ASKED = (
    "ServerSideEncryption",
    "SSEKMSKeyId",
    "SSEKMSEncryptionContext",
    "BucketKeyEnabled",
    "SSECustomerAlgorithm",
    "SSECustomerKey",
    "SSECustomerKeyMD5",
)
_asked = attrgetter(*_ASKED)
_NOTHING = (None,) * len(_ASKED)
_PLAIN = {"ServerSideEncryption": "AES256"}


def is_asked(req: Any) -> bool:
    """Whether a request says how what it writes is to be encrypted."""
    return bool(_asked(req) != _NOTHING)


class Sealing(NamedTuple):
    """How something is encrypted (None: SSE-S3), and what seals it."""

    encryption: Encryption | None
    seal: Seal


# choosing, for what is written


def chosen(ctx: Context, req: Any, bucket: Bucket, key: str) -> Sealing:
    """The encryption that a request asks for, or else the bucket's.

    Needs kms:GenerateDataKey on a KMS key. Errors: InvalidArgument, AccessDenied, and KMS's own (`KMS.DisabledException` ...).
    """
    asked = _asked(req)
    if asked == _NOTHING and "encryption" not in bucket.settings:
        return Sealing(None, ctx.vault)
    rule = default_rule(bucket)
    if any(asked[4:]):
        return _by_customer(req, rule)
    algorithm, key_id, context, bucket_key = asked[:4]
    applied = (rule or {}).get("ApplyServerSideEncryptionByDefault", {})
    if algorithm is None and key_id is not None:
        raise _invalid("Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
    if algorithm is None:
        algorithm, key_id = applied.get("SSEAlgorithm", "AES256"), applied.get("KMSMasterKeyID")
    elif key_id is None and applied.get("SSEAlgorithm") == algorithm:
        key_id = applied.get("KMSMasterKeyID")
    if algorithm == "AES256":
        if key_id is not None or context is not None:
            raise _invalid("Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
        return Sealing(None, ctx.vault)
    _check_algorithm(ctx, algorithm)
    if bucket_key is None:
        bucket_key = bool((rule or {}).get("BucketKeyEnabled"))
    return by_kms(ctx, bucket, key, key_id or MANAGED_KEY, _context(context), bucket_key=bucket_key)


def by_kms(ctx: Context, bucket: Bucket, key: str, key_id: str, context: dict[str, str], *, bucket_key: bool) -> Sealing:
    """Encryption under a new data key of a KMS key."""
    _check_signed(ctx)
    context = context | {"aws:s3:arn": bucket.arn if bucket_key else object_arn(bucket.name, key)}
    members = {"KeyId": key_id, "KeySpec": "AES_256", "EncryptionContext": context}
    made = _ask_kms(ctx, "GenerateDataKey", members, bucket.region)
    encryption = Encryption(algorithm="aws:kms", key=made["KeyId"], data_key=made["CiphertextBlob"], context=context, bucket_key=bucket_key)
    return Sealing(encryption, Seal(made["Plaintext"]))


def _by_customer(req: Any, rule: dict[str, Any] | None) -> Sealing:
    if req.ServerSideEncryption is not None or req.SSEKMSKeyId is not None:
        raise _invalid("Server Side Encryption with Customer provided key is incompatible with the encryption method specified")
    if "SSE-C" in blocked(rule):
        message = (
            "This bucket has blocked upload requests that specify Server Side Encryption with Customer provided keys (SSE-C). "
            "Please specify a different server-side encryption type"
        )
        raise _denied(message)
    key, md5 = customer_key(req.SSECustomerAlgorithm, req.SSECustomerKey, req.SSECustomerKeyMD5)
    seal = Seal(key)
    return Sealing(Encryption(algorithm="SSE-C", key=md5, data_key=seal.seal(b"")), seal)


def customer_key(algorithm: str | None, key: str | None, md5: str | None) -> tuple[bytes, str]:
    """The key that a request brings, and its MD5 in base64. Errors: InvalidArgument, InvalidEncryptionAlgorithmError."""
    which = "Requests specifying Server Side Encryption with Customer provided keys must provide"
    if algorithm is None:
        raise _invalid(f"{which} a valid encryption algorithm.")
    if algorithm != "AES256":
        message = "The Encryption request you specified is not valid. Supported value: AES256."
        raise ServiceException("InvalidEncryptionAlgorithmError", message, status=400)
    if key is None:
        raise _invalid(f"{which} an appropriate secret key.")
    try:
        secret = base64.b64decode(key, validate=True)
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise _invalid("The secret key was invalid for the specified algorithm.")
    if md5 is None:
        raise _invalid(f"{which} the client calculated MD5 of the secret key.")
    if md5 != base64.b64encode(hashlib.md5(secret, usedforsecurity=False).digest()).decode():
        raise _invalid("The calculated MD5 hash of the key did not match the hash that was provided.")
    return secret, md5


def _context(encoded: str | None) -> dict[str, str]:
    """x-amz-server-side-encryption-context: JSON in base64. Errors: InvalidArgument."""
    if encoded is None:
        return {}
    try:
        return msgspec.json.decode(base64.b64decode(encoded, validate=True), type=dict[str, str])
    except (ValueError, RecursionError):
        raise _invalid("The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON.") from None


def _check_algorithm(ctx: Context, algorithm: str) -> None:
    if algorithm == "aws:kms:dsse":
        raise NotImplementedOperation("s3", ctx.operation, "with ServerSideEncryption=aws:kms:dsse (content is encrypted once, not twice)")
    if algorithm != "aws:kms":
        message = "The encryption method specified is not supported"
        raise ServiceException("InvalidEncryptionAlgorithmError", message, status=400)


# opening, for what is read


def seal_of(ctx: Context, req: Any, found: Object, *, source: bool = False) -> Seal:
    """What opens an object's content, for this caller. `source`: the request brings the key of a copy's source.

    Needs kms:Decrypt on a KMS key. Errors: InvalidRequest, AccessDenied (a wrong customer key), and KMS's own.
    """
    check_customer(req, found.encryption, source=source)
    return opened(ctx, req, found.encryption, source=source)


def check_customer(req: Any, encryption: Encryption | None, *, source: bool = False) -> None:
    """A request brings a customer's key exactly where one was used."""
    given = _given(req, source=source)
    if encryption is not None and encryption.algorithm == "SSE-C":
        if not any(given):
            raise refusals.invalid_request(
                "The object was stored using a form of Server Side Encryption."
                " The correct parameters must be provided to retrieve the object."
            )
        secret, md5 = customer_key(*given)
        if md5 != encryption.key or not _opens(Seal(secret), encryption.data_key):
            raise refusals.access_denied()
    elif any(given):
        raise refusals.invalid_request(
            "The encryption parameters are not applicable to this object." if not source else "The copy source was not encrypted so."
        )


def _given(req: Any, *, source: bool) -> tuple[Any, Any, Any]:
    prefix = "CopySource" if source else ""
    return tuple(getattr(req, f"{prefix}SSECustomer{name}", None) for name in ("Algorithm", "Key", "KeyMD5"))  # type: ignore[return-value]


def _opens(seal: Seal, sealed: bytes) -> bool:
    try:
        seal.open(sealed)
    except ValueError:
        return False
    return True


def opened(ctx: Context, req: Any, encryption: Encryption | None, *, source: bool = False) -> Seal:
    """The seal of a known encryption: KMS is asked for the data key, the customer's key is the request's."""
    if encryption is None:
        seal: Seal = ctx.vault
        return seal
    if encryption.algorithm == "SSE-C":
        return Seal(customer_key(*_given(req, source=source))[0])
    _check_signed(ctx)
    region = encryption.key.split(":")[3]
    members = {"CiphertextBlob": encryption.data_key, "EncryptionContext": encryption.context, "KeyId": encryption.key}
    return Seal(_ask_kms(ctx, "Decrypt", members, region)["Plaintext"])


def _ask_kms(ctx: Context, name: str, members: dict[str, Any], region: str) -> Any:
    """KMS's answer; its refusals are S3's AccessDenied, and otherwise have its name in front."""
    try:
        return ctx.call("kms", name, members, region=region)
    except ServiceException as refused:
        if refused.code == "AccessDeniedException":
            raise ServiceException("AccessDenied", refused.message, status=403) from None
        raise ServiceException(f"KMS.{refused.code}", refused.message, status=400) from None


def _check_signed(ctx: Context) -> None:
    """KMS does not speak to strangers, nor to those who sign as of old."""
    request = ctx.request
    old = request is not None and (request.headers.get("authorization", "").startswith("AWS ") or "AWSAccessKeyId=" in request.query)
    if old or not ctx.account:
        raise _invalid("Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.")


# telling


def answer(encryption: Encryption | None) -> dict[str, Any]:
    """An encryption as every answer about an object tells it."""
    if encryption is None:
        return _PLAIN
    if encryption.algorithm == "SSE-C":
        return {"SSECustomerAlgorithm": "AES256", "SSECustomerKeyMD5": encryption.key}
    out: dict[str, Any] = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": encryption.key}
    if encryption.bucket_key:
        out["BucketKeyEnabled"] = True
    return out


def etag(md5: bytes, encryption: Encryption | None) -> str:
    """The entity tag of content: its MD5, but under a KMS key or a customer's something that does not tell it."""
    if encryption is not None:
        md5 = hashlib.md5(md5 + encryption.data_key, usedforsecurity=False).digest()
    return f'"{md5.hex()}"'


# the bucket's default


def default_rule(bucket: Bucket) -> dict[str, Any] | None:
    """The one rule of the bucket's configuration; None where it was never set."""
    document = bucket.settings.get("encryption") if bucket.settings else None
    return None if document is None else document["Rules"][0]


def blocked(rule: dict[str, Any] | None) -> list[str]:
    """The kinds of encryption that uploads may not use: SSE-C, unless the bucket says otherwise (AWS's default since April 2026)."""
    types = ((rule or {}).get("BlockedEncryptionTypes") or {}).get("EncryptionType")
    return ["SSE-C"] if types is None else [name for name in types if name != "NONE"]


@operation("PutBucketEncryption")
def put_bucket_encryption(ctx: Context, req: Any) -> Answer:
    """Sets the encryption of objects that are written without saying how, and whether SSE-C is blocked.

    Errors: MalformedXML, InvalidArgument; NotImplemented for aws:kms:dsse.
    """
    bucket = bucket_at(ctx, req)
    document = settings.document(req.ServerSideEncryptionConfiguration)
    rules = document.get("Rules") or []
    if len(rules) != 1:
        raise refusals.malformed_xml()
    rule = rules[0]
    applied = rule.get("ApplyServerSideEncryptionByDefault")
    if applied is None:
        applied = rule["ApplyServerSideEncryptionByDefault"] = {"SSEAlgorithm": "AES256"}
    if applied["SSEAlgorithm"] == "AES256":
        if applied.get("KMSMasterKeyID") is not None:
            raise _invalid("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse")
    elif applied["SSEAlgorithm"] not in ("aws:kms", "aws:kms:dsse"):
        raise refusals.malformed_xml()
    else:
        _check_algorithm(ctx, applied["SSEAlgorithm"])
    if set((rule.get("BlockedEncryptionTypes") or {}).get("EncryptionType") or ()) - {"NONE", "SSE-C"}:
        raise refusals.malformed_xml()
    settings.keep(ctx, bucket, "encryption", document)
    return None


@operation("GetBucketEncryption")
def get_bucket_encryption(ctx: Context, req: Any) -> Answer:
    """The bucket's encryption: SSE-S3 where none was set."""
    rule = default_rule(bucket_at(ctx, req)) or {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    kept = {"BucketKeyEnabled": False, "BlockedEncryptionTypes": {"EncryptionType": blocked(rule) or ["NONE"]}}
    return {"ServerSideEncryptionConfiguration": {"Rules": [kept | rule]}}


@operation("DeleteBucketEncryption")
def delete_bucket_encryption(ctx: Context, req: Any) -> Answer:
    """Goes back to SSE-S3."""
    settings.keep(ctx, bucket_at(ctx, req), "encryption", None)
    return None


@operation("UpdateObjectEncryption")
def update_object_encryption(ctx: Context, req: Any) -> Answer:
    """Puts an object under another KMS key of the bucket's account, as it is: tag, dates and content stay.

    Errors: InvalidRequest for SSE-C, and for what is no key's ARN; AccessDenied for another account's key, and for what Object Lock
    protects; KMS's own.
    """
    bucket = bucket_at(ctx, req)
    found = object_at(ctx, bucket, req.Key, req.VersionId)
    wanted = req.ObjectEncryption.SSEKMS
    if wanted is None:
        raise refusals.malformed_xml()
    if found.encryption is not None and found.encryption.algorithm == "SSE-C":
        raise refusals.invalid_request("The UpdateObjectEncryption operation doesn't support source objects encrypted with SSE-C.")
    arn = Arn.parse(wanted.KMSKeyArn)
    if arn is None or arn.service != "kms" or not arn.resource.startswith("key/"):
        raise refusals.invalid_request("Requests that modify an object's encryption type to SSE-KMS require a valid KMS key ARN.")
    if arn.account != bucket.account:
        raise _denied("The KMS key in the request must be owned by the same account as the bucket.")
    if locking.protects(ctx, found):
        raise _denied("The encryption type for the specified object can't be updated because it is protected by S3 Object Lock.")
    old = opened(ctx, req, found.encryption)
    encryption, seal = by_kms(ctx, bucket, found.key, wanted.KMSKeyArn, {}, bucket_key=bool(wanted.BucketKeyEnabled))
    blobs = ctx.blobs.share(ctx, found.blobs, seal=old, new_seal=seal)
    versions.drop_blobs(ctx, found)
    versions.rewrite(ctx, change(found, blobs=blobs, encryption=encryption))
    return None


def _invalid(message: str) -> ServiceException:
    return ServiceException("InvalidArgument", message, status=400)


def _denied(message: str) -> ServiceException:
    return ServiceException("AccessDenied", message, status=403)
