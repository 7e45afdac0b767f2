"""Enhanced Monitoring: what the operating system says of an instance, put into the account's CloudWatch Logs as the monitoring role.

RDSOSMetrics, kept for 30 days: a stream for each instance, with a document (`os_metrics`) at each interval of the cloud's clock while it
runs. A role that may not write there loses what was to be written, and it goes on when it may.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

from fogbank.engines.spec import Failed, Usage
from fogbank.kernel.arn import partition_of
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Wait, task
from fogbank.services.rds import events, log_lines, os_metrics, readings
from fogbank.services.rds.addresses import cluster_by_id
from fogbank.services.rds.faults import absent, combination, invalid
from fogbank.services.rds.state import INSTANCES, Instance
from fogbank.store import change

PRINCIPAL = "monitoring.rds.amazonaws.com"
GROUP = "RDSOSMetrics"
KEPT_DAYS = 30
INTERVALS_S = (0, 1, 5, 10, 15, 30, 60)


def asked(ctx: Context, req: Any, before: Instance | None = None) -> dict[str, Any]:
    """What a request says of Enhanced Monitoring, as an instance has it; the caller must be allowed to pass the role.

    Errors: InvalidParameterValue, InvalidParameterCombination, AccessDenied, NotImplemented where the machine tells nothing of processes.
    """
    if req.MonitoringInterval is None and not req.MonitoringRoleArn:
        return {}
    held_s, held = (before.monitoring_s, before.monitoring_role) if before is not None else (0, "")
    every_s = held_s if req.MonitoringInterval is None else req.MonitoringInterval
    if every_s not in INTERVALS_S:
        raise invalid(f"Invalid monitoring interval: {every_s}. Valid values are 0, 1, 5, 10, 15, 30 and 60.")
    if not every_s:
        if req.MonitoringRoleArn:
            raise combination("You must specify a MonitoringInterval value other than 0 when you specify a MonitoringRoleARN value.")
        return {"monitoring_s": 0, "monitoring_role": ""}
    arn = req.MonitoringRoleArn or held
    if not arn:
        raise combination("A MonitoringRoleARN value is required if you specify a MonitoringInterval value other than 0.")
    if not ctx.databases.measures:
        raise absent(ctx.operation, "MonitoringInterval: this machine does not tell what processes use")
    if arn != held:
        _check(ctx, arn)
    return {"monitoring_s": every_s, "monitoring_role": arn}


def _check(ctx: Context, arn: str) -> None:
    """Errors: AccessDenied, InvalidParameterValue."""
    ctx.authorize("iam:PassRole", arn, iam__PassedToService=PRINCIPAL)
    try:
        ctx.as_role(_role(arn))
    except ServiceException:
        message = "IAM role ARN value is invalid or does not include the required permissions for: ENHANCED_MONITORING"
        raise invalid(message) from None


def _role(arn: str) -> Role:
    return Role(arn, PRINCIPAL, "RDSEnhancedMonitoring")


def begin(ctx: Context, row: Instance, before: Instance | None = None) -> Instance:
    """An instance whose monitoring may be another than before: then that ends, and the new one begins."""
    had = (before.monitoring_s, before.monitoring_role) if before is not None else (0, "")
    if (row.monitoring_s, row.monitoring_role) == had:
        return row
    row = change(row, monitored=row.monitored + 1)
    if before is not None:
        events.tell(ctx, "db-instance", row.name, f"Monitoring Interval changed to {row.monitoring_s}", "configuration change")
    if row.monitoring_s:
        ctx.later("rds.monitor", {"instance": row.id, "run": row.monitored})
    return row


def stream_arn(row: Instance) -> str | None:
    """The stream in which an instance's documents are; it stays when the instance is monitored no more."""
    where = f"arn:{partition_of(row.region)}:logs:{row.region}:{row.account}"
    return f"{where}:log-group:{GROUP}:log-stream:{row.id}" if row.monitored else None


@task("monitor")
def monitor(ctx: Context, payload: dict[str, Any]) -> Wait | None:
    """Puts what an instance has used since the last time into its stream, as long as this is how it is monitored."""
    row = INSTANCES.get(ctx, ctx.account, ctx.region, payload["instance"])
    of = cluster_by_id(ctx, row.cluster) if row is not None else None
    if row is None or of is None or row.monitored != payload["run"]:
        return None
    every_ms = row.monitoring_s * 1000
    used: dict[str, Usage] = {}
    with contextlib.suppress(Failed):  # it is stopped, or not there yet
        used = ctx.outside("usage", lambda done: ctx.databases.usage(of.id, done))
    now = used.get(row.node)
    span = readings.span(readings.last(ctx, "monitoring", row.node, now), now) if now is not None else None
    if span is not None:
        said = os_metrics.document(of.engine, row.name, row.id, span, ctx.now)
        with contextlib.suppress(ServiceException):
            log_lines.put(ctx, _role(row.monitoring_role), GROUP, row.id, [json.dumps(said)], days=KEPT_DAYS)
    return Wait((), ctx.now - ctx.now % every_ms + every_ms)
