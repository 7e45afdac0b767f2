"""Block Public Access of a whole account (S3 Control): it holds for all its buckets and access points, besides their own."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import policies
from fogbank.services.s3.access_points import check_account
from fogbank.services.s3.state import ACCOUNT_BLOCKS, AccountBlock


@operation("PutPublicAccessBlock")
def put_public_access_block(ctx: Context, req: Any) -> Answer:
    """Sets the account's four settings; one that is not given is off."""
    check_account(ctx, req.AccountId)
    ACCOUNT_BLOCKS.put(ctx, AccountBlock(account=ctx.account, block=policies.block_of(req.PublicAccessBlockConfiguration)))
    return None


def _kept(ctx: Context, req: Any) -> AccountBlock | None:
    check_account(ctx, req.AccountId)
    return ACCOUNT_BLOCKS.get(ctx, ctx.account)


@operation("GetPublicAccessBlock")
def get_public_access_block(ctx: Context, req: Any) -> Answer:
    """The account's four settings. Errors: NoSuchPublicAccessBlockConfiguration until they are set."""
    kept = _kept(ctx, req)
    if kept is None:
        message = "The public access block configuration was not found"
        raise ServiceException("NoSuchPublicAccessBlockConfiguration", message, status=404, AccountId=ctx.account)
    return {"PublicAccessBlockConfiguration": policies.described_block(kept.block)}


@operation("DeletePublicAccessBlock")
def delete_public_access_block(ctx: Context, req: Any) -> Answer:
    """Turns all four settings of the account off."""
    kept = _kept(ctx, req)
    if kept is not None:
        ACCOUNT_BLOCKS.delete(ctx, kept)
    return None
