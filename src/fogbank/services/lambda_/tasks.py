"""What happens later: environments are made ready, hot code is mounted."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.services.lambda_ import making
from fogbank.services.lambda_.concurrency import ready_for
from fogbank.services.lambda_.memory import memory_of
from fogbank.services.lambda_.state import FUNCTIONS, VERSIONS
from fogbank.store import change


@task("provision")
def provision(ctx: Context, where: list[str]) -> Answer:
    """Has the workshop keep as many environments of a function's versions ready as was asked for."""
    function = FUNCTIONS.get(ctx, *where)
    workshop = ctx.workshop
    if function is None or workshop is None:
        return None
    counts = memory_of(ctx).warmed
    for version in VERSIONS.scan(ctx, *where, after=0):
        wanted, key = ready_for(ctx, function, version.number), making.key_of(function, version)
        if counts.get(key, 0) == wanted:
            continue
        try:
            ready, credentials = making.runnable(ctx, function, version), making.credentials(ctx, version)
        except ServiceException:
            continue  # its key or its role is out of reach: its invocations say so
        counts[key] = wanted
        workshop.warm(ready, wanted, credentials)
    return None


@task("expect")
def expect(ctx: Context, key: list[Any]) -> Answer:
    """Has the workshop make ready for a version's first invocation; not where that would take its role to open something."""
    function, version = FUNCTIONS.get(ctx, *key[:3]), VERSIONS.get(ctx, *key)
    if function is None or version is None or ctx.workshop is None:
        return None
    if not version.package.key_arn and (version.environment is None or not version.environment.key_arn):
        ctx.workshop.expect(making.runnable(ctx, function, version))
    return None


@task("retire")
def retire(ctx: Context, key: str) -> Answer:
    """Lets the environments of a version go that will not be invoked any more."""
    if ctx.workshop is not None:
        ctx.workshop.forget(key)
        memory_of(ctx).warmed.pop(key, None)
    return None


@task("mount")
def mount(ctx: Context, item: dict[str, Any]) -> Answer:
    """Gives a function's $LATEST a folder for its code, as it is and as it changes; "" gives it its package again.

    `{"account", "region", "name", "folder"}`: what `fogbank dev` puts into the outbox.
    """
    function = FUNCTIONS.get(ctx, item["account"], item["region"], item["name"])
    if function is not None:
        FUNCTIONS.put(ctx, change(function, folder=item["folder"]))
    return None
