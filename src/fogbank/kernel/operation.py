"""The shape of a service: operations, resources, tasks, and the manifest that lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

from fogbank.kernel.context import Context
from fogbank.kernel.http import HttpResponse, Visit
from fogbank.kernel.seen import Seen

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


LOOKING: set[str] = set()
"""The tasks ("service.name") that only look at what there is: they change nothing that others look at, but metrics."""


def task(name: str, *, looks: bool = False) -> Callable[[F], F]:
    """Marks a function `(ctx, payload)` that `ctx.later("service.name", payload)` runs after the commit. `looks`: see LOOKING."""

    def mark(function: F) -> F:
        function.task = name  # type: ignore[attr-defined]
        function.looks = looks  # type: ignore[attr-defined]
        return function

    return mark


class Resource(NamedTuple):
    """A type of resource, declared once; its IAM resource, tag conditions and resource policy follow from it.

    `type` is the name in the service authorization definition ("queue"). `arn(ctx, req)` names the one that
    a request is about, or None where the request does not name one of this type. `tags(ctx, arn)` and
    `policy(ctx, arn)` give its tags and its resource policy's document, or None; `owner(ctx, arn)` its account, where
    the ARN does not say (S3). `policy_required`: nobody may do anything that the resource's own policy does not allow, or
    hand to its account's policies (a KMS key's). `grants(ctx, req, action, arn)`: what else lets the caller do this where
    policies neither allow nor deny it, as a policy that counts like the resource's own, in every account (KMS grants).
    `standing(ctx, req, action, arn)` gives policy and owner at once, where they depend on what is to be done (S3's objects).
    """

    type: str
    arn: Callable[[Context, Any], str | None]
    tags: Callable[[Context, str], Mapping[str, str] | None] | None = None
    policy: Callable[[Context, str], str | None] | None = None
    owner: Callable[[Context, str], str | None] | None = None
    policy_required: bool = False
    grants: Callable[[Context, Any, str, str], str | None] | None = None
    standing: Callable[[Context, Any, str, str], tuple[str | None, str]] | None = None


class Past(NamedTuple):
    """Rows that a service wants to look back at for longer than the log's retention.

    `rows` as `Table.watch` names them; at any instant since `since_ms` (None: not at any), at each of `instants_ms`, and after
    each of the transactions `sequences`.
    """

    rows: Watch
    since_ms: int | None
    instants_ms: tuple[int, ...] = ()
    sequences: tuple[int, ...] = ()


class Service:
    """The manifest of a service: what it does, gathered from its modules.

    `conditions` are the service's own condition keys (lower case) that the request's members, tags and
    principal cannot tell by themselves: `(ctx, req) -> value or None`, computed only when a policy asks.
    `resolve` puts what a request names by another name into its place, before anything is authorised (S3's access points);
    `through(ctx, req, arn)` is then the ARN of what the request came through: it has to allow each further action too.

    What reaches beyond operations:
    `site(ctx, visit)` answers all requests to the hosts that `app.SITES` gives the service, by itself;
    `origins(at, visit, path, ours)` gives the headers that let a page of the request's Origin have the answer (of a preflight, or
    of the request itself), or None where the service has nothing to say about it; raises where the page may not. `ours`:
    a page of this machine;
    `observe(ctx, seen)` is told of calls from outside when they are over, in a transaction of its own: of those that asked for
    it (`ctx.watch()`), and of all that were refused before they ran;
    `keeps(at, now_ms)` names the rows whose past it needs for longer than the log keeps it;
    `gather(ctx, items)` gets what it was told (`ctx.tell`), many at once, in a transaction of its own without an account;
    `rates(at)`: how many calls are traced (a second, share of the rest, when to ask again);
    `follows(at)`: how much of a (service, operation) a trail records (`telemetry.ANSWERED`), and when to ask again;
    `fresh`: before each of its operations all services are told what there is to tell, since it shows what comes of it;
    `counted_by`: the member by which its calls are told apart when they are counted (DynamoDB's TableName).
    """

    def __init__(
        self,
        name: str,
        modules: Iterable[ModuleType],
        resources: Iterable[Resource] = (),
        conditions: Mapping[str, Callable[[Context, Any], Any]] | None = None,
        resolve: Callable[[Context, Any], None] | None = None,
        through: Callable[[Context, Any, str], str | None] | None = None,
        site: Callable[[Context, Visit], HttpResponse] | None = None,
        origins: Callable[[Any, Visit, str, bool], list[tuple[str, str]] | None] | None = None,
        observe: Callable[[Context, Seen], None] | None = None,
        keeps: Callable[[Any, int], Iterable[Past]] | None = None,
        gather: Callable[[Context, list[Any]], None] | None = None,
        fresh: bool = False,
        rates: Callable[[Any], tuple[float, float, Wait]] | None = None,
        follows: Callable[[Any], tuple[Callable[[str, str], int], Wait]] | None = None,
        counted_by: str = "",
    ) -> None:
        self.name = name
        self.resolve = resolve
        self.through = through
        self.site = site
        self.origins = origins
        self.observe = observe
        self.keeps = keeps
        self.gather = gather
        self.fresh = fresh
        self.rates = rates
        self.follows = follows
        self.counted_by = counted_by
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
                    if function.looks:
                        LOOKING.add(f"{name}.{marked}")
