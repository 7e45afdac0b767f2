"""The map of services: who calls whom, how often, how long it takes, and what goes wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.xray.groups import group_of
from fogbank.services.xray.summaries import between, compiled, refused, started_of, trace_of, traces_between
from fogbank.services.xray.traces import Node, Trace

_GRAPH_MS = 6 * 3_600_000
_CLIENT = ("client", "client")


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


@dataclass
class Tally:
    """What came of the calls to one service, or over one edge. Times are seconds."""

    start: float = math.inf
    end: float = 0.0
    ok: int = 0
    throttled: int = 0
    errors: int = 0
    faults: int = 0
    seconds: float = 0.0
    durations: Counter[float] = field(default_factory=Counter)

    def add(self, node: Node) -> None:
        self.start, self.end = min(self.start, node.start), max(self.end, node.end or node.start)
        if node.fault:
            self.faults += 1
        elif node.throttle:
            self.throttled += 1
        elif node.error:
            self.errors += 1
        else:
            self.ok += 1
        self.seconds += node.duration
        self.durations[round(node.duration, 3)] += 1

    def statistics(self) -> dict[str, Any]:
        other, faults = self.errors, self.faults
        return {
            "OkCount": self.ok,
            "ErrorStatistics": {"ThrottleCount": self.throttled, "OtherCount": other, "TotalCount": self.throttled + other},
            "FaultStatistics": {"OtherCount": faults, "TotalCount": faults},
            "TotalCount": self.ok + self.throttled + other + faults,
            "TotalResponseTime": round(self.seconds, 6),
        }

    def histogram(self) -> list[dict[str, Any]]:
        return [{"Value": value, "Count": count} for value, count in sorted(self.durations.items())]


class Graph:
    """Services by (name, type), and the edges between them."""

    def __init__(self) -> None:
        self.services: dict[tuple[str, str], Tally] = {}
        self.nodes: dict[tuple[str, str], Node] = {}
        self.edges: dict[tuple[tuple[str, str], tuple[str, str]], Tally] = {}
        self.roots: set[tuple[str, str]] = set()

    def add(self, trace: Trace) -> None:
        for node in trace.nodes:
            self.services.setdefault(node.key, Tally()).add(node)
            self.nodes.setdefault(node.key, node)
            if node.parent is None:
                self.roots.add(node.key)
            source = node.parent.key if node.parent is not None else _CLIENT
            if source != node.key:
                self.edges.setdefault((source, node.key), Tally()).add(node)

    def described(self) -> list[dict[str, Any]]:
        """As GetServiceGraph shows it: the clients first, then each service with the edges from it."""
        keys = [_CLIENT, *self.services] if self.services else []
        numbers = {key: number for number, key in enumerate(keys)}
        out = []
        for key, number in numbers.items():
            edges = [self._edge(numbers[target], tally) for (source, target), tally in self.edges.items() if source == key]
            tally = self.services.get(key)
            if tally is None:
                first = min((self.services[t].start for s, t in self.edges if s == key), default=0.0)
                last = max((self.services[t].end for s, t in self.edges if s == key), default=0.0)
                out.append(
                    {
                        "ReferenceId": number,
                        "Names": [],
                        "Type": "client",
                        "State": "unknown",
                        "StartTime": _ms(first),
                        "EndTime": _ms(last),
                        "Edges": edges,
                    }
                )
                continue
            node = self.nodes[key]
            out.append(
                {
                    "ReferenceId": number,
                    "Name": node.name,
                    "Names": [node.name],
                    "Root": key in self.roots,
                    "AccountId": node.account,
                    "Type": node.type or None,
                    "State": "active",
                    "StartTime": _ms(tally.start),
                    "EndTime": _ms(tally.end),
                    "Edges": edges,
                    "SummaryStatistics": tally.statistics(),
                    "DurationHistogram": tally.histogram(),
                    "ResponseTimeHistogram": tally.histogram(),
                }
            )
        return out

    @staticmethod
    def _edge(number: int, tally: Tally) -> dict[str, Any]:
        return {
            "ReferenceId": number,
            "StartTime": _ms(tally.start),
            "EndTime": _ms(tally.end),
            "SummaryStatistics": tally.statistics(),
            "ResponseTimeHistogram": tally.histogram(),
            "Aliases": [],
        }


def graph_of(traces: Iterable[Trace]) -> Graph:
    graph = Graph()
    for trace in traces:
        graph.add(trace)
    return graph


def _selected(ctx: Context, req: Any, start_ms: int, end_ms: int) -> Iterable[Trace]:
    """A group's traces of a time."""
    group = group_of(ctx, req.GroupName, req.GroupARN)
    test = compiled(group.expression) if group is not None else None
    return (t for t in traces_between(ctx, start_ms, end_ms) if test is None or test(t))


@operation("GetServiceGraph")
def get_service_graph(ctx: Context, req: Any) -> Answer:
    """The services of the traces of a time (up to six hours), with statistics for each and for the edges between them.

    Errors: InvalidRequestException. Source: API reference, GetServiceGraph.
    """
    start_ms, end_ms = between(ctx, req, _GRAPH_MS)
    graph = graph_of(_selected(ctx, req, start_ms, end_ms))
    return {"StartTime": start_ms, "EndTime": end_ms, "Services": graph.described(), "ContainsOldGroupVersions": False}


@operation("GetTraceGraph")
def get_trace_graph(ctx: Context, req: Any) -> Answer:
    """The services of up to five traces. Errors: InvalidRequestException. Source: API reference, GetTraceGraph."""
    if len(req.TraceIds) > 5:
        raise refused("The request can have at most 5 trace IDs.")
    return {"Services": graph_of(trace_of(ctx, s) for s in started_of(ctx, req.TraceIds)).described()}


@operation("GetTimeSeriesServiceStatistics")
def get_time_series_service_statistics(ctx: Context, req: Any) -> Answer:
    """Statistics of services by periods of 60 or 300 seconds, up to six hours: of all, or of those that a selector names.

    `EntitySelectorExpression` is service(...) or edge(...), as in filter expressions. Forecasts are not made.
    Errors: InvalidRequestException. Source: API reference, GetTimeSeriesServiceStatistics.
    """
    start_ms, end_ms = between(ctx, req, _GRAPH_MS)
    period_s = req.Period or 60
    if period_s not in (60, 300):
        raise refused("Period must be 60 or 300 seconds")
    selects = _selector(req.EntitySelectorExpression)
    is_edge = (req.EntitySelectorExpression or "").lstrip().lower().startswith("edge")
    tallies: dict[int, Tally] = {}
    for trace in _selected(ctx, req, start_ms, end_ms):
        for node in trace.nodes:
            if selects(trace, node):
                tallies.setdefault(int(node.start) // period_s * period_s, Tally()).add(node)
    member = "EdgeSummaryStatistics" if is_edge else "ServiceSummaryStatistics"
    return {
        "TimeSeriesServiceStatistics": [
            {"Timestamp": at * 1000, member: tally.statistics(), "ResponseTimeHistogram": tally.histogram()}
            for at, tally in sorted(tallies.items())
        ],
        "ContainsOldGroupVersions": False,
    }


def _selector(expression: str | None) -> Callable[[Trace, Node], bool]:
    """Which nodes an entity selector means."""
    if not expression:
        return lambda trace, node: node.parent is None
    test = compiled(expression)
    assert test is not None

    def selects(trace: Trace, node: Node) -> bool:
        alone = Trace(trace.id, [node])
        return bool(test(alone))

    return selects
