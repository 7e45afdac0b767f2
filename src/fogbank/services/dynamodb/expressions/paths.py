"""Document paths: followed in an item, compared with each other, picked out of an item."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import combinations, pairwise
from typing import Any, NamedTuple

from fogbank.kernel.errors import ServiceException
from fogbank.services.dynamodb.expressions.syntax import Step
from fogbank.services.dynamodb.values import Item, Value

Steps = tuple[Step, ...]
Follow = Callable[[Item], Value | None]


def printed(steps: Steps) -> str:
    """As AWS prints a path: [a, [0], b]."""
    return f"[{', '.join(step if isinstance(step, str) else f'[{step}]' for step in steps)}]"


def follower(steps: Steps) -> Follow:
    """A function of an item: the value at the path, or None."""
    first, rest = str(steps[0]), steps[1:]
    if not rest:
        return lambda item: item.get(first)

    def follow(item: Item) -> Value | None:
        value = item.get(first)
        for step in rest:
            if value is None:
                return None
            if isinstance(step, str):
                members = value.get("M")
                value = None if members is None else members.get(step)
            else:
                members = value.get("L")
                value = members[step] if members is not None and step < len(members) else None
        return value

    return follow


def check_apart(paths: Iterable[Steps], fault: Callable[[str], ServiceException]) -> None:
    """Raises where one path lies in another, or takes for a map what another takes for a list.

    Top-level names, the common case, can only be equal; the others are compared pair by pair.
    """
    paths = list(paths)
    if all(len(steps) == 1 for steps in paths) and len(set(paths)) == len(paths):
        return
    for one, two in combinations(paths, 2):
        relation = _relation(one, two)
        if relation:
            raise fault(
                f"Two document paths {relation} with each other; must remove or rewrite one of these paths; "
                f"path one: {printed(one)}, path two: {printed(two)}"
            )


def _relation(one: Steps, two: Steps) -> str:
    for a, b in zip(one, two, strict=False):
        if a != b:
            return "" if type(a) is type(b) else "conflict"
    return "overlap"


Tree = dict[Step, Any]
"""What to pick: for each step the tree under it, or None for everything under it."""


def tree_of(paths: Iterable[Steps]) -> Tree:
    """Paths that lie apart, as one tree."""
    tree: Tree = {}
    for steps in paths:
        branch = tree
        for step in steps[:-1]:
            branch = branch.setdefault(step, {})
        branch[steps[-1]] = None
    return tree


def picker(paths: Iterable[Steps]) -> Callable[[Item], Item]:
    """A function of an item: what of it lies on the paths. Picked members of a list move together."""
    tree = tree_of(paths)
    if all(branch is None for branch in tree.values()):
        names = [str(name) for name in tree]
        return lambda item: {name: item[name] for name in names if name in item}
    return lambda item: _picked(tree, item)


def _picked(tree: Tree, members: dict[Any, Value]) -> dict[Any, Value]:
    out = {}
    for step, branch in tree.items():
        value = members.get(step)
        if value is not None and branch is not None:
            value = _part(branch, value)
        if value is not None:
            out[step] = value
    return out


def _part(tree: Tree, value: Value) -> Value | None:
    """What of a map or a list lies on the paths; None where nothing does."""
    if "M" in value:
        picked = _picked(tree, value["M"])
        return {"M": picked} if picked else None
    if "L" in value:
        indexed = _picked(tree, dict(enumerate(value["L"])))
        return {"L": [indexed[index] for index in sorted(indexed)]} if indexed else None
    return None


class Projection(NamedTuple):
    """What a read gives of an item. `attributes`: the top-level attributes that it speaks of."""

    pick: Callable[[Item], Item]
    attributes: frozenset[str]


def projection(paths: Iterable[Steps]) -> Projection:
    """The projection to paths that lie apart."""
    paths = list(paths)
    return Projection(picker(paths), frozenset([str(steps[0]) for steps in paths]))


def owner(item: Item, steps: Steps) -> Any:
    """The members among which the path's last step is: a dict or a list, to be changed.

    Everything on the way is copied first. `item` itself must be a copy already. None where the document has no such place.
    """
    members: Any = item
    for step, following in pairwise(steps):
        if isinstance(step, str):
            value = members.get(step)
        else:
            value = members[step] if step < len(members) else None
        kind = "M" if isinstance(following, str) else "L"
        if value is None or kind not in value:
            return None
        content = value[kind].copy()
        members[step] = {kind: content}
        members = content
    return members
