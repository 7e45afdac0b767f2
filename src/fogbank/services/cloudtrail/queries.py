"""Queries of event data stores: begun at once, run beside the cloud, their results kept for seven days and delivered to S3 if wished."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from datetime import UTC, datetime
from typing import Any

import msgspec

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.cloudtrail.documents import iso
from fogbank.services.cloudtrail.keeping import DAY_MS, acting, arn_of, kept
from fogbank.services.cloudtrail.keys import sign
from fogbank.services.cloudtrail.lake import Invalid, Result, Statement
from fogbank.services.cloudtrail.state import QUERIES, QUERIES_BY_STORE, Query, Store
from fogbank.services.cloudtrail.stores import get_store, invalid, store_at
from fogbank.store.tables import change

_KEPT_MS = 7 * DAY_MS
_AT_ONCE = 10
_PAGE = 1000
_SEALED_FOR = b"cloudtrail query"
_UNDER_WAY = ("QUEUED", "RUNNING")
_result = msgspec.msgpack.Decoder(tuple[list[str], list[list[str]]]).decode


def arn_of_request(ctx: Context, req: Any) -> str | None:
    """The event data store that a request is about."""
    name = next((v for m in ("EventDataStore", "ResourceArn", "ResourceId") if isinstance(v := getattr(req, m, None), str)), None)
    if name is None and isinstance(statement := getattr(req, "QueryStatement", None), str):
        name = _read(ctx, statement).stores[0]
    if name is None and isinstance(id := getattr(req, "QueryId", None), str):
        query = QUERIES.get(ctx, ctx.account, ctx.region, id)
        name = query.store if query is not None else None
    if name is None:
        return None
    if name.startswith("arn:"):
        return name if ":eventdatastore/" in name else None
    return ctx.arn(f"eventdatastore/{name}")


def _read(ctx: Context, text: str) -> Statement:
    """Errors: InvalidQueryStatementException."""
    try:
        return Statement(text, ctx.now)
    except ImportError as missing:
        raise NotImplementedOperation("cloudtrail", ctx.operation, f"without the package {missing.name}") from None
    except Invalid as problem:
        raise ServiceException("InvalidQueryStatementException", str(problem)) from None


def _own(ctx: Context, req: Any) -> None:
    if req.EventDataStoreOwnerAccountId not in (None, ctx.account):
        raise NotImplementedOperation("cloudtrail", ctx.operation, "with the EventDataStoreOwnerAccountId of another account")


@operation("StartQuery")
def start_query(ctx: Context, req: Any) -> Answer:
    """Begins a query: one SELECT, whose tables are the ids of event data stores of this region. Up to ten at a time.

    QueryParameters stand for the statement's question marks. Dashboards' templates (QueryAlias) are not here.
    Errors: InvalidQueryStatementException, EventDataStoreNotFoundException, InactiveEventDataStoreException,
    MaxConcurrentQueriesException, InvalidParameterException. Source: API reference, StartQuery.
    """
    _own(ctx, req)
    if req.QueryAlias is not None:
        raise NotImplementedOperation("cloudtrail", "StartQuery", "with QueryAlias")
    if req.QueryStatement is None:
        raise invalid("QueryStatement is required.")
    statement = _read(ctx, req.QueryStatement)
    stores = [store_at(ctx, id, active=True) for id in statement.stores]
    for store in stores[1:]:
        ctx.authorize("cloudtrail:StartQuery", arn_of(store))
    parameters = list(req.QueryParameters or ())
    if len(parameters) != statement.parameters:
        raise invalid(f"The statement has {statement.parameters} parameters, and {len(parameters)} were given.")
    running = [q for q in QUERIES_BY_STORE.scan(ctx, ctx.account, ctx.region, stores[0].id) if q.status in _UNDER_WAY]
    if len(running) >= _AT_ONCE:
        raise ServiceException("MaxConcurrentQueriesException", f"You have reached the limit of {_AT_ONCE} concurrent queries.")
    query = Query(
        account=ctx.account,
        region=ctx.region,
        store=stores[0].id,
        id=ctx.random.uuid(),
        statement=req.QueryStatement,
        parameters=tuple(parameters),
        status="QUEUED",
        created_at_ms=ctx.now,
        delivery=req.DeliveryS3Uri or "",
        delivery_status="PENDING" if req.DeliveryS3Uri else "",
    )
    QUERIES.put(ctx, query)
    ctx.later("cloudtrail.query", {"id": query.id})
    ctx.later("cloudtrail.forget_query", {"id": query.id}, at_ms=ctx.now + _KEPT_MS)
    return {"QueryId": query.id, "EventDataStoreOwnerAccountId": ctx.account}


@task("query")
def run(ctx: Context, payload: Any) -> None:
    """Runs a query, unless it was cancelled."""
    query = QUERIES.get(ctx, ctx.account, ctx.region, payload["id"])
    if query is None or query.status not in _UNDER_WAY:
        return
    try:
        statement = _read(ctx, query.statement)
        events = {id: list(kept(ctx, store)) for id in statement.stores if (store := get_store(ctx, id)) is not None}
        parameters = query.parameters
        found: Result = ctx.beside("query", lambda: statement.run(events, parameters))
    except (ServiceException, Invalid) as problem:
        QUERIES.put(ctx, change(query, status="FAILED", ended_at_ms=ctx.now, error=str(problem), delivery_status=_failed(query)))
        return
    packed = msgspec.msgpack.encode((found.columns, found.rows))
    store = get_store(ctx, query.store)
    query = change(
        query,
        status="FINISHED",
        ended_at_ms=ctx.now,
        matched=len(found.rows),
        scanned=found.scanned,
        scanned_bytes=found.bytes,
        rows=len(found.rows),
        result=ctx.vault.seal(packed, _SEALED_FOR),
    )
    if query.delivery and store is not None:
        query = change(query, delivery_status=_deliver(ctx, query, store, found))
    QUERIES.put(ctx, query)


def _failed(query: Query) -> str:
    return "CANCELLED" if query.delivery else ""


def _deliver(ctx: Context, query: Query, store: Store, found: Result) -> str:
    """Puts the result and its signature into the bucket, as CloudTrail on behalf of the store. Gives the DeliveryStatus."""
    bucket, _, prefix = query.delivery.removeprefix("s3://").partition("/")
    day = datetime.fromtimestamp(ctx.now / 1000, UTC).strftime("%Y/%m/%d")
    folder = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    folder += f"AWSLogs/{query.account}/CloudTrail-Lake/Query/{day}/{query.id}"
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([found.columns, *found.rows])
    content = gzip.compress(written.getvalue().encode(), mtime=0)
    hashed = hashlib.sha256(content).hexdigest()
    signer = sign(ctx, query.region)
    signature = {
        "version": "1.0",
        "region": query.region,
        "files": [{"fileHashValue": hashed, "fileName": "result_1.csv.gz"}],
        "hashAlgorithm": "SHA-256",
        "signatureAlgorithm": "SHA256withRSA",
        "queryCompleteTime": iso(ctx.now),
        "hashSignature": signer.sign(hashed.encode()).hex(),
        "publicKeyFingerprint": signer.fingerprint,
    }
    for name, body in (("result_1.csv.gz", content), ("result_sign.json", msgspec.json.encode(signature))):
        members = {"Bucket": bucket, "Key": f"{folder}/{name}", "Body": body, "ACL": "bucket-owner-full-control"}
        try:
            ctx.call("s3", "PutObject", members, acting=acting(store), region=store.region)
        except ServiceException as refused:
            if refused.code == "NoSuchBucket":
                return "RESOURCE_NOT_FOUND"
            return "ACCESS_DENIED" if name != "result_sign.json" else "ACCESS_DENIED_SIGNING_FILE"
    return "SUCCESS"


@task("forget_query")
def forget_query(ctx: Context, payload: Any) -> None:
    """Forgets a query and its result."""
    query = QUERIES.get(ctx, ctx.account, ctx.region, payload["id"])
    if query is not None:
        QUERIES.delete(ctx, query)


def _query_at(ctx: Context, req: Any) -> Query:
    """Errors: QueryIdNotFoundException, EventDataStoreNotFoundException, InactiveEventDataStoreException."""
    _own(ctx, req)
    found = QUERIES.get(ctx, ctx.account, ctx.region, req.QueryId or "")
    if found is None or (req.EventDataStore and store_at(ctx, req.EventDataStore, active=True).id != found.store):
        raise ServiceException("QueryIdNotFoundException", f"The query ID {req.QueryId} does not exist.")
    return found


@operation("DescribeQuery")
def describe_query(ctx: Context, req: Any) -> Answer:
    """How a query stands. Errors: QueryIdNotFoundException, EventDataStoreNotFoundException. Source: API reference, DescribeQuery."""
    if req.QueryAlias is not None or req.RefreshId is not None:
        raise NotImplementedOperation("cloudtrail", "DescribeQuery", "with QueryAlias or RefreshId")
    query = _query_at(ctx, req)
    statistics: dict[str, Any] = {"CreationTime": query.created_at_ms}
    if query.ended_at_ms:
        statistics |= {
            "EventsMatched": query.matched,
            "EventsScanned": query.scanned,
            "BytesScanned": query.scanned_bytes,
            "ExecutionTimeInMillis": query.ended_at_ms - query.created_at_ms,
        }
    return {
        "QueryId": query.id,
        "QueryString": query.statement,
        "QueryStatus": query.status,
        "QueryStatistics": statistics,
        "ErrorMessage": query.error or None,
        "DeliveryS3Uri": query.delivery or None,
        "DeliveryStatus": query.delivery_status or None,
        "EventDataStoreOwnerAccountId": query.account,
    }


@operation("GetQueryResults")
def get_query_results(ctx: Context, req: Any) -> Answer:
    """A query's rows, 1000 a page: each a list of columns, all values as texts. None while it runs.

    Errors: QueryIdNotFoundException, InvalidNextTokenException. Source: API reference, GetQueryResults.
    """
    query = _query_at(ctx, req)
    answer: dict[str, Any] = {"QueryStatus": query.status, "ErrorMessage": query.error or None}
    if query.status != "FINISHED":
        return answer
    columns, rows = _result(ctx.vault.open(query.result, _SEALED_FOR))
    after = paging.place(req.NextToken, _bad_token)
    start = 0 if after is None else paging.number(after, _bad_token)
    end = start + (req.MaxQueryResults or _PAGE)
    page = rows[start:end]
    return {
        **answer,
        "QueryStatistics": {"ResultsCount": len(page), "TotalResultsCount": len(rows), "BytesScanned": query.scanned_bytes},
        "QueryResultRows": [[{name: value} for name, value in zip(columns, row, strict=True)] for row in page],
        "NextToken": paging.token(str(end)) if end < len(rows) else None,
    }


def _bad_token() -> ServiceException:
    return ServiceException("InvalidNextTokenException", "Invalid next token.")


@operation("ListQueries")
def list_queries(ctx: Context, req: Any) -> Answer:
    """The queries of a store in the last seven days, latest first. Errors: EventDataStoreNotFoundException, InvalidDateRangeException."""
    store = store_at(ctx, req.EventDataStore, active=True)
    start_ms, end_ms = int(req.StartTime or 0), int(req.EndTime or ctx.now)
    if start_ms > end_ms:
        raise ServiceException("InvalidDateRangeException", "The start time must be before the end time.")
    after = paging.place(req.NextToken, _bad_token)
    skip = 0 if after is None else paging.number(after, _bad_token)
    where = store.account, store.region, store.id
    queries = [
        q for q in QUERIES_BY_STORE.scan(ctx, *where, at=start_ms, before=end_ms + 1, reverse=True) if req.QueryStatus in (None, q.status)
    ]
    end = skip + (req.MaxResults or _PAGE)
    shown = [{"QueryId": q.id, "QueryStatus": q.status, "CreationTime": q.created_at_ms} for q in queries[skip:end]]
    return {"Queries": shown, "NextToken": paging.token(str(end)) if end < len(queries) else None}


@operation("CancelQuery")
def cancel_query(ctx: Context, req: Any) -> Answer:
    """Stops a query that runs. Errors: InactiveQueryException, QueryIdNotFoundException."""
    query = _query_at(ctx, req)
    if query.status not in _UNDER_WAY:
        raise ServiceException("InactiveQueryException", f"The query {query.id} is not running: it is {query.status}.")
    QUERIES.put(ctx, change(query, status="CANCELLED", ended_at_ms=ctx.now, delivery_status=_failed(query)))
    return {"QueryId": query.id, "QueryStatus": "CANCELLED", "EventDataStoreOwnerAccountId": query.account}
