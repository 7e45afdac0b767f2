"""What S3 remembers, and how it is found.

A bucket that was never versioned has rows in OBJECTS only. In a versioned one OBJECTS holds each key's current version
where that is an object (so that reading and listing are as fast as without versions), and VERSIONS everything else: older
versions, and all delete markers, the current one too. `rank` orders the versions of a key, newest first.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.access.principal import canonical_id as canonical_id
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.s3 import refusals
from fogbank.store.blobs import Blob
from fogbank.store.tables import Record, Table

NULL = "null"
"""The version id of an object that was written while its bucket was not versioned."""
PAYMENT = "request-payment"
"""In the settings of a bucket whose requesters pay."""
ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""The storage classes of which an object must be restored before it is read."""
BEFORE_ALL = -(1 << 61)
"""A rank newer than any version's."""


class PublicAccessBlock(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The four settings; a new bucket has all of them."""

    block_public_acls: bool = True
    ignore_public_acls: bool = True
    block_public_policy: bool = True
    restrict_public_buckets: bool = True


class Notification(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Which events go where: to a queue, a topic or a function by its ARN, or to EventBridge ("eventbridge")."""

    id: str
    target: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""


class Grant(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An entry of an access control list: to an account's canonical id or a group's URI."""

    grantee: str
    permission: str


class Bucket(Record, frozen=True, kw_only=True):
    """`versioning` is "" until it is first set.

    `settings` are the configurations of which a bucket has at most one (lifecycle, website ...), by kind: see `settings`.
    `ownership` is "" where the controls were deleted (as ObjectWriter); `acl` None where only the owner has a grant.
    """

    name: str
    account: str
    region: str
    created_at_ms: int
    location: str = ""
    versioning: str = ""
    tags: dict[str, str] = {}
    policy: str | None = None
    policy_is_public: bool = False
    public_access_block: PublicAccessBlock | None = PublicAccessBlock()
    notifications: tuple[Notification, ...] = ()
    settings: dict[str, Any] = {}
    ownership: str = "BucketOwnerEnforced"
    acl: tuple[Grant, ...] | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:::{self.name}"

    @property
    def lockable(self) -> bool:
        """Whether the bucket has Object Lock."""
        return "object-lock" in self.settings


class Checksum(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`algorithm` as AWS spells it (CRC64NVME), `value` in base64 (with "-N" where composite), `type` FULL_OBJECT or COMPOSITE."""

    algorithm: str
    value: str
    type: str = "FULL_OBJECT"


class ObjectPart(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A part of an object that was uploaded in parts; `checksum` in base64."""

    number: int
    size: int
    checksum: str


class Lock(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What keeps a version from being deleted: a retention (`mode` "" is none), a legal hold (ON, OFF; "" is never set)."""

    mode: str = ""
    until_ms: int = 0
    hold: str = ""


class Restored(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A readable copy of an archived object, asked for at `asked_ms`: there from `ready_ms` until `expires_ms`."""

    tier: str
    asked_ms: int
    ready_ms: int
    expires_ms: int


class Encryption(msgspec.Struct, frozen=True, array_like=True, gc=False, kw_only=True):
    """How content is encrypted, where not by SSE-S3 (see `encrypting`).

    algorithm    aws:kms or SSE-C
    key          the KMS key's ARN; the MD5 of the customer's key, in base64
    data_key     KMS's ciphertext of the data key; something sealed under the customer's key, to tell it by
    """

    algorithm: str
    key: str
    data_key: bytes
    context: dict[str, str] = {}
    bucket_key: bool = False


class Object(Record, frozen=True, kw_only=True):
    """One version of an object, or a delete marker.

    rank         minus the number of the write: smaller is newer
    etag         with its quotes
    headers      system metadata, by the answer's members: ContentType, CacheControl ...
    archive_tier where INTELLIGENT_TIERING keeps it: ARCHIVE_ACCESS, DEEP_ARCHIVE_ACCESS, or "" where it is read at once
    accessed_ms  when it was last read, as far as its archiving depends on that
    owner        the account that owns it ("anonymous" for nobody's), where that is not the bucket's
    acl          its access control list; None where only its owner has a grant
    replication  destination bucket -> PENDING, COMPLETED or FAILED; {"": "REPLICA"} for a replica
    """

    bucket: str
    key: str
    rank: int
    version_id: str
    etag: str
    size: int
    modified_at_ms: int
    storage_class: str
    checksum: Checksum | None
    blobs: tuple[Blob, ...] = ()
    headers: dict[str, str] = {}
    metadata: dict[str, str] = {}
    tags: dict[str, str] = {}
    parts: tuple[ObjectPart, ...] = ()
    upload_id: str = ""
    marker: bool = False
    encryption: Encryption | None = None
    lock: Lock | None = None
    restored: Restored | None = None
    archive_tier: str = ""
    accessed_ms: int = 0
    replication: dict[str, str] = {}
    owner: str = ""
    acl: tuple[Grant, ...] | None = None

    @property
    def sequencer(self) -> str:
        """Orders the events of one key."""
        return f"{-self.rank:016X}"


class MultipartUpload(Record, frozen=True, kw_only=True):
    """`id` begins with the number of its write, so ids of a key sort by when they were initiated.

    initiator_id  an account's canonical id, or the ARN of another principal
    deleted       an object with this key was deleted since
    """

    bucket: str
    key: str
    id: str
    initiated_at_ms: int
    initiator_id: str
    storage_class: str
    checksum_algorithm: str
    checksum_type: str
    headers: dict[str, str] = {}
    metadata: dict[str, str] = {}
    tags: dict[str, str] = {}
    deleted: bool = False
    encryption: Encryption | None = None
    lock: Lock | None = None
    owner: str = ""
    acl: tuple[Grant, ...] | None = None


class Part(Record, frozen=True, kw_only=True):
    upload_id: str
    number: int
    etag: str
    size: int
    modified_at_ms: int
    checksum: Checksum
    blobs: tuple[Blob, ...] = ()


class LogLine(Record, frozen=True, kw_only=True):
    """A record of a bucket's access log that has not been delivered; `at_ms` is when the request was answered."""

    bucket: str
    number: int
    at_ms: int
    text: str


class DailyRun(Record, frozen=True, kw_only=True):
    """What lifecycles do in a bucket has been done up to `due_ms`, a midnight; the task for that midnight is in the outbox."""

    bucket: str
    due_ms: int


class AccessPoint(Record, frozen=True, kw_only=True):
    """A further name of a bucket, with a policy of its own. `vpc_id`: only calls from there, where it is set."""

    account: str
    region: str
    name: str
    alias: str
    bucket: str
    created_at_ms: int
    vpc_id: str = ""
    policy: str | None = None
    policy_is_public: bool = False
    public_access_block: PublicAccessBlock = PublicAccessBlock()
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:{self.region}:{self.account}:accesspoint/{self.name}"

    @property
    def network_origin(self) -> str:
        return "VPC" if self.vpc_id else "Internet"


class AccountBlock(Record, frozen=True, kw_only=True):
    """The public access block of a whole account."""

    account: str
    block: PublicAccessBlock


class Configuration(Record, frozen=True, kw_only=True):
    """One of the configurations of which a bucket may have many. `due_ms`: when its next report is."""

    bucket: str
    kind: str
    id: str
    document: Any
    due_ms: int = 0


BUCKETS = Table("s3.buckets", Bucket, key=("name",))
BUCKETS_BY_ACCOUNT = BUCKETS.index("by_account", "account", "name")
OBJECTS = Table("s3.objects", Object, key=("bucket", "key"))
VERSIONS = Table("s3.versions", Object, key=("bucket", "key", "rank"))
NULL_VERSIONS = VERSIONS.index("null", "bucket", "key", where=lambda version: version.version_id == NULL)
UPLOADS = Table("s3.uploads", MultipartUpload, key=("bucket", "key", "id"))
PARTS = Table("s3.parts", Part, key=("upload_id", "number"))
ACCESS_POINTS = Table("s3.access_points", AccessPoint, key=("account", "region", "name"))
ACCESS_POINTS_BY_ALIAS = ACCESS_POINTS.index("by_alias", "alias")
ACCESS_POINTS_BY_BUCKET = ACCESS_POINTS.index("by_bucket", "bucket", "account", "region", "name")
ACCOUNT_BLOCKS = Table("s3.account_blocks", AccountBlock, key=("account",))
CONFIGURATIONS = Table("s3.configurations", Configuration, key=("bucket", "kind", "id"))
LOG_LINES = Table("s3.log_lines", LogLine, key=("bucket", "number"))
DAILY_RUNS = Table("s3.daily_runs", DailyRun, key=("bucket",))


def owner(account: str) -> dict[str, str]:
    return {"ID": canonical_id(account)}


def bucket_at(ctx: Context, req: Any) -> Bucket:
    """The bucket that a request names.

    Errors: NoSuchBucket; AccessDenied where it is not the ExpectedBucketOwner's; AuthorizationHeaderMalformed where the request
    was signed for another region than the bucket's (SDKs then sign again for the right one).
    """
    bucket = BUCKETS.get(ctx, req.Bucket)
    if bucket is None:
        raise refusals.no_such_bucket(req.Bucket)
    expected = req.ExpectedBucketOwner
    if expected is not None and expected != bucket.account:
        raise refusals.access_denied()
    if bucket.region != ctx.region and ctx.request is not None and ctx.account:
        message = f"The authorization header is malformed; the region '{ctx.region}' is wrong; expecting '{bucket.region}'"
        raise ServiceException(
            "AuthorizationHeaderMalformed",
            message,
            status=400,
            Region=bucket.region,
            **{"@headers": {"x-amz-bucket-region": bucket.region}},
        )
    if PAYMENT in bucket.settings:
        check_payer(ctx, req, bucket)
    return bucket


def check_payer(ctx: Context, req: Any, bucket: Bucket) -> None:
    """Errors: AccessDenied where the requester pays, is of another account, and does not say so."""
    if ctx.account != bucket.account and ctx.principal.kind != "service":
        said = getattr(req, "RequestPayer", "requester")  # of the bucket's configuration nobody pays for
        if said != "requester" or not ctx.account:
            raise refusals.access_denied()


def object_arn(bucket: str, key: str) -> str:
    return f"arn:aws:s3:::{bucket}/{key}"


def object_at(ctx: Context, bucket: Bucket, key: str, version_id: str | None) -> Object:
    """The current version of an object, or a named one; never a delete marker.

    Errors: NoSuchKey, NoSuchVersion (AccessDenied for callers who may not list the bucket); MethodNotAllowed for a marker named.
    """
    if version_id is None:
        current = OBJECTS.get(ctx, bucket.name, key)
        if current is None:
            raise missing_key(ctx, bucket, key)
        return current
    version = get_version(ctx, bucket, key, version_id)
    if version is None:
        if not ctx.may("s3:ListBucket", bucket.arn):
            raise refusals.access_denied()
        raise refusals.no_such_version(key, version_id)
    if version.marker:
        headers = {"Allow": "DELETE", "x-amz-delete-marker": "true", "x-amz-version-id": version.version_id}
        raise ServiceException(
            "MethodNotAllowed",
            "The specified method is not allowed against this resource.",
            status=405,
            Method=ctx.request.method if ctx.request else "GET",
            ResourceType="DeleteMarker",
            **{"@headers": headers},
        )
    return version


def missing_key(ctx: Context, bucket: Bucket, key: str) -> ServiceException:
    """Why there is no current version, as far as the caller may know."""
    if not ctx.may("s3:ListBucket", bucket.arn):
        return refusals.access_denied()
    if bucket.versioning and (marker := next(VERSIONS.scan(ctx, bucket.name, key), None)) is not None:
        return refusals.no_such_key(key, {"x-amz-delete-marker": "true", "x-amz-version-id": marker.version_id})
    return refusals.no_such_key(key)


def get_version(ctx: Context, bucket: Bucket, key: str, version_id: str) -> Object | None:
    """A version or delete marker by its id. Errors: InvalidArgument for an id that cannot be one."""
    current = OBJECTS.get(ctx, bucket.name, key)
    if current is not None and current.version_id == version_id:
        return current
    if version_id == NULL:
        return NULL_VERSIONS.first(ctx, bucket.name, key)
    version = VERSIONS.get(ctx, bucket.name, key, rank_of(version_id))
    return version if version is not None and version.version_id == version_id else None


def new_version_id(ctx: Context, bucket: Bucket, rank: int) -> str:
    """`rank_of` finds the way back."""
    return f"{-rank:016x}{ctx.random.hex(16)}" if bucket.versioning == "Enabled" else NULL


def rank_of(version_id: str) -> int:
    """The rank of the version with this id. Errors: InvalidArgument."""
    if not version_id:
        raise refusals.invalid_argument("Version id cannot be the empty string", "versionId", version_id)
    try:
        if len(version_id) != 32:
            raise ValueError(version_id)
        return max(-int(version_id[:16], 16), BEFORE_ALL)
    except ValueError:
        raise refusals.invalid_argument("Invalid version id specified", "versionId", version_id) from None
