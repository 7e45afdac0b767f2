"""The shape of a service: operations, resources, tasks, and the manifest that lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

from fogbank.kernel.context import Context

Answer = dict[str, Any] | None
Watch = tuple[int, bytes]
"""What to be woken by: a write to this table under this key prefix (see `Table.watch`)."""


class Wait(NamedTuple):
    """An operation's word for "ask me again": when one of these keys is written, or the instant comes."""

    on: tuple[Watch, ...]
    until_ms: int


class Waiting(Exception):
    """A `Wait` said from deep inside an operation: nothing of this attempt stays."""

    def __init__(self, wait: Wait) -> None:
        super().__init__(wait)
        self.wait = wait


Operate = Callable[[Context, Any], "Answer | Wait"]
F = TypeVar("F", bound=Callable[..., Any])


def operation(name: str, *, authorized_here: bool = False) -> Callable[[F], F]:
    """Marks the function that is an AWS operation.

    `authorized_here`: the door does not check the operation's IAM action, because the function does so
    itself, resource by resource, with `ctx.authorize` or `ctx.may` (DeleteObjects: each key by itself).
    """

    def mark(function: F) -> F:
        function.operation = name  # type: ignore[attr-defined]
        function.authorized_here = authorized_here  # type: ignore[attr-defined]
        return function

    return mark


def task(name: str) -> Callable[[F], F]:
    """Marks a function `(ctx, payload)` that `ctx.later("service.name", payload)` runs after the commit."""

    def mark(function: F) -> F:
        function.task = name  # type: ignore[attr-defined]
        return function

    return mark


class Resource(NamedTuple):
    """A type of resource, declared once; its IAM resource, tag conditions and resource policy follow from it.

    `type` is the name in the service authorization definition ("queue"). `arn(ctx, req)` names the one that
    a request is about, or None where the request does not name one of this type. `tags(ctx, arn)` and
    `policy(ctx, arn)` give its tags and its resource policy's document, or None; `owner(ctx, arn)` its account, where
    the ARN does not say (S3).
    """

    type: str
    arn: Callable[[Context, Any], str | None]
    tags: Callable[[Context, str], Mapping[str, str] | None] | None = None
    policy: Callable[[Context, str], str | None] | None = None
    owner: Callable[[Context, str], str | None] | None = None


class Service:
    """The manifest of a service: what it does, gathered from its modules.

    `conditions` are the service's own condition keys (lower case) that the request's members, tags and
    principal cannot tell by themselves: `(ctx, req) -> value or None`, computed only when a policy asks.
    """

    def __init__(
        self,
        name: str,
        modules: Iterable[ModuleType],
        resources: Iterable[Resource] = (),
        conditions: Mapping[str, Callable[[Context, Any], Any]] | None = None,
    ) -> None:
        self.name = name
        self.resources = {r.type: r for r in resources}
        self.conditions = dict(conditions or {})
        self.operations: dict[str, Operate] = {}
        self.tasks: dict[str, Callable[[Context, Any], Answer | Wait]] = {}
        for module in modules:
            for function in vars(module).values():
                if isinstance(marked := getattr(function, "operation", None), str):
                    self.operations[marked] = function
                elif isinstance(marked := getattr(function, "task", None), str):
                    self.tasks[f"{name}.{marked}"] = function
