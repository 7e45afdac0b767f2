"""How S3 says no: its codes and sentences, and what Fogbank's S3 does not do."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from fogbank.kernel.errors import NotImplementedOperation, ServiceException


def access_denied() -> ServiceException:
    return ServiceException("AccessDenied", "Access Denied", status=403)


def no_such_bucket(name: str) -> ServiceException:
    return ServiceException("NoSuchBucket", "The specified bucket does not exist", status=404, BucketName=name)


def no_such_key(key: str, headers: dict[str, str] | None = None) -> ServiceException:
    return ServiceException("NoSuchKey", "The specified key does not exist.", status=404, Key=key, **{"@headers": headers or {}})


def no_such_version(key: str, version_id: str) -> ServiceException:
    return ServiceException("NoSuchVersion", "The specified version does not exist.", status=404, Key=key, VersionId=version_id)


def no_such_upload(upload_id: str) -> ServiceException:
    message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    return ServiceException("NoSuchUpload", message, status=404, UploadId=upload_id)


def invalid_argument(message: str, name: str, value: object) -> ServiceException:
    return ServiceException("InvalidArgument", message, status=400, ArgumentName=name, ArgumentValue=str(value))


def invalid_request(message: str) -> ServiceException:
    return ServiceException("InvalidRequest", message, status=400)


def malformed_xml() -> ServiceException:
    message = "The XML you provided was not well-formed or did not validate against our published schema"
    return ServiceException("MalformedXML", message, status=400)


def precondition_failed(condition: str) -> ServiceException:
    message = "At least one of the pre-conditions you specified did not hold"
    return ServiceException("PreconditionFailed", message, status=412, Condition=condition)


def conditional_conflict(condition: str, key: str) -> ServiceException:
    message = "The conditional request cannot succeed due to a conflicting operation against this resource."
    return ServiceException("ConditionalRequestConflict", message, status=409, Condition=condition, Key=key)


def header_not_implemented(header: str) -> ServiceException:
    message = "A header you provided implies functionality that is not implemented"
    return ServiceException("NotImplemented", message, status=501, Header=header)


def too_large(size: int, most: int) -> ServiceException:
    message = "Your proposed upload exceeds the maximum allowed size"
    return ServiceException("EntityTooLarge", message, status=400, ProposedSize=str(size), MaxSizeAllowed=str(most))


_UNSUPPORTED = (
    "GrantFullControl",
    "GrantRead",
    "GrantReadACP",
    "GrantWriteACP",
    "ServerSideEncryption",
    "SSECustomerAlgorithm",
    "SSECustomerKey",
    "SSECustomerKeyMD5",
    "SSEKMSKeyId",
    "SSEKMSEncryptionContext",
    "BucketKeyEnabled",
    "WebsiteRedirectLocation",
    "ObjectLockMode",
    "ObjectLockRetainUntilDate",
    "ObjectLockLegalHoldStatus",
    "ObjectLockEventHold",
    "ObjectLockEventHoldDurationDays",
    "ObjectLockEventHoldDurationYears",
)
_CHECKSUMS = ("ChecksumSHA512", "ChecksumMD5", "ChecksumXXHASH64", "ChecksumXXHASH3", "ChecksumXXHASH128")
_SSE_CUSTOMER = ("SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5")
_SSE_SOURCE = ("CopySourceSSECustomerAlgorithm", "CopySourceSSECustomerKey", "CopySourceSSECustomerKeyMD5")


class Unsupported:
    """Members of an operation's input that Fogbank does not honour: a request that brings one is refused by name.

    A grant or a canned ACL is refused in AWS's own words instead, as every bucket enforces its owner's ownership.
    """

    __slots__ = ("_members", "_names", "_nothing", "_operation")

    def __init__(self, operation: str, names: tuple[str, ...]) -> None:
        self._operation = operation
        self._names = names
        self._members = attrgetter(*names)
        self._nothing = (None,) * len(names)

    def refuse(self, req: Any) -> None:
        """Raises NotImplemented, naming the first such member."""
        members = self._members(req)
        if members != self._nothing:
            name = next(name for name, value in zip(self._names, members, strict=True) if value is not None)
            if name.startswith("Grant"):
                raise no_acl()
            raise NotImplementedOperation("s3", self._operation, f"with {name}")


PUT = Unsupported("PutObject", (*_UNSUPPORTED, *_CHECKSUMS, "WriteOffsetBytes"))
COPY = Unsupported("CopyObject", (*_UNSUPPORTED, *_SSE_SOURCE, "AnnotationDirective"))
CREATE_UPLOAD = Unsupported("CreateMultipartUpload", _UNSUPPORTED)
UPLOAD_PART = Unsupported("UploadPart", (*_SSE_CUSTOMER, *_CHECKSUMS))
UPLOAD_PART_COPY = Unsupported("UploadPartCopy", (*_SSE_CUSTOMER, *_SSE_SOURCE))
COMPLETE = Unsupported("CompleteMultipartUpload", (*_SSE_CUSTOMER, *_CHECKSUMS))
GET = Unsupported("GetObject", _SSE_CUSTOMER)
CREATE_BUCKET = Unsupported("CreateBucket", ("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP"))


def no_acl() -> ServiceException:
    return ServiceException("AccessControlListNotSupported", "The bucket does not allow ACLs", status=400)


def refuse_acl(acl: str | None) -> None:
    """Raises AccessControlListNotSupported for a canned ACL that grants anything to anybody but the bucket's owner."""
    if acl is not None and acl not in ("private", "bucket-owner-full-control"):
        raise no_acl()


_IMMEDIATE = frozenset({"STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"})
_ELSEWHERE = frozenset({"GLACIER", "DEEP_ARCHIVE", "OUTPOSTS", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS", "FSX_ONTAP"})


def storage_class(name: str | None, operation: str) -> str:
    """A storage class whose objects are read at once. It differs from STANDARD by its price only, so it is kept and reported.

    Errors: NotImplemented for those that must be restored before they are read, and those that other services keep;
    InvalidStorageClass.
    """
    if name is None:
        return "STANDARD"
    if name in _IMMEDIATE:
        return name
    if name in _ELSEWHERE or name.startswith("AWS_BACKUP"):
        raise NotImplementedOperation("s3", operation, f"with StorageClass={name}")
    raise ServiceException("InvalidStorageClass", "The storage class you specified is not valid", status=400, StorageClassRequested=name)
