"""The same request twice: a clientToken for a day."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.services.ram.state import TOKENS, Token

KEPT_S = 86_400


def once(ctx: Context, req: Any, work: Callable[[], dict[str, Any]]) -> Answer:
    """What comes of the work, or came of it when it was first asked for under this token.

    Errors: IdempotentParameterMismatchException.
    """
    if not req.clientToken:
        return {**work(), "clientToken": ctx.random.uuid()}
    asked = sha256(ctx.operation.encode() + msgspec.json.encode(req)).digest()
    before = TOKENS.get(ctx, ctx.account, ctx.region, req.clientToken)
    if before is not None:
        if before.asked != asked:
            raise ServiceException("IdempotentParameterMismatchException", "The clientToken was used before with other parameters.")
        return before.answer
    answer = {**work(), "clientToken": req.clientToken}
    TOKENS.put(ctx, Token(account=ctx.account, region=ctx.region, token=req.clientToken, asked=asked, answer=answer))
    ctx.later("ram.forget_token", {"token": req.clientToken}, delay_s=KEPT_S)
    return answer


@task("forget_token")
def forget_token(ctx: Context, payload: dict[str, Any]) -> None:
    """Lets go of a token."""
    token = TOKENS.get(ctx, ctx.account, ctx.region, payload["token"])
    if token is not None:
        TOKENS.delete(ctx, token)
