"""A bucket's lifecycle configuration: kept, checked, and told to readers. What it does is in `lifespan` and `expiring`.

Source: "Lifecycle configuration elements" in the Amazon S3 User Guide.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import checksums, expiring, lifespan, refusals, settings
from fogbank.services.s3.rules import DAY_MS
from fogbank.services.s3.state import bucket_at

RULES = 1000
SIZES = ("all_storage_classes_128K", "varies_by_storage_class")
INFREQUENT = ("STANDARD_IA", "ONEZONE_IA")
INFREQUENT_DAYS = 30
"""How long an object has been somewhere before it moves there, and how long it stays."""


@operation("PutBucketLifecycleConfiguration")
def put_bucket_lifecycle_configuration(ctx: Context, req: Any) -> Answer:
    """Replaces a bucket's lifecycle; it acts from the next midnight UTC on, also on what is there already.

    Limits: 1,000 rules; ids of 255 characters; objects smaller than 128 KiB do not move unless a filter says their size (or
    TransitionDefaultMinimumObjectSize varies_by_storage_class: then to the archives). The legacy PutBucketLifecycle arrives here.
    Errors: MalformedXML, InvalidArgument, InvalidRequest.
    Source: PutBucketLifecycleConfiguration in the Amazon S3 API Reference.
    """
    bucket = bucket_at(ctx, req)
    checksums.check_document(ctx)
    wanted = req.LifecycleConfiguration
    if wanted is None or not wanted.Rules or len(wanted.Rules) > RULES:
        raise refusals.malformed_xml()
    size = req.TransitionDefaultMinimumObjectSize or SIZES[0]
    if size not in SIZES:
        message = "Invalid TransitionDefaultMinimumObjectSize found"
        raise refusals.invalid_argument(message, "x-amz-transition-default-minimum-object-size", size)
    given = settings.document(wanted)["Rules"]
    if any("Filter" in rule for rule in given) and any("Prefix" in rule for rule in given):
        raise refusals.invalid_request("Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter.")
    for rule in given:
        check_rule(rule)
    kept = {"Rules": _named(ctx, given), "TransitionDefaultMinimumObjectSize": size}
    expiring.begin(ctx, settings.keep(ctx, bucket, "lifecycle", kept))
    return {"TransitionDefaultMinimumObjectSize": size}


def _named(ctx: Context, given: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rules, each with an id. Errors: InvalidArgument."""
    named = [rule if rule.get("ID") else {**rule, "ID": ctx.random.uuid()} for rule in given]
    if any(len(rule["ID"]) > 255 for rule in named):
        raise _wrong("ID length should not exceed allowed limit of 255")
    if len({rule["ID"] for rule in named}) < len(named):
        raise _wrong("Rule ID must be unique. Found same ID for more than one rule")
    return named


@operation("GetBucketLifecycleConfiguration")
def get_bucket_lifecycle_configuration(ctx: Context, req: Any) -> Answer:
    """The rules as they were put, each with its id. Errors: NoSuchLifecycleConfiguration."""
    bucket = bucket_at(ctx, req)
    kept: dict[str, Any] | None = bucket.settings.get("lifecycle")
    if kept is None:
        message = "The lifecycle configuration does not exist"
        raise ServiceException("NoSuchLifecycleConfiguration", message, status=404, BucketName=bucket.name)
    return kept


@operation("DeleteBucketLifecycle")
def delete_bucket_lifecycle(ctx: Context, req: Any) -> Answer:
    """Takes the rules away: nothing expires any more."""
    settings.keep(ctx, bucket_at(ctx, req), "lifecycle", None)
    return None


def _wrong(message: str) -> ServiceException:
    return ServiceException("InvalidArgument", message, status=400)


def check_rule(rule: dict[str, Any]) -> None:
    """One rule by itself. Errors: MalformedXML, InvalidArgument, InvalidRequest."""
    if rule["Status"] not in ("Enabled", "Disabled") or ("Filter" in rule) == ("Prefix" in rule):
        raise refusals.malformed_xml()
    actions = (
        "Expiration",
        "Transitions",
        "NoncurrentVersionExpiration",
        "NoncurrentVersionTransitions",
        "AbortIncompleteMultipartUpload",
    )
    if not any(rule.get(name) for name in actions):
        raise refusals.invalid_request("At least one action needs to be specified in a rule")
    _check_filter(rule.get("Filter", {}))
    _check_expiration(rule)
    _check_transitions(rule)
    _check_noncurrent(rule)
    abort = rule.get("AbortIncompleteMultipartUpload")
    if abort is not None:
        _check_days(abort.get("DaysAfterInitiation"), "DaysAfterInitiation", "AbortIncompleteMultipartUpload", 1)
        _refuse_filter(rule, "AbortIncompleteMultipartUpload")


def _check_filter(given: dict[str, Any]) -> None:
    """At most one predicate, or an And of several. Errors: MalformedXML, InvalidRequest, InvalidTag."""
    both = given.get("And")
    said = given if both is None else both
    tags = said.get("Tags", [said["Tag"]] if "Tag" in said else [])
    count = len(tags) + sum(name in said for name in ("Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan"))
    if (both is None and count > 1) or (both is not None and (count < 2 or len(given) > 1)):
        raise refusals.malformed_xml()
    if len({tag["Key"] for tag in tags}) < len(tags):
        raise refusals.invalid_request("Duplicate Tag Keys are not allowed.")
    if any(not 1 <= len(tag["Key"]) <= 128 or len(tag["Value"]) > 256 for tag in tags):
        raise ServiceException("InvalidTag", "The TagKey you have provided is invalid", status=400)
    larger, smaller = said.get("ObjectSizeGreaterThan", 0), said.get("ObjectSizeLessThan")
    if larger < 0:
        raise refusals.invalid_request("'ObjectSizeGreaterThan' must be a non-negative integer")
    if smaller is not None and smaller < 1:
        raise refusals.invalid_request("'ObjectSizeLessThan' must be a positive integer")
    if smaller is not None and "ObjectSizeGreaterThan" in said and larger >= smaller:
        raise refusals.invalid_request("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'")


def _refuse_filter(rule: dict[str, Any], action: str) -> None:
    """Actions that are not about objects take no tags and sizes."""
    scope = lifespan.scope(rule.get("Filter"))
    if scope.tags:
        raise refusals.invalid_request(f"{action} cannot be specified with Tags.")
    if scope.sized:
        raise refusals.invalid_request(f"{action} cannot be specified with Object Size.")


def _where(rule: dict[str, Any]) -> str:
    """The rule, as AWS's sentences name it."""
    if "Prefix" in rule:
        return f"prefix '{rule['Prefix']}'"
    scope = lifespan.scope(rule["Filter"])
    said = [f"prefix={scope.prefix}", *(f"tag=({key},{value})" for key, value in scope.tags.items())]
    return f"filter '({', '.join(said)})'"


def _check_days(days: int | None, name: str, action: str, least: int) -> None:
    if days is None:
        raise refusals.malformed_xml()
    if days < least:
        wanted = f"for {action} action must be a positive integer" if least else f"in {action} action must be nonnegative"
        raise _wrong(f"'{name}' {wanted}")


def _check_date(at_ms: int) -> None:
    if at_ms % DAY_MS:
        raise _wrong("'Date' must be at midnight GMT")


def _check_expiration(rule: dict[str, Any]) -> None:
    """Days, a date, or the markers that hide nothing."""
    expiration = rule.get("Expiration")
    if expiration is None:
        return
    if len(expiration) != 1:
        raise refusals.malformed_xml()
    if "Days" in expiration:
        _check_days(expiration["Days"], "Days", "Expiration", 1)
    elif "Date" in expiration:
        _check_date(expiration["Date"])
    else:
        _refuse_filter(rule, "ExpiredObjectDeleteMarker")


def _check_transitions(rule: dict[str, Any]) -> None:
    """Each to another class, in a possible order, before the expiration."""
    moves = rule.get("Transitions", ())
    for move in moves:
        if ("Days" in move) == ("Date" in move) or move.get("StorageClass") not in lifespan.CLASSES:
            raise refusals.malformed_xml()
        if "Date" in move:
            _check_date(move["Date"])
        else:
            _check_move_days(move, "Days", "Transition")
    _check_order(rule, moves, "Days", "Transition")
    expiration = rule.get("Expiration", {})
    kinds = {name for one in (*moves, expiration) for name in ("Days", "Date") if name in one}
    if len(kinds) > 1:
        raise refusals.invalid_request(
            f"Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for {_where(rule)}"
        )
    for name in kinds & expiration.keys():
        if any(move[name] >= expiration[name] for move in moves):
            more = "later" if name == "Date" else "greater"
            raise _wrong(f"'{name}' in the Expiration action for {_where(rule)} must be {more} than '{name}' in the Transition action")


def _check_move_days(move: dict[str, Any], name: str, action: str) -> None:
    _check_days(move.get(name), name, action, 0)
    if move["StorageClass"] in INFREQUENT and move[name] < INFREQUENT_DAYS:
        raise _wrong(
            f"'{name}' in {action} action must be greater than or equal to {INFREQUENT_DAYS} for storageClass '{move['StorageClass']}'"
        )


def _check_order(rule: dict[str, Any], moves: Sequence[dict[str, Any]], name: str, action: str) -> None:
    """No class twice; colder ones later, and 30 days after one for infrequent access."""
    if len({move["StorageClass"] for move in moves}) < len(moves):
        raise refusals.invalid_request(f"'StorageClass' must be different for '{action}' actions in same 'Rule' with {_where(rule)}")
    for first, second in combinations(sorted(moves, key=lambda move: lifespan.CLASSES.index(move["StorageClass"])), 2):
        warm, cold = first["StorageClass"], second["StorageClass"]
        if name not in first or name not in second:
            if "Date" in first and "Date" in second and second["Date"] <= first["Date"]:
                raise _wrong(
                    f"'Date' in the '{cold}' {action} action for {_where(rule)} must be later than 'Date' in the '{warm}' {action} action"
                )
            continue
        if warm in INFREQUENT and second[name] < first[name] + INFREQUENT_DAYS:
            raise _wrong(
                f"'{name}' in the '{cold}' {action} action for {_where(rule)} must be {INFREQUENT_DAYS} days more than "
                f"'{name}' in the '{warm}' {action} action"
            )
        if second[name] <= first[name]:
            raise _wrong(
                f"'{name}' in the '{cold}' {action} action for {_where(rule)} must be greater than '{name}' in the '{warm}' {action} action"
            )


def _check_noncurrent(rule: dict[str, Any]) -> None:
    """Days since a version was replaced, and how many newer ones stay anyway."""
    expiration = rule.get("NoncurrentVersionExpiration")
    moves = rule.get("NoncurrentVersionTransitions", ())
    for action, said in [("NoncurrentVersionExpiration", expiration), *(("NoncurrentVersionTransition", move) for move in moves)]:
        kept = None if said is None else said.get("NewerNoncurrentVersions")
        if kept is None:
            continue
        if "Filter" not in rule:
            raise refusals.invalid_request(f"NewerNoncurrentVersions for {action} can only be used with a Filter")
        if kept < 1:
            raise _wrong(f"'NewerNoncurrentVersions' for {action} action must be a positive integer")
        if kept > 100:
            raise _wrong(f"'NewerNoncurrentVersions' for {action} action must be at most 100")
    if expiration is not None:
        _check_days(expiration.get("NoncurrentDays"), "NoncurrentDays", "NoncurrentVersionExpiration", 1)
    for move in moves:
        if move.get("StorageClass") not in lifespan.CLASSES:
            raise refusals.malformed_xml()
        _check_move_days(move, "NoncurrentDays", "NoncurrentVersionTransition")
    _check_order(rule, moves, "NoncurrentDays", "NoncurrentVersionTransition")
    if expiration is not None and any(move["NoncurrentDays"] >= expiration["NoncurrentDays"] for move in moves):
        raise _wrong(
            f"'NoncurrentDays' in the NoncurrentVersionExpiration action for {_where(rule)} must be greater than 'NoncurrentDays' in "
            "the NoncurrentVersionTransition action"
        )
