"""Destinations: what a request asks for, checked, with the defaults in place, as it is kept and described."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.firehose import compressing, prefixes, processing
from fogbank.services.firehose.addresses import PRINCIPAL, arn_of
from fogbank.services.firehose.faults import invalid
from fogbank.services.firehose.state import Stream

ABSENT = {
    "Redshift": "Redshift",
    "Elasticsearch": "OpenSearch",
    "Amazonopensearchservice": "OpenSearch",
    "AmazonOpenSearchServerless": "OpenSearch Serverless",
    "Splunk": "Splunk",
    "Snowflake": "Snowflake",
    "Iceberg": "Iceberg tables",
}
"""Kinds of destination that are refused by name."""
KINDS = ("S3", "ExtendedS3", "HttpEndpoint")
PARTITIONED_MBS = 64
_S3 = {
    "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 300},
    "CompressionFormat": "UNCOMPRESSED",
    "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"},
    "CloudWatchLoggingOptions": {"Enabled": False},
}
_EXTENDED = {**_S3, "Prefix": "", "S3BackupMode": "Disabled"}
_HTTP = {
    "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 300},
    "CloudWatchLoggingOptions": {"Enabled": False},
    "RequestConfiguration": {"ContentEncoding": "NONE", "CommonAttributes": []},
    "ProcessingConfiguration": {"Enabled": False, "Processors": []},
    "RetryOptions": {"DurationInSeconds": 300},
    "S3BackupMode": "FailedDataOnly",
    "SecretsManagerConfiguration": {"Enabled": False},
}
_DEFAULTS: dict[str, dict[str, Any]] = {"S3": _S3, "ExtendedS3": _EXTENDED, "HttpEndpoint": _HTTP}
_RENAMED = {
    "S3BackupConfiguration": "S3BackupDescription",
    "S3BackupUpdate": "S3BackupDescription",
    "S3Configuration": "S3DestinationDescription",
    "S3Update": "S3DestinationDescription",
}


class Destination(NamedTuple):
    """A kind, its description, and the access key of an endpoint (None: none was given)."""

    kind: str
    description: dict[str, Any]
    access_key: str | None = None


def plain(members: Any) -> dict[str, Any]:
    """A structure's members that are given, as a dict."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: bare(inner) for name, inner in value.items() if inner is not None}
        return [bare(inner) for inner in value] if isinstance(value, list) else value

    made: dict[str, Any] = bare(msgspec.to_builtins(members))
    return made


def asked(req: Any, ending: str) -> tuple[str, dict[str, Any]]:
    """The one destination that a request names by a member with this ending. Raises InvalidArgumentException."""
    operation = "CreateDeliveryStream" if ending == "Configuration" else "UpdateDestination"
    for kind, name in ABSENT.items():
        if getattr(req, f"{kind}Destination{ending}") is not None:
            raise NotImplementedOperation("firehose", operation, f"with a destination in {name}")
    given = [(kind, getattr(req, f"{kind}Destination{ending}")) for kind in KINDS]
    found = [(kind, members) for kind, members in given if members is not None]
    if len(found) != 1:
        raise invalid("Exactly one destination configuration is supported for a Firehose.")
    return found[0][0], plain(found[0][1])


def made(ctx: Context, own: str, kind: str, given: Mapping[str, Any]) -> Destination:
    """A new destination of the stream with this ARN. Errors: InvalidArgumentException, NotImplemented, AccessDenied (iam:PassRole)."""
    return _checked(ctx, own, kind, {**_DEFAULTS[kind], **_inner(given)})


def merged(ctx: Context, stream: Stream, kind: str, given: Mapping[str, Any]) -> Destination:
    """A stream's destination with what an update says; one of another kind starts anew."""
    if {kind, stream.kind} == {"S3", "ExtendedS3"}:
        kind = "ExtendedS3"
    elif kind != stream.kind:
        return made(ctx, arn_of(stream), kind, given)
    inner = _inner(given)
    for name in ("S3BackupDescription", "S3DestinationDescription"):
        if name in inner and name in stream.destination:
            inner[name] = {**stream.destination[name], **inner[name]}
    before = stream.destination.get("S3BackupMode")
    if kind == "ExtendedS3" and before == "Enabled" and inner.get("S3BackupMode") == "Disabled":
        raise invalid("S3 backup cannot be disabled once it is enabled.")
    changed = {**_DEFAULTS[kind], **stream.destination, **inner}
    if _is_dynamic(changed) != _is_dynamic(stream.destination):
        raise invalid("Dynamic Partitioning can only be enabled when a Firehose is created, and cannot be disabled.")
    return _checked(ctx, arn_of(stream), kind, changed)


def _is_dynamic(described: Mapping[str, Any]) -> bool:
    return bool((described.get("DynamicPartitioningConfiguration") or {}).get("Enabled"))


def _inner(given: Mapping[str, Any]) -> dict[str, Any]:
    """Members by the names that the description has for them, buckets within with their own defaults."""
    found = {_RENAMED.get(name, name): value for name, value in given.items()}
    for name in ("S3BackupDescription", "S3DestinationDescription"):
        if name in found:
            found[name] = {**_S3, **found[name]} if "BucketARN" in found[name] and "RoleARN" in found[name] else found[name]
    return found


def _checked(ctx: Context, own: str, kind: str, described: dict[str, Any]) -> Destination:
    access_key = None
    if kind == "HttpEndpoint":
        endpoint = dict(described.get("EndpointConfiguration") or {})
        if "Url" not in endpoint:
            raise invalid("EndpointConfiguration must be specified for an HTTP endpoint.")
        access_key = endpoint.pop("AccessKey", None)
        described = {**described, "EndpointConfiguration": endpoint}
        _check_endpoint(ctx, own, described)
    else:
        _check_bucket(ctx, own, described, dynamic=_is_dynamic(described))
        _check_extended(ctx, own, described)
    return Destination(kind, described, access_key)


def _check_endpoint(ctx: Context, own: str, described: Mapping[str, Any]) -> None:
    if "S3DestinationDescription" not in described:
        raise invalid("S3Configuration must be specified for an HTTP endpoint.")
    chain = processing.steps(described)
    processing.check(chain, dynamic=False)
    _check_hints(described.get("BufferingHints"))
    _check_logging(described)
    for role_arn in _roles(described, chain):
        check_role(ctx, own, role_arn)
    manager = described["SecretsManagerConfiguration"]
    if manager.get("Enabled") and not (manager.get("SecretARN") and (manager.get("RoleARN") or described.get("RoleARN"))):
        raise invalid("SecretsManagerConfiguration requires SecretARN and a role when it is enabled.")
    _check_bucket(ctx, own, described["S3DestinationDescription"], dynamic=False)


def _roles(described: Mapping[str, Any], chain: tuple[processing.Step, ...]) -> list[str]:
    """The roles of a destination, and of its function."""
    named = [described.get("RoleARN"), *(one.parameters.get("RoleArn") for one in chain)]
    return list(dict.fromkeys(name for name in named if name))


def _check_extended(ctx: Context, own: str, described: Mapping[str, Any]) -> None:
    """What only an extended S3 destination has."""
    conversion = described.get("DataFormatConversionConfiguration")
    if conversion is not None and conversion.get("Enabled", True):
        detail = "with DataFormatConversionConfiguration: the schema is a table of Glue, and there is no Glue"
        raise NotImplementedOperation("firehose", ctx.operation, detail)
    if described.get("S3BackupMode") == "Enabled":
        if "S3BackupDescription" not in described:
            raise invalid("S3BackupConfiguration must be specified when S3BackupMode is Enabled.")
        _check_bucket(ctx, own, described["S3BackupDescription"], dynamic=False)


def _check_bucket(ctx: Context, own: str, described: Mapping[str, Any], *, dynamic: bool) -> None:
    if "RoleARN" not in described or "BucketARN" not in described:
        raise invalid("RoleARN and BucketARN must be specified.")
    chain = processing.steps(described)
    for role_arn in _roles(described, chain):
        check_role(ctx, own, role_arn)
    _check_hints(described.get("BufferingHints"), dynamic=dynamic)
    _check_logging(described)
    compressing.check(described.get("CompressionFormat", "UNCOMPRESSED"))
    processing.check(chain, dynamic=dynamic)
    prefixes.zone(described.get("CustomTimeZone") or "")
    prefixes.check(
        described.get("Prefix") or "",
        described.get("ErrorOutputPrefix"),
        dynamic=dynamic,
        queried=processing.queried_keys(chain),
        by_function=any(one.type == "Lambda" for one in chain),
    )


def _check_hints(hints: Mapping[str, int] | None, *, dynamic: bool = False) -> None:
    if hints is None:
        return
    if ("SizeInMBs" in hints) != ("IntervalInSeconds" in hints):
        raise invalid("Both SizeInMBs and IntervalInSeconds must be specified for BufferingHints.")
    if dynamic and hints.get("SizeInMBs", 0) < PARTITIONED_MBS:
        raise invalid(f"BufferingHints.SizeInMBs must be at least {PARTITIONED_MBS} when Dynamic Partitioning is enabled.")


def _check_logging(described: Mapping[str, Any]) -> None:
    options = described.get("CloudWatchLoggingOptions") or {}
    if options.get("Enabled") and not (options.get("LogGroupName") and options.get("LogStreamName")):
        raise invalid("LogGroupName and LogStreamName must be specified when CloudWatch logging is enabled.")


def check_role(ctx: Context, own: str, role_arn: str) -> None:
    """The caller passes a role that Firehose can be, for the stream with this ARN. Errors: InvalidArgumentException, AccessDenied."""
    ctx.authorize("iam:PassRole", role_arn, iam__PassedToService=PRINCIPAL)
    try:
        ctx.as_role(Role(role_arn, PRINCIPAL, "check", own, ctx.account))
    except ServiceException:
        raise invalid(f"Firehose is unable to assume role {role_arn}. Please check the role provided.") from None


def described(stream: Stream) -> dict[str, Any]:
    """A stream's destination as DescribeDeliveryStream has it."""
    answer: dict[str, Any] = {"DestinationId": "destinationId-000000000001", f"{stream.kind}DestinationDescription": stream.destination}
    if stream.kind != "HttpEndpoint":
        simple = {name: value for name, value in stream.destination.items() if name in _SIMPLE}
        answer |= {
            "S3DestinationDescription": simple,
            "ExtendedS3DestinationDescription": {"S3BackupMode": "Disabled", **stream.destination},
        }
    return answer


_SIMPLE = ("RoleARN", "BucketARN", "Prefix", "ErrorOutputPrefix", *_S3)
