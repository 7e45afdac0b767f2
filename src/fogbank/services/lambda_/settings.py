"""What else can be said of a function: tags, when its runtime is updated, what happens in a recursive loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.lambda_ import runtimes
from fogbank.services.lambda_.addresses import address_of, address_of_arn, arn, function_at, named, version_at
from fogbank.services.lambda_.faults import invalid, not_found
from fogbank.services.lambda_.signing import config_at
from fogbank.services.lambda_.sources import mappings
from fogbank.services.lambda_.state import FUNCTIONS, LATEST, SIGNING_CONFIGS, VERSIONS
from fogbank.store import change

TAGS = 50
Tags = dict[str, str]


# tags


def _tagged(ctx: Context, resource: str) -> tuple[Tags, Callable[[Tags], None]]:
    """The tags of an ARN, and what puts others in their place. Errors: InvalidParameterValueException, ResourceNotFoundException."""
    parsed = Arn.parse(resource)
    kind = parsed.resource.partition(":")[0] if parsed is not None else ""
    if kind == "function":
        where = address_of_arn(resource)
        if where is None or where.qualifier:
            raise invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
        function = function_at(ctx, where)
        return function.tags, lambda tags: FUNCTIONS.put(ctx, change(function, tags=tags))
    if kind == "code-signing-config":
        config = config_at(ctx, resource)
        return config.tags, lambda tags: SIGNING_CONFIGS.put(ctx, change(config, tags=tags))
    if kind == "event-source-mapping":
        return mappings.of_arn(ctx, resource)
    raise not_found(f"The resource you requested does not exist: {resource}")


def tags_of(ctx: Context, resource: str) -> Tags | None:
    """For the door."""
    return _tagged(ctx, resource)[0]


def config_of_request(ctx: Context, req: Any) -> str | None:
    """The code signing configuration that a request names, for the door."""
    given: str | None = getattr(req, "CodeSigningConfigArn", None)
    if given is None and ":code-signing-config:" in (tagged := getattr(req, "Resource", None) or ""):
        given = tagged
    return given


@operation("TagResource")
def tag_resource(ctx: Context, req: Any) -> Answer:
    """Adds tags, or gives them new values: at most 50. Errors: ResourceNotFoundException, InvalidParameterValueException.

    Source: API reference, TagResource.
    """
    before, put = _tagged(ctx, req.Resource)
    after = {**before, **req.Tags}
    if len(after) > TAGS:
        raise invalid(f"The resource can have at most {TAGS} tags.")
    put(after)
    return None


@operation("UntagResource")
def untag_resource(ctx: Context, req: Any) -> Answer:
    """Takes tags away; a key that is not there is no error. Errors: ResourceNotFoundException. Source: API reference, UntagResource."""
    before, put = _tagged(ctx, req.Resource)
    put({key: value for key, value in before.items() if key not in req.TagKeys})
    return None


@operation("ListTags")
def list_tags(ctx: Context, req: Any) -> Answer:
    """All tags. Errors: ResourceNotFoundException, InvalidParameterValueException. Source: API reference, ListTags."""
    return {"Tags": _tagged(ctx, req.Resource)[0]}


# runtimes


@operation("PutRuntimeManagementConfig")
def put_runtime_management_config(ctx: Context, req: Any) -> Answer:
    """Says when a version's runtime is updated. There is one version of each runtime: Manual can only name that.

    Errors: ResourceNotFoundException, InvalidParameterValueException. Source: API reference, PutRuntimeManagementConfig.
    """
    where = address_of(ctx, req.FunctionName, req.Qualifier)
    version = version_at(ctx, where)
    manual = req.UpdateRuntimeOn == "Manual"
    if manual != (req.RuntimeVersionArn is not None):
        raise invalid("RuntimeVersionArn must be given if and only if UpdateRuntimeOn is Manual.")
    if manual and req.RuntimeVersionArn != runtimes.version_arn(version.runtime, version.region):
        raise invalid(f"Runtime version {req.RuntimeVersionArn} is not supported for the runtime {version.runtime}.")
    VERSIONS.put(ctx, change(version, update_runtime_on=req.UpdateRuntimeOn, runtime_version_arn=req.RuntimeVersionArn or ""))
    answer = {"UpdateRuntimeOn": req.UpdateRuntimeOn, "FunctionArn": arn(*where._replace(qualifier=where.qualifier or LATEST))}
    return {**answer, "RuntimeVersionArn": req.RuntimeVersionArn}


@operation("GetRuntimeManagementConfig")
def get_runtime_management_config(ctx: Context, req: Any) -> Answer:
    """When a version's runtime is updated. Errors: ResourceNotFoundException. Source: API reference, GetRuntimeManagementConfig."""
    where = address_of(ctx, req.FunctionName, req.Qualifier)
    version = version_at(ctx, where)
    return {
        "UpdateRuntimeOn": version.update_runtime_on,
        "FunctionArn": arn(*where._replace(qualifier=where.qualifier or LATEST)),
        "RuntimeVersionArn": version.runtime_version_arn or None,
    }


# loops


@operation("PutFunctionRecursionConfig")
def put_function_recursion_config(ctx: Context, req: Any) -> Answer:
    """Says whether Lambda ends a loop that leads a function back to itself (Terminate) or not (Allow).

    Errors: ResourceNotFoundException. Source: API reference, PutFunctionRecursionConfig.
    """
    FUNCTIONS.put(ctx, change(named(ctx, req.FunctionName), recursion=req.RecursiveLoop))
    return {"RecursiveLoop": req.RecursiveLoop}


@operation("GetFunctionRecursionConfig")
def get_function_recursion_config(ctx: Context, req: Any) -> Answer:
    """What happens in a loop. Errors: ResourceNotFoundException. Source: API reference, GetFunctionRecursionConfig."""
    return {"RecursiveLoop": named(ctx, req.FunctionName).recursion}
