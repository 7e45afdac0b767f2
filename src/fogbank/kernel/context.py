"""What an operation may know: who asks, when, on which cloud; and the only ways it may reach out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from fogbank.kernel.arn import partition_of
from fogbank.kernel.chance import Chance
from fogbank.kernel.http import HttpRequest
from fogbank.kernel.telemetry import MEASURES, Measure

T = TypeVar("T")


class Door(Protocol):
    """The gateway, as an operation sees it: every call passes it, from outside or from a service."""

    def call(
        self, ctx: Context, service: str, operation: str, members: Mapping[str, Any], acting: Acting | Role | None, region: str | None
    ) -> Any: ...

    def as_role(self, ctx: Context, role: Role) -> Context: ...

    def caller(self, ctx: Context) -> bytes: ...

    def as_caller(self, ctx: Context, caller: bytes) -> Context: ...

    def resource_type(self, name: str) -> Any: ...

    def may(self, ctx: Context, action: str, resource: str, conditions: Mapping[str, Any]) -> bool: ...

    def authorize(self, ctx: Context, action: str, resource: str, conditions: Mapping[str, Any]) -> None: ...

    def decide(self, ctx: Context, query: Any, policies: Any) -> Any: ...

    def signature_age_ms(self) -> int | None: ...

    def as_signer(self, ctx: Context) -> Context: ...

    def at_machine(self, machine_ms: int) -> int: ...

    def later(self, ctx: Context, task: str, payload: Any, at_ms: int) -> None: ...

    def beside(self, ctx: Context, what: str, work: Callable[[], Any]) -> Any: ...

    def apart(self, ctx: Context, what: str, work: Callable[[Context], Any]) -> Any: ...

    def outside(self, ctx: Context, what: str, begin: Callable[[Callable[[Any], None]], None]) -> Any: ...

    def under_way(self, ctx: Context, what: str) -> bool: ...

    def traced(self, ctx: Context, header: str) -> Context: ...

    @property
    def workshop(self) -> Any: ...

    @property
    def databases(self) -> Any: ...

    @property
    def access_key(self) -> str: ...

    def past(self, ctx: Context, at_ms: int, sequence: int | None) -> Any: ...

    def spend(self, key: str, units: float, rate_per_s: float, burst: float, now_ms: int) -> bool: ...

    def watch(self) -> None: ...


class Acting:
    """A service that acts for itself: its principal ("s3.amazonaws.com") and on behalf of what (aws:SourceArn)."""

    __slots__ = ("principal", "source_account", "source_arn")

    def __init__(self, principal: str, source_arn: str, source_account: str) -> None:
        self.principal = principal
        self.source_arn = source_arn
        self.source_account = source_account


class Role:
    """A service that acts as a role which trusts it: the role's ARN, the service's principal, the session's name.

    On behalf of what, where the service says so: then a trust policy may ask for it (aws:SourceArn, aws:SourceAccount).
    """

    __slots__ = ("arn", "service", "session_name", "source_account", "source_arn")

    def __init__(self, arn: str, service: str, session_name: str, source_arn: str = "", source_account: str = "") -> None:
        self.arn = arn
        self.service = service
        self.session_name = session_name
        self.source_arn = source_arn
        self.source_account = source_account


class Context:
    """One request, inside one transaction.

    now          milliseconds since the epoch, by the cloud's clock; the same through the whole request
    random       the cloud's chance
    tx           the transaction (tables take the context itself: `QUEUES.get(ctx, name)`)
    blobs        the store's large values
    account      the caller's account, 12 digits ("" for an anonymous caller)
    region       the region that the call is for
    principal    who asks (`access.Principal`)
    request      the HTTP request, or None for a call from a service
    endpoint     "http://host:port" as the caller addressed it
    started_ms   when the call first ran: earlier than `now` after a Wait
    via          the services through which the caller came here ("s3",); none for a call from outside
    trace        X-Ray's header under which it is followed ("Root=1-..;Parent=..;Sampled=1"); "" where it is not
    """

    __slots__ = (
        "account",
        "blobs",
        "door",
        "endpoint",
        "now",
        "operation",
        "principal",
        "random",
        "region",
        "request",
        "request_id",
        "service",
        "started_ms",
        "trace",
        "tx",
        "via",
    )

    def __init__(
        self,
        door: Door,
        tx: Any,
        blobs: Any,
        now: int,
        random: Chance,
        principal: Any,
        account: str,
        region: str,
        service: str,
        operation: str,
        request_id: str,
        request: HttpRequest | None,
        endpoint: str,
        via: tuple[str, ...] = (),
        trace: str = "",
    ) -> None:
        self.door = door
        self.tx = tx
        self.blobs = blobs
        self.now = now
        self.random = random
        self.principal = principal
        self.account = account
        self.region = region
        self.service = service
        self.operation = operation
        self.request_id = request_id
        self.request = request
        self.endpoint = endpoint
        self.started_ms = now
        self.via = via
        self.trace = trace

    @property
    def partition(self) -> str:
        return partition_of(self.region)

    @property
    def vault(self) -> Any:
        """Seals and opens secrets under the cloud's root key (`store.vault.Vault`)."""
        return self.blobs.vault

    def arn(self, resource: str, *, service: str | None = None, region: str | None = None, account: str | None = None) -> str:
        """The ARN of something of this service in this region and account."""
        where = self.region if region is None else region
        return f"arn:{self.partition}:{service or self.service}:{where}:{self.account if account is None else account}:{resource}"

    def call(
        self,
        service: str,
        operation: str,
        members: Mapping[str, Any],
        *,
        acting: Acting | Role | None = None,
        region: str | None = None,
    ) -> Any:
        """Calls another service's operation through the same door, in this transaction, as the caller (or as `acting`).

        Returns the answer's members. Raises its ServiceException; the other service's writes are then undone.
        """
        return self.door.call(self, service, operation, members, acting, region)

    def authorize(self, action: str, resource: str, **conditions: Any) -> None:
        """Raises AccessDenied unless the caller may do a further action ("s3:GetObject") on a resource.

        `conditions` are condition keys of this check, spelt with `__` for `:` ("s3__prefix").
        """
        self.door.authorize(self, action, resource, conditions)

    def may(self, action: str, resource: str, **conditions: Any) -> bool:
        """Like `authorize`, as an answer."""
        return self.door.may(self, action, resource, conditions)

    def signature_age_ms(self) -> int | None:
        """How long ago the request was signed; None where it was not. By the cloud's clock for a URL, else by the machine's."""
        return self.door.signature_age_ms()

    def at_machine(self, machine_ms: int) -> int:
        """The cloud's time at an instant of the machine's clock (of a line that code outside has written)."""
        return self.door.at_machine(machine_ms)

    def decide(self, query: Any, policies: Any) -> Any:
        """The decision about an `access.Query` whose policies the service has gathered itself; to be explained like any other."""
        return self.door.decide(self, query, policies)

    def later(self, task: str, payload: Any, *, delay_s: float = 0, at_ms: int | None = None) -> None:
        """Puts a task into the outbox, in this transaction: it runs after the commit, at least once.

        `task` is "service.name"; `payload` is what msgpack can carry.
        """
        self.door.later(self, task, payload, at_ms if at_ms is not None else self.now + int(delay_s * 1000))

    def beside(self, what: str, work: Callable[[], T]) -> T:
        """What long work gives that touches nothing of the cloud (a key pair). It is done on a thread: Waiting is raised meanwhile,
        and the request run again."""
        done: T = self.door.beside(self, what, work)
        return done

    def outside(self, what: str, begin: Callable[[Callable[[Any], None]], None]) -> Any:
        """What comes of asynchronous work outside the cloud: a function's run, an HTTP request. `begin(done)` is called once, after this
        attempt; Waiting is raised until `done(result)` was called in the event loop. An Exception as result is raised here.

        `what` tells the works of one request apart. Killed in between, a task begins the work again.
        """
        return self.door.outside(self, what, begin)

    def under_way(self, what: str) -> bool:
        """Whether an earlier attempt has had `outside` begin this: what it needs to begin need not be looked for again."""
        return self.door.under_way(self, what)

    def apart(self, what: str, work: Callable[[Context], T]) -> T:
        """What comes of work in a transaction of its own, by the service itself, that is committed before this request goes on:
        credentials that code outside is to use while this attempt, which waits for the code, is undone. Waiting is raised until then."""
        done: T = self.door.apart(self, what, work)
        return done

    @property
    def workshop(self) -> Any:
        """Where people's code runs (`sandbox.workshop.Workshop`)."""
        return self.door.workshop

    @property
    def databases(self) -> Any:
        """Where database clusters run (`engines.spec.Databases`)."""
        return self.door.databases

    def tell(self, service: str, what: Any) -> None:
        """Lets a service know of something when this call is over, however it ends: its `gather` gets it soon after. In memory and at
        best effort, for metrics, spans and lines; what must not be lost is a task (`later`)."""
        tx = self.tx
        if tx.told is None:
            tx.told = [(service, what)]
        else:
            tx.told.append((service, what))

    def measure(self, namespace: str, name: str, value: float, unit: str = "Count", /, **dimensions: str) -> None:
        """Tells CloudWatch one value of a metric, of this account and region."""
        by = tuple(sorted(dimensions.items()))
        self.tell(MEASURES, Measure(self.account, self.region, namespace, name, by, value, unit, self.now))

    def traced(self, header: str) -> Context:
        """This call, carried on under a trace header that came with what it carries."""
        return self.door.traced(self, header)

    def of(self, account: str, region: str) -> Context:
        """This call, carried on for an account and region: `gather` is told of many."""
        carried = self.door.traced(self, self.trace)
        carried.account, carried.region = account, region
        return carried

    def as_role(self, role: Role) -> Context:
        """This request, carried on as a role that trusts the service. Errors: AccessDenied."""
        return self.door.as_role(self, role)

    def as_signer(self) -> Context:
        """A visit to a site (`Service.site`), carried on as whoever signed it. Errors: those of a missing or wrong signature."""
        return self.door.as_signer(self)

    def caller(self) -> bytes:
        """Who asks, to be kept for `as_caller`: what goes on after the request, in a task, goes on as them."""
        return self.door.caller(self)

    def as_caller(self, caller: bytes) -> Context:
        """This task, carried on as whoever asked for it, with what they may do now. Errors: ExpiredToken, where their session is over."""
        return self.door.as_caller(self, caller)

    def resource_type(self, name: str) -> Any:
        """How resources of a type ("AWS::SQS::Queue") are made and looked after (`kernel.resource_types.ResourceType`), or None."""
        return self.door.resource_type(name)

    def past(self, at_ms: int, sequence: int | None = None) -> Any:
        """Where tables can be read as they were at an instant of the cloud's clock. Raises LookupError where that is not kept.

        Many transactions may have the same instant: `sequence` (a `tx.sequence`) names the last of them that counts.
        """
        return self.door.past(self, at_ms, sequence)

    def spend(self, key: str, units: float, rate_per_s: float, burst: float) -> bool:
        """Takes units from a bucket that fills at a rate, up to its burst. False: there are too few, and none were taken.

        Buckets are the running cloud's, not the log's: each begins full.
        """
        return self.door.spend(key, units, rate_per_s, burst, self.now)

    def watch(self) -> None:
        """Has the service's `observe` told of this call when it is over; one from outside, that is."""
        self.door.watch()
