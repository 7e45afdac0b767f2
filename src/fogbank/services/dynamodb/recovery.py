"""Point-in-time recovery: a table as it was at any second of up to 35 days, and what the log keeps for that.

A table can be restored to any second since recovery was switched on, up to now: here nothing has to be shipped anywhere first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, Past, operation
from fogbank.services.dynamodb import counts, restoring
from fogbank.services.dynamodb.addresses import address_of_arn
from fogbank.services.dynamodb.backups import found_table_at
from fogbank.services.dynamodb.descriptions import describe as describe_table
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.restoring import Moment
from fogbank.services.dynamodb.state import ITEMS, RECOVERABLE, TABLES, Recovery, Table
from fogbank.services.dynamodb.timeline import BACKUPS, DAY_MS
from fogbank.store import change
from fogbank.store.tables import At

DAYS = 35


@operation("UpdateContinuousBackups")
def update_continuous_backups(ctx: Context, req: Any) -> Answer:
    """Switches point-in-time recovery on, for 1 to 35 days (35 where nothing is said), or off, which gives up the past at once.

    Errors: TableNotFoundException, ContinuousBackupsUnavailableException. Source: API reference, UpdateContinuousBackups.
    """
    table = found_table_at(ctx, req.TableName)
    if table.status == "CREATING":
        raise ServiceException(
            "ContinuousBackupsUnavailableException", f"Backups are being enabled for the table: {table.name}. Please retry later"
        )
    wanted = req.PointInTimeRecoverySpecification
    recovery: Recovery | None = None
    if wanted.PointInTimeRecoveryEnabled:
        since_ms = table.recovery.since_ms if table.recovery is not None else ctx.now // 1000 * 1000
        recovery = Recovery(since_ms, wanted.RecoveryPeriodInDays or DAYS)
    elif wanted.RecoveryPeriodInDays is not None:
        raise invalid("RecoveryPeriodInDays must not be specified when PointInTimeRecoveryEnabled is false")
    table = change(table, recovery=recovery)
    TABLES.put(ctx, table)
    return {"ContinuousBackupsDescription": _describe(ctx, table)}


@operation("DescribeContinuousBackups")
def describe_continuous_backups(ctx: Context, req: Any) -> Answer:
    """Whether a table can be restored to any second, and since when. Errors: TableNotFoundException.

    Source: API reference, DescribeContinuousBackups.
    """
    return {"ContinuousBackupsDescription": _describe(ctx, found_table_at(ctx, req.TableName))}


def _describe(ctx: Context, table: Table) -> dict[str, Any]:
    recovery: dict[str, Any] = {"PointInTimeRecoveryStatus": "DISABLED"}
    if table.recovery is not None:
        recovery = {
            "PointInTimeRecoveryStatus": "ENABLED",
            "RecoveryPeriodInDays": table.recovery.days,
            "EarliestRestorableDateTime": earliest_ms(table.recovery, ctx.now),
            "LatestRestorableDateTime": ctx.now // 1000 * 1000,
        }
    return {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery}


def earliest_ms(recovery: Recovery, now_ms: int) -> int:
    """The first instant that a table can be restored to."""
    return max(recovery.since_ms, now_ms - recovery.days * DAY_MS)


def recovery_of(table: Table) -> Recovery:
    """Raises PointInTimeRecoveryUnavailableException."""
    if table.recovery is None:
        raise ServiceException("PointInTimeRecoveryUnavailableException", f"Point in time recovery is not enabled for table '{table.name}'")
    return table.recovery


@operation("RestoreTableToPointInTime")
def restore_table_to_point_in_time(ctx: Context, req: Any) -> Answer:
    """Makes a new table with the items that a table had at a second, with the table's settings of today; CREATING until all are there.

    The source may be in another region: SourceTableArn names it.

    Errors: TableNotFoundException, PointInTimeRecoveryUnavailableException, InvalidRestoreTimeException, TableAlreadyExistsException,
    LimitExceededException, ValidationException. Source: API reference, RestoreTableToPointInTime.
    """
    source = _source_at(ctx, req)
    recovery = recovery_of(source)
    if bool(req.UseLatestRestorableTime) == (req.RestoreDateTime is not None):
        raise invalid("Exactly one of UseLatestRestorableTime and RestoreDateTime must be specified")
    at_ms = ctx.now if req.RestoreDateTime is None else req.RestoreDateTime // 1000 * 1000
    moment = Moment(at_ms, ctx.tx.sequence)
    try:
        if not earliest_ms(recovery, ctx.now) <= at_ms <= ctx.now:
            raise LookupError
        before = TABLES.get(ctx.past(*moment), source.account, source.region, source.name)
    except LookupError:
        raise ServiceException(
            "InvalidRestoreTimeException",
            "An invalid restore time was specified. "
            "RestoreDateTime must be between EarliestRestorableDateTime and LatestRestorableDateTime.",
        ) from None
    table = restoring.begin(ctx, req, source, moment, sealed_as=before)
    return {"TableDescription": describe_table(ctx, table, counts.NOTHING)}


def _source_at(ctx: Context, req: Any) -> Table:
    if (req.SourceTableArn is None) == (req.SourceTableName is None):
        raise invalid("Exactly one of SourceTableName and SourceTableArn must be specified")
    if req.SourceTableName is not None:
        return found_table_at(ctx, req.SourceTableName)
    where = address_of_arn(req.SourceTableArn)
    table = TABLES.get(ctx, *where) if where is not None else None
    if table is None:
        raise ServiceException("TableNotFoundException", f"Table not found: {req.SourceTableArn}")
    return table


def keeps(at: At, now_ms: int) -> Iterator[Past]:
    """What is needed of the past: of tables that can be restored to any second, since when; of backups, after which transactions.

    The table's own record tells under which key its items were.
    """
    for table in RECOVERABLE.scan(at):
        if table.recovery is not None:
            since_ms = earliest_ms(table.recovery, now_ms)
            yield Past(ITEMS.watch(table.contents), since_ms)
            yield Past(TABLES.watch(table.account, table.region, table.name), since_ms)
    sequences: dict[int, list[int]] = {}
    for backup in BACKUPS.scan(at):
        sequences.setdefault(backup.source.contents, []).append(backup.sequence)
    for contents, named in sequences.items():
        yield Past(ITEMS.watch(contents), None, sequences=tuple(named))
