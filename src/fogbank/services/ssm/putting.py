"""PutParameter."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.ssm import announcing, encryption, expiration, removing, settings, tagging, values
from fogbank.services.ssm.names import arn_of, check_new, invalid, latest_of, twin_of
from fogbank.services.ssm.state import (
    ADVANCED,
    COUNT_LIMITS,
    INTELLIGENT,
    PARAMETERS,
    STANDARD,
    VALUE_BYTES,
    VERSIONS,
    VERSIONS_LIMIT,
    Parameter,
    Version,
)
from fogbank.store import change


@operation("PutParameter")
def put_parameter(ctx: Context, req: Any) -> Answer:
    """Makes a parameter, or with Overwrite its next version. Keeps 100 versions: the oldest goes, unless a label holds it.

    4 KB in the standard tier, 8 KB in the advanced, which a parameter never leaves. Policies stay until others, or an empty list, are
    given; nothing else of an earlier version does. A SecureString's key is alias/aws/ssm if none is given.

    Errors: ParameterAlreadyExists, ValidationException, HierarchyLevelLimitExceededException, HierarchyTypeMismatchException,
    ParameterMaxVersionLimitExceeded, ParameterLimitExceeded, ParameterPatternMismatchException, InvalidAllowedPatternException,
    InvalidKeyId, and those of policies. Source: API reference, PutParameter.
    """
    name = req.Name.strip()
    check_new(ctx, name)
    values.check_value(req.Value)
    found = PARAMETERS.get(ctx, ctx.account, ctx.region, name)
    _check_request(ctx, found, name, req)
    kind = _type(found, req)
    data_type = req.DataType or "text"
    values.check_data_type(data_type, kind, req.Value)
    if req.AllowedPattern:
        values.check_pattern(req.AllowedPattern, req.Value)
    policies, expires_at_ms = _policies(ctx, found, req)
    tier = _tier(ctx, found, req, bool(policies) or data_type in values.ADVANCED_DATA_TYPES)
    values.check_size(tier, req.Value)
    parameter = _next(ctx, found, name, kind, tier)
    if req.Tags:
        ctx.authorize("ssm:AddTagsToResource", arn_of(parameter))
        parameter = change(parameter, tags=tagging.read(req.Tags))
    parameter = change(parameter, expires_at_ms=expires_at_ms)
    version = Version(
        parameter=parameter.id,
        number=parameter.latest,
        at_ms=ctx.now,
        user=ctx.principal.arn,
        tier=tier,
        description=req.Description or "",
        allowed_pattern=req.AllowedPattern or "",
        data_type=data_type,
        policies=policies,
    )
    VERSIONS.put(ctx, change(version, **_kept(ctx, parameter, req)))
    PARAMETERS.put(ctx, parameter)
    expiration.schedule(ctx, parameter, version, found.expires_at_ms if found is not None else 0)
    announcing.changed(ctx, parameter, "Create" if found is None else "Update")
    return {"Version": parameter.latest, "Tier": tier}


def _check_request(ctx: Context, found: Parameter | None, name: str, req: Any) -> None:
    if req.Tags and req.Overwrite:
        raise invalid(
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag."
            " To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource."
        )
    if found is not None and not req.Overwrite:
        raise ServiceException(
            "ParameterAlreadyExists",
            "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
        )
    if found is None and (twin := twin_of(ctx, name)) is not None:
        raise ServiceException("ParameterAlreadyExists", f"The parameter {twin.name} already exists, and has the same ARN.")


def _type(found: Parameter | None, req: Any) -> str:
    kind: str | None = req.Type
    if found is None and kind is None:
        raise invalid("A parameter type is required when you create a parameter.")
    if found is not None and kind not in (None, found.type):
        raise ServiceException(
            "HierarchyTypeMismatchException", f"The parameter {found.name} is of type {found.type}: its type can't be changed to {kind}."
        )
    kind = kind or (found.type if found else "")
    if req.KeyId is not None and kind != "SecureString":
        raise invalid(f"KeyId is supported only for parameters of type SecureString, not for type {kind}.")
    return kind


def _policies(ctx: Context, found: Parameter | None, req: Any) -> tuple[tuple[str, ...], int]:
    """The parameter's policies, and when it expires."""
    if req.Policies is not None:
        return expiration.read(req.Policies, ctx.now)
    return (latest_of(ctx, found).policies, found.expires_at_ms) if found is not None else ((), 0)


def _tier(ctx: Context, found: Parameter | None, req: Any, needs_advanced: bool) -> str:
    """The tier that the parameter is to have. Raises ValidationException."""
    wanted: str = req.Tier or settings.default_tier(ctx)
    if found is not None and found.tier == ADVANCED:
        if req.Tier == STANDARD:
            raise invalid(
                "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the"
                " standard-parameter tier. If necessary, you can delete the advanced parameter and recreate it as a standard parameter."
            )
        return ADVANCED
    if wanted == INTELLIGENT:
        full = found is None and removing.tally_of(ctx, ctx.account, ctx.region).standard >= COUNT_LIMITS[STANDARD]
        needs_advanced = needs_advanced or full or len(req.Value.encode()) > VALUE_BYTES[STANDARD]
        return ADVANCED if needs_advanced else STANDARD
    if needs_advanced and wanted == STANDARD:
        what = "Parameter policies are" if req.Policies is not None else f"The data type {req.DataType} is"
        raise invalid(f"{what} supported only for parameters that use the advanced-parameter tier.")
    return wanted


def _next(ctx: Context, found: Parameter | None, name: str, kind: str, tier: str) -> Parameter:
    """The parameter as it is with one more version. Raises ParameterLimitExceeded, ParameterMaxVersionLimitExceeded."""
    if found is None:
        tally = removing.tally_of(ctx, ctx.account, ctx.region)
        if (tally.standard if tier == STANDARD else tally.advanced) >= COUNT_LIMITS[tier]:
            raise ServiceException(
                "ParameterLimitExceeded",
                f"You can't have more than {COUNT_LIMITS[tier]} parameters of the {tier.lower()} tier in a Region.",
            )
        made = Parameter(account=ctx.account, region=ctx.region, name=name, id=ctx.tx.unique(), type=kind, tier=tier, latest=1, oldest=1)
        removing.count(ctx, made, 1)
        return made
    if found.tier != tier:
        removing.count(ctx, found, -1)
        removing.count(ctx, change(found, tier=tier), 1)
    return change(_with_room(ctx, found), tier=tier, latest=found.latest + 1)


def _with_room(ctx: Context, parameter: Parameter) -> Parameter:
    if parameter.latest - parameter.oldest + 1 < VERSIONS_LIMIT:
        return parameter
    if parameter.oldest in parameter.labels.values():
        raise ServiceException(
            "ParameterMaxVersionLimitExceeded",
            f"You attempted to create a new version of {parameter.name} by calling the PutParameter API with the overwrite flag. Version"
            f" {parameter.oldest}, the oldest version, can't be deleted because it has a label associated with it. Move the label to"
            " another version of the parameter, and try again.",
        )
    oldest = VERSIONS.get(ctx, parameter.id, parameter.oldest)
    assert oldest is not None
    VERSIONS.delete(ctx, oldest)
    return change(parameter, oldest=parameter.oldest + 1)


def _kept(ctx: Context, parameter: Parameter, req: Any) -> dict[str, Any]:
    """The fields of a version that hold its value."""
    if parameter.type != "SecureString":
        return {"value": req.Value}
    key_id = req.KeyId or encryption.DEFAULT_KEY
    return {"key_id": key_id, **encryption.seal(ctx, parameter, key_id, req.Value)}
