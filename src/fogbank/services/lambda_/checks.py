"""A function's configuration: what a request says of it, checked in AWS's order, as the fields of a version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation
from fogbank.services.lambda_ import encryption, runtimes
from fogbank.services.lambda_.addresses import arn, parse
from fogbank.services.lambda_.faults import invalid, too_great
from fogbank.services.lambda_.layers import layer_versions
from fogbank.services.lambda_.roles import check_passed, may
from fogbank.services.lambda_.state import UNZIPPED_BYTES, Package, Version

MEMORY_MB = 10_240
TIMEOUT_S = 900
TMP_MB = 10_240
ENVIRONMENT_BYTES = 4096
_OURS = """
_HANDLER _X_AMZN_TRACE_ID AWS_DEFAULT_REGION AWS_REGION AWS_EXECUTION_ENV AWS_LAMBDA_FUNCTION_NAME AWS_LAMBDA_FUNCTION_MEMORY_SIZE
AWS_LAMBDA_FUNCTION_VERSION AWS_LAMBDA_INITIALIZATION_TYPE AWS_LAMBDA_LOG_GROUP_NAME AWS_LAMBDA_LOG_STREAM_NAME AWS_ACCESS_KEY
AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_LAMBDA_RUNTIME_API LAMBDA_TASK_ROOT LAMBDA_RUNTIME_DIR
"""
_RESERVED = frozenset(_OURS.split())
SNAPSHOTS = "with SnapStart on PublishedVersions (an initialised environment cannot be copied; provisioned concurrency keeps them ready)"
_ELSEWHERE = {
    "TenancyConfig": "tenant isolation",
    "CapacityProviderConfig": "managed instances",
    "DurableConfig": "durable functions",
    "RuntimeConfig": "runtimes of one's own",
    "AcceleratorConfig": "accelerators",
    "PublishTo": "managed instances",
    "ImageConfig": "container images need an engine",
}


def unmet_members(ctx: Context, req: Any) -> None:
    """Refuses by name the members of other kinds of functions."""
    for member, why in _ELSEWHERE.items():
        if getattr(req, member, None) is not None:
            raise NotImplementedOperation("lambda", ctx.operation, f"with {member} ({why})")


def unmet(ctx: Context, req: Any) -> None:
    """Refuses by name what a request asks for and is not here."""
    unmet_members(ctx, req)
    vpc = getattr(req, "VpcConfig", None)
    if vpc is not None and (vpc.SubnetIds or vpc.SecurityGroupIds):
        raise NotImplementedOperation("lambda", ctx.operation, "with VpcConfig (subnets come with EC2)")
    if getattr(req, "FileSystemConfigs", None):
        raise NotImplementedOperation("lambda", ctx.operation, "with FileSystemConfigs (EFS)")
    if getattr(req, "PackageType", None) == "Image":
        raise NotImplementedOperation("lambda", ctx.operation, "with PackageType Image (container images need an engine)")
    if req.Runtime in runtimes.MANAGED:
        raise NotImplementedOperation("lambda", ctx.operation, f"with the runtime {req.Runtime}")


def architecture(ctx: Context, given: list[str] | None, held: str) -> str:
    """The architecture that is asked for, or `held`: it must be this machine's. Errors: NotImplemented."""
    wanted = given[0] if given else held
    if wanted != runtimes.MACHINE:
        raise NotImplementedOperation("lambda", ctx.operation, f"with Architectures {wanted}: this machine is {runtimes.MACHINE}")
    return wanted


def settings(ctx: Context, req: Any) -> dict[str, Any]:
    """The fields of a version that a request sets, each checked by itself. Errors: InvalidParameterValueException."""
    found: dict[str, Any] = {}
    if req.Runtime is not None:
        runtimes.check(req.Runtime)
        found["runtime"] = req.Runtime
    if req.Role is not None:
        where = parse(req.FunctionName, ctx.account, ctx.region, "")
        check_passed(ctx, req.Role, "" if where is None else arn(where.account, where.region, where.name))
        found["role"] = req.Role
    for member, field, most in (("MemorySize", "memory_mb", MEMORY_MB), ("Timeout", "timeout_s", TIMEOUT_S)):
        value = getattr(req, member)
        if value is not None and value > most:
            raise too_great(member, most)
        if value is not None:
            found[field] = value
    if req.EphemeralStorage is not None:
        if req.EphemeralStorage.Size > TMP_MB:
            raise too_great("EphemeralStorage", TMP_MB)
        found["tmp_mb"] = req.EphemeralStorage.Size
    for member, field in (("Handler", "handler"), ("Description", "description"), ("KMSKeyArn", "kms_key_arn")):
        if getattr(req, member) is not None:
            found[field] = getattr(req, member)
    if req.TracingConfig is not None and req.TracingConfig.Mode is not None:
        found["tracing"] = req.TracingConfig.Mode
    if req.SnapStart is not None and req.SnapStart.ApplyOn is not None:
        found["snap_start"] = req.SnapStart.ApplyOn
    if req.DeadLetterConfig is not None:
        found["dead_letter_arn"] = req.DeadLetterConfig.TargetArn or ""
    if req.Layers is not None:
        found["layers"] = tuple(req.Layers)
    return found | _logging(req.LoggingConfig)


def _logging(given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    found: dict[str, Any] = {}
    if given.LogFormat is not None:
        found["log_format"] = given.LogFormat
    if given.LogGroup is not None:
        found["log_group"] = given.LogGroup
    if given.LogFormat == "Text":
        found |= {"application_log_level": "", "system_log_level": ""}
    if given.ApplicationLogLevel is not None:
        found["application_log_level"] = given.ApplicationLogLevel
    if given.SystemLogLevel is not None:
        found["system_log_level"] = given.SystemLogLevel
    return found


def whole(ctx: Context, version: Version, before: Version | None = None) -> Version:
    """A version whose fields go together: checked, and as it is kept. Errors: InvalidParameterValueException, AccessDeniedException."""
    if version.log_format == "Text" and (version.application_log_level or version.system_log_level):
        raise invalid("ApplicationLogLevel and SystemLogLevel can only be set where LogFormat is JSON.")
    if version.snap_start == "PublishedVersions":
        runtimes.check_snap_start(version.runtime)
        if version.tmp_mb > 512:
            raise invalid("SnapStart does not support ephemeral storage greater than 512 MB.")
        raise NotImplementedOperation("lambda", ctx.operation, SNAPSHOTS)
    if before is None or before.layers != version.layers or before.package.sha256 != version.package.sha256:
        _check_layers(ctx, version)
    if version.dead_letter_arn and (before is None or before.dead_letter_arn != version.dead_letter_arn or before.role != version.role):
        dead_letter(ctx, version)
    if version.tracing == "Active" and (before is None or (before.tracing, before.role) != (version.tracing, version.role)):
        traceable(ctx, version)
    if version.log_format == "JSON":
        application, system = version.application_log_level or "INFO", version.system_log_level or "INFO"
        return msgspec.structs.replace(version, application_log_level=application, system_log_level=system)
    return version


def _check_layers(ctx: Context, version: Version) -> None:
    used = layer_versions(ctx, version.layers)
    total = version.package.unzipped + sum(one.package.unzipped for one in used)
    if total > UNZIPPED_BYTES:
        raise invalid(
            f"Function code combined with layers exceeds the maximum allowed size of {UNZIPPED_BYTES} bytes. "
            f"The actual size is {total} bytes."
        )


def dead_letter(ctx: Context, version: Version) -> None:
    """A dead-letter target is a queue or a topic that the role may send to. Errors: InvalidParameterValueException."""
    target = Arn.parse(version.dead_letter_arn)
    action = {"sqs": ("SendMessage", "SQS"), "sns": ("Publish", "SNS")}.get(target.service if target is not None else "")
    if target is None or action is None:
        raise invalid("The dead letter target must be the ARN of an Amazon SQS queue or an Amazon SNS topic.")
    if target.resource.endswith(".fifo"):
        raise invalid("A FIFO queue or topic cannot be the dead letter target of a function.")
    if not may(ctx, version, f"{target.service}:{action[0]}", version.dead_letter_arn):
        raise invalid(f"The provided execution role does not have permissions to call {action[0]} on {action[1]}")


def traceable(ctx: Context, version: Version) -> None:
    """Active tracing needs a role that may put segments. Errors: InvalidParameterValueException."""
    if not may(ctx, version, "xray:PutTraceSegments", "*"):
        raise invalid("The provided execution role does not have permissions to call PutTraceSegments on XRAY")


def environment(variables: Mapping[str, str]) -> None:
    """At most 4 KB, without the names that Lambda keeps to itself. Errors: InvalidParameterValueException."""
    reserved = [name for name in variables if name in _RESERVED]
    if reserved:
        raise invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains "
            "reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = msgspec.json.encode(dict(variables)).decode()
    if len(measured.encode()) > ENVIRONMENT_BYTES:
        raise invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded "
            f"the 4KB limit. String measured: {measured}"
        )


def sealed_environment(ctx: Context, version: Version, variables: Mapping[str, str]) -> Version:
    """The version with these variables, under its KMS key, which its role may then use."""
    environment(variables)
    function_arn = arn(version.account, version.region, version.name)
    kept = encryption.seal(ctx, variables, version.kms_key_arn, function_arn)
    if kept is not None and kept.key_arn:
        encryption.grant(ctx, kept.key_arn, function_arn, version.role)
    return msgspec.structs.replace(version, environment=kept)


def granted(ctx: Context, version: Version, package: Package) -> None:
    """The version's role may open a package that lies under a KMS key."""
    if package.key_arn:
        encryption.grant(ctx, package.key_arn, arn(version.account, version.region, version.name), version.role)
