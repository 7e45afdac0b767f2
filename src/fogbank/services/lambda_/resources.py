"""Functions, versions and aliases as CloudFormation has them; `resource_parts` has what belongs to them.

Inline code (`Code/ZipFile`) is the text of a module `index`, of Python or Node.js. `inline` has the modules that come with it where it
asks for them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.resource_types import Names, Naming, Part, Properties, ResourceType, every, exists, found, given, pairs, tags
from fogbank.services.lambda_ import resource_parts
from fogbank.services.lambda_.resource_parts import ABSENT, call, functions

PRESENT = ("Present", "ResourceConflictException")
_DEFAULTS: dict[str, Any] = {
    "DeadLetterConfig": {"TargetArn": ""},
    "Description": "",
    "Environment": {"Variables": {}},
    "EphemeralStorage": {"Size": 512},
    "Handler": None,
    "KmsKeyArn": "",
    "Layers": [],
    "LoggingConfig": {"LogFormat": "Text"},
    "MemorySize": 128,
    "Role": None,
    "Runtime": None,
    "SnapStart": {"ApplyOn": "None"},
    "Timeout": 3,
    "TracingConfig": {"Mode": "PassThrough"},
}
"""The properties that UpdateFunctionConfiguration changes, and what each is again when it is taken away."""
_NAMES = Names("KmsKeyArn=KMSKeyArn")
_INLINE = {
    "python": ("index.py", "cfnresponse", "cfnresponse.py", "cfnresponse.py"),
    "nodejs": ("index.js", "cfn-response", "cfn-response.js", "node_modules/cfn-response/index.js"),
}
"""Runtimes that take inline code: its file; the module by which it answers CloudFormation, our file of that, and where it lies."""


def _configuration(properties: Properties) -> Properties:
    members = {name: value for name, value in properties.items() if name in _DEFAULTS and value is not None}
    variables = (members.get("Environment") or {}).get("Variables")
    if variables is not None:
        members["Environment"] = {"Variables": {name: _text(value) for name, value in variables.items()}}
    spelt: Properties = _NAMES.there(members)
    return spelt


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _code(properties: Properties) -> Properties:
    code = dict(properties["Code"])
    source = code.pop("ZipFile", None)
    if source is None:
        return code
    family = next((name for name in _INLINE if str(properties.get("Runtime", "")).startswith(name)), None)
    if family is None:
        raise ServiceException("InvalidRequest", "ZipFile can only be used with Node.js and Python runtimes.")
    index, module, file, place = _INLINE[family]
    modules = {index: source}
    if module in source:
        modules[place] = (files("fogbank.services.lambda_") / "inline" / file).read_text()
    return {**code, "ZipFile": _zipped(modules)}


def _zipped(modules: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in modules.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, text)
    return out.getvalue()


def _create(ctx: Context, properties: Properties) -> str:
    more = given(
        FunctionName=properties["FunctionName"],
        Architectures=properties.get("Architectures"),
        PackageType=properties.get("PackageType"),
        CodeSigningConfigArn=properties.get("CodeSigningConfigArn"),
        Tags=pairs(properties.get("Tags")) or None,
    )
    name: str = call(ctx, "CreateFunction", **_configuration(properties), **more, Code=_code(properties))["FunctionName"]
    return name


def _read(ctx: Context, name: str) -> Properties:
    held = call(ctx, "GetFunctionConfiguration", FunctionName=name)
    same = ("Architectures", "FunctionName", "PackageType")
    read = {property: held.get(_NAMES.there({property: 0}).popitem()[0]) for property in (*_DEFAULTS, *same)}
    read["Layers"] = [layer["Arn"] for layer in held.get("Layers") or ()] or None
    read["Description"] = held["Description"] or None
    read["LoggingConfig"] = given(**held["LoggingConfig"])
    del read["SnapStart"]
    return {**read, "Arn": held["FunctionArn"], "SnapStartResponse": held["SnapStart"]}


def _put(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    changed = {n: after.get(n, default) for n, default in _DEFAULTS.items() if before.get(n) != after.get(n)}
    call(ctx, "UpdateFunctionConfiguration", FunctionName=name, **_configuration(changed))


def _put_code(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    call(ctx, "UpdateFunctionCode", FunctionName=name, Architectures=after.get("Architectures") or ["x86_64"], **_code(after))


def _put_reserved(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    wanted = after.get("ReservedConcurrentExecutions")
    if wanted is None:
        call(ctx, "DeleteFunctionConcurrency", FunctionName=name)
    else:
        call(ctx, "PutFunctionConcurrency", FunctionName=name, ReservedConcurrentExecutions=wanted)


def _put_signing(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    wanted = after.get("CodeSigningConfigArn")
    if wanted:
        call(ctx, "PutFunctionCodeSigningConfig", FunctionName=name, CodeSigningConfigArn=wanted)
    else:
        call(ctx, "DeleteFunctionCodeSigningConfig", FunctionName=name)


def _put_runtime(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    wanted = after.get("RuntimeManagementConfig") or {"UpdateRuntimeOn": "Auto"}
    call(ctx, "PutRuntimeManagementConfig", FunctionName=name, **wanted)


def _runtime(ctx: Context, name: str) -> Properties:
    held = call(ctx, "GetRuntimeManagementConfig", FunctionName=name)
    members = given(UpdateRuntimeOn=held["UpdateRuntimeOn"], RuntimeVersionArn=held["RuntimeVersionArn"])
    return {"RuntimeManagementConfig": members}


def _loop(ctx: Context, name: str) -> Properties:
    return {"RecursiveLoop": call(ctx, "GetFunctionRecursionConfig", FunctionName=name)["RecursiveLoop"]}


def _arn(ctx: Context, name: str) -> str:
    return ctx.arn(f"function:{name}", service="lambda")


FUNCTION = ResourceType(
    "AWS::Lambda::Function",
    create=_create,
    made_with=("FunctionName", "Code", "Architectures", "PackageType", "CodeSigningConfigArn", "Tags", *_DEFAULTS),
    read=_read,
    delete=lambda ctx, name, properties: call(ctx, "DeleteFunction", FunctionName=name),
    list=functions,
    parts=(
        Part(("Code", "Architectures"), _put_code),
        Part(tuple(_DEFAULTS), _put),
        Part(
            ("ReservedConcurrentExecutions",),
            _put_reserved,
            lambda ctx, name: dict(call(ctx, "GetFunctionConcurrency", FunctionName=name)),
        ),
        Part(
            ("CodeSigningConfigArn",),
            _put_signing,
            lambda ctx, name: {
                "CodeSigningConfigArn": call(ctx, "GetFunctionCodeSigningConfig", FunctionName=name)["CodeSigningConfigArn"] or None
            },
        ),
        Part(
            ("RecursiveLoop",),
            lambda ctx, name, before, after: call(
                ctx, "PutFunctionRecursionConfig", FunctionName=name, RecursiveLoop=after.get("RecursiveLoop") or "Terminate"
            ),
            _loop,
        ),
        Part(("RuntimeManagementConfig",), _put_runtime, _runtime),
        tags(
            read=lambda ctx, name: call(ctx, "ListTags", Resource=_arn(ctx, name))["Tags"],
            add=lambda ctx, name, added: call(ctx, "TagResource", Resource=_arn(ctx, name), Tags=added),
            remove=lambda ctx, name, keys: call(ctx, "UntagResource", Resource=_arn(ctx, name), TagKeys=keys),
        ),
    ),
    naming=Naming("FunctionName", 64),
    absent=ABSENT,
    present=PRESENT,
)


# provisioned concurrency, of versions and aliases


def _put_provisioned(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    name, _, qualifier = arn.rpartition(":")
    wanted = after.get("ProvisionedConcurrencyConfig")
    if wanted is None:
        call(ctx, "DeleteProvisionedConcurrencyConfig", FunctionName=name, Qualifier=qualifier)
    else:
        call(ctx, "PutProvisionedConcurrencyConfig", FunctionName=name, Qualifier=qualifier, **wanted)


def _provisioned(ctx: Context, arn: str) -> Properties:
    name, _, qualifier = arn.rpartition(":")
    members = {"FunctionName": name, "Qualifier": qualifier}
    held = found(
        lambda: call(ctx, "GetProvisionedConcurrencyConfig", **members),
        "ProvisionedConcurrencyConfigNotFoundException",
        "InvalidParameterValueException",
    )
    wanted = held["RequestedProvisionedConcurrentExecutions"] if held is not None else None
    return {"ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": wanted} if wanted else None}


_PROVISIONED = Part(("ProvisionedConcurrencyConfig",), _put_provisioned, _provisioned)


# versions


def _versions(ctx: Context, name: str) -> Iterator[Properties]:
    """The published versions of a function."""
    for one in every(ctx, "lambda", "ListVersionsByFunction", {"FunctionName": name}, "Versions", "Marker=NextMarker"):
        if one["Version"] != "$LATEST":
            yield one


def _publish(ctx: Context, properties: Properties) -> str:
    name = properties["FunctionName"]
    before = {one["Version"] for one in _versions(ctx, name)}
    members = given(CodeSha256=properties.get("CodeSha256"), Description=properties.get("Description"))
    made = call(ctx, "PublishVersion", FunctionName=name, **members)
    if made["Version"] in before:
        raise exists("AWS::Lambda::Version", made["FunctionArn"])
    arn: str = made["FunctionArn"]
    if properties.get("ProvisionedConcurrencyConfig") is not None:
        _put_provisioned(ctx, arn, {}, properties)
    if properties.get("RuntimePolicy") is not None:
        call(ctx, "PutRuntimeManagementConfig", FunctionName=arn, **properties["RuntimePolicy"])
    return arn


def _read_version(ctx: Context, arn: str) -> Properties:
    held = call(ctx, "GetFunctionConfiguration", FunctionName=arn)
    policy = call(ctx, "GetRuntimeManagementConfig", FunctionName=arn)
    return {
        "FunctionArn": arn,
        "FunctionName": held["FunctionName"],
        "Version": held["Version"],
        "CodeSha256": held["CodeSha256"],
        "Description": held["Description"] or None,
        "RuntimePolicy": given(UpdateRuntimeOn=policy["UpdateRuntimeOn"], RuntimeVersionArn=policy["RuntimeVersionArn"]),
        **_provisioned(ctx, arn),
    }


VERSION = ResourceType(
    "AWS::Lambda::Version",
    create=_publish,
    made_with=("FunctionName", "CodeSha256", "Description", "ProvisionedConcurrencyConfig", "RuntimePolicy"),
    read=_read_version,
    delete=lambda ctx, arn, properties: call(ctx, "DeleteFunction", FunctionName=arn),
    list=lambda ctx: [one["FunctionArn"] for name in functions(ctx) for one in _versions(ctx, name)],
    absent=ABSENT,
    present=("Present",),
)


# aliases


def _alias(properties: Properties) -> Properties:
    routing = properties.get("RoutingConfig") or {}
    weights = {one["FunctionVersion"]: one["FunctionWeight"] for one in routing.get("AdditionalVersionWeights") or ()}
    return {
        "FunctionVersion": properties["FunctionVersion"],
        "Description": properties.get("Description", ""),
        "RoutingConfig": {"AdditionalVersionWeights": weights},
    }


def _create_alias(ctx: Context, properties: Properties) -> str:
    members = {"FunctionName": properties["FunctionName"], "Name": properties["Name"], **_alias(properties)}
    arn: str = call(ctx, "CreateAlias", **members)["AliasArn"]
    return arn


def _split(arn: str) -> dict[str, str]:
    name, _, alias = arn.rpartition(":")
    return {"FunctionName": name, "Name": alias}


def _read_alias(ctx: Context, arn: str) -> Properties:
    held = call(ctx, "GetAlias", **_split(arn))
    weights = (held["RoutingConfig"] or {}).get("AdditionalVersionWeights") or {}
    listed = [{"FunctionVersion": version, "FunctionWeight": weight} for version, weight in weights.items()]
    return {
        "AliasArn": held["AliasArn"],
        "FunctionName": arn.split(":")[6],
        "Name": held["Name"],
        "FunctionVersion": held["FunctionVersion"],
        "Description": held["Description"] or None,
        "RoutingConfig": {"AdditionalVersionWeights": listed} if listed else None,
    }


def _delete_alias(ctx: Context, arn: str, properties: Properties) -> None:
    _read_alias(ctx, arn)
    call(ctx, "DeleteAlias", **_split(arn))


ALIAS = ResourceType(
    "AWS::Lambda::Alias",
    create=_create_alias,
    made_with=("FunctionName", "Name", "FunctionVersion", "Description", "RoutingConfig"),
    read=_read_alias,
    delete=_delete_alias,
    list=lambda ctx: [
        one["AliasArn"]
        for name in functions(ctx)
        for one in every(ctx, "lambda", "ListAliases", {"FunctionName": name}, "Aliases", "Marker=NextMarker")
    ],
    parts=(
        Part(
            ("FunctionVersion", "Description", "RoutingConfig"),
            lambda ctx, arn, before, after: call(ctx, "UpdateAlias", **_split(arn), **_alias(after)),
        ),
        _PROVISIONED,
    ),
    absent=ABSENT,
    present=PRESENT,
)

TYPES = (FUNCTION, VERSION, ALIAS, *resource_parts.TYPES)
