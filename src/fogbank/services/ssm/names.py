"""How a parameter is named: by its name or its ARN, with `:version` or `:label` after it; and finding it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, NoReturn

from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.ssm.state import PARAMETERS, VERSIONS, Parameter, Version

LEVELS_LIMIT = 15
ARN_LIMIT = 1011
PUBLIC = "/aws/service/"
SECRETS = "/aws/reference/secretsmanager/"
_MISFIT = (
    'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash'
    " symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_"
)
PATH_MISFIT = (
    "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \"/\". It can't be"
    ' prefixed with \\"aws\\" or \\"ssm\\" (case-insensitive). It must use only letters, numbers, or the following symbols: . (period),'
    " - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if specified, must use the forward slash symbol"
    ' "/". Valid example: /get/parameters2-/by1./path0_.'
)
_well_formed = re.compile(r"/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*").fullmatch
_path = re.compile(r"/([A-Za-z0-9_.-]+/?)*").fullmatch


class Named(NamedTuple):
    """What a request asks for. `given` is the name, or the ARN, as the caller wrote it, without the selector."""

    account: str
    region: str
    name: str
    selector: str
    given: str


def invalid(message: str) -> ServiceException:
    return ServiceException("ValidationException", message)


def misfit() -> NoReturn:
    raise invalid(_MISFIT)


def _place(text: str) -> tuple[str, str, str] | None:
    """(account, region, path) of a parameter's ARN; None where it is none."""
    parts = Arn.parse(text)
    if parts is None or (parts.service, parts.partition) != ("ssm", partition_of(parts.region)):
        return None
    kind, slash, name = parts.resource.partition("/")
    return (parts.account, parts.region, slash + name) if kind == "parameter" and slash else None


def split(ctx: Context, text: str) -> Named:
    """Reads a name with or without a selector. Raises ValidationException for one that no parameter can have."""
    text = text.strip()
    account, region, path = ctx.account, ctx.region, text
    if text.startswith("arn:"):
        place = _place(text)
        if place is None:
            misfit()
        account, region, path = place
    name, colon, selector = path.partition(":")
    is_secret = name.startswith(SECRETS)
    if not is_secret and (not _well_formed(name) or (colon and not selector)):
        misfit()
    return Named(account, region, name, selector, text.removesuffix(f":{selector}") if colon else text)


def check_new(ctx: Context, name: str) -> None:
    """What a name must be to be given to a parameter.

    Raises ValidationException, AccessDeniedException, HierarchyLevelLimitExceededException.
    """
    if not _well_formed(name):
        misfit()
    plain = name.removeprefix("/").lower()
    if plain.startswith("aws"):
        raise ServiceException("AccessDeniedException", f"No access to reserved parameter name: {name}.")
    if plain.startswith("ssm"):
        misfit()
    if "/" in plain and not name.startswith("/"):
        raise invalid("Parameter name must be a fully qualified name.")
    if name.count("/") > LEVELS_LIMIT:
        raise ServiceException("HierarchyLevelLimitExceededException", f"A hierarchy can have a maximum of {LEVELS_LIMIT} levels.")
    if len(arn(ctx.account, ctx.region, name)) > ARN_LIMIT:
        raise invalid(f"The ARN of a parameter, with its name, can't be longer than {ARN_LIMIT} characters.")


def check_path(path: str) -> str:
    """A path, with a `/` at its end. Raises ValidationException."""
    path = path.strip()
    if not _path(path):
        raise invalid(PATH_MISFIT)
    return path if path.endswith("/") else f"{path}/"


def arn(account: str, region: str, name: str) -> str:
    return f"arn:{partition_of(region)}:ssm:{region}:{account}:parameter/{name.removeprefix('/')}"


def arn_of(parameter: Parameter) -> str:
    return arn(parameter.account, parameter.region, parameter.name)


def is_public(name: str) -> bool:
    return name.startswith(PUBLIC)


def arn_of_named(named: Named) -> str:
    """A public parameter belongs to no account."""
    return arn("" if is_public(named.name) else named.account, named.region, named.name)


def _get(ctx: Context, account: str, region: str, path: str) -> Parameter | None:
    """The parameter of an ARN, which is the same for `/x` and `x`."""
    return PARAMETERS.get(ctx, account, region, path) or PARAMETERS.get(ctx, account, region, path[1:])


def twin_of(ctx: Context, name: str) -> Parameter | None:
    """The parameter that has the ARN that one of this name would have: `x` for `/x`, `/x` for `x`."""
    return PARAMETERS.get(ctx, ctx.account, ctx.region, name[1:] if name.startswith("/") else f"/{name}")


def get_parameter(ctx: Context, named: Named) -> Parameter | None:
    """The parameter, of another account where an ARN says so; an ARN's name may be one without a slash at its front."""
    if named.region != ctx.region:
        return None
    if named.given.startswith("arn:"):
        return _get(ctx, named.account, named.region, named.name)
    return PARAMETERS.get(ctx, named.account, named.region, named.name)


def not_found(name: str) -> ServiceException:
    return ServiceException("ParameterNotFound", f"The parameter {name} couldn't be found.")


def parameter_at(ctx: Context, named: Named) -> Parameter:
    parameter = get_parameter(ctx, named)
    if parameter is None:
        raise not_found(named.given)
    return parameter


def own_parameter_at(ctx: Context, name: str) -> Parameter:
    """For operations that take a name only, neither an ARN nor a selector."""
    name = name.strip()
    if not _well_formed(name):
        misfit()
    parameter = PARAMETERS.get(ctx, ctx.account, ctx.region, name)
    if parameter is None:
        raise not_found(name)
    return parameter


def latest_of(ctx: Context, parameter: Parameter) -> Version:
    version = VERSIONS.get(ctx, parameter.id, parameter.latest)
    assert version is not None
    return version


def no_version(parameter: Parameter, selector: Any) -> ServiceException:
    return ServiceException(
        "ParameterVersionNotFound",
        f"Systems Manager could not find version {selector} of {parameter.name}. Verify the version and try again.",
    )


def version_at(ctx: Context, parameter: Parameter, selector: str) -> Version:
    """The version that a selector means, a number or a label; the latest if there is none. Raises ParameterVersionNotFound."""
    if not selector:
        return latest_of(ctx, parameter)
    number = int(selector) if selector.isdecimal() else parameter.labels.get(selector, 0)
    version = VERSIONS.get(ctx, parameter.id, number) if number < 1 << 62 else None
    if version is None:
        raise no_version(parameter, selector)
    return version


def get_by_arn(ctx: Context, text: str) -> Parameter | None:
    place = _place(text)
    if place is None:
        return None
    return _get(ctx, *place)


def tags_of(ctx: Context, text: str) -> dict[str, str] | None:
    parameter = get_by_arn(ctx, text)
    return parameter.tags if parameter else None


def policy_of(ctx: Context, text: str) -> str | None:
    parameter = get_by_arn(ctx, text)
    return parameter.sharing.document if parameter and parameter.sharing else None


def arn_of_request(ctx: Context, req: Any) -> str | None:
    """What a request is about, for the door."""
    name = getattr(req, "Name", None) or getattr(req, "Path", None)
    if name is None and getattr(req, "ResourceType", None) == "Parameter":
        name = req.ResourceId
    text: str | None = getattr(req, "ResourceArn", None) if name is None else name.strip()
    if text is None:
        return None
    place = _place(text) if text.startswith("arn:") else ("" if is_public(text) else ctx.account, ctx.region, text)
    return None if place is None else arn(*place[:2], place[2].partition(":")[0])
