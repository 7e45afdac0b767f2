"""Replication configurations: which versions of which objects go to which other buckets. `replicas` carries them out.

A version knows its state for every destination (`Object.replication`); a replica knows that it is one, and is never replicated
again. A rule with a Filter is of AWS's second version (priorities, tags, delete markers by choice), one without of the first.
Source: "Replication configuration file elements" in the Amazon S3 User Guide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any, NamedTuple

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import refusals, settings, versions
from fogbank.services.s3.state import ARCHIVED, BUCKETS, Bucket, Object, bucket_at
from fogbank.store.tables import change

KIND = "replication"
"""Under which name a bucket's settings have it."""
PENDING, COMPLETED, FAILED, REPLICA = "PENDING", "COMPLETED", "FAILED", "REPLICA"
IS_REPLICA = {"": REPLICA}
"""The state of a replica."""
RULES = 1000
_SEE = "Please refer to S3 Developer Guide for more information."


class Rule(NamedTuple):
    """An enabled rule. `destination` is a bucket's name; `tags` are those that an object must have."""

    id: str
    priority: int
    prefix: str
    tags: Mapping[str, str]
    destination: str
    document: Mapping[str, Any]

    @property
    def delete_markers(self) -> bool:
        """Whether delete markers go too: in the first version of the configuration they always did."""
        return "Filter" not in self.document or _enabled(self.document, "DeleteMarkerReplication")

    @property
    def replica_modifications(self) -> bool:
        return _enabled(self.document.get("SourceSelectionCriteria", {}), "ReplicaModifications")

    @property
    def kms_encrypted(self) -> bool:
        return _enabled(self.document.get("SourceSelectionCriteria", {}), "SseKmsEncryptedObjects")

    @property
    def replica_key(self) -> str | None:
        """The KMS key that replicas are encrypted with."""
        found: str | None = self.document["Destination"].get("EncryptionConfiguration", {}).get("ReplicaKmsKeyID")
        return found

    @property
    def storage_class(self) -> str | None:
        found: str | None = self.document["Destination"].get("StorageClass")
        return found

    @property
    def owner_override(self) -> bool:
        return "AccessControlTranslation" in self.document["Destination"]

    @property
    def metrics(self) -> bool:
        return _enabled(self.document["Destination"], "Metrics")

    @property
    def time_control(self) -> bool:
        return _enabled(self.document["Destination"], "ReplicationTime")

    def covers(self, version: Object) -> bool:
        return version.key.startswith(self.prefix) and all(version.tags.get(key) == value for key, value in self.tags.items())


def _enabled(document: Mapping[str, Any], name: str) -> bool:
    found: Mapping[str, Any] = document.get(name, {})
    return found.get("Status") == "Enabled"


def rules(bucket: Bucket) -> Iterator[Rule]:
    """The bucket's enabled rules."""
    configured = bucket.settings.get(KIND)
    if configured is None:
        return
    for one in configured["Rules"]:
        if one["Status"] == "Enabled":
            prefix, tags = _filter(one)
            yield Rule(one["ID"], one.get("Priority", 0), prefix, tags, _name(one["Destination"]["Bucket"]), one)


def role_of(bucket: Bucket) -> str:
    """The ARN of the role that replicates."""
    found: str = bucket.settings[KIND]["Role"]
    return found


def chosen(bucket: Bucket, version: Object) -> dict[str, Rule]:
    """The rule for each destination: the one of the highest priority that covers the version."""
    found: dict[str, Rule] = {}
    for rule in rules(bucket):
        if rule.covers(version) and (rule.destination not in found or found[rule.destination].priority < rule.priority):
            found[rule.destination] = rule
    return found


def _name(bucket_arn: str) -> str:
    return bucket_arn.rpartition(":")[2]


def _filter(rule: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """The prefix and the tags of a rule."""
    if "Filter" not in rule:
        return rule.get("Prefix", ""), {}
    wanted = rule["Filter"]
    both = wanted.get("And", wanted)
    tags = both.get("Tags", []) if "And" in wanted else [wanted["Tag"]] if "Tag" in wanted else []
    return both.get("Prefix", ""), {tag["Key"]: tag["Value"] for tag in tags}


def status(version: Object) -> str | None:
    """x-amz-replication-status: over all destinations, what is left to do comes before what failed."""
    states = version.replication.values()
    return next((state for state in (REPLICA, PENDING, FAILED, COMPLETED) if state in states), None)


def begin(ctx: Context, bucket: Bucket, new: Object) -> Object:
    """A new version as it is to be stored: pending for each destination that a rule sends it to."""
    wanted = [name for name, rule in chosen(bucket, new).items() if _eligible(new, rule)]
    _ask(ctx, new, wanted)
    return change(new, replication=dict.fromkeys(wanted, PENDING)) if wanted else new


def mark(ctx: Context, bucket: Bucket, marker: Object) -> None:
    """A delete marker that somebody made (not a lifecycle rule) goes where the rules say so."""
    _ask(ctx, marker, [name for name, rule in chosen(bucket, marker).items() if rule.delete_markers])


def rewrite(ctx: Context, bucket: Bucket, changed: Object) -> Object:
    """Stores a version whose tags, access control list or lock have changed, and has its replicas follow."""
    if changed.replication:
        changed = _follow(ctx, bucket, changed)
    versions.rewrite(ctx, changed)
    return changed


def _follow(ctx: Context, bucket: Bucket, changed: Object) -> Object:
    """The changes of a replica go on only where a rule of its own bucket says so (replica modification sync)."""
    if changed.replication == IS_REPLICA:
        _ask(ctx, changed, [name for name, rule in chosen(bucket, changed).items() if rule.replica_modifications])
        return changed
    there = {rule.destination for rule in rules(bucket)}
    wanted = [name for name in changed.replication if name in there]
    _ask(ctx, changed, wanted)
    return change(changed, replication=changed.replication | dict.fromkeys(wanted, PENDING)) if wanted else changed


def _eligible(new: Object, rule: Rule) -> bool:
    """Whether the rule may take a version: what is archived stays, what KMS encrypts goes where the rule says so."""
    if new.storage_class in ARCHIVED:
        return False
    return new.encryption is None or new.encryption.algorithm != "aws:kms" or rule.kms_encrypted


def _ask(ctx: Context, version: Object, destinations: Iterable[str]) -> None:
    for name in destinations:
        payload = {"bucket": version.bucket, "key": version.key, "version_id": version.version_id, "destination": name, "asked_ms": ctx.now}
        ctx.later("s3.replicate", payload)


@operation("PutBucketReplication")
def put_bucket_replication(ctx: Context, req: Any) -> Answer:
    """Replaces a bucket's replication configuration. New versions are copied from now on; what was there before is not.

    Needs iam:PassRole on the Role. Limits: 1 to 1,000 rules; both buckets versioned. Metrics lead to the Replication events
    only, as there is nowhere yet to publish figures. Errors: InvalidRequest, InvalidArgument, MalformedXML; NotImplemented for
    ExistingObjectReplication, which AWS has given up too. Source: PutBucketReplication in the Amazon S3 API Reference.
    """
    bucket = bucket_at(ctx, req)
    if bucket.versioning != "Enabled":
        raise refusals.invalid_request("Versioning must be 'Enabled' on the bucket to apply a replication configuration")
    wanted = settings.document(req.ReplicationConfiguration)
    role = Arn.parse(wanted["Role"])
    if role is None or role.service != "iam" or not role.resource.startswith("role/"):
        raise refusals.invalid_argument("Invalid Role specified in replication configuration", "Role", wanted["Role"])
    ctx.authorize("iam:PassRole", wanted["Role"], iam__PassedToService="s3.amazonaws.com")
    configured = wanted["Rules"]
    if not 1 <= len(configured) <= RULES:
        raise refusals.malformed_xml()
    for rule in configured:
        rule.setdefault("ID", ctx.random.uuid())
        _check(ctx, bucket, rule)
    _check_together(configured)
    settings.keep(ctx, bucket, KIND, wanted)
    return None


@operation("GetBucketReplication")
def get_bucket_replication(ctx: Context, req: Any) -> Answer:
    """The configuration as it was put. Errors: ReplicationConfigurationNotFoundError."""
    bucket = bucket_at(ctx, req)
    if KIND not in bucket.settings:
        message = "The replication configuration was not found"
        raise ServiceException("ReplicationConfigurationNotFoundError", message, status=404, BucketName=bucket.name)
    return {"ReplicationConfiguration": bucket.settings[KIND]}


@operation("DeleteBucketReplication")
def delete_bucket_replication(ctx: Context, req: Any) -> Answer:
    """Takes the configuration away; replicas stay."""
    settings.keep(ctx, bucket_at(ctx, req), KIND, None)
    return None


def _check(ctx: Context, bucket: Bucket, rule: dict[str, Any]) -> None:
    """One rule, by itself."""
    if len(rule["ID"]) > 255:
        raise refusals.invalid_argument("The maximum size of a rule ID is 255 characters", "ID", rule["ID"])
    if rule["Status"] not in ("Enabled", "Disabled"):
        raise refusals.malformed_xml()
    if _enabled(rule, "ExistingObjectReplication"):
        raise NotImplementedOperation("s3", "PutBucketReplication", "with ExistingObjectReplication")
    if "Filter" in rule:
        _check_filter(rule)
    else:
        _check_first_version(rule)
    destination = rule["Destination"]
    _check_destination(ctx, bucket, destination)
    chosen_kms = _enabled(rule.get("SourceSelectionCriteria", {}), "SseKmsEncryptedObjects")
    if chosen_kms != bool(destination.get("EncryptionConfiguration", {}).get("ReplicaKmsKeyID")):
        missing = "EncryptionConfiguration" if chosen_kms else "SseKmsEncryptedObjects"
        present = "SseKmsEncryptedObjects" if chosen_kms else "EncryptionConfiguration"
        raise refusals.invalid_request(f"{missing} must be specified if {present} is present.")


def _check_filter(rule: dict[str, Any]) -> None:
    wanted = rule["Filter"]
    if len(wanted) > 1 or "Prefix" in rule or ("And" in wanted and len(_parts(wanted["And"])) < 2):
        raise refusals.malformed_xml()
    for name in ("Priority", "DeleteMarkerReplication"):
        if name not in rule:
            raise refusals.invalid_request(
                f"{name} must be specified for this version of Cross Region Replication configuration schema. {_SEE}"
            )
    if rule["Priority"] < 0:
        raise refusals.invalid_argument("Priority must not be negative", "Priority", rule["Priority"])
    if _filter(rule)[1] and _enabled(rule, "DeleteMarkerReplication"):
        raise refusals.invalid_request(f"Delete marker replication is not supported if any Tag filter is specified. {_SEE}")


def _parts(both: Mapping[str, Any]) -> list[Any]:
    return [*(["Prefix"] if "Prefix" in both else []), *both.get("Tags", [])]


def _check_first_version(rule: dict[str, Any]) -> None:
    """What came with the second version may not stand in a rule of the first."""
    newer: list[str] = [name for name in ("Priority", "DeleteMarkerReplication") if name in rule]
    newer += [name for name in ("ReplicationTime", "Metrics") if name in rule["Destination"]]
    newer += [name for name in ("ReplicaModifications",) if name in rule.get("SourceSelectionCriteria", {})]
    if newer:
        message = f"{newer[0]} cannot be used for this version of the replication configuration schema. {_SEE}"
        raise refusals.invalid_request(message)
    if "Prefix" not in rule:
        raise refusals.malformed_xml()


def _check_destination(ctx: Context, bucket: Bucket, wanted: Mapping[str, Any]) -> None:
    name = _name(wanted["Bucket"])
    if not wanted["Bucket"].startswith("arn:aws:s3:::"):
        raise refusals.invalid_argument("Invalid bucket ARN.", "Bucket", wanted["Bucket"])
    if name == bucket.name:
        raise refusals.invalid_request("Destination bucket cannot be the same as the source bucket.")
    there = BUCKETS.get(ctx, name)
    if there is None:
        raise refusals.invalid_request("Destination bucket must exist.")
    if there.versioning != "Enabled":
        raise refusals.invalid_request("Destination bucket must have versioning enabled.")
    if "AccessControlTranslation" in wanted:
        if "Account" not in wanted:
            raise refusals.invalid_request("Account must be specified when AccessControlTranslation is specified.")
        if wanted["AccessControlTranslation"]["Owner"] != "Destination":
            raise refusals.malformed_xml()
    if wanted.get("Account", there.account) != there.account:
        raise refusals.invalid_request("Destination bucket owner does not match the specified Account.")
    if "StorageClass" in wanted:
        refusals.storage_class(wanted["StorageClass"], "PutBucketReplication")
    if _enabled(wanted, "ReplicationTime"):
        if not _enabled(wanted, "Metrics"):
            raise refusals.invalid_request("Metrics must be enabled if ReplicationTime is enabled.")
        if wanted["ReplicationTime"]["Time"].get("Minutes") != 15:
            raise refusals.invalid_argument("The only supported ReplicationTime is 15 minutes", "Minutes", "")


def _check_together(configured: list[dict[str, Any]]) -> None:
    """All rules: of one version, with IDs and priorities of their own."""
    if len({rule["ID"] for rule in configured}) != len(configured):
        raise refusals.invalid_argument("Rule ID must not be same for more than one rule", "ID", "")
    filtered = ["Filter" in rule for rule in configured]
    if any(filtered) and not all(filtered):
        raise refusals.invalid_request(f"All rules must be of the same version of the replication configuration schema. {_SEE}")
    if all(filtered):
        if len({rule["Priority"] for rule in configured}) != len(configured):
            raise refusals.invalid_request("Found duplicate priorities. Priority must be unique for each rule.")
        return
    if len({rule["Destination"]["Bucket"] for rule in configured}) > 1:
        raise refusals.invalid_request("All rules must have the same destination bucket.")
    for a, b in combinations([rule["Prefix"] for rule in configured], 2):
        if a.startswith(b) or b.startswith(a):
            raise refusals.invalid_argument(f"Found overlapping prefixes '{a}' and '{b}'", "Prefix", a)
