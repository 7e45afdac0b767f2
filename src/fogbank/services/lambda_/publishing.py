"""Versions: what $LATEST was when it was published."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.lambda_ import checks
from fogbank.services.lambda_.addresses import address_of, function_at, get_version, latest, named
from fogbank.services.lambda_.describing import configuration
from fogbank.services.lambda_.faults import changed_meanwhile, invalid
from fogbank.services.lambda_.listing import page
from fogbank.services.lambda_.packages import code_sha256
from fogbank.services.lambda_.state import FUNCTIONS, VERSIONS, Function, Version
from fogbank.store import change


def put(ctx: Context, version: Version) -> None:
    """Keeps a version, which will be invoked soon."""
    VERSIONS.put(ctx, version)
    ctx.later("lambda.expect", [version.account, version.region, version.name, version.number])


def publish(ctx: Context, function: Function, version: Version, description: str | None = None) -> Version:
    """The next version, made of $LATEST; the last one again where nothing has changed since."""
    before = get_version(ctx, function, function.last_version) if function.last_version else None
    made = change(version, number=function.last_version + 1, description=version.description if description is None else description)
    if before is not None and _same(before, made):
        return before
    made = change(made, revision=ctx.random.uuid(), modified_at_ms=ctx.now)
    FUNCTIONS.put(ctx, change(function, last_version=made.number))
    put(ctx, made)
    return made


def _same(before: Version, after: Version) -> bool:
    """Whether two versions are the same code and configuration."""

    def what_counts(version: Version) -> Version:
        package = change(version.package, blob=before.package.blob, data_key=b"")
        return change(version, number=0, revision="", modified_at_ms=0, package=package)

    return what_counts(before) == what_counts(after)


@operation("PublishVersion")
def publish_version(ctx: Context, req: Any) -> Answer:
    """Makes a version of $LATEST that never changes; where nothing changed since the last one, answers that.

    Errors: ResourceNotFoundException, InvalidParameterValueException (CodeSha256), PreconditionFailedException (RevisionId).
    Source: API reference, PublishVersion.
    """
    checks.unmet_members(ctx, req)
    function = named(ctx, req.FunctionName)
    version = latest(ctx, function)
    if req.RevisionId is not None and req.RevisionId != version.revision:
        raise changed_meanwhile()
    held = code_sha256(version.package)
    if req.CodeSha256 and req.CodeSha256 != held:
        raise invalid(
            f"CodeSHA256 ({req.CodeSha256}) is different from current CodeSHA256 in $LATEST ({held}). Please try again with the "
            "CodeSHA256 in $LATEST."
        )
    made = publish(ctx, function, version, req.Description)
    return configuration(ctx, made, made.label)


@operation("ListVersionsByFunction")
def list_versions_by_function(ctx: Context, req: Any) -> Answer:
    """$LATEST and the versions in their order, at most 50 a page.

    Errors: ResourceNotFoundException. Source: API reference, ListVersionsByFunction.
    """
    function = function_at(ctx, address_of(ctx, req.FunctionName))
    versions = VERSIONS.scan(ctx, function.account, function.region, function.name)

    def described(version: Version) -> dict[str, Any]:
        listed = configuration(ctx, version, version.label)
        for member in ("State", "LastUpdateStatus", "RuntimeVersionConfig"):
            listed.pop(member)
        return listed

    return page(req, "Versions", versions, 50, key=lambda version: f"{version.number:016}", describe=described)
