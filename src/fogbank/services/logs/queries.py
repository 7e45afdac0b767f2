"""Queries of Logs Insights: started, carried out by a task (on a thread, so that nobody waits), looked at, stopped.

Results are kept for seven days, sealed. OpenSearch SQL and PPL are refused by name.

Source: API reference, StartQuery, GetQueryResults, StopQuery, DescribeQueries, ListLogGroupsForQuery.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.logs import chunks, encrypting, insights
from fogbank.services.logs.faults import bad_token, invalid, missing, not_here
from fogbank.services.logs.insights.program import Counted, Program, Shown, TooLarge
from fogbank.services.logs.insights.records import Row
from fogbank.services.logs.keys import results_arn
from fogbank.services.logs.names import arn_of, group_at, group_by, group_by_arn
from fogbank.services.logs.reading import merged
from fogbank.services.logs.records import record
from fogbank.services.logs.state import (
    DAY_MS,
    GROUPS,
    LATEST_QUERIES,
    QUERIES,
    QUERY_KEYS,
    QUERY_ROWS,
    STREAMS,
    Group,
    Query,
    QueryRows,
    expired_before_ms,
)
from fogbank.store import change
from fogbank.store.vault import Seal

GROUPS_LIMIT = 50
KEPT_MS = 7 * DAY_MS
PAGE_ROWS = 10_000
PIECE_BYTES = 512 * 1024
LIST_LIMIT = 1000
CWLI = "CWLI"
RUNNING, COMPLETE, FAILED, CANCELLED, TIMEOUT = "Running", "Complete", "Failed", "Cancelled", "Timeout"
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[list[tuple[str, str]]]).decode


@operation("StartQuery", authorized_here=True)
def start_query(ctx: Context, req: Any) -> Answer:
    """Starts a query over at most 50 groups (by one of logGroupName, logGroupNames, logGroupIdentifiers, or SOURCE in the query), from
    startTime to endTime, both in seconds, both included.

    The caller needs logs:StartQuery for each group, and logs:Unmask where the query unmasks.

    Errors: MalformedQueryException, InvalidParameterException, ResourceNotFoundException. Source: API reference, StartQuery.
    """
    if req.queryLanguage not in (None, CWLI):
        raise not_here("StartQuery", f"with the query language {req.queryLanguage}")
    program = read(req.queryString, "StartQuery")
    groups = _groups(ctx, req, program)
    for group in groups:
        ctx.authorize("logs:StartQuery", f"{arn_of(group)}:log-stream:")
        if program.unmasks:
            ctx.authorize("logs:Unmask", f"{arn_of(group)}:log-stream:")
    if not groups:
        ctx.authorize("logs:StartQuery", "*")
    if req.endTime < req.startTime:
        raise invalid("Query's end date and time is either before the log groups creation time or before its start time")
    key = QUERY_KEYS.get(ctx, ctx.account, ctx.region)
    query = Query(
        account=ctx.account,
        region=ctx.region,
        id=ctx.random.uuid(),
        number=ctx.tx.unique(),
        text=req.queryString,
        groups=tuple(arn_of(group) for group in groups),
        from_ms=req.startTime * 1000,
        to_ms=(req.endTime + 1) * 1000,
        limit=req.limit or 0,
        created_at_ms=ctx.now,
        status=RUNNING,
        user=ctx.principal.arn,
        whole=program.unmasks,
        kms_key=key.kms_key if key is not None else "",
    )
    QUERIES.put(ctx, query)
    ctx.later("logs.query", {"id": query.id})
    return {"queryId": query.id}


def read(text: str, operation: str) -> Program:
    """Errors: MalformedQueryException, with where; NotImplemented."""
    try:
        return insights.read(text)
    except insights.Malformed as malformed:
        where = {"startCharOffset": malformed.at, "endCharOffset": malformed.at}
        raise ServiceException(
            "MalformedQueryException", malformed.message, queryCompileError={"location": where, "message": malformed.message}
        ) from None
    except insights.Unmet as unmet:
        raise not_here(operation, f"with {unmet}") from None


def _groups(ctx: Context, req: Any, program: Program) -> list[Group]:
    given = [m for m in ("logGroupName", "logGroupNames", "logGroupIdentifiers") if getattr(req, m)]
    if len(given) + (program.source is not None) != 1:
        raise invalid("Exactly one of logGroupName, logGroupNames, logGroupIdentifiers or a SOURCE command must be given.")
    if program.source is not None:
        source = program.source
        named = {group.name: group for prefix in source.prefixes for group in GROUPS.scan(ctx, ctx.account, ctx.region, starting=prefix)}
        groups = [named[name] for name in sorted(named) if source.log_class in ("", named[name].log_class)]
    elif req.logGroupName:
        groups = [group_at(ctx, req.logGroupName)]
    elif req.logGroupNames:
        groups = [group_at(ctx, name) for name in dict.fromkeys(req.logGroupNames)]
    else:
        groups = list({group.id: group for group in (group_by(ctx, one) for one in req.logGroupIdentifiers)}.values())
    if program.source is None and len(groups) > GROUPS_LIMIT:
        raise invalid(f"A query can have {GROUPS_LIMIT} log groups at most.")
    return groups


# Carrying out


class Done(NamedTuple):
    rows: list[Shown]
    statistics: dict[str, float]


@task("query")
def carry_out(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Runs a query and keeps its results; one that cannot read a group's events (its KMS key is closed) or makes too much text fails,
    one whose regular expression runs away times out."""
    query = QUERIES.get(ctx, ctx.account, ctx.region, payload["id"])
    if query is None or query.status != RUNNING:
        return None
    try:
        done = _run(ctx, query)
        rows, data_key = _keep(ctx, query, done.rows)
    except (ServiceException, TimeoutError, TooLarge) as problem:
        done, rows, data_key = Done([], {}), 0, b""
        query = change(query, status=TIMEOUT if isinstance(problem, TimeoutError) else FAILED)
    if query.status == RUNNING:
        query = change(query, status=COMPLETE, rows=rows, data_key=data_key, statistics=done.statistics)
    QUERIES.put(ctx, change(query, ended_at_ms=ctx.now))
    ctx.later("logs.forget_query", {"id": query.id}, at_ms=ctx.now + KEPT_MS)
    return None


def _run(ctx: Context, query: Query) -> Done:
    program = insights.read(query.text)
    groups = [group for arn in query.groups if (group := group_by_arn(ctx, arn)) is not None]
    sources: dict[int, tuple[Group, list[chunks.Source]]] = {}
    for group in groups:
        low = max(query.from_ms, expired_before_ms(group, ctx.now))
        live = [s for s in STREAMS.scan(ctx, group.id) if s.events and s.last_event_ms >= low and s.first_event_ms < query.to_ms]
        sources[group.id] = group, [chunks.held(ctx, group, stream, low, query.to_ms) for stream in live]
    lows = {group.id: max(query.from_ms, expired_before_ms(group, ctx.now)) for group in groups}
    now = ctx.now

    def work() -> Done:
        counted = Counted()
        rows = program.run(_events(sources, lows, query, counted), query.limit, now, counted)
        statistics = {
            "recordsMatched": counted.matched,
            "recordsScanned": counted.scanned,
            "estimatedRecordsSkipped": 0,
            "bytesScanned": counted.bytes,
            "estimatedBytesSkipped": 0,
            "logGroupsScanned": len(groups),
            "resultCount": len(rows),
        }
        return Done(rows, {name: float(value) for name, value in statistics.items()})

    return ctx.beside(f"query {query.id}", work)


def _events(sources: dict[int, tuple[Group, list[chunks.Source]]], lows: dict[int, int], query: Query, counted: Counted) -> Iterator[Row]:
    """All events of the groups, newest first."""
    every = [source for _, some in sources.values() for source in some]
    for found in merged(every, query.from_ms, query.to_ms, reverse=True):
        group = sources[found.stream.group][0]
        if found.at_ms < lows[group.id]:
            continue
        counted.scanned += 1
        counted.bytes += chunks.size_of(found.event.message)
        yield Row({}, record(group, found.stream, found.event, whole=query.whole))


def _keep(ctx: Context, query: Query, rows: list[Shown]) -> tuple[int, bytes]:
    """Puts the results, in pieces: how many there are, and KMS's data key."""
    seal: Seal = ctx.vault
    data_key = b""
    if query.kms_key:
        made = encrypting.ask_kms(ctx, "GenerateDataKey", query.account, results_arn(ctx), {"KeyId": query.kms_key, "KeySpec": "AES_256"})
        seal, data_key = Seal(made["Plaintext"]), made["CiphertextBlob"]
    piece: list[Shown] = []
    size = first = 0
    for number, row in enumerate(rows, 1):
        piece.append(row)
        size += sum(len(name) + len(value) for name, value in row)
        if size >= PIECE_BYTES or number == len(rows):
            sealed = seal.seal(zlib.compress(_encode(piece), 1))
            QUERY_ROWS.put(
                ctx,
                QueryRows(account=query.account, region=query.region, query=query.id, number=first, count=len(piece), sealed=sealed),
            )
            piece, size, first = [], 0, number
    return len(rows), data_key


@task("forget_query")
def forget_query(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes a query with its results."""
    for rows in list(QUERY_ROWS.scan(ctx, ctx.account, ctx.region, payload["id"])):
        QUERY_ROWS.delete(ctx, rows)
    if (query := QUERIES.get(ctx, ctx.account, ctx.region, payload["id"])) is not None:
        QUERIES.delete(ctx, query)
    return None


# Looking at them


def _query_at(ctx: Context, query_id: str) -> Query:
    query = QUERIES.get(ctx, ctx.account, ctx.region, query_id)
    if query is None:
        raise missing(f"Query ID {query_id} does not exist.")
    return query


@operation("GetQueryResults")
def get_query_results(ctx: Context, req: Any) -> Answer:
    """The results of a query, 10,000 rows a page, and how it stands; nothing of one that still runs.

    Errors: ResourceNotFoundException, InvalidParameterException. Source: API reference, GetQueryResults.
    """
    query = _query_at(ctx, req.queryId)
    place = paging.place(req.nextToken, bad_token)
    first = paging.number(place, bad_token) if place is not None else 0
    size = req.maxItems or PAGE_ROWS
    rows = _rows(ctx, query, first, size)
    return {
        "queryLanguage": CWLI,
        "results": [[{"field": name, "value": value} for name, value in row] for row in rows],
        "statistics": query.statistics or dict.fromkeys(("recordsMatched", "recordsScanned", "bytesScanned"), 0.0),
        "status": query.status,
        "encryptionKey": query.kms_key or None,
        "nextToken": paging.token(str(first + size)) if first + size < query.rows else None,
    }


def _rows(ctx: Context, query: Query, first: int, size: int) -> list[list[tuple[str, str]]]:
    seal: Seal = ctx.vault
    if query.data_key:
        members = {"CiphertextBlob": query.data_key, "KeyId": query.kms_key}
        seal = Seal(encrypting.ask_kms(ctx, "Decrypt", query.account, results_arn(ctx), members)["Plaintext"])
    out: list[list[tuple[str, str]]] = []
    for piece in QUERY_ROWS.scan(ctx, query.account, query.region, query.id):
        if piece.number + piece.count > first and piece.number < first + size:
            found = _decode(zlib.decompress(seal.open(piece.sealed)))
            out += found[max(0, first - piece.number) : first + size - piece.number]
    return out


@operation("StopQuery")
def stop_query(ctx: Context, req: Any) -> Answer:
    """Stops a query that runs. Errors: ResourceNotFoundException, InvalidParameterException (it does not run).

    Source: API reference, StopQuery.
    """
    query = _query_at(ctx, req.queryId)
    if query.status != RUNNING:
        raise invalid(f"Query ID {req.queryId} is not running.")
    QUERIES.put(ctx, change(query, status=CANCELLED, ended_at_ms=ctx.now))
    ctx.later("logs.forget_query", {"id": query.id}, at_ms=ctx.now + KEPT_MS)
    return {"success": True}


@operation("DescribeQueries")
def describe_queries(ctx: Context, req: Any) -> Answer:
    """Queries of the last seven days, newest first: all, of a group, in a status. Source: API reference, DescribeQueries."""
    place = paging.place(req.nextToken, bad_token)
    before = paging.number(place, bad_token) if place is not None else None
    group = f":log-group:{req.logGroupName}"
    found = (
        query
        for query in LATEST_QUERIES.scan(ctx, ctx.account, ctx.region, before=before, reverse=True)
        if req.status in (None, query.status)
        and (req.logGroupName is None or any(arn.endswith(group) for arn in query.groups))
        and req.queryLanguage in (None, CWLI)
    )
    page, more = paging.page(found, req.maxResults or LIST_LIMIT)
    return {"queries": [_described(query) for query in page], "nextToken": paging.token(str(page[-1].number)) if more else None}


def _described(query: Query) -> dict[str, Any]:
    return {
        "queryLanguage": CWLI,
        "queryId": query.id,
        "queryString": query.text,
        "status": query.status,
        "createTime": query.created_at_ms,
        "logGroupName": query.groups[0].rpartition(":")[2] if query.groups else None,
        "queryDuration": query.ended_at_ms - query.created_at_ms if query.ended_at_ms else None,
        "bytesScanned": query.statistics.get("bytesScanned"),
        "userIdentity": query.user,
    }


@operation("ListLogGroupsForQuery")
def list_log_groups_for_query(ctx: Context, req: Any) -> Answer:
    """The groups that a query looked at. Errors: ResourceNotFoundException. Source: API reference, ListLogGroupsForQuery."""
    query = _query_at(ctx, req.queryId)
    place = paging.place(req.nextToken, bad_token)
    first = paging.number(place, bad_token) if place is not None else 0
    end = first + (req.maxResults or 500)
    return {
        "logGroupIdentifiers": list(query.groups[first:end]),
        "nextToken": paging.token(str(end)) if end < len(query.groups) else None,
    }
