"""An invocation: from a version to what the workshop runs, and back.

What is made of a version (`sandbox.function.Function`: code, layers, variables in the clear) is remembered by its revision, and the
credentials of its role for as long as they last, in the memory of this process. An invocation runs twice: once to begin, once to
answer; it writes no rows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from fogbank.kernel.context import Acting, Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.sandbox.function import Credentials, Invocation, Outcome
from fogbank.sandbox.function import Function as Runnable
from fogbank.services.lambda_ import encryption, lineage, metrics, packages
from fogbank.services.lambda_.addresses import Address, alias_of, arn, arn_of, function_at, get_version, number_of, version_at
from fogbank.services.lambda_.aliases import chosen
from fogbank.services.lambda_.checks import PRINCIPAL
from fogbank.services.lambda_.concurrency import ready_for, reserved
from fogbank.services.lambda_.describing import log_group
from fogbank.services.lambda_.faults import refusal
from fogbank.services.lambda_.layers import version_of_arn
from fogbank.services.lambda_.state import CONCURRENCY, UNRESERVED_LEAST, Function, Package, Version
from fogbank.store.vault import Seal

ANSWER_BYTES = 6_291_556
REMEMBERED = 2000
RENEWED_MS = 300_000
"""So long before their end credentials are replaced."""
SESSION_MS = 3_600_000
_LOOP = (
    "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services resources and stopped your "
    "function's invocation."
)


class Ran(NamedTuple):
    """Which version it was, and how it ended."""

    version: str
    outcome: Outcome


class _Kept:
    """The most recent of what is dear to make."""

    def __init__(self) -> None:
        self._found: OrderedDict[Any, Any] = OrderedDict()

    def get(self, key: Any) -> Any:
        return self._found.get(key)

    def put(self, key: Any, value: Any) -> Any:
        self._found[key] = value
        if len(self._found) > REMEMBERED:
            self._found.popitem(last=False)
        return value


_runnables = _Kept()
_credentials = _Kept()


def key_of(function: Function, version: Version) -> str:
    """What warm environments are known by: equal only for the same code and configuration. See `of_key`."""
    code = function.folder and not version.number and sha256(function.folder.encode()).hexdigest()[:8]
    return f"{version.account}/{version.region}/{version.name}/{version.label}/{version.revision}/{code or ''}/{version.role}"


def of_key(key: str) -> tuple[Address, str]:
    """Which version's environment a key is, and the role that it runs as."""
    account, region, name, label, _, _, role = key.split("/", 6)
    return Address(account, region, name, label), role


# what runs


def picked(ctx: Context, where: Address) -> Version:
    """The version that an invocation goes to: by an alias's weights where it has some. Raises ResourceNotFoundException."""
    if number_of(where.qualifier) is None:
        alias = alias_of(ctx, where)
        if alias is not None and alias.weights:
            version = get_version(ctx, where, chosen(ctx, alias))
            if version is not None:
                return version
    return version_at(ctx, where)


def role_of(version: Version) -> Role:
    """The execution role, as a service acts with it on the function's behalf."""
    return Role(version.role, PRINCIPAL, _session(version))


def _session(version: Version) -> str:
    """The name of the role's session: the function's, in the 2 to 64 characters that one has."""
    return version.name[:64].ljust(2, "_")


def runnable(ctx: Context, function: Function, version: Version) -> Runnable:
    """A version for the workshop. Errors: KMSAccessDeniedException and its like."""
    key = key_of(function, version)
    found: Runnable | None = _runnables.get(key)
    if found is not None:
        return found
    function_arn = arn_of(function)
    role = role_of(version)
    try:
        variables = encryption.variables(ctx, version.environment, function_arn, role)
        hot = function.folder and not version.number
        code = Path(function.folder) if hot else packages.code_of(ctx, version.package, _seal(ctx, version.package, function_arn, role))
    except ServiceException as refused:
        raise encryption.for_running(refused) from None
    layers = [version_of_arn(ctx, one) for one in version.layers]
    made = Runnable(
        key=key,
        arn=arn_of(version, version.label if version.number else ""),
        name=version.name,
        version=version.label,
        account=version.account,
        region=version.region,
        runtime=version.runtime,
        handler=version.handler,
        code=code,
        layers=tuple(packages.code_of(ctx, one.package, None) for one in layers if one is not None),
        environment=variables,
        memory_mb=version.memory_mb,
        timeout_ms=version.timeout_s * 1000,
        tmp_mb=version.tmp_mb,
        log_group=log_group(version),
        log_format=version.log_format,
        origin="snap-start" if version.snap_start == "PublishedVersions" and version.number else "on-demand",
        application_log_level=version.application_log_level,
        system_log_level=version.system_log_level,
    )
    _runnables.put(key, made)
    return made


def _seal(ctx: Context, package: Package, function_arn: str, role: Role) -> Seal | None:
    return Seal(encryption.data_key_of(ctx, package, function_arn, role)) if package.key_arn else None


def credentials(ctx: Context, version: Version) -> Credentials:
    """The execution role's credentials, for an hour. Errors: AccessDeniedException, where the role does not trust Lambda any more."""
    key = (ctx.tx.branch.number, version.role, version.account, version.region, version.name)
    held: Credentials | None = _credentials.get(key)
    if held is not None and ctx.now < held.expires_at_ms - RENEWED_MS and held.expires_at_ms - SESSION_MS <= ctx.now:
        return held

    def assume(own: Context) -> Credentials:
        members = {"RoleArn": version.role, "RoleSessionName": _session(version)}
        acting = Acting(PRINCIPAL, arn_of(version), version.account)
        made = own.call("sts", "AssumeRole", members, acting=acting)["Credentials"]
        return Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], made["Expiration"])

    try:
        made: Credentials = ctx.apart(f"credentials {version.role} {version.name}", assume)
    except ServiceException as refused:
        if refused.code not in ("AccessDenied", "AccessDeniedException"):
            raise
        message = "The role defined for the function cannot be assumed by Lambda."
        raise refusal("AccessDeniedException", message, status=403) from None
    _credentials.put(key, made)
    return made


# how many run


class Running:
    """The invocations that are under way in a workshop, counted."""

    def __init__(self) -> None:
        self.functions: dict[tuple[str, str, str], int] = {}
        self.unreserved: dict[tuple[str, str], int] = {}
        self.warmed: dict[str, int] = {}

    def enter(self, name: tuple[str, str, str], *, counted: bool) -> None:
        self.functions[name] = self.functions.get(name, 0) + 1
        if counted:
            self.unreserved[name[:2]] = self.unreserved.get(name[:2], 0) + 1

    def leave(self, name: tuple[str, str, str], *, counted: bool) -> None:
        self.functions[name] -= 1
        if not self.functions[name]:
            del self.functions[name]
        if counted:
            self.unreserved[name[:2]] -= 1


_running: WeakKeyDictionary[Any, Running] = WeakKeyDictionary()


def running_in(workshop: Any) -> Running:
    found = _running.get(workshop)
    if found is None:
        found = _running[workshop] = Running()
    return found


def throttled(reason: str) -> ServiceException:
    return refusal("TooManyRequestsException", "Rate Exceeded.", Reason=reason)


# an invocation


class Stream:
    """Where the pieces of a streamed answer are taken; the loop's alone. `content_type` is there with the first piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.content_type = ""
        self.version = ""
        self.end: Ran | Exception | None = None
        self.asked = 0
        self._waiting: Callable[[Any], None] | None = None

    def began(self, content_type: str) -> None:
        self.content_type = content_type

    def take(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self._tell()

    def over(self, end: Ran | Exception) -> None:
        self.end = end
        self._tell()

    def wait(self, done: Callable[[Any], None]) -> None:
        """Has it told when there is something to take."""
        self._waiting = done
        if self.pieces or self.end is not None:
            self._tell()

    def wait_for_more(self, done: Callable[[Any], None]) -> None:
        """As `wait`, where what is there already is not enough."""
        self._waiting = done

    def _tell(self) -> None:
        if self._waiting is not None:
            done, self._waiting = self._waiting, None
            done(self)


def run(ctx: Context, where: Address, payload: bytes, *, what: str, request_id: str, client_context: str = "") -> Ran:
    """Runs a function with an event, and answers how it ended; raises Waiting until then.

    `what` tells the invocations of one request apart. Errors: ResourceNotFoundException, TooManyRequestsException,
    RecursiveInvocationException, KMSAccessDeniedException, InvalidRuntimeException, InvalidZipFileException, ServiceException.
    """
    begin = _beginning(ctx, where, payload, request_id, client_context, None)
    try:
        return ended(ctx, where, ctx.outside(what, begin))
    except ServiceException as problem:
        note_refusal(ctx, where, problem)
        raise


def stream(ctx: Context, where: Address, payload: bytes, *, request_id: str, client_context: str = "") -> Stream:
    """Runs a function with an event, and answers when the first piece of its answer is there, or its end. Errors: as for `run`."""
    made = Stream()
    begin = _beginning(ctx, where, payload, request_id, client_context, made)

    def both(done: Callable[[Any], None]) -> None:
        made.wait(done)
        begin(made.over)

    found: Stream = ctx.outside("stream", both)
    if isinstance(found.end, ServiceException):
        note_refusal(ctx, where, found.end)
    if isinstance(found.end, Exception):
        raise found.end
    if found.end is not None and found.end.outcome.refused:
        raise _refused(found.end.outcome)
    return found


def note_refusal(ctx: Context, where: Address, problem: ServiceException) -> None:
    """Counts an invocation that was throttled."""
    if problem.code == "TooManyRequestsException":
        metrics.measure(ctx, where, "Throttles", 1)


def ended(ctx: Context, where: Address, ran: Ran) -> Ran:
    """An invocation that is over, measured. Raises why it did not run at all."""
    if ran.outcome.refused:
        raise _refused(ran.outcome)
    _measure(ctx, where, ran.outcome, running_in(ctx.workshop))
    return ran._replace(outcome=_within(ran.outcome))


def _beginning(
    ctx: Context, where: Address, payload: bytes, request_id: str, client_context: str, stream: Stream | None
) -> Callable[[Callable[[Any], None]], None]:
    """What begins an invocation."""
    function = function_at(ctx, where)
    version = picked(ctx, where)
    header = ctx.trace
    function_arn = arn_of(function)
    if function.recursion == "Terminate" and lineage.times(header, function_arn) >= lineage.TIMES:
        metrics.measure(ctx, where, "RecursiveInvocationsDropped", 1)
        raise refusal("RecursiveInvocationException", _LOOP)
    ready = runnable(ctx, function, version)
    invocation = Invocation(
        request_id=request_id,
        payload=payload,
        credentials=credentials(ctx, version),
        trace=lineage.carried_on(ctx, header, function_arn),
        client_context=client_context,
        arn=arn(*where),
        piece=stream.take if stream is not None else None,
        began=stream.began if stream is not None else None,
    )
    if stream is not None:
        stream.version = version.label
    return _where_there_is_room(ctx, function, version, ready, invocation)


def _where_there_is_room(
    ctx: Context, function: Function, version: Version, ready: Runnable, invocation: Invocation
) -> Callable[[Callable[[Any], None]], None]:
    """What begins the invocation, where there is room for it: whether there is, is counted only then."""
    name = (function.account, function.region, function.name)
    workshop = ctx.workshop
    if workshop is None:
        raise refusal("ServiceException", "This cloud has no workshop to run functions in.")
    limit = function.reserved
    counted = limit is None
    pool = CONCURRENCY
    if counted and running_in(workshop).unreserved.get(name[:2], 0) >= UNRESERVED_LEAST:
        pool -= reserved(ctx, *name[:2])
    warm = ready_for(ctx, function, version.number) if version.number else 0

    def begin(done: Callable[[Any], None]) -> None:
        running = running_in(workshop)
        if limit is not None and running.functions.get(name, 0) >= limit:
            done(throttled("ReservedFunctionConcurrentInvocationLimitExceeded"))
            return
        if counted and running.unreserved.get(name[:2], 0) >= pool:
            done(throttled("ConcurrentInvocationLimitExceeded"))
            return
        if warm and running.warmed.get(ready.key) != warm:
            running.warmed[ready.key] = warm
            workshop.warm(ready, warm, invocation.credentials)
        running.enter(name, counted=counted)

        def over(outcome: Any) -> None:
            running.leave(name, counted=counted)
            done(Ran(version.label, outcome) if isinstance(outcome, Outcome) else outcome)

        workshop.invoke(ready, invocation, over)

    return begin


def _measure(ctx: Context, where: Address, outcome: Outcome, running: Running) -> None:
    metrics.measure(ctx, where, "Invocations", 1)
    metrics.measure(ctx, where, "Errors", 1 if outcome.error else 0)
    metrics.measure(ctx, where, "Duration", outcome.duration_ms, "Milliseconds")
    metrics.measure(ctx, where, "ConcurrentExecutions", running.functions.get(where[:3], 0) + 1)
    if outcome.origin == "provisioned-concurrency":
        metrics.measure(ctx, where, "ProvisionedConcurrencyInvocations", 1, all_functions=False)


_REFUSED = {"runtime": ("InvalidRuntimeException", 502), "code": ("InvalidZipFileException", 502)}


def _refused(outcome: Outcome) -> ServiceException:
    """Why it did not run at all."""
    code, status = _REFUSED.get(outcome.refused, ("ServiceException", 500))
    return ServiceException(code, outcome.payload.decode("utf-8", "replace"), status=status, Type="Service")


def _within(outcome: Outcome) -> Outcome:
    """An answer that is too large is an error of the function."""
    if outcome.streamed or len(outcome.payload) <= ANSWER_BYTES:
        return outcome
    sentence = f"Response payload size exceeded maximum allowed payload size ({ANSWER_BYTES} bytes)."
    body = f'{{"errorMessage":"{sentence}","errorType":"Function.ResponseSizeTooLarge"}}'.encode()
    return outcome._replace(payload=body, error="Unhandled")
