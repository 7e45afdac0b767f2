"""KMS's sentences for what is wrong with a request, and the checks that many operations make alike."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import msgspec

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.kms.state import Key

GRANT_TOKEN = b"grant token"


def invalid(message: str) -> ServiceException:
    return ServiceException("ValidationException", message)


def not_found(message: str) -> ServiceException:
    return ServiceException("NotFoundException", message)


def unsupported(message: str) -> ServiceException:
    return ServiceException("UnsupportedOperationException", message)


def no_key(arn: str) -> ServiceException:
    return not_found(f"Key '{arn}' does not exist")


def denied(ctx: Context, action: str, arn: str) -> ServiceException:
    """To a caller whom no policy of this key could let in."""
    return ServiceException(
        "AccessDeniedException",
        f"User: {ctx.principal.arn} is not authorized to perform: kms:{action} on resource: {arn} because no resource-based policy"
        f" allows the kms:{action} action",
    )


def nothing_for(ctx: Context, arn: str) -> ServiceException:
    """To a caller of another account, who does not learn whether there is such a key."""
    return ServiceException(
        "AccessDeniedException",
        f"User: {ctx.principal.arn} is not authorized to perform: kms:{ctx.operation} on resource: {arn} because the resource does not"
        " exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access",
    )


def check_usage(ctx: Context, key: Key, usage: str) -> None:
    """Raises InvalidKeyUsageException unless the key is for this."""
    if key.usage != usage:
        raise ServiceException("InvalidKeyUsageException", f"{key.arn} key usage is {key.usage} which is not valid for {ctx.operation}.")


def check_algorithm(key: Key, algorithm: str, among: Iterable[str]) -> None:
    """Raises InvalidKeyUsageException unless keys of this spec know the algorithm."""
    if algorithm not in among:
        raise ServiceException("InvalidKeyUsageException", f"Algorithm {algorithm} is incompatible with key spec {key.spec}.")


def check_tokens(ctx: Context, req: Any) -> None:
    """Grants count as soon as they are made, so tokens only have to be ours. Raises InvalidGrantTokenException."""
    for token in req.GrantTokens or ():
        read_token(ctx, token)


def read_token(ctx: Context, token: str) -> tuple[str, str, str, str]:
    """(account, region, key, grant) of a grant token."""
    try:
        found: tuple[str, str, str, str] = msgspec.msgpack.decode(
            ctx.vault.open(base64.b64decode(token, validate=True), GRANT_TOKEN), type=tuple[str, str, str, str]
        )
    except ValueError:
        raise ServiceException("InvalidGrantTokenException", "Invalid grant token.") from None
    return found


def check_recipient(ctx: Context, req: Any) -> None:
    """Refuses what needs a Nitro enclave."""
    if req.Recipient is not None:
        raise NotImplementedOperation("kms", ctx.operation, "with Recipient: there are no Nitro enclaves or NitroTPMs to attest")


def check_dry_run(req: Any) -> None:
    """The last of all checks: raises DryRunOperationException where the caller only wanted to know."""
    if req.DryRun:
        raise ServiceException("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")


def wrong_marker() -> ServiceException:
    return ServiceException("InvalidMarkerException", "Invalid marker.")


def marker(req: Any) -> str | None:
    """The place that a page goes on from. Raises InvalidMarkerException."""
    return paging.place(req.Marker, wrong_marker)


def size(req: Any, default: int, most: int) -> int:
    """How many items a page has. Raises ValidationException beyond what the operation allows."""
    limit: int = req.Limit or default
    if limit > most:
        raise invalid(
            f"1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint:"
            f" Member must have value less than or equal to {most}"
        )
    return limit


def paged(member: str, items: list[dict[str, Any]], more: bool, last: str) -> dict[str, Any]:
    """A page as KMS answers it."""
    return {member: items, "Truncated": more, "NextMarker": paging.token(last) if more else None}
