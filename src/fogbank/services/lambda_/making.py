"""What runs: of a version its code, layers and variables in the clear, as the workshop wants them; and the credentials of its role.

Both are remembered (`memory`): the one by the version's revision, the other for as long as they last.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from fogbank.kernel.context import Acting, Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.sandbox.function import Credentials
from fogbank.sandbox.function import Function as Runnable
from fogbank.services.lambda_ import encryption, packages
from fogbank.services.lambda_.addresses import Address, arn_of
from fogbank.services.lambda_.describing import log_group
from fogbank.services.lambda_.faults import refusal
from fogbank.services.lambda_.layers import version_of_arn
from fogbank.services.lambda_.memory import memory_of
from fogbank.services.lambda_.roles import PRINCIPAL, role_of
from fogbank.services.lambda_.state import Function, Package, Version
from fogbank.store.vault import Seal

RENEWED_MS = 300_000
"""So long before their end credentials are replaced."""
SESSION_MS = 3_600_000


XRAY_DAEMON = "127.0.0.1:2000"
"""Where functions send their segments to."""


def key_of(function: Function, version: Version) -> str:
    """What warm environments are known by: equal only for the same code and configuration. See `of_key`."""
    code = function.folder and not version.number and sha256(function.folder.encode()).hexdigest()[:8]
    return f"{version.account}/{version.region}/{version.name}/{version.label}/{version.revision}/{code or ''}/{version.role}"


def of_key(key: str) -> tuple[Address, str]:
    """Which version's environment a key is, and the role that it runs as."""
    account, region, name, label, _, _, role = key.split("/", 6)
    return Address(account, region, name, label), role


def runnable(ctx: Context, function: Function, version: Version) -> Runnable:
    """A version for the workshop. Errors: KMSAccessDeniedException and its like."""
    key, memory = key_of(function, version), memory_of(ctx)
    found = memory.runnables.get(key)
    if found is not None:
        return found
    function_arn = arn_of(function)
    role = role_of(version)
    try:
        variables = encryption.variables(ctx, version.environment, function_arn, role)
        hot = function.folder and not version.number
        code = Path(function.folder) if hot else packages.code_of(ctx, version.package, _seal(ctx, version.package, function_arn, role))
    except ServiceException as refused:
        raise encryption.for_running(refused) from None
    layers = [version_of_arn(ctx, one) for one in version.layers]
    made = Runnable(
        key=key,
        arn=arn_of(version, version.label if version.number else ""),
        name=version.name,
        version=version.label,
        account=version.account,
        region=version.region,
        runtime=version.runtime,
        handler=version.handler,
        code=code,
        layers=tuple(packages.code_of(ctx, one.package, None) for one in layers if one is not None),
        environment=variables,
        memory_mb=version.memory_mb,
        timeout_ms=version.timeout_s * 1000,
        tmp_mb=version.tmp_mb,
        log_group=log_group(version),
        log_format=version.log_format,
        daemon=XRAY_DAEMON,
        origin="snap-start" if version.snap_start == "PublishedVersions" and version.number else "on-demand",
        application_log_level=version.application_log_level,
        system_log_level=version.system_log_level,
    )
    return memory.runnables.put(key, made)


def _seal(ctx: Context, package: Package, function_arn: str, role: Role) -> Seal | None:
    return Seal(encryption.data_key_of(ctx, package, function_arn, role)) if package.key_arn else None


def credentials(ctx: Context, version: Version) -> Credentials:
    """The execution role's credentials, for an hour. Errors: AccessDeniedException, where the role does not trust Lambda any more."""
    key = (version.role, version.account, version.region, version.name)
    memory = memory_of(ctx)
    held = memory.credentials.get(key)
    if held is not None and ctx.now < held.expires_at_ms - RENEWED_MS and held.expires_at_ms - SESSION_MS <= ctx.now:
        return held

    def assume(own: Context) -> Credentials:
        members = {"RoleArn": version.role, "RoleSessionName": role_of(version).session_name}
        acting = Acting(PRINCIPAL, arn_of(version), version.account)
        made = own.traced("").call("sts", "AssumeRole", members, acting=acting)["Credentials"]
        return Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], made["Expiration"])

    try:
        made: Credentials = ctx.apart(f"credentials {version.role} {version.name}", assume)
    except ServiceException as refused:
        if refused.code not in ("AccessDenied", "AccessDeniedException"):
            raise
        message = "The role defined for the function cannot be assumed by Lambda."
        raise refusal("AccessDeniedException", message, status=403) from None
    return memory.credentials.put(key, made)
