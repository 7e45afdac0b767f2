"""Saved queries. A text that cannot be read is saved all the same, as AWS does.

Source: API reference, PutQueryDefinition, DeleteQueryDefinition, DescribeQueryDefinitions.
"""

from __future__ import annotations

import re
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.logs.faults import bad_token, invalid, missing, not_here
from fogbank.services.logs.queries import CWLI, LIST_LIMIT
from fogbank.services.logs.state import QUERY_DEFINITIONS, QueryDefinition

_parameters = re.compile(r"\{\{([a-zA-Z_][a-zA-Z0-9_]*)\}\}").findall


@operation("PutQueryDefinition")
def put_query_definition(ctx: Context, req: Any) -> Answer:
    """Saves a query under a name, or changes all of the one with this id. A clientToken makes one query, however often it comes.

    Errors: InvalidParameterException (parameters are not those of the query), ResourceNotFoundException.
    Source: API reference, PutQueryDefinition.
    """
    if req.queryLanguage not in (None, CWLI):
        raise not_here("PutQueryDefinition", f"with the query language {req.queryLanguage}")
    if req.clientToken is not None and req.queryDefinitionId is None:
        made = next((d for d in QUERY_DEFINITIONS.scan(ctx, ctx.account, ctx.region) if d.token == req.clientToken), None)
        if made is not None:
            return {"queryDefinitionId": made.id}
    if req.queryDefinitionId is not None and QUERY_DEFINITIONS.get(ctx, ctx.account, ctx.region, req.queryDefinitionId) is None:
        raise missing("The specified query definition does not exist.")
    parameters = [
        {key: value for key in ("name", "defaultValue", "description") if (value := getattr(one, key)) is not None}
        for one in req.parameters or ()
    ]
    known = set(_parameters(req.queryString))
    for parameter in parameters:
        if parameter["name"] not in known:
            raise invalid(f"The query string has no parameter {parameter['name']}.")
    definition = QueryDefinition(
        account=ctx.account,
        region=ctx.region,
        id=req.queryDefinitionId or ctx.random.uuid(),
        name=req.name,
        text=req.queryString,
        groups=tuple(req.logGroupNames or ()),
        modified_at_ms=ctx.now,
        parameters=tuple(parameters),
        token=req.clientToken or "",
    )
    QUERY_DEFINITIONS.put(ctx, definition)
    return {"queryDefinitionId": definition.id}


@operation("DeleteQueryDefinition")
def delete_query_definition(ctx: Context, req: Any) -> Answer:
    """Deletes a saved query. Errors: ResourceNotFoundException. Source: API reference, DeleteQueryDefinition."""
    found = QUERY_DEFINITIONS.get(ctx, ctx.account, ctx.region, req.queryDefinitionId)
    if found is None:
        raise missing("The specified query definition does not exist.")
    QUERY_DEFINITIONS.delete(ctx, found)
    return {"success": True}


@operation("DescribeQueryDefinitions")
def describe_query_definitions(ctx: Context, req: Any) -> Answer:
    """Saved queries, those whose names begin so; at most 1,000 a page. Source: API reference, DescribeQueryDefinitions."""
    after = paging.place(req.nextToken, bad_token)
    prefix = req.queryDefinitionNamePrefix or ""
    found = (d for d in QUERY_DEFINITIONS.scan(ctx, ctx.account, ctx.region, after=after) if d.name.startswith(prefix))
    page, more = paging.page(found if req.queryLanguage in (None, CWLI) else (), req.maxResults or LIST_LIMIT)
    return {"queryDefinitions": [_described(one) for one in page], "nextToken": paging.token(page[-1].id) if more else None}


def _described(one: QueryDefinition) -> dict[str, Any]:
    return {
        "queryLanguage": CWLI,
        "queryDefinitionId": one.id,
        "name": one.name,
        "queryString": one.text,
        "lastModified": one.modified_at_ms,
        "logGroupNames": list(one.groups),
        "parameters": list(one.parameters) or None,
    }
