"""A version of a function as answers have it."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.services.lambda_ import encryption, runtimes
from fogbank.services.lambda_.addresses import arn, stamp
from fogbank.services.lambda_.layers import version_of_arn
from fogbank.services.lambda_.packages import code_sha256
from fogbank.services.lambda_.state import Version


def log_group(version: Version) -> str:
    return version.log_group or f"/aws/lambda/{version.name}"


def _logging(version: Version) -> dict[str, Any]:
    return {
        "LogFormat": version.log_format,
        "ApplicationLogLevel": version.application_log_level or None,
        "SystemLogLevel": version.system_log_level or None,
        "LogGroup": log_group(version),
    }


def _layers(ctx: Context, version: Version) -> list[dict[str, Any]] | None:
    found = [(one, version_of_arn(ctx, one)) for one in version.layers]
    return [{"Arn": one, "CodeSize": layer.package.size if layer is not None else 0} for one, layer in found] or None


def configuration(ctx: Context, version: Version, qualifier: str = "") -> dict[str, Any]:
    """FunctionConfiguration. `qualifier`: what its ARN ends in, as the caller named it."""
    function_arn = arn(version.account, version.region, version.name)
    optimized = version.snap_start == "PublishedVersions" and version.number > 0
    answer = {
        "FunctionName": version.name,
        "FunctionArn": arn(version.account, version.region, version.name, qualifier),
        "Runtime": version.runtime,
        "Role": version.role,
        "Handler": version.handler,
        "CodeSize": version.package.size,
        "Description": version.description,
        "Timeout": version.timeout_s,
        "MemorySize": version.memory_mb,
        "LastModified": stamp(version.modified_at_ms),
        "CodeSha256": code_sha256(version.package),
        "Version": version.label,
        "DeadLetterConfig": {"TargetArn": version.dead_letter_arn} if version.dead_letter_arn else None,
        "Environment": encryption.shown(ctx, version.environment, function_arn),
        "KMSKeyArn": version.kms_key_arn or None,
        "TracingConfig": {"Mode": version.tracing},
        "RevisionId": version.revision,
        "Layers": _layers(ctx, version),
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": [version.architecture],
        "EphemeralStorage": {"Size": version.tmp_mb},
        "SnapStart": {"ApplyOn": version.snap_start, "OptimizationStatus": "On" if optimized else "Off"},
        "RuntimeVersionConfig": {"RuntimeVersionArn": version.runtime_version_arn or runtimes.version_arn(version.runtime, version.region)},
        "LoggingConfig": _logging(version),
    }
    return {member: value for member, value in answer.items() if value is not None}
