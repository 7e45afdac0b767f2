"""Code signing configurations, and what they say to code. AWS Signer is not here, so no code is signed: Enforce refuses it all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.lambda_.addresses import address_of, arn_of, function_at, named, stamp
from fogbank.services.lambda_.faults import conflict, refusal
from fogbank.services.lambda_.listing import page
from fogbank.services.lambda_.state import BY_SIGNING, FUNCTIONS, SIGNING_CONFIGS, Function, SigningConfig
from fogbank.store import change
from fogbank.store.tables import At

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


def arn_of_config(config: SigningConfig) -> str:
    return f"arn:{partition_of(config.region)}:lambda:{config.region}:{config.account}:code-signing-config:{config.id}"


def get_config(at: At, arn: str) -> SigningConfig | None:
    parsed = Arn.parse(arn)
    if parsed is None or not parsed.resource.startswith("code-signing-config:"):
        return None
    return SIGNING_CONFIGS.get(at, parsed.account, parsed.region, parsed.resource.partition(":")[2])


def config_at(ctx: Context, arn: str) -> SigningConfig:
    """Raises ResourceNotFoundException."""
    config = get_config(ctx, arn)
    if config is None:
        raise refusal("ResourceNotFoundException", f"Code Signing Config does not exist: {arn}")
    return config


def config_arn(ctx: Context, given: str | None) -> str:
    """The configuration that a new function shall have: "" for none. Raises CodeSigningConfigNotFoundException."""
    if not given:
        return ""
    if get_config(ctx, given) is None:
        raise refusal("CodeSigningConfigNotFoundException", f"The code signing configuration cannot be found. {given}")
    return given


def check(ctx: Context, arn: str) -> None:
    """Whether unsigned code may be deployed. Raises CodeVerificationFailedException."""
    config = get_config(ctx, arn) if arn else None
    if config is not None and config.untrusted == "Enforce":
        raise refusal(
            "CodeVerificationFailedException",
            "Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is not configured "
            "to accept. Check the provided signature for unsigned code.",
        )


def _described(config: SigningConfig) -> dict[str, Any]:
    return {
        "CodeSigningConfigId": config.id,
        "CodeSigningConfigArn": arn_of_config(config),
        "Description": config.description or None,
        "AllowedPublishers": {"SigningProfileVersionArns": list(config.publishers)},
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": config.untrusted},
        "LastModified": stamp(config.modified_at_ms),
    }


@operation("CreateCodeSigningConfig")
def create_code_signing_config(ctx: Context, req: Any) -> Answer:
    """Makes a configuration: which signing profiles are trusted (1 to 20), and whether others' code is refused (Enforce) or taken (Warn).

    Errors: InvalidParameterValueException. Source: API reference, CreateCodeSigningConfig.
    """
    wanted = req.CodeSigningPolicies
    config = SigningConfig(
        account=ctx.account,
        region=ctx.region,
        id=f"csc-{ctx.random.text(17, _ALPHABET)}",
        publishers=tuple(req.AllowedPublishers.SigningProfileVersionArns),
        untrusted=(wanted.UntrustedArtifactOnDeployment if wanted is not None else None) or "Warn",
        description=req.Description or "",
        modified_at_ms=ctx.now,
        tags=dict(req.Tags or {}),
    )
    SIGNING_CONFIGS.put(ctx, config)
    return {"CodeSigningConfig": _described(config)}


@operation("GetCodeSigningConfig")
def get_code_signing_config(ctx: Context, req: Any) -> Answer:
    """A configuration. Errors: ResourceNotFoundException. Source: API reference, GetCodeSigningConfig."""
    return {"CodeSigningConfig": _described(config_at(ctx, req.CodeSigningConfigArn))}


@operation("UpdateCodeSigningConfig")
def update_code_signing_config(ctx: Context, req: Any) -> Answer:
    """Changes what is given. It counts when code is deployed next. Errors: ResourceNotFoundException.

    Source: API reference, UpdateCodeSigningConfig.
    """
    config = change(config_at(ctx, req.CodeSigningConfigArn), modified_at_ms=ctx.now)
    if req.Description is not None:
        config = change(config, description=req.Description)
    if req.AllowedPublishers is not None:
        config = change(config, publishers=tuple(req.AllowedPublishers.SigningProfileVersionArns))
    if req.CodeSigningPolicies is not None and req.CodeSigningPolicies.UntrustedArtifactOnDeployment is not None:
        config = change(config, untrusted=req.CodeSigningPolicies.UntrustedArtifactOnDeployment)
    SIGNING_CONFIGS.put(ctx, config)
    return {"CodeSigningConfig": _described(config)}


@operation("DeleteCodeSigningConfig")
def delete_code_signing_config(ctx: Context, req: Any) -> Answer:
    """Deletes a configuration that no function has.

    Errors: ResourceNotFoundException, ResourceConflictException. Source: API reference, DeleteCodeSigningConfig.
    """
    config = config_at(ctx, req.CodeSigningConfigArn)
    if BY_SIGNING.first(ctx, arn_of_config(config)) is not None:
        raise conflict("The code signing configuration is in use by functions.")
    SIGNING_CONFIGS.delete(ctx, config)
    return None


@operation("ListCodeSigningConfigs")
def list_code_signing_configs(ctx: Context, req: Any) -> Answer:
    """The configurations of the account and region, at most 50 a page. Source: API reference, ListCodeSigningConfigs."""
    found = SIGNING_CONFIGS.scan(ctx, ctx.account, ctx.region)
    return page(req, "CodeSigningConfigs", found, 50, key=lambda config: config.id, describe=_described)


@operation("ListFunctionsByCodeSigningConfig")
def list_functions_by_code_signing_config(ctx: Context, req: Any) -> Answer:
    """The functions that have a configuration, at most 50 a page. Errors: ResourceNotFoundException.

    Source: API reference, ListFunctionsByCodeSigningConfig.
    """
    config = config_at(ctx, req.CodeSigningConfigArn)
    found: Iterator[Function] = BY_SIGNING.scan(ctx, arn_of_config(config))
    return page(req, "FunctionArns", found, 50, key=lambda function: function.name, describe=arn_of)


@operation("PutFunctionCodeSigningConfig")
def put_function_code_signing_config(ctx: Context, req: Any) -> Answer:
    """Gives a function a configuration, from the next deployment on.

    Errors: ResourceNotFoundException, CodeSigningConfigNotFoundException. Source: API reference, PutFunctionCodeSigningConfig.
    """
    function = named(ctx, req.FunctionName)
    FUNCTIONS.put(ctx, change(function, signing_config=config_arn(ctx, req.CodeSigningConfigArn)))
    return {"CodeSigningConfigArn": req.CodeSigningConfigArn, "FunctionName": function.name}


@operation("GetFunctionCodeSigningConfig")
def get_function_code_signing_config(ctx: Context, req: Any) -> Answer:
    """The configuration that a function has; no members where it has none. Errors: ResourceNotFoundException.

    Source: API reference, GetFunctionCodeSigningConfig.
    """
    function = function_at(ctx, address_of(ctx, req.FunctionName))
    return {"CodeSigningConfigArn": function.signing_config, "FunctionName": function.name}


@operation("DeleteFunctionCodeSigningConfig")
def delete_function_code_signing_config(ctx: Context, req: Any) -> Answer:
    """Takes the configuration from a function. Errors: ResourceNotFoundException.

    Source: API reference, DeleteFunctionCodeSigningConfig.
    """
    function = named(ctx, req.FunctionName)
    FUNCTIONS.put(ctx, change(function, signing_config=""))
    return None
