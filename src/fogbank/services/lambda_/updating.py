"""$LATEST changes: its code, its configuration."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.lambda_ import checks, encryption, making, packages, publishing, signing
from fogbank.services.lambda_.addresses import arn_of, latest, named
from fogbank.services.lambda_.describing import configuration
from fogbank.services.lambda_.faults import changed_meanwhile, invalid
from fogbank.services.lambda_.functions import remove
from fogbank.services.lambda_.state import Function, Version
from fogbank.store import change


def _latest(ctx: Context, req: Any) -> tuple[Function, Version]:
    function = named(ctx, req.FunctionName)
    version = latest(ctx, function)
    if req.RevisionId is not None and req.RevisionId != version.revision:
        raise changed_meanwhile()
    return function, version


@operation("UpdateFunctionCode")
def update_function_code(ctx: Context, req: Any) -> Answer:
    """Gives $LATEST other code; DryRun only checks it, Publish makes a version of it.

    Errors: ResourceNotFoundException, PreconditionFailedException, InvalidParameterValueException, CodeStorageExceededException,
    CodeVerificationFailedException. Source: API reference, UpdateFunctionCode.
    """
    checks.unmet_members(ctx, req)
    function, before = _latest(ctx, req)
    looked = packages.take(ctx, req)
    signing.check(ctx, function.signing_config)
    architecture = checks.architecture(ctx, req.Architectures, before.architecture)
    package = packages.keep(ctx, looked, req.SourceKMSKeyArn or "", arn_of(function))
    version = change(before, package=package, architecture=architecture, revision=ctx.random.uuid(), modified_at_ms=ctx.now)
    version = checks.whole(ctx, version, before)
    checks.granted(ctx, version, package)
    if req.DryRun:
        ctx.blobs.drop(ctx, package.blob)
        return configuration(ctx, version)
    remove(ctx, function, before)
    publishing.put(ctx, version)
    if req.Publish:
        version = publishing.publish(ctx, function, version)
    return configuration(ctx, version, version.label if version.number else "")


@operation("UpdateFunctionConfiguration")
def update_function_configuration(ctx: Context, req: Any) -> Answer:
    """Changes what is given of $LATEST's configuration. Environment replaces all variables.

    Errors: ResourceNotFoundException, PreconditionFailedException, InvalidParameterValueException, AccessDeniedException.
    Source: API reference, UpdateFunctionConfiguration.
    """
    checks.unmet(ctx, req)
    function, before = _latest(ctx, req)
    fields = checks.settings(ctx, req)
    if not fields.get("handler", "-"):
        raise invalid("Handler is a mandatory parameter for functions created with deployment packages.")
    version = change(before, **fields, revision=ctx.random.uuid(), modified_at_ms=ctx.now)
    if "runtime" in fields and fields["runtime"] != before.runtime:
        version = change(version, runtime_version_arn="")
    version = checks.whole(ctx, version, before)
    if req.Environment is not None:
        version = checks.sealed_environment(ctx, version, req.Environment.Variables or {})
    elif version.environment is not None and (version.kms_key_arn, version.role) != (before.kms_key_arn, before.role):
        version = checks.sealed_environment(ctx, version, encryption.variables(ctx, before.environment, arn_of(function)))
    if version.role != before.role:
        checks.granted(ctx, version, version.package)
    publishing.put(ctx, version)
    ctx.later("lambda.retire", making.key_of(function, before))
    return configuration(ctx, version)
