"""Amazon CloudWatch: metrics, metric math, alarms, dashboards, metric streams.

Read in this order. Data: `state` (the model of the data), `distribution` and `statistics` (what is known of values), `points` (kept, and
made coarser with time), `publishing` and `gathering` (how it comes in: PutMetricData, and what the services of the cloud measure of
themselves); `names`, `periods`, `metrics` (ListMetrics, GetMetricStatistics).
Queries: `mathematics` (the languages, pure), `queries` (computed), `labels`, `fetching` (GetMetricData); `bands` and `anomalies`.
Alarms: `judging` and `wording` (pure: what datapoints make of a state, and how it says so), `metric_alarms`, `composites`, `alarms`,
`describing`, `history`; `watching` (evaluated by the clock), `transitions` (what a change of state sets going), `notices` and `tasks`
(what is sent), `muting`.
Pictures: `widgets`, `dashboards`, `images`, and `pictures` (drawn). `streams`, `tagging`, `resources`.

Simpler than AWS's: anomaly detection (see `bands`); metrics are listed, and data is there, at once. AWS/Usage counts the calls of all
services here, also of some for which AWS does not. Not implemented, and so answered by the door: Contributor Insights rules, log alarms,
datasets, OpenTelemetry enrichment, resource metrics configurations, saved query definitions, contributors of alarms.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Resource, Service
from fogbank.services.cloudwatch import (
    alarms,
    anomalies,
    composites,
    dashboards,
    fetching,
    gathering,
    history,
    images,
    metric_alarms,
    metrics,
    muting,
    points,
    publishing,
    streams,
    tagging,
    tasks,
    watching,
)


def _arn(kind: str, *members: str) -> Any:
    """How a request names a resource of a kind: by its ARN, or by a member that is its name."""
    separator = "/" if kind in ("dashboard", "metric-stream") else ":"

    def find(ctx: Context, req: Any) -> str | None:
        given: str | None = getattr(req, "ResourceARN", None)
        if given is not None:
            return given if given.split(":", 5)[-1].startswith(kind + separator) else None
        for member in members:
            name = getattr(req, member, None)
            if isinstance(name, str):
                return ctx.arn(f"{kind}{separator}{name}", region="" if kind == "dashboard" else None)
        return None

    return find


def _actions(ctx: Context, req: Any) -> list[str] | None:
    found = [arn for name in ("OKActions", "AlarmActions", "InsufficientDataActions") for arn in getattr(req, name, None) or ()]
    return found or None


SERVICE = Service(
    "cloudwatch",
    modules=[
        publishing,
        metrics,
        fetching,
        points,
        metric_alarms,
        composites,
        alarms,
        history,
        watching,
        tasks,
        muting,
        anomalies,
        dashboards,
        images,
        streams,
        tagging,
    ],
    resources=[
        Resource("alarm", arn=_arn("alarm", "AlarmName"), tags=tagging.tags_of),
        Resource("alarm-mute-rule", arn=_arn("alarm-mute-rule", "AlarmMuteRuleName"), tags=tagging.tags_of),
        Resource("dashboard", arn=_arn("dashboard", "DashboardName"), tags=tagging.tags_of),
        Resource("metric-stream", arn=_arn("metric-stream", "Name"), tags=tagging.tags_of),
    ],
    conditions={
        "cloudwatch:namespace": lambda ctx, req: getattr(req, "Namespace", None),
        "cloudwatch:alarmactions": _actions,
    },
    gather=gathering.gather,
    fresh=True,
)
