"""Function URLs: how a function, or an alias of it, is reached by plain HTTP."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.lambda_.addresses import Address, address_of, arn, iso, named, number_of, version_at
from fogbank.services.lambda_.faults import conflict, invalid, not_found
from fogbank.services.lambda_.listing import page
from fogbank.services.lambda_.packages import host_at
from fogbank.services.lambda_.state import LATEST, URLS, Cors, Url
from fogbank.store import change

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_METHODS = frozenset({"GET", "PUT", "HEAD", "POST", "PATCH", "DELETE", "*"})


def _where(ctx: Context, req: Any) -> Address:
    """A function or an alias of it. Errors: InvalidParameterValueException, ResourceNotFoundException."""
    where = address_of(ctx, req.FunctionName, req.Qualifier)
    if where.qualifier == LATEST or (where.qualifier and number_of(where.qualifier) is not None):
        raise invalid(f"A function URL belongs to a function or an alias, not to the version {where.qualifier}.")
    version_at(ctx, where)
    return where


def _at(ctx: Context, where: Address) -> Url:
    url = URLS.get(ctx, *where)
    if url is None:
        raise not_found("The resource you requested does not exist.")
    return url


def address(ctx: Context, url: Url) -> str:
    return f"{host_at(ctx, f'{url.id}.lambda-url.{url.region}')}/"


def _described(ctx: Context, url: Url) -> dict[str, Any]:
    return {
        "FunctionUrl": address(ctx, url),
        "FunctionArn": arn(url.account, url.region, url.function, url.qualifier),
        "AuthType": url.auth,
        "Cors": _cors_shown(url.cors) if url.cors is not None else None,
        "CreationTime": iso(url.created_at_ms),
        "LastModifiedTime": iso(url.modified_at_ms),
        "InvokeMode": url.mode,
    }


def _cors_shown(cors: Cors) -> dict[str, Any]:
    shown = {
        "AllowCredentials": cors.allow_credentials or None,
        "AllowHeaders": list(cors.allow_headers) or None,
        "AllowMethods": list(cors.allow_methods) or None,
        "AllowOrigins": list(cors.allow_origins) or None,
        "ExposeHeaders": list(cors.expose_headers) or None,
        "MaxAge": cors.max_age_s,
    }
    return {member: value for member, value in shown.items() if value is not None}


def _cors(given: Any) -> Cors | None:
    """Raises InvalidParameterValueException."""
    methods = tuple(given.AllowMethods or ())
    wrong = [method for method in methods if method not in _METHODS]
    if wrong:
        raise invalid(f"Invalid AllowMethods in Cors: {', '.join(wrong)}.")
    cors = Cors(
        allow_credentials=bool(given.AllowCredentials),
        allow_headers=tuple(given.AllowHeaders or ()),
        allow_methods=methods,
        allow_origins=tuple(given.AllowOrigins or ()),
        expose_headers=tuple(given.ExposeHeaders or ()),
        max_age_s=given.MaxAge,
    )
    return None if cors == Cors() else cors


@operation("CreateFunctionUrlConfig")
def create_function_url_config(ctx: Context, req: Any) -> Answer:
    """Gives a function or an alias a URL: for signed requests (AWS_IAM), or for everybody whom its policy lets (NONE).

    Errors: ResourceNotFoundException, ResourceConflictException, InvalidParameterValueException.
    Source: API reference, CreateFunctionUrlConfig.
    """
    where = _where(ctx, req)
    if URLS.get(ctx, *where) is not None:
        raise conflict(
            f"Failed to create function url config for [functionArn = {arn(*where)}]. Error message:  FunctionUrlConfig exists for this "
            "Lambda function"
        )
    url = Url(
        account=where.account,
        region=where.region,
        function=where.name,
        qualifier=where.qualifier,
        id=ctx.random.text(32, _ALPHABET),
        auth=req.AuthType,
        created_at_ms=ctx.now,
        modified_at_ms=ctx.now,
        mode=req.InvokeMode or "BUFFERED",
        cors=_cors(req.Cors) if req.Cors is not None else None,
    )
    URLS.put(ctx, url)
    answer = _described(ctx, url)
    del answer["LastModifiedTime"]
    return answer


@operation("GetFunctionUrlConfig")
def get_function_url_config(ctx: Context, req: Any) -> Answer:
    """The URL of a function or an alias. Errors: ResourceNotFoundException. Source: API reference, GetFunctionUrlConfig."""
    return _described(ctx, _at(ctx, _where(ctx, req)))


@operation("UpdateFunctionUrlConfig")
def update_function_url_config(ctx: Context, req: Any) -> Answer:
    """Changes what is given. Errors: ResourceNotFoundException, InvalidParameterValueException.

    Source: API reference, UpdateFunctionUrlConfig.
    """
    url = change(_at(ctx, _where(ctx, req)), modified_at_ms=ctx.now)
    if req.AuthType is not None:
        url = change(url, auth=req.AuthType)
    if req.InvokeMode is not None:
        url = change(url, mode=req.InvokeMode)
    if req.Cors is not None:
        url = change(url, cors=_cors(req.Cors))
    URLS.put(ctx, url)
    return _described(ctx, url)


@operation("DeleteFunctionUrlConfig")
def delete_function_url_config(ctx: Context, req: Any) -> Answer:
    """Takes a URL away; a new one will be another. Errors: ResourceNotFoundException. Source: API reference, DeleteFunctionUrlConfig."""
    URLS.delete(ctx, _at(ctx, _where(ctx, req)))
    return None


@operation("ListFunctionUrlConfigs")
def list_function_url_configs(ctx: Context, req: Any) -> Answer:
    """The URLs of a function and its aliases, at most 50 a page. Errors: ResourceNotFoundException.

    Source: API reference, ListFunctionUrlConfigs.
    """
    function = named(ctx, req.FunctionName)
    found = URLS.scan(ctx, function.account, function.region, function.name)
    return page(req, "FunctionUrlConfigs", found, 50, key=lambda url: url.qualifier, describe=lambda url: _described(ctx, url))
