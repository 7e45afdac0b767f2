"""EventBridge's own condition keys: what a rule's pattern asks for, who made a rule, what its targets are.

The keys of PutEvents are given with each entry (see `forwarding.conditions`).
Source: "Using IAM policy conditions in Amazon EventBridge" in the Amazon EventBridge User Guide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fogbank.kernel.context import Context
from fogbank.languages import documents
from fogbank.services.events.addresses import get_rule, rule_of_arn, rule_of_request
from fogbank.services.events.state import Rule


def _asked(*path: str) -> Callable[[Context, Any], list[str] | None]:
    """The texts that the pattern of a PutRule has at a path."""

    def of_request(ctx: Context, req: Any) -> list[str] | None:
        text = getattr(req, "EventPattern", None)
        if not text:
            return None
        try:
            found = documents.read(text)
        except documents.Malformed:
            return None
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return [one for one in found if isinstance(one, str)] if isinstance(found, list) else None

    return of_request


def _rule(ctx: Context, req: Any) -> Rule | None:
    arn = rule_of_request(ctx, req)
    found = rule_of_arn(arn) if arn else None
    return get_rule(ctx, *found) if found else None


def _creator(ctx: Context, req: Any) -> str | None:
    """Of a rule that is to be made: who makes it."""
    rule = _rule(ctx, req)
    return (rule.created_by if rule is not None else ctx.account) or None


def _manager(ctx: Context, req: Any) -> str | None:
    rule = _rule(ctx, req)
    return rule.managed_by or None if rule is not None else None


def _target_arns(ctx: Context, req: Any) -> list[str] | None:
    given = getattr(req, "Targets", None)
    return [target.Arn for target in given] if given else None


KEYS: dict[str, Callable[[Context, Any], Any]] = {
    "events:source": _asked("source"),
    "events:detail-type": _asked("detail-type"),
    "events:detail.service": _asked("detail", "service"),
    "events:detail.eventtypecode": _asked("detail", "eventTypeCode"),
    "events:detail.useridentity.principalid": _asked("detail", "userIdentity", "principalId"),
    "events:creatoraccount": _creator,
    "events:managedby": _manager,
    "events:targetarn": _target_arns,
}
