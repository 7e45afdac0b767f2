"""GetParameter, GetParameters, GetParametersByPath, GetParameterHistory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.ssm import encryption, expiration, filters, infrastructure, references
from fogbank.services.ssm.labels import labels_of
from fogbank.services.ssm.names import (
    SECRETS,
    Named,
    arn,
    arn_of,
    arn_of_named,
    check_path,
    is_public,
    latest_of,
    not_found,
    own_parameter_at,
    parameter_at,
    split,
    version_at,
)
from fogbank.services.ssm.state import PARAMETERS, VERSIONS, Parameter, Version

PATH_PAGE = 10
HISTORY_PAGE = 50


def describe(ctx: Context, parameter: Parameter, version: Version, selector: str, *, decrypted: bool) -> dict[str, Any]:
    return {
        "Name": parameter.name,
        "Type": parameter.type,
        "Value": encryption.value_of(ctx, parameter, version, decrypted=decrypted),
        "Version": version.number,
        "Selector": f":{selector}" if selector else None,
        "LastModifiedDate": version.at_ms,
        "ARN": arn_of(parameter),
        "DataType": version.data_type,
    }


def _public(ctx: Context, name: str) -> dict[str, Any] | None:
    """A public parameter, which is computed: it has one version, and no date."""
    value = infrastructure.value(name)
    if value is None:
        return None
    return {"Name": name, "Type": "String", "Value": value, "Version": 1, "ARN": arn("", ctx.region, name), "DataType": "text"}


def _read(ctx: Context, named: Named, *, decrypted: bool) -> dict[str, Any]:
    """Raises ParameterNotFound, ParameterVersionNotFound."""
    if named.name.startswith(SECRETS):
        return references.read(ctx, named, decrypted=decrypted)
    if is_public(named.name):
        found = _public(ctx, named.name)
        if found is None or named.selector not in ("", "1"):
            raise not_found(named.given)
        return found
    parameter = parameter_at(ctx, named)
    return describe(ctx, parameter, version_at(ctx, parameter, named.selector), named.selector, decrypted=decrypted)


@operation("GetParameter")
def get_parameter(ctx: Context, req: Any) -> Answer:
    """A parameter by name or ARN: the latest version, or `name:version`, or `name:label`. KMS decrypts a SecureString as the caller.

    Also public parameters (/aws/service/global-infrastructure/...) and secrets (/aws/reference/secretsmanager/...).

    Errors: ParameterNotFound, ParameterVersionNotFound, InvalidKeyId. Source: API reference, GetParameter.
    """
    return {"Parameter": _read(ctx, split(ctx, req.Name), decrypted=bool(req.WithDecryption))}


@operation("GetParameters", authorized_here=True)
def get_parameters(ctx: Context, req: Any) -> Answer:
    """Up to 10 parameters, in order of their names; those that are not there are told in InvalidParameters.

    Errors: InvalidKeyId. Source: API reference, GetParameters.
    """
    wanted = [split(ctx, name) for name in dict.fromkeys(req.Names)]
    for named in wanted:
        ctx.authorize("ssm:GetParameters", arn_of_named(named))
    found, missing = [], []
    for name, named in zip(dict.fromkeys(req.Names), wanted, strict=True):
        try:
            found.append(_read(ctx, named, decrypted=bool(req.WithDecryption)))
        except ServiceException as refused:
            if refused.code not in ("ParameterNotFound", "ParameterVersionNotFound"):
                raise
            missing.append(name)
    found.sort(key=lambda parameter: (parameter["Name"], parameter["Version"]))
    return {"Parameters": found, "InvalidParameters": missing}


@operation("GetParametersByPath")
def get_parameters_by_path(ctx: Context, req: Any) -> Answer:
    """The parameters right below a path, with Recursive those further down, too; by name, at most 10 a page.

    The caller needs the permission for the path, and so has it for all below.

    Errors: ValidationException, InvalidFilterKey, InvalidFilterOption, InvalidFilterValue, InvalidNextToken, InvalidKeyId.
    Source: API reference, GetParametersByPath.
    """
    path, size = check_path(req.Path), req.MaxResults or PATH_PAGE
    fits = filters.read_for_path(req.ParameterFilters or [])
    label = filters.label_of(req.ParameterFilters or [])
    after, decrypted = paging.place(req.NextToken, no_token), bool(req.WithDecryption)
    if is_public(path):
        names, more = paging.page(_public_names(path, after, recursive=bool(req.Recursive)), size)
        parameters = [_public(ctx, name) for name in names]
        return {"Parameters": parameters, "NextToken": paging.token(names[-1]) if more else None}
    rows = (row for row in below(ctx, path, after, recursive=bool(req.Recursive)) if not label or label in row.labels)
    pairs = ((parameter, version_at(ctx, parameter, label)) for parameter in rows)
    page, more = paging.page(((p, v) for p, v in pairs if fits(p, v)), size)
    return {
        "Parameters": [describe(ctx, parameter, version, label, decrypted=decrypted) for parameter, version in page],
        "NextToken": paging.token(page[-1][0].name) if more else None,
    }


def below(ctx: Context, path: str, after: str | None, *, recursive: bool) -> Iterator[Parameter]:
    """The parameters of a hierarchy; `/` has those without a slash, too."""
    start = "" if path == "/" else path
    for parameter in PARAMETERS.scan(ctx, ctx.account, ctx.region, starting=start, after=after):
        if recursive or "/" not in parameter.name.removeprefix(path):
            yield parameter


def _public_names(path: str, after: str | None, *, recursive: bool) -> Iterator[str]:
    names = infrastructure.names()
    for place in range(bisect_left(names, path) if after is None else bisect_right(names, after), len(names)):
        name = names[place]
        if not name.startswith(path):
            return
        if recursive or "/" not in name[len(path) :]:
            yield name


def no_token() -> ServiceException:
    return ServiceException("InvalidNextToken", "The specified token isn't valid.")


@operation("GetParameterHistory")
def get_parameter_history(ctx: Context, req: Any) -> Answer:
    """The versions of a parameter, the oldest first, at most 50 a page.

    Errors: ParameterNotFound, InvalidNextToken, InvalidKeyId. Source: API reference, GetParameterHistory.
    """
    parameter = parameter_at(ctx, split(ctx, req.Name)) if req.Name.startswith("arn:") else own_parameter_at(ctx, req.Name)
    after = paging.place(req.NextToken, no_token)
    found = VERSIONS.scan(ctx, parameter.id, after=None if after is None else paging.number(after, no_token))
    versions, more = paging.page(found, req.MaxResults or HISTORY_PAGE)
    return {
        "Parameters": [_past(ctx, parameter, version, decrypted=bool(req.WithDecryption)) for version in versions],
        "NextToken": paging.token(str(versions[-1].number)) if more else None,
    }


def _past(ctx: Context, parameter: Parameter, version: Version, *, decrypted: bool) -> dict[str, Any]:
    return {
        **about(ctx, parameter, version),
        "Value": encryption.value_of(ctx, parameter, version, decrypted=decrypted),
        "Labels": labels_of(parameter, version.number),
    }


def about(ctx: Context, parameter: Parameter, version: Version) -> dict[str, Any]:
    """What DescribeParameters and GetParameterHistory have in common."""
    return {
        "Name": parameter.name,
        "Type": parameter.type,
        "KeyId": version.key_id or None,
        "LastModifiedDate": version.at_ms,
        "LastModifiedUser": version.user,
        "Description": version.description or None,
        "AllowedPattern": version.allowed_pattern or None,
        "Version": version.number,
        "Tier": version.tier,
        "Policies": expiration.describe(ctx, parameter, version) or [],
        "DataType": version.data_type,
    }


@operation("DescribeParameters")
def describe_parameters(ctx: Context, req: Any) -> Answer:
    """The account's parameters in the region, without their values, by name; all filters must match. At most 50 a page.

    Errors: ValidationException, InvalidFilterKey, InvalidFilterOption, InvalidFilterValue, InvalidNextToken.
    Source: API reference, DescribeParameters.
    """
    fits = filters.read(req)
    after = paging.place(req.NextToken, no_token)
    rows = ((p, latest_of(ctx, p)) for p in PARAMETERS.scan(ctx, ctx.account, ctx.region, after=after))
    page, more = paging.page(((p, v) for p, v in rows if fits(p, v)), req.MaxResults or HISTORY_PAGE)
    return {
        "Parameters": [{**about(ctx, parameter, version), "ARN": arn_of(parameter)} for parameter, version in page],
        "NextToken": paging.token(page[-1][0].name) if more else None,
    }
