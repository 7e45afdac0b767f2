"""Layers: versions published, looked up, deleted; and who may use them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.lambda_ import packages, policies
from fogbank.services.lambda_.addresses import number_of, stamp
from fogbank.services.lambda_.faults import changed_meanwhile, invalid, not_found
from fogbank.services.lambda_.listing import page
from fogbank.services.lambda_.state import LAYER_VERSIONS, LAYERS, Layer, LayerVersion
from fogbank.store import change
from fogbank.store.tables import At

LAYERS_OF_FUNCTION = 5


@lru_cache(4096)
def layer_arn(account: str, region: str, name: str, number: int | None = None) -> str:
    tail = f":{number}" if number is not None else ""
    return f"arn:{partition_of(region)}:lambda:{region}:{account}:layer:{name}{tail}"


def arn_of(version: LayerVersion) -> str:
    return layer_arn(version.account, version.region, version.name, version.number)


def _named(ctx: Context, text: str) -> tuple[str, str, str]:
    """Account, region and name of a layer by its name or ARN."""
    parsed = Arn.parse(text)
    if parsed is None:
        return ctx.account, ctx.region, text
    if parsed.region != ctx.region:
        raise not_found(f"Layers from '{parsed.region}' are not reachable in this region ('{ctx.region}')")
    return parsed.account, parsed.region, parsed.resource.split(":")[1]


def version_of_arn(at: At, arn: str) -> LayerVersion | None:
    """A layer's version by its ARN; also a deleted one."""
    parsed = Arn.parse(arn)
    parts = parsed.resource.split(":") if parsed is not None else []
    number = number_of(parts[2]) if len(parts) == 3 else None
    if parsed is None or number is None:
        return None
    return LAYER_VERSIONS.get(at, parsed.account, parsed.region, parts[1], number)


def layer_versions(ctx: Context, arns: Iterable[str]) -> list[LayerVersion]:
    """The layers of a function, which the caller may use. Errors: InvalidParameterValueException, AccessDeniedException."""
    wanted = list(arns)
    if len(wanted) > LAYERS_OF_FUNCTION:
        raise invalid(f"Cannot reference more than {LAYERS_OF_FUNCTION} layers.")
    found: dict[str, LayerVersion] = {}
    for arn in wanted:
        version = version_of_arn(ctx, arn)
        if version is None or version.region != ctx.region:
            raise invalid(f"Layer version {arn} does not exist.")
        ctx.authorize("lambda:GetLayerVersion", arn)
        if version.deleted:
            raise invalid(f"Layer version {arn} does not exist.")
        name = arn.rpartition(":")[0]
        if name in found:
            message = "Two different versions of the same layer are not allowed to be referenced in the same function."
            raise invalid(f"{message} {arn_of(found[name])} and {arn}")
        found[name] = version
    return list(found.values())


@operation("PublishLayerVersion")
def publish_layer_version(ctx: Context, req: Any) -> Answer:
    """Makes a layer, or the next version of one, from a zip archive; numbers are never used again.

    Errors: InvalidParameterValueException, CodeStorageExceededException. Source: API reference, PublishLayerVersion.
    """
    account, region, name = _named(ctx, req.LayerName)
    layer = LAYERS.get(ctx, account, region, name) or Layer(account=account, region=region, name=name, last_version=0)
    looked = packages.take(ctx, req.Content, what="layer")
    version = LayerVersion(
        account=account,
        region=region,
        name=name,
        number=layer.last_version + 1,
        package=packages.keep(ctx, looked),
        created_at_ms=ctx.now,
        description=req.Description or "",
        runtimes=tuple(req.CompatibleRuntimes or ()),
        architectures=tuple(req.CompatibleArchitectures or ()),
        license=req.LicenseInfo or "",
    )
    LAYERS.put(ctx, change(layer, last_version=version.number))
    LAYER_VERSIONS.put(ctx, version)
    return _whole(ctx, version)


def _whole(ctx: Context, version: LayerVersion) -> dict[str, Any]:
    content = {
        "Location": packages.location(ctx, version.package),
        "CodeSha256": packages.code_sha256(version.package),
        "CodeSize": version.package.size,
    }
    named = {"Content": content, "LayerArn": layer_arn(version.account, version.region, version.name)}
    return {**named, **_described(version)}


def _described(version: LayerVersion) -> dict[str, Any]:
    return {
        "LayerVersionArn": arn_of(version),
        "Version": version.number,
        "Description": version.description,
        "CreatedDate": stamp(version.created_at_ms),
        "CompatibleRuntimes": list(version.runtimes) or None,
        "CompatibleArchitectures": list(version.architectures) or None,
        "LicenseInfo": version.license or None,
    }


def _at(ctx: Context, req: Any) -> LayerVersion:
    """Raises ResourceNotFoundException."""
    where = _named(ctx, req.LayerName)
    version = LAYER_VERSIONS.get(ctx, *where, req.VersionNumber)
    if version is None or version.deleted:
        raise not_found(f"Layer version {layer_arn(*where, req.VersionNumber)} does not exist.")
    return version


@operation("GetLayerVersion")
def get_layer_version(ctx: Context, req: Any) -> Answer:
    """A layer's version, and where its archive can be downloaded for ten minutes.

    Errors: ResourceNotFoundException. Source: API reference, GetLayerVersion.
    """
    return _whole(ctx, _at(ctx, req))


@operation("GetLayerVersionByArn")
def get_layer_version_by_arn(ctx: Context, req: Any) -> Answer:
    """As GetLayerVersion, by the version's ARN. Errors: ResourceNotFoundException. Source: API reference, GetLayerVersionByArn."""
    version = version_of_arn(ctx, req.Arn)
    if version is None or version.deleted:
        raise not_found(f"Layer version {req.Arn} does not exist.")
    return _whole(ctx, version)


@operation("DeleteLayerVersion")
def delete_layer_version(ctx: Context, req: Any) -> Answer:
    """Takes a version away from new functions; those that have it keep it. One that is not there is no error.

    Source: API reference, DeleteLayerVersion.
    """
    version = LAYER_VERSIONS.get(ctx, *_named(ctx, req.LayerName), req.VersionNumber)
    if version is not None:
        LAYER_VERSIONS.put(ctx, change(version, deleted=True, policy="", policy_revision=""))
    return None


def _fits(version: LayerVersion, req: Any) -> bool:
    runtime, architecture = req.CompatibleRuntime, req.CompatibleArchitecture
    return (
        not version.deleted
        and (runtime is None or runtime in version.runtimes)
        and (architecture is None or not version.architectures or architecture in version.architectures)
    )


@operation("ListLayerVersions")
def list_layer_versions(ctx: Context, req: Any) -> Answer:
    """The versions of a layer, the newest first, at most 50 a page. Errors: InvalidParameterValueException.

    Source: API reference, ListLayerVersions.
    """
    where = _named(ctx, req.LayerName)
    found = (version for version in LAYER_VERSIONS.scan(ctx, *where, reverse=True) if _fits(version, req))
    return page(req, "LayerVersions", found, 50, key=lambda version: str(version.number), describe=_described, newest_first=True)


@operation("ListLayers")
def list_layers(ctx: Context, req: Any) -> Answer:
    """The layers of the account and region with their newest version, at most 50 a page. Source: API reference, ListLayers."""

    def newest() -> Iterator[LayerVersion]:
        for layer in LAYERS.scan(ctx, ctx.account, ctx.region):
            versions = LAYER_VERSIONS.scan(ctx, layer.account, layer.region, layer.name, reverse=True)
            version = next((one for one in versions if _fits(one, req)), None)
            if version is not None:
                yield version

    def described(version: LayerVersion) -> dict[str, Any]:
        arn = layer_arn(version.account, version.region, version.name)
        return {"LayerName": version.name, "LayerArn": arn, "LatestMatchingVersion": _described(version)}

    return page(req, "Layers", newest(), 50, key=lambda version: version.name, describe=described)


# who may use them


@operation("AddLayerVersionPermission")
def add_layer_version_permission(ctx: Context, req: Any) -> Answer:
    """Lets an account, an organization or everybody use a version: the only Action is lambda:GetLayerVersion.

    Errors: ResourceNotFoundException, ResourceConflictException, PreconditionFailedException, PolicyLengthExceededException,
    InvalidParameterValueException. Source: API reference, AddLayerVersionPermission.
    """
    version = _at(ctx, req)
    _check_revision(version, req)
    if req.Action != "lambda:GetLayerVersion":
        raise invalid(f"The action {req.Action} is not one of a layer's version: lambda:GetLayerVersion is.")
    if req.OrganizationId is not None and req.Principal != "*":
        raise invalid("OrganizationId can only be given with the principal *.")
    statement: dict[str, Any] = {
        "Sid": req.StatementId,
        "Effect": "Allow",
        "Principal": policies.principal(req.Principal, version.region),
        "Action": req.Action,
        "Resource": arn_of(version),
    }
    if req.OrganizationId is not None:
        statement["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": req.OrganizationId}}
    document = policies.added(version.policy, statement)
    LAYER_VERSIONS.put(ctx, change(version, policy=document, policy_revision=ctx.random.uuid()))
    held = LAYER_VERSIONS.get(ctx, version.account, version.region, version.name, version.number)
    return {"Statement": policies.text(statement), "RevisionId": held.policy_revision if held is not None else None}


def _check_revision(version: LayerVersion, req: Any) -> None:
    if req.RevisionId is not None and req.RevisionId != version.policy_revision:
        raise changed_meanwhile()


@operation("RemoveLayerVersionPermission")
def remove_layer_version_permission(ctx: Context, req: Any) -> Answer:
    """Takes a statement out of a version's policy.

    Errors: ResourceNotFoundException, PreconditionFailedException. Source: API reference, RemoveLayerVersionPermission.
    """
    version = _at(ctx, req)
    _check_revision(version, req)
    document = policies.removed(version.policy, req.StatementId)
    LAYER_VERSIONS.put(ctx, change(version, policy=document, policy_revision=ctx.random.uuid() if document else ""))
    return None


@operation("GetLayerVersionPolicy")
def get_layer_version_policy(ctx: Context, req: Any) -> Answer:
    """The policy of a version. Errors: ResourceNotFoundException. Source: API reference, GetLayerVersionPolicy."""
    version = _at(ctx, req)
    if not version.policy:
        raise not_found("No policy is associated with the given resource.")
    return {"Policy": version.policy, "RevisionId": version.policy_revision}


# for the door


def layer_of_request(ctx: Context, req: Any) -> str | None:
    name = getattr(req, "LayerName", None)
    return layer_arn(*_named(ctx, name)) if name is not None else None


def version_of_request(ctx: Context, req: Any) -> str | None:
    name, number = getattr(req, "LayerName", None), getattr(req, "VersionNumber", None)
    if name is not None and number is not None:
        return layer_arn(*_named(ctx, name), number)
    arn: str | None = getattr(req, "Arn", None)
    return arn


def policy_of(ctx: Context, arn: str) -> str | None:
    version = version_of_arn(ctx, arn)
    return version.policy or None if version is not None else None
