"""What STS tells about callers and keys."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.iam import ids
from fogbank.services.iam.refusals import invalid_value


@operation("GetCallerIdentity", authorized_here=True)
def get_caller_identity(ctx: Context, req: Any) -> Answer:
    """Who asks. Needs no permission, and no policy can deny it."""
    principal = ctx.principal
    return {"UserId": principal.user_id, "Account": principal.account, "Arn": principal.arn}


@operation("GetAccessKeyInfo")
def get_access_key_info(ctx: Context, req: Any) -> Answer:
    """The account of an access key, which the key itself tells: nothing is said about whether it exists or works.

    Errors: ValidationError (no access key's form).
    """
    account = ids.account_of(req.AccessKeyId)
    if account is None:
        raise invalid_value(f"Invalid Access Key ID: {req.AccessKeyId}")
    return {"Account": account}
