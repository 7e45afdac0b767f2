"""A trace as a whole, made of its segments: services, the edges between them, what went wrong and where. Pure.

A *node* is a segment, or a call that a subsegment made to something that sent no segment of its own (an inferred service).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_AWS_ORIGINS = {
    "dynamodb": "AWS::DynamoDB::Table",
    "lambda": "AWS::Lambda",
    "s3": "AWS::S3::Bucket",
    "sns": "AWS::SNS",
    "sqs": "AWS::SQS::Queue",
}


@dataclass
class Node:
    """One service's part in a trace. `document` is its segment, or the subsegment that it was inferred from."""

    id: str
    name: str
    type: str
    account: str
    start: float
    end: float | None
    document: dict[str, Any]
    parent: Node | None = None
    inferred: bool = False
    called: bool = True
    """Its parent waited for it (an edge with the parent's own time), rather than left it a message."""

    @property
    def key(self) -> tuple[str, str]:
        return self.name, self.type

    @property
    def fault(self) -> bool:
        return bool(self.document.get("fault"))

    @property
    def throttle(self) -> bool:
        return bool(self.document.get("throttle"))

    @property
    def error(self) -> bool:
        return bool(self.document.get("error")) or self.throttle

    @property
    def duration(self) -> float:
        """Seconds; 0 while it is in progress."""
        return 0.0 if self.end is None else max(0.0, self.end - self.start)

    @property
    def http(self) -> dict[str, Any]:
        """Method, URL, status, client and agent, flat."""
        found = self.document.get("http")
        if not isinstance(found, dict):
            return {}
        return {**_dict(found.get("request")), **_dict(found.get("response"))}

    @cached_property
    def annotations(self) -> dict[str, Any]:
        """Of the segment and of all its subsegments."""
        found: dict[str, Any] = {}
        for document in walk(self.document):
            found |= {k: v for k, v in _dict(document.get("annotations")).items() if isinstance(v, str | int | float | bool)}
        return found

    @cached_property
    def exceptions(self) -> list[dict[str, Any]]:
        found = []
        for document in walk(self.document):
            cause = document.get("cause")
            found += [e for e in _dict(cause).get("exceptions", ()) if isinstance(e, dict)]
        return found


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def walk(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A document and all subsegments in it."""
    yield document
    for inner in document.get("subsegments") or ():
        if isinstance(inner, dict):
            yield from walk(inner)


@dataclass
class Trace:
    """`start_ms` and `revision` are the trace's row's."""

    id: str
    nodes: list[Node] = field(default_factory=list)
    revision: int = 1

    @cached_property
    def start(self) -> float:
        return min(n.start for n in self.nodes)

    @cached_property
    def end(self) -> float:
        return max((n.end or n.start) for n in self.nodes)

    @property
    def duration(self) -> float:
        return max(0.0, self.end - self.start)

    @cached_property
    def root(self) -> Node:
        """Where the trace began."""
        return next((n for n in self.nodes if n.parent is None), self.nodes[0])

    @property
    def response_time(self) -> float:
        return self.root.duration

    @property
    def partial(self) -> bool:
        return any(n.end is None for n in self.nodes)

    @property
    def fault(self) -> bool:
        return any(n.fault for n in self.nodes)

    @property
    def error(self) -> bool:
        return any(n.error for n in self.nodes)

    @property
    def throttle(self) -> bool:
        return any(n.throttle for n in self.nodes)

    def path_to(self, node: Node) -> list[Node]:
        """The nodes from the root to this one."""
        path = [node]
        while path[0].parent is not None and path[0].parent not in path:
            path.insert(0, path[0].parent)
        return path


def assembled(id: str, documents: Iterable[bytes], account: str, revision: int = 1) -> Trace:
    """The trace that these segments are."""
    parsed = sorted((_decode(d) for d in documents), key=lambda d: (d["start_time"], d["id"]))
    whole = _with_subsegments(parsed)
    trace = Trace(id, revision=revision)
    owners: dict[str, Node] = {}
    """The id of every segment and subsegment -> the node that it is part of."""
    for document in whole:
        node = _node(document, account)
        trace.nodes.append(node)
        for inner in walk(document):
            owners[inner.get("id") or ""] = node
    there = {n.document.get("parent_id") for n in trace.nodes}
    for node in list(trace.nodes):
        node.parent = owners.get(node.document.get("parent_id") or "")
        if node.parent is node:
            node.parent = None
        for inner in list(walk(node.document))[1:]:
            if inner.get("namespace") in ("aws", "remote") and inner.get("id") not in there:
                trace.nodes.append(_inferred(inner, node, account))
    trace.nodes.sort(key=lambda n: n.start)
    return trace


def _with_subsegments(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Segments, with the subsegments that came by themselves put in where they belong."""
    apart = [d for d in documents if d.get("type") == "subsegment"]
    whole = [d for d in documents if d.get("type") != "subsegment"]
    known = {inner.get("id"): inner for d in documents for inner in walk(d)}
    for document in apart:
        owner = known.get(document.get("parent_id"))
        if owner is None:
            whole.append(document)
        elif document not in owner.setdefault("subsegments", []):
            owner["subsegments"].append(document)
    return whole


def _node(document: dict[str, Any], account: str) -> Node:
    origin = document.get("origin") or ("client" if document.get("type") == "client" else "")
    at = _dict(document.get("aws")).get("account_id")
    return Node(document["id"], document["name"], origin, str(at or account), document["start_time"], document.get("end_time"), document)


def _inferred(document: dict[str, Any], parent: Node, account: str) -> Node:
    aws = _dict(document.get("aws"))
    origin = "remote"
    name = str(document.get("name"))
    if document.get("namespace") == "aws":
        origin = _AWS_ORIGINS.get(name.lower(), f"AWS::{name}")
        name = str(aws.get("table_name") or aws.get("queue_url", "").rpartition("/")[2] or aws.get("bucket_name") or name)
    start = document.get("start_time", parent.start)
    return Node(str(document.get("id")), name, origin, account, start, document.get("end_time"), document, parent, inferred=True)
