"""When a lifecycle's rules act on what: arithmetic of days and midnights.

Every action is due at a midnight UTC: the first one when its days are over. A rule speaks of a key, its tags and size, so
what happens to one key depends on that key's versions alone.
Source: "Lifecycle configuration elements" and "Transitioning objects" in the Amazon S3 User Guide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, takewhile
from typing import Any, NamedTuple
from urllib.parse import quote

from fogbank.kernel.context import Context
from fogbank.services.s3.conditions import http_date
from fogbank.services.s3.rules import DAY_MS, LAST_MS
from fogbank.services.s3.state import ARCHIVED, CONFIGURATIONS, Bucket, MultipartUpload, Object

SMALL_BYTES = 128 * 1024
"""What is smaller does not move by default, and is not watched by INTELLIGENT_TIERING."""
COLDER = {
    "STANDARD": ("STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"),
    "REDUCED_REDUNDANCY": ("STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"),
    "STANDARD_IA": ("INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"),
    "INTELLIGENT_TIERING": ("ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"),
    "ONEZONE_IA": ("GLACIER", "DEEP_ARCHIVE"),
    "GLACIER_IR": ("GLACIER", "DEEP_ARCHIVE"),
    "GLACIER": ("DEEP_ARCHIVE",),
}
"""Where objects of a storage class can be moved, the coldest last."""
CLASSES = COLDER["STANDARD"]
TIERS = ("ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS")
UNREPLICATED = frozenset({"PENDING", "FAILED"})

DELETE, MOVE, ARCHIVE, HIDE = range(4)
"""What can happen to a version, the first first where several are due. HIDE puts a delete marker in front."""


class Scope(NamedTuple):
    """Which objects a filter means. `sized`: it says something of their size."""

    prefix: str
    tags: dict[str, str]
    larger_than: int
    smaller_than: int | None
    sized: bool

    def has(self, found: Object) -> bool:
        if not found.key.startswith(self.prefix):
            return False
        if self.sized and not (self.larger_than < found.size and (self.smaller_than is None or found.size < self.smaller_than)):
            return False
        return not self.tags or self.tags.items() <= found.tags.items()


class Move(NamedTuple):
    """To a storage class, after days or from a date on; all but so many newer noncurrent versions."""

    storage_class: str
    days: int
    at_ms: int
    kept: int


class Rule(NamedTuple):
    """One enabled rule. Days are None where there is no such action; a date stands as `expires_at_ms`, with no days."""

    id: str
    scope: Scope
    expires_days: int | None
    expires_at_ms: int
    lone_markers: bool
    moves: tuple[Move, ...]
    noncurrent_days: int | None
    noncurrent_kept: int
    noncurrent_moves: tuple[Move, ...]
    abort_days: int | None


class Tiering(NamedTuple):
    """An enabled INTELLIGENT_TIERING configuration: days without access, by tier."""

    scope: Scope
    days: dict[str, int]


class Plan(NamedTuple):
    """All that happens with time in a bucket. `prefix` begins every key that any of it is about."""

    rules: tuple[Rule, ...]
    small_to_archives: bool
    tierings: tuple[Tiering, ...]

    @property
    def prefix(self) -> str:
        prefixes = sorted([rule.scope.prefix for rule in self.rules] + [tiering.scope.prefix for tiering in self.tierings])
        first, last = prefixes[0], prefixes[-1]
        same = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
        return first[: sum(1 for _ in same)]

    @property
    def aborts(self) -> bool:
        return any(rule.abort_days is not None for rule in self.rules)


NOTHING = Plan((), False, ())


def scope(filter_: dict[str, Any] | None, prefix: str = "") -> Scope:
    """A configuration's Filter, whose And is one with it."""
    said = filter_ or {}
    said = said.get("And", said)
    tags = said.get("Tags", [said["Tag"]] if "Tag" in said else [])
    larger, smaller = said.get("ObjectSizeGreaterThan"), said.get("ObjectSizeLessThan")
    return Scope(
        said.get("Prefix", prefix),
        {tag["Key"]: tag["Value"] for tag in tags},
        -1 if larger is None else larger,
        smaller,
        larger is not None or smaller is not None,
    )


def _rule(said: dict[str, Any]) -> Rule:
    expiration = said.get("Expiration", {})
    noncurrent = said.get("NoncurrentVersionExpiration", {})
    at_ms = expiration.get("Date")
    return Rule(
        id=said["ID"],
        scope=scope(said.get("Filter"), said.get("Prefix", "")),
        expires_days=0 if at_ms is not None else expiration.get("Days"),
        expires_at_ms=at_ms or 0,
        lone_markers=bool(expiration.get("ExpiredObjectDeleteMarker")),
        moves=tuple([Move(m["StorageClass"], m.get("Days", 0), m.get("Date", 0), 0) for m in said.get("Transitions", ())]),
        noncurrent_days=noncurrent.get("NoncurrentDays"),
        noncurrent_kept=noncurrent.get("NewerNoncurrentVersions", 0),
        noncurrent_moves=tuple(
            [
                Move(m["StorageClass"], m.get("NoncurrentDays", 0), 0, m.get("NewerNoncurrentVersions", 0))
                for m in said.get("NoncurrentVersionTransitions", ())
            ]
        ),
        abort_days=said.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation"),
    )


_plans: dict[int, tuple[Any, Plan]] = {}


def plan(bucket: Bucket) -> Plan:
    """A bucket's lifecycle, compiled once as long as its settings are the same; without `tierings`."""
    settings = bucket.settings
    known = _plans.get(id(settings))
    if known is not None and known[0] is settings:
        return known[1]
    lifecycle = settings.get("lifecycle", {})
    made = Plan(
        rules=tuple([_rule(rule) for rule in lifecycle.get("Rules", ()) if rule["Status"] == "Enabled"]),
        small_to_archives=lifecycle.get("TransitionDefaultMinimumObjectSize") == "varies_by_storage_class",
        tierings=(),
    )
    if len(_plans) > 100:
        _plans.clear()
    _plans[id(settings)] = (settings, made)
    return made


def tierings(ctx: Context, bucket: str) -> tuple[Tiering, ...]:
    """A bucket's enabled INTELLIGENT_TIERING configurations."""
    documents = [one.document for one in CONFIGURATIONS.scan(ctx, bucket, "IntelligentTiering")]
    return tuple(
        [
            Tiering(scope(one.get("Filter")), {tier["AccessTier"]: tier["Days"] for tier in one["Tierings"]})
            for one in documents
            if one["Status"] == "Enabled"
        ]
    )


def midnight(at_ms: int) -> int:
    """The first midnight UTC that is not before an instant."""
    return -(-at_ms // DAY_MS) * DAY_MS


def after_days(since_ms: int, days: int, not_before_ms: int = 0) -> int:
    """When an action is due that waits for days, or for a date."""
    return min(max(midnight(since_ms + days * DAY_MS), not_before_ms), LAST_MS)


def expiry(plan: Plan, current: Object) -> tuple[int, str] | None:
    """When the first rule lets a current version expire, and that rule's id."""
    found = [
        (after_days(current.modified_at_ms, rule.expires_days, rule.expires_at_ms), rule.id)
        for rule in plan.rules
        if rule.expires_days is not None and rule.scope.has(current)
    ]
    return min(found, default=None)


def abortion(plan: Plan, upload: MultipartUpload) -> tuple[int, str] | None:
    """When the first rule aborts an upload, and that rule's id."""
    found = [
        (after_days(upload.initiated_at_ms, rule.abort_days), rule.id)
        for rule in plan.rules
        if rule.abort_days is not None and upload.key.startswith(rule.scope.prefix)
    ]
    return min(found, default=None)


def expiration(bucket: Bucket, current: Object) -> str | None:
    """x-amz-expiration: when a current version expires, and by which rule; None where none lets it."""
    if "lifecycle" not in bucket.settings:
        return None
    expires = expiry(plan(bucket), current)
    return None if expires is None else f'expiry-date="{http_date(expires[0])}", rule-id="{quote(expires[1])}"'


def abort_members(bucket: Bucket, upload: MultipartUpload) -> dict[str, Any]:
    """The members of an answer that tell when an upload is aborted, and by which rule."""
    aborted = abortion(plan(bucket), upload) if "lifecycle" in bucket.settings else None
    return {} if aborted is None else {"AbortDate": aborted[0], "AbortRuleId": aborted[1]}


class Due(NamedTuple):
    """Something that happens to a version at an instant; `to` is a storage class or tier. Of what is due, the least comes first."""

    verb: int
    warmth: int
    at_ms: int
    to: str
    version: Object


def happenings(plan: Plan, versions: Sequence[Object], versioned: bool) -> Iterator[Due]:
    """All that is to happen to a key's versions (the newest first, the current one leading), as they are.

    What is yet to be replicated, or could not be, waits for that.
    """
    current = versions[0]
    if current.marker:
        if len(versions) == 1:
            yield from _lone_marker(plan, current)
    elif UNREPLICATED.isdisjoint(current.replication.values()):
        yield from _current(plan, current, versioned)
    for newer, (after, version) in enumerate(pairwise(versions)):
        if UNREPLICATED.isdisjoint(version.replication.values()):
            yield from _noncurrent(plan, version, after.modified_at_ms, newer)
    if plan.tierings:
        for version in versions:
            yield from _archiving(plan, version)


def _current(plan: Plan, current: Object, versioned: bool) -> Iterator[Due]:
    """An object expires, in a versioned bucket behind a marker; or moves."""
    if (expires := expiry(plan, current)) is not None:
        yield Due(HIDE if versioned else DELETE, 0, expires[0], "", current)
    moves = [(move, rule.scope.sized) for rule in plan.rules if rule.moves and rule.scope.has(current) for move in rule.moves]
    if moves:
        yield from _moves(plan, current, current.modified_at_ms, moves)


def _lone_marker(plan: Plan, marker: Object) -> Iterator[Due]:
    """A delete marker that hides nothing goes at once, or with the days after which an object would."""
    for rule in plan.rules:
        if (rule.lone_markers or rule.expires_days is not None) and rule.scope.has(marker):
            at_ms = after_days(marker.modified_at_ms, rule.expires_days or 0, rule.expires_at_ms)
            yield Due(DELETE, 0, at_ms, "", marker)


def _noncurrent(plan: Plan, version: Object, since_ms: int, newer: int) -> Iterator[Due]:
    """What happens to a version that is no longer current, with so many newer ones of its kind."""
    moves: list[tuple[Move, bool]] = []
    for rule in plan.rules:
        if not rule.scope.has(version):
            continue
        if rule.noncurrent_days is not None and newer >= rule.noncurrent_kept:
            at_ms = after_days(since_ms, rule.noncurrent_days)
            lock = version.lock
            if lock is None or lock.hold != "ON":
                yield Due(DELETE, 0, at_ms if lock is None else max(at_ms, midnight(lock.until_ms)), "", version)
        moves += [(move, rule.scope.sized) for move in rule.noncurrent_moves if newer >= move.kept]
    if moves and not version.marker:
        yield from _moves(plan, version, since_ms, moves)


def _moves(plan: Plan, version: Object, since_ms: int, moves: Iterable[tuple[Move, bool]]) -> Iterator[Due]:
    colder = COLDER.get(version.storage_class, ())
    for move, sized in moves:
        if move.storage_class not in colder:
            continue
        if version.size < SMALL_BYTES and not sized and not (plan.small_to_archives and move.storage_class in ARCHIVED):
            continue
        yield Due(MOVE, -CLASSES.index(move.storage_class), after_days(since_ms, move.days, move.at_ms), move.storage_class, version)


def _archiving(plan: Plan, version: Object) -> Iterator[Due]:
    """An object of INTELLIGENT_TIERING that nobody reads, or asks to restore."""
    if version.storage_class != "INTELLIGENT_TIERING" or version.size < SMALL_BYTES or version.restored is not None:
        return
    since_ms = max(version.accessed_ms, version.modified_at_ms)
    for tiering in plan.tierings:
        if not tiering.scope.has(version):
            continue
        for tier, days in tiering.days.items():
            if not version.archive_tier or TIERS.index(tier) > TIERS.index(version.archive_tier):
                yield Due(ARCHIVE, -TIERS.index(tier), after_days(since_ms, days), tier, version)
