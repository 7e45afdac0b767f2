"""What the databases ask: whether a token holds, that a paused cluster wakes up, calls out of SQL, and what was staged of a volume.

It asks by a site of ours (`app.SITES`), with a word that only this process and its front know. Nobody else gets an answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpResponse, Visit
from fogbank.services.rds import proxy_routes, staging
from fogbank.services.rds.state import cluster_of_resource

HEADER = "x-fogbank-front"


def site(ctx: Context, visit: Visit) -> HttpResponse:
    """Answers the front."""
    if visit.request.headers.get(HEADER) != ctx.databases.word:
        return HttpResponse(404, [("Content-Type", "text/plain")], b"not found\n")
    asked: dict[str, Any] = msgspec.json.decode(visit.request.body if isinstance(visit.request.body, bytes) else visit.request.body.read())
    answers = {"token": _token, "wake": _wake, "aws": _aws, "staged": _staged}
    try:
        found = answers[visit.names["what"]](ctx, visit, asked)
    except ServiceException as problem:
        found = {"error": problem.message}
    return HttpResponse(200, [("Content-Type", "application/json")], msgspec.json.encode(found))


def _token(ctx: Context, visit: Visit, asked: dict[str, Any]) -> dict[str, Any]:
    """A token is a presigned request of the action rds-db:connect; its user must be let in as that database user.

    Source: "IAM database authentication" in the Amazon Aurora User Guide.
    """
    place, _, query = str(asked["token"]).partition("/?")
    if place.lower() != f"{asked['address']}:{asked['port']}" or f"DBUser={asked['user']}" not in query.split("&"):
        return {"ok": False, "why": "the token is for another endpoint or user"}
    cluster = cluster_of_resource(ctx, asked["cluster"])
    if cluster is None:
        return {"ok": False, "why": "the cluster is gone"}
    request = visit.request  # the request becomes the one that the token signs
    request.method, request.path, request.query, request.body = "GET", "/", query, b""
    request.headers = {"host": place}
    try:
        signer = ctx.as_signer()
        id = proxy_routes.resource_at(ctx, cluster, asked["address"])
        resource = f"arn:aws:rds-db:{cluster.region}:{cluster.account}:dbuser:{id}/{asked['user']}"
        signer.authorize("rds-db:connect", resource)
    except ServiceException as refused:
        return {"ok": False, "why": refused.message}
    return {"ok": True}


def _wake(ctx: Context, visit: Visit, asked: dict[str, Any]) -> dict[str, Any]:
    from fogbank.services.rds import scaling

    scaling.wake(ctx, asked["cluster"])
    return {}


def _staged(ctx: Context, visit: Visit, asked: dict[str, Any]) -> dict[str, Any]:
    """What a volume was made of at an instant, as files."""
    return {"pieces": staging.bring(ctx, asked["volume"], asked["at_ms"], Path(asked["folder"]))}


def _aws(ctx: Context, visit: Visit, asked: dict[str, Any]) -> dict[str, Any]:
    """A call out of SQL, as the cluster's role for that feature."""
    from fogbank.services.rds import inside

    cluster = cluster_of_resource(ctx, asked["cluster"])
    if cluster is None:
        return {"error": "the cluster is gone"}
    return {"result": inside.call(ctx, cluster, asked["feature"], asked["call"])}
