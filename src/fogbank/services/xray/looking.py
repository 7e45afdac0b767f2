"""How insights are found: a minute's faults of each service against those of the hour before.

A minute is looked at when it is over, as long as segments come or an insight is active. A service fails far more than before when it
has at least three faults, and a share of faults three times that of before and ten points above. The insight's root cause is the service
where most of the faults began; it ends when nothing fails so for five minutes.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from fogbank.kernel.context import Acting, Context
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.xray import filters, groups
from fogbank.services.xray.encryption import PRINCIPAL
from fogbank.services.xray.graph import graph_of
from fogbank.services.xray.insights import MINUTE_MS, describe, described_event, insight_at, refused
from fogbank.services.xray.segments import spread
from fogbank.services.xray.state import GROUPS, INSIGHTS, LOOKING, MINUTES, Group, Insight, InsightEvent, Looking, Minute
from fogbank.services.xray.summaries import compiled, traces_between
from fogbank.services.xray.traces import Node, Trace
from fogbank.store.tables import change

_BEFORE_MS = 3_600_000
_QUIET_MS = 5 * MINUTE_MS
_LEAST_FAULTS = 3
_LEAST_TIMES = 3
_LEAST_POINTS = 0.1
_CLIENT = ("", "client", "")
_TOP = 3
_GRAPH_MS = 6 * 3_600_000

Key = tuple[str, str, str]
Tallies = dict[Key, tuple[int, int]]
"""Service -> calls that were right, and faults."""


@task("look")
def look(ctx: Context, payload: Any) -> None:
    """Looks at the minute that is over, in all groups that want insights; and again in a minute, while something happens."""
    looking = LOOKING.get(ctx, ctx.account, ctx.region)
    if looking is None or looking.at_ms != payload["at_ms"]:
        return
    spread(ctx)
    end_ms = looking.at_ms
    moved = False
    for group in list(GROUPS.scan(ctx, ctx.account, ctx.region)):
        if group.insights:
            moved |= _look_at(ctx, group, end_ms - MINUTE_MS, end_ms)
    if not moved:
        LOOKING.delete(ctx, looking)
        return
    again_ms = max(end_ms + MINUTE_MS, ctx.now // MINUTE_MS * MINUTE_MS)
    LOOKING.put(ctx, Looking(account=ctx.account, region=ctx.region, at_ms=again_ms))
    ctx.later("xray.look", {"at_ms": again_ms}, at_ms=again_ms)


def _look_at(ctx: Context, group: Group, start_ms: int, end_ms: int) -> bool:
    """Whether there was something to see, or an insight goes on."""
    test = compiled(group.expression)
    traces = [t for t in traces_between(ctx, start_ms, end_ms - 1) if test is None or test(t)]
    where = ctx.account, ctx.region, group.name
    before: Tallies = {}
    for minute in list(MINUTES.scan(ctx, *where)):
        if minute.at_ms < start_ms - _BEFORE_MS:
            MINUTES.delete(ctx, minute)
            continue
        for key, ok, faults in minute.tallies:
            _add(before, key, ok, faults)
    now, causes = _tallies(traces)
    wrong = [key for key, (ok, faults) in now.items() if key != _CLIENT and _far_above(ok, faults, *before.get(key, (0, 0)))]
    active = next((i for i in INSIGHTS.scan(ctx, ctx.account, ctx.region) if i.group == group.name and not i.ended_at_ms), None)
    if active is None and wrong:
        root = max(wrong, key=lambda key: (causes[key], now[key][1]))
        _announce(ctx, group, _begun(ctx, group, root, wrong, now, start_ms, end_ms))
    elif active is not None:
        # What fails in an insight is no measure of what is usual.
        still = [key for key, (_, faults) in now.items() if key != _CLIENT and faults >= _LEAST_FAULTS]
        _announce(ctx, group, _gone_on(active, still, now, end_ms))
    if traces and not wrong and active is None:
        tallies = tuple((key, ok, faults) for key, (ok, faults) in now.items())
        MINUTES.put(ctx, Minute(account=ctx.account, region=ctx.region, group=group.name, at_ms=start_ms, tallies=tallies))
    return bool(traces) or active is not None


def _key(node: Node) -> Key:
    return node.name, node.type, node.account


def _add(tallies: Tallies, key: Key, ok: int, faults: int) -> None:
    known = tallies.get(key, (0, 0))
    tallies[key] = known[0] + ok, known[1] + faults


def _tallies(traces: list[Trace]) -> tuple[Tallies, Counter[Key]]:
    """What each service and the client got, and where faults began."""
    found: Tallies = {}
    causes: Counter[Key] = Counter()
    for trace in traces:
        _add(found, _CLIENT, not trace.root.fault, trace.root.fault)
        for node in trace.nodes:
            _add(found, _key(node), not node.fault, node.fault)
        causes.update(_key(node) for node in filters.causes(trace, "fault"))
    return found, causes


def _far_above(ok: int, faults: int, ok_before: int, faults_before: int) -> bool:
    share = faults / (ok + faults)
    usual = faults_before / (ok_before + faults_before) if ok_before + faults_before else 0.0
    return faults >= _LEAST_FAULTS and share >= _LEAST_TIMES * usual and share >= usual + _LEAST_POINTS


def _event(at_ms: int, summary: str, root: Key, wrong: list[Key], now: Tallies, last: InsightEvent | None) -> InsightEvent:
    """How it stands, with what was before."""
    client_ok, client_faults = now.get(_CLIENT, (0, 0))
    root_ok, root_faults = now.get(root, (0, 0))
    return InsightEvent(
        at_ms=at_ms,
        summary=summary,
        client_faults=client_faults + (last.client_faults if last else 0),
        client_total=client_ok + client_faults + (last.client_total if last else 0),
        root_faults=root_faults + (last.root_faults if last else 0),
        root_total=root_ok + root_faults + (last.root_total if last else 0),
        top=tuple(sorted(wrong, key=lambda key: -now[key][1])[:_TOP]) or (last.top if last else ()),
    )


def _begun(ctx: Context, group: Group, root: Key, wrong: list[Key], now: Tallies, start_ms: int, end_ms: int) -> Insight:
    summary = f"There are faults of {root[0]}, far more than before."
    return Insight(
        account=ctx.account,
        region=ctx.region,
        id=ctx.random.uuid(),
        group=group.name,
        group_id=group.id,
        root=root,
        started_at_ms=start_ms,
        anomalous_at_ms=end_ms,
        events=(_event(end_ms, summary, root, wrong, now, None),),
    )


def _gone_on(insight: Insight, wrong: list[Key], now: Tallies, end_ms: int) -> Insight:
    """The insight a minute later: with another event, where something happened."""
    last = insight.events[-1]
    if wrong:
        insight = change(insight, anomalous_at_ms=end_ms)
    elif end_ms - insight.anomalous_at_ms >= _QUIET_MS:
        summary = f"The faults of {insight.root[0]} are over."
        event = _event(end_ms, summary, insight.root, wrong, now, last)
        return change(insight, ended_at_ms=insight.anomalous_at_ms, events=(*insight.events, event))
    if not now:
        return insight
    return change(insight, events=(*insight.events, _event(end_ms, last.summary, insight.root, wrong, now, last)))


def _announce(ctx: Context, group: Group, insight: Insight) -> None:
    """Keeps the insight, and lets EventBridge know where the group wants it."""
    known = INSIGHTS.get(ctx, ctx.account, ctx.region, insight.id)
    if known == insight:
        return
    INSIGHTS.put(ctx, insight)
    if not group.notifications:
        return
    detail = {
        **describe(ctx, insight),
        "StartTime": insight.started_at_ms // 1000,
        "EndTime": insight.ended_at_ms // 1000 or None,
        "Event": {**described_event(insight.events[-1]), "EventTime": insight.events[-1].at_ms // 1000},
    }
    entry = {
        "Source": "aws.xray",
        "DetailType": "AWS X-Ray Insight Update",
        "Detail": msgspec.json.encode(detail).decode(),
        "Resources": [groups.arn_of(ctx, group)],
    }
    ctx.call("events", "PutEvents", {"Entries": [entry]}, acting=Acting(PRINCIPAL, groups.arn_of(ctx, group), ctx.account))


@operation("GetInsightImpactGraph")
def get_insight_impact_graph(ctx: Context, req: Any) -> Answer:
    """The services of the insight's group in a time, with what calls what: up to six hours. Errors: InvalidRequestException."""
    insight = insight_at(ctx, req.InsightId)
    start_ms, end_ms = int(req.StartTime), int(req.EndTime)
    if not 0 <= end_ms - start_ms <= _GRAPH_MS:
        raise refused("Invalid time range: up to six hours, and the end time must be after the start time.")
    group = GROUPS.get(ctx, ctx.account, ctx.region, insight.group)
    test = compiled(group.expression) if group is not None else None
    services = graph_of(t for t in traces_between(ctx, start_ms, end_ms) if test is None or test(t)).described()
    shown = ("ReferenceId", "Type", "Name", "Names", "AccountId")
    return {
        "InsightId": insight.id,
        "StartTime": insight.started_at_ms,
        "EndTime": insight.ended_at_ms or None,
        "ServiceGraphStartTime": start_ms,
        "ServiceGraphEndTime": end_ms,
        "Services": [
            {**{n: one[n] for n in shown if n in one}, "Edges": [{"ReferenceId": edge["ReferenceId"]} for edge in one["Edges"]]}
            for one in services
        ],
    }
