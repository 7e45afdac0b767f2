"""Resource types as CloudFormation and Cloud Control know them, declared by their services (`services/*/resources.py`).

A type says in terms of its service's operations how a resource is made, read, changed and deleted. Everything goes through
`ctx.call`, as whoever wants the resource, so the permissions are those of the operations. What its properties are, which are
required, create-only or read-only, AWS's registry says (`wire.registry`); a property that no part of a type carries out is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException

Properties = dict[str, Any]
RANDOM_CHARACTERS = 12
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def values_at(value: Any, names: list[str]) -> Iterator[Any]:
    """What stands at a path; several values where it goes through the items of lists (`*`)."""
    if not names:
        yield value
    elif names[0] == "*":
        for item in value if isinstance(value, list) else ():
            yield from values_at(item, names[1:])
    elif isinstance(value, Mapping) and names[0] in value:
        yield from values_at(value[names[0]], names[1:])


MORE = "more"


class Part(NamedTuple):
    """Properties that are put and read together, by operations of their own.

    `put(ctx, identifier, before, after)` makes what they are what they shall be, property by property, or answers MORE when the
    resource has to settle before it can go on, and is called again then; `get(ctx, identifier)` reads them (None where the type's
    own `read` does). What has no value is left out, or None.
    """

    names: tuple[str, ...]
    put: Callable[[Context, str, Properties, Properties], object]
    get: Callable[[Context, str], Properties] | None = None


class Naming(NamedTuple):
    """The property that names a resource, where a name has to be made up: how long it may be, and what it ends in."""

    property: str
    limit: int
    lower: bool = False
    tail: Callable[[Properties], str] = lambda given: ""


class ResourceType:
    """One type.

    `create(ctx, properties)` makes a resource from the properties of `made_with` and answers its identifier (the values of a compound
    one joined with `|`), or a tuple of it and attributes that can be had only now. The `parts` do the other properties, in their order.
    `read(ctx, identifier)` gives properties and attributes, and raises one of the errors in `absent` where there is no such resource;
    `present` are the errors of one that is there already. `list(ctx)` finds the identifiers of all.
    `unmet` are paths inside of properties that nothing here carries out ("Rules/*/Colour").
    `delete(ctx, identifier, properties)` is told what is known of the resource: all of it by a stack, nothing by Cloud Control.
    `settled(ctx, identifier)`: nothing is under way with it any more, so that the next part can be put.
    `gone(ctx, identifier)`: a deleted one is not there any more, where that takes its time.
    """

    def __init__(
        self,
        name: str,
        *,
        create: Callable[[Context, Properties], str | tuple[str, Properties]],
        read: Callable[[Context, str], Properties],
        delete: Callable[[Context, str, Properties], object],
        list: Callable[[Context], Iterable[str]] | None = None,
        made_with: Iterable[str] = (),
        unmet: Iterable[str] = (),
        parts: Sequence[Part] = (),
        naming: Naming | None = None,
        absent: Iterable[str] = (),
        present: Iterable[str] = (),
        settled: Callable[[Context, str], bool] = lambda ctx, identifier: True,
        gone: Callable[[Context, str], bool] = lambda ctx, identifier: True,
    ) -> None:
        self.name = name
        self.delete = delete
        self.list = list
        self.settled = settled
        self.gone = gone
        self.naming = naming
        self.made_with = frozenset(made_with)
        self.parts = tuple(parts)
        self.properties = self.made_with.union(*(part.names for part in parts))
        self._unmet = tuple(unmet)
        self._create = create
        self._read = read
        self._absent = frozenset(absent)
        self._present = frozenset(present)

    def check(self, properties: Properties) -> None:
        """Errors: NotImplemented, for a property that nothing here carries out."""
        unmet = sorted(properties.keys() - self.properties)
        unmet += [path for path in self._unmet if any(True for _ in values_at(properties, path.split("/")))]
        if unmet:
            raise NotImplementedOperation("cloudformation", self.name, f"with {' and '.join(unmet)}")

    def named(self, ctx: Context, given: Properties, stem: str = "") -> Properties:
        """Properties with a name: the given one, or one made of a stem ("Stack-Queue-") and chance."""
        naming = self.naming
        if naming is None or given.get(naming.property):
            return given
        tail = naming.tail(given)
        name = stem[: naming.limit - len(tail) - RANDOM_CHARACTERS] + ctx.random.text(RANDOM_CHARACTERS, _ALPHABET)
        return {**given, naming.property: (name.lower() if naming.lower else name) + tail}

    def create(self, ctx: Context, given: Properties) -> tuple[str, Properties]:
        """Makes a resource: its identifier, and the attributes that nobody can read later."""
        made = self._create(ctx, given)
        return made if isinstance(made, tuple) else (made, {})

    def made(self, given: Properties) -> Properties:
        """What a resource has when it has just been created."""
        return {name: value for name, value in given.items() if name in self.made_with}

    def read(self, ctx: Context, identifier: str) -> Properties:
        """Properties and attributes as they are."""
        found = self._read(ctx, identifier)
        for part in self.parts:
            if part.get is not None:
                found = {**found, **part.get(ctx, identifier)}
        return {name: value for name, value in found.items() if value is not None}

    def advance(self, ctx: Context, identifier: str, before: Properties, after: Properties, done: int = 0) -> int | None:
        """Puts the parts in which two states differ, from the `done`-th on, until the resource has to settle: how many are done.

        None when nothing is left to do or to wait for.
        """
        changed = [part for part in self.parts if any(before.get(name) != after.get(name) for name in part.names)]
        while self.settled(ctx, identifier):
            if done == len(changed):
                return None
            if changed[done].put(ctx, identifier, before, after) is not MORE:
                done += 1
        return done

    def fault(self, problem: ServiceException) -> str:
        """The handler error code of an operation's refusal."""
        code = problem.code
        if code in self._absent:
            return "NotFound"
        if code in self._present:
            return "AlreadyExists"
        return next((name for name, words in _FAULTS if any(word in code for word in words)), "GeneralServiceException")


_FAULTS = (
    ("NotUpdatable", ("NotUpdatable",)),
    ("InvalidCredentials", ("ExpiredToken",)),
    ("AccessDenied", ("AccessDenied", "Unauthorized", "NotAuthorized")),
    ("Throttling", ("Throttl", "RequestLimitExceeded", "SlowDown", "TooManyRequests")),
    ("ServiceLimitExceeded", ("LimitExceeded", "QuotaExceeded", "TooMany")),
    ("ResourceConflict", ("Conflict", "InUse", "Concurrent", "InProgress")),
    ("InvalidRequest", ("Validation", "Invalid", "Malformed", "Missing", "Unsupported", "NotFound", "NotExist", "NoSuch")),
)


def not_updatable(kind: str, name: str) -> Part:
    """A property that AWS's schema lets be changed, and its handler refuses to."""

    def put(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
        raise ServiceException("NotUpdatable", f"Invalid request provided: the property {name} of {kind} cannot be updated")

    return Part((name,), put)


def absent(kind: str, identifier: str) -> ServiceException:
    """For a `read` that finds out by itself that there is nothing: to be listed in `absent` as `Absent`."""
    return ServiceException("Absent", f"Resource of type '{kind}' with identifier '{identifier}' was not found.", status=404)


def exists(kind: str, identifier: str) -> ServiceException:
    """For a `create` whose operation would take what is there already; to be listed in `present` as `Present`."""
    return ServiceException("Present", f"Resource of type '{kind}' with identifier '{identifier}' already exists.", status=409)


# What declarations are made of


def document(value: Any) -> str:
    """A property that is JSON, as an object or as text, as text."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def parsed(text: str) -> Any:
    """A document as it is answered."""
    return msgspec.json.decode(text)


def given(**members: Any) -> dict[str, Any]:
    """An operation's members, without those that have no value."""
    return {name: value for name, value in members.items() if value is not None}


def found(look: Callable[[], Any], *absent: str) -> Any:
    """What a look at something answers; None where it is refused with one of these codes."""
    try:
        return look()
    except ServiceException as problem:
        if problem.code in absent:
            return None
        raise


def every(ctx: Context, service: str, operation: str, members: Mapping[str, Any], answer: str, token: str = "NextToken") -> Iterator[Any]:
    """All items of a listing, page by page. `token`: the member that names the next page, "asked=answered" where it has two names."""
    asked, _, answered = token.partition("=")
    place: dict[str, Any] = {}
    while True:
        page = ctx.call(service, operation, {**members, **place}) or {}
        yield from page.get(answer) or ()
        if not page.get(answered or asked):
            return
        place = {asked: page[answered or asked]}


def tags(
    read: Callable[[Context, str], Mapping[str, str]],
    add: Callable[[Context, str, dict[str, str]], object],
    remove: Callable[[Context, str, list[str]], object],
    *,
    listed: bool = True,
) -> Part:
    """The tags of a resource; `listed` as [{Key, Value}], else as an object."""

    def mapped(value: Any) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in value or ()} if listed else dict(value or {})

    def put(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
        old, new = mapped(before.get("Tags")), mapped(after.get("Tags"))
        if gone := sorted(old.keys() - new.keys()):
            remove(ctx, identifier, gone)
        if added := {key: value for key, value in new.items() if old.get(key) != value}:
            add(ctx, identifier, added)

    def get(ctx: Context, identifier: str) -> Properties:
        found = read(ctx, identifier)
        return {"Tags": ([{"Key": key, "Value": found[key]} for key in sorted(found)] if listed else dict(found)) or None}

    return Part(("Tags",), put, get)


def pairs(found: Iterable[Mapping[str, str]] | None, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """A list of tags as an object."""
    return {tag[key]: tag[value] for tag in found or ()}


def unpaired(found: Mapping[str, str] | None, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """An object of tags as a list."""
    return [{key: k, value: v} for k, v in (found or {}).items()]


def each(
    name: str,
    add: Callable[[Context, str, Any], object],
    remove: Callable[[Context, str, Any], object],
    read: Callable[[Context, str], list[Any]] | None = None,
    *,
    key: Callable[[Any], Any] = lambda item: item,
) -> Part:
    """A property that is a list, each item of which is added and removed by an operation. `key`: what tells one item from another."""

    def put(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
        old, new = before.get(name) or [], after.get(name) or []
        kept = {key(item) for item in new}
        for item in old:
            if key(item) not in kept:
                remove(ctx, identifier, item)
        for item in new:
            if item not in old:
                add(ctx, identifier, item)

    if read is None:
        return Part((name,), put)
    return Part((name,), put, lambda ctx, identifier: {name: read(ctx, identifier) or None})


class Names:
    """Two spellings of the same structure: CloudFormation's and an operation's, key by key at any depth.

    names = Names("CorsRules=CORSRules Id=ID")
    names.there(properties), names.back(members)
    """

    def __init__(self, spellings: str) -> None:
        self._there = dict(pair.split("=") for pair in spellings.split())
        self._back = {theirs: ours for ours, theirs in self._there.items()}

    def there(self, value: Any) -> Any:
        """As the operation takes it."""
        return _spelt(value, self._there)

    def back(self, value: Any) -> Any:
        """As CloudFormation has it, without what has no value."""
        return _spelt(value, self._back)


def _spelt(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {names.get(key, key): _spelt(item, names) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_spelt(item, names) for item in value]
    return value
