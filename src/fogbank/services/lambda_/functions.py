"""Functions: made, described, listed, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.lambda_ import checks, making, packages, publishing, runtimes, signing
from fogbank.services.lambda_.addresses import address_of, arn, arn_of, function_at, get_version, number_of, version_at
from fogbank.services.lambda_.describing import configuration
from fogbank.services.lambda_.faults import conflict, invalid, no_function, too_long
from fogbank.services.lambda_.listing import page
from fogbank.services.lambda_.state import (
    ALIASES,
    EVENT_INVOKES,
    FUNCTIONS,
    LATEST,
    POLICIES,
    PROVISIONED,
    URLS,
    VERSIONS,
    EventInvoke,
    Function,
    Policy,
    Provisioned,
    Url,
    Version,
)
from fogbank.store import Table

NAME_CHARACTERS = 64
Q = TypeVar("Q", Policy, EventInvoke, Provisioned, Url)


@operation("CreateFunction")
def create_function(ctx: Context, req: Any) -> Answer:
    """Makes a function from a zip archive, active at once; with Publish its version 1 too.

    The role must trust Lambda and the caller must be allowed to pass it. Memory 128 to 10,240 MB, timeout 1 to 900 s, /tmp 512 to
    10,240 MB, variables 4 KB, five layers.

    Errors: ResourceConflictException, InvalidParameterValueException, AccessDeniedException, CodeStorageExceededException,
    CodeSigningConfigNotFoundException, CodeVerificationFailedException. Source: API reference, CreateFunction.
    """
    checks.unmet(ctx, req)
    where = address_of(ctx, req.FunctionName)
    if where.account != ctx.account or where.qualifier:
        raise invalid(f"{req.FunctionName} cannot be the name of a new function.")
    if len(where.name) > NAME_CHARACTERS:
        raise too_long("functionName", where.name, NAME_CHARACTERS)
    if FUNCTIONS.get(ctx, *where[:3]) is not None:
        raise conflict(f"Function already exist: {where.name}")
    if req.Runtime is None or not req.Handler:
        raise invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
    fields = checks.settings(ctx, req)
    signing_config = signing.config_arn(ctx, req.CodeSigningConfigArn)
    looked = packages.take(ctx, req.Code)
    signing.check(ctx, signing_config)
    function_arn = arn(*where)
    package = packages.keep(ctx, looked, req.Code.SourceKMSKeyArn or "", function_arn)
    function = Function(
        account=where.account,
        region=where.region,
        name=where.name,
        id=ctx.tx.unique(),
        created_at_ms=ctx.now,
        signing_config=signing_config,
        tags=dict(req.Tags or {}),
    )
    version = Version(
        account=where.account,
        region=where.region,
        name=where.name,
        number=0,
        function=function.id,
        revision=ctx.random.uuid(),
        modified_at_ms=ctx.now,
        package=package,
        architecture=checks.architecture(ctx, req.Architectures, runtimes.MACHINE),
        **fields,
    )
    version = checks.whole(ctx, version)
    checks.granted(ctx, version, package)
    version = checks.sealed_environment(ctx, version, (req.Environment.Variables if req.Environment is not None else None) or {})
    FUNCTIONS.put(ctx, function)
    publishing.put(ctx, version)
    if req.Publish:
        version = publishing.publish(ctx, function, version)
    return configuration(ctx, version, version.label if version.number else "")


@operation("GetFunction")
def get_function(ctx: Context, req: Any) -> Answer:
    """A version's configuration, and where its code can be downloaded for ten minutes; tags for those who may list them.

    Errors: ResourceNotFoundException, InvalidParameterValueException. Source: API reference, GetFunction.
    """
    where = address_of(ctx, req.FunctionName, req.Qualifier)
    version = version_at(ctx, where)
    function = function_at(ctx, where)
    answer: dict[str, Any] = {"Configuration": configuration(ctx, version, where.qualifier), "Code": _code(ctx, version)}
    if function.tags:
        if ctx.may("lambda:ListTags", arn_of(function)):
            answer["Tags"] = function.tags
        else:
            message = "You are not authorized to perform: lambda:ListTags, so the tags of the function are not part of this answer."
            answer["TagsError"] = {"ErrorCode": "AccessDeniedException", "Message": message}
    if function.reserved is not None and where.qualifier in ("", LATEST):
        answer["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved}
    return answer


def _code(ctx: Context, version: Version) -> dict[str, Any]:
    answer: dict[str, Any] = {"RepositoryType": "S3", "SourceKMSKeyArn": version.package.key_arn or None}
    try:
        answer["Location"] = packages.location(ctx, version.package, arn_of(version))
    except ServiceException as refused:
        answer["Error"] = {"ErrorCode": refused.code, "Message": refused.message}
    return {member: value for member, value in answer.items() if value is not None}


@operation("GetFunctionConfiguration")
def get_function_configuration(ctx: Context, req: Any) -> Answer:
    """A version's configuration. Errors: ResourceNotFoundException. Source: API reference, GetFunctionConfiguration."""
    where = address_of(ctx, req.FunctionName, req.Qualifier)
    return configuration(ctx, version_at(ctx, where), where.qualifier)


@operation("ListFunctions")
def list_functions(ctx: Context, req: Any) -> Answer:
    """The functions of the account and region by name, at most 50 a page; with FunctionVersion ALL all their versions too.

    MasterRegion leaves only replicas of Lambda@Edge: there are none. Source: API reference, ListFunctions.
    """
    everything = req.FunctionVersion == "ALL"

    def found() -> Iterator[Version]:
        if req.MasterRegion is None:
            for version in VERSIONS.scan(ctx, ctx.account, ctx.region):
                if everything or not version.number:
                    yield version

    def described(version: Version) -> dict[str, Any]:
        listed = configuration(ctx, version, version.label if everything else "")
        for member in ("State", "LastUpdateStatus", "RuntimeVersionConfig"):
            listed.pop(member)
        return listed

    return page(req, "Functions", found(), 50, key=lambda v: f"{v.name} {v.number:016}", describe=described)


@operation("DeleteFunction")
def delete_function(ctx: Context, req: Any) -> Answer:
    """Deletes a function with all its versions and aliases, or one version that no alias points to.

    Event source mappings are not deleted with it. Errors: ResourceNotFoundException, ResourceConflictException,
    InvalidParameterValueException. Source: API reference, DeleteFunction.
    """
    where = address_of(ctx, req.FunctionName, req.Qualifier)
    function = function_at(ctx, where)
    if not where.qualifier:
        _delete(ctx, function)
        return {"StatusCode": 204}
    if where.qualifier == LATEST:
        raise invalid("$LATEST version cannot be deleted without deleting the function.")
    number = number_of(where.qualifier)
    if number is None:
        raise invalid("Deletion of aliases is not currently supported.")
    version = get_version(ctx, where, number)
    if version is None:
        raise no_function(arn(*where))
    aliases = [alias.name for alias in ALIASES.scan(ctx, *where[:3]) if alias.version == number or str(number) in alias.weights]
    if aliases:
        raise conflict(f"Version {number} cannot be deleted because it is referenced by alias {', '.join(aliases)}.")
    remove(ctx, function, version)
    _sweep(ctx, function, where.qualifier)
    return {"StatusCode": 204}


def remove(ctx: Context, function: Function, version: Version) -> None:
    """One version goes, its environments, and its code, where no other has the same."""
    ctx.later("lambda.retire", making.key_of(function, version))
    others = VERSIONS.scan(ctx, version.account, version.region, version.name)
    shared = any(o.package.blob == version.package.blob for o in others if o.number != version.number)
    VERSIONS.delete(ctx, version)
    packages.drop(ctx, version.package, shared=shared)


def _delete(ctx: Context, function: Function) -> None:
    where = (function.account, function.region, function.name)
    for version in list(VERSIONS.scan(ctx, *where)):
        remove(ctx, function, version)
    for alias in list(ALIASES.scan(ctx, *where)):
        ALIASES.delete(ctx, alias)
    _sweep(ctx, function, None)
    FUNCTIONS.delete(ctx, function)


def _sweep(ctx: Context, function: Function, qualifier: str | None) -> None:
    """What belonged to a version, or to any part of a function (None), goes with it."""
    _drop(ctx, POLICIES, function, qualifier)
    _drop(ctx, EVENT_INVOKES, function, qualifier)
    _drop(ctx, PROVISIONED, function, qualifier)
    _drop(ctx, URLS, function, qualifier)


def _drop(ctx: Context, table: Table[Q], function: Function, qualifier: str | None) -> None:
    where = (function.account, function.region, function.name, *(() if qualifier is None else (qualifier,)))
    for row in list(table.scan(ctx, *where)):
        table.delete(ctx, row)
