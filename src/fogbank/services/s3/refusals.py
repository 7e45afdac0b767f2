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
    "ObjectLockEventHold",
    "ObjectLockEventHoldDurationDays",
    "ObjectLockEventHoldDurationYears",
)


class Unsupported:
    """Members of an operation's input that Fogbank does not honour: a request that brings one is refused by name."""

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
            raise NotImplementedOperation("s3", self._operation, f"with {name}")


PUT = Unsupported("PutObject", (*_UNSUPPORTED, "WriteOffsetBytes"))
COPY = Unsupported("CopyObject", (*_UNSUPPORTED, "AnnotationDirective"))
CREATE_UPLOAD = Unsupported("CreateMultipartUpload", _UNSUPPORTED)


def no_acl() -> ServiceException:
    return ServiceException("AccessControlListNotSupported", "The bucket does not allow ACLs", status=400)


_CLASSES = frozenset(
    {"STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"}
)
_ELSEWHERE = frozenset({"OUTPOSTS", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS", "FSX_ONTAP"})


def storage_class(name: str | None, operation: str) -> str:
    """A storage class; what is in GLACIER and DEEP_ARCHIVE must be restored before it is read, the others differ by their price only.

    Errors: NotImplemented for those that other services keep; InvalidStorageClass.
    """
    if name is None:
        return "STANDARD"
    if name in _CLASSES:
        return name
    if name in _ELSEWHERE or name.startswith("AWS_BACKUP"):
        raise NotImplementedOperation("s3", operation, f"with StorageClass={name}")
    raise ServiceException("InvalidStorageClass", "The storage class you specified is not valid", status=400, StorageClassRequested=name)
