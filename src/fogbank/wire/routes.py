"""The REST protocols' routes: method, path and query string to an operation and its path labels.

A service's paths make a tree of segments, literal before label before greedy label. Where several operations
share a method and a path (most of S3), the ones that ask for more of the query string and headers are tried
first: `?list-type=2` before nothing, an upload's part (uploadId, partNumber) before an object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from .forms import label, pairs
from .model import OperationModel, ServiceModel, service


class Route:
    """One operation's binding."""

    __slots__ = ("demand", "headers", "labels", "literals", "operation", "plain", "query")

    def __init__(self, operation: OperationModel, labels: list[str], literals: dict[str, str | None]) -> None:
        self.operation = operation
        self.labels = tuple(labels)
        self.literals = literals
        shape = operation.service.shapes[operation.input] if operation.input else None
        required = [(shape.members[member], member) for member in shape.required] if shape else []
        self.query = frozenset(ref.location_name or member for ref, member in required if ref.location == "querystring")
        self.headers = frozenset((ref.location_name or member).lower() for ref, member in required if ref.location == "header")
        self.plain = not (literals or self.query or self.headers)
        # How much the route asks for beyond its path; more is tried first, deprecated ones last.
        self.demand = (len(literals), len(self.query) + len(self.headers), not operation.deprecated)

    def agrees(self, parameters: Mapping[str, str]) -> bool:
        """Whether the query string has the route's own parameters."""
        return all(parameters.get(name) == value if value is not None else name in parameters for name, value in self.literals.items())


class Choice:
    """The routes that share a method and a path."""

    def __init__(self) -> None:
        self.literal: dict[str, list[Route]] = {}  # by the first parameter they must have
        self.open: list[Route] = []

    def add(self, route: Route) -> None:
        routes = self.literal.setdefault(next(iter(route.literals)), []) if route.literals else self.open
        routes.append(route)
        routes.sort(key=lambda each: each.demand, reverse=True)

    def choose(self, parameters: Mapping[str, str], headers: Mapping[str, str]) -> Route | None:
        """The route that fits best; None if none agrees with the query string."""
        routes = self.open
        if parameters and self.literal:
            found = [route for name in parameters for route in self.literal.get(name, ()) if route.agrees(parameters)]
            if found:  # and no other: DELETE of `?inventory` without an id is not one of the bucket
                routes = sorted(found, key=lambda route: route.demand, reverse=True)
        named = parameters.get("x-id") if parameters else None
        fitting: Route | None = None
        nearest: Route | None = None
        for route in routes:
            if named is not None and route.operation.name == named:
                return route
            if route.plain or (route.query <= parameters.keys() and route.headers <= headers.keys()):
                if named is None:
                    return route
                fitting = fitting or route
            elif nearest is None or len(route.literals) == len(nearest.literals):
                # Where nothing has all it asks for, the one that asks least says what is missing.
                nearest = route
        return fitting or nearest


class _Node:
    __slots__ = ("greedy", "label", "literals", "routes", "suffixed")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.label: _Node | None = None
        self.greedy: dict[str, Choice] = {}  # by method: a label that takes the rest of the path
        self.suffixed: list[tuple[tuple[str, ...], str, Choice]] = []  # the same with literal segments behind it
        self.routes: dict[str, Choice] = {}


class Router:
    """The routes of one service."""

    def __init__(self, model: ServiceModel) -> None:
        self.root = _Node()
        for operation in model.operations.values():
            self._add(operation)

    def _add(self, operation: OperationModel) -> None:
        path, _, query = operation.uri.partition("#")[0].partition("?")
        literals: dict[str, str | None] = {}
        for piece in query.split("&"):
            if piece:
                name, equals, value = piece.partition("=")
                literals[name] = value if equals else None
        segments = [segment for segment in path.split("/")[1:] if segment]
        node = self.root
        labels: list[str] = []
        for position, segment in enumerate(segments):
            if segment.endswith("+}"):
                self._choice(node, operation.method, tuple(segments[position + 1 :])).add(
                    Route(operation, [*labels, segment[1:-2]], literals)
                )
                return
            if segment.startswith("{"):
                labels.append(segment[1:-1])
                if node.label is None:
                    node.label = _Node()
                node = node.label
            else:
                node = node.literals.setdefault(segment, _Node())
        node.routes.setdefault(operation.method, Choice()).add(Route(operation, labels, literals))

    def _choice(self, node: _Node, method: str, suffix: tuple[str, ...]) -> Choice:
        if not suffix:
            return node.greedy.setdefault(method, Choice())
        for known, of, choice in node.suffixed:
            if (known, of) == (suffix, method):
                return choice
        choice = Choice()
        node.suffixed.append((suffix, method, choice))
        node.suffixed.sort(key=lambda each: len(each[0]), reverse=True)
        return choice

    def match(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> tuple[OperationModel, dict[str, str]] | None:
        """The operation and its labels, decoded; None if no route fits."""
        parameters = dict(pairs(query)) if query else {}
        segments = path.split("/")
        del segments[0]
        only = self._straight(method, segments)
        for choice, values in (only,) if only is not None else self._candidates(self.root, method, segments, 0, []):
            route = choice.choose(parameters, headers)
            if route is not None:
                return route.operation, {name: label(value) for name, value in zip(route.labels, values, strict=True)}
        return None

    def _straight(self, method: str, segments: list[str]) -> tuple[Choice, list[str]] | None:
        """The candidates where no segment leaves a choice, as in all of S3; None if one does, or nothing fits."""
        node = self.root
        values: list[str] = []
        last = len(segments) - 1
        for at, segment in enumerate(segments):
            if at == last and segment == "":
                break
            child = node.literals.get(segment) if node.literals else None
            if child is not None:
                if node.label is not None or node.greedy or node.suffixed:
                    return None
                node = child
            elif node.label is not None and not node.greedy and not node.suffixed and segment:
                values.append(segment)
                node = node.label
            else:
                choice = node.greedy.get(method)
                if choice is None or node.label is not None or node.suffixed:
                    return None
                values.append("/".join(segments[at:]))
                return choice, values
        found = node.routes.get(method)
        return (found, values) if found is not None else None

    def _candidates(self, node: _Node, method: str, segments: list[str], at: int, values: list[str]) -> Iterator[tuple[Choice, list[str]]]:
        left = len(segments) - at
        if left == 0 or (left == 1 and segments[at] == ""):
            if method in node.routes:
                yield node.routes[method], values
            return
        segment = segments[at]
        child = node.literals.get(segment)
        if child is not None:
            yield from self._candidates(child, method, segments, at + 1, values)
        if node.label is not None and segment:
            yield from self._candidates(node.label, method, segments, at + 1, [*values, segment])
        rest = segments[at:]
        for suffix, of, choice in node.suffixed:
            if of == method and len(suffix) < len(rest) and tuple(rest[-len(suffix) :]) == suffix:
                yield choice, [*values, "/".join(rest[: -len(suffix)])]
        if method in node.greedy:
            yield node.greedy[method], [*values, "/".join(rest)]


@cache
def router(name: str) -> Router:
    """A service's routes, compiled when first asked for."""
    return Router(service(name))
