"""The targets of rules."""

from __future__ import annotations

from typing import Any

from fogbank.delivery import targets
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation
from fogbank.kernel.operation import Answer, operation
from fogbank.services.events import encryption, inputs, paged, rules
from fogbank.services.events.addresses import address_of_arn, invalid, missing, over_limit, readable_bus_at
from fogbank.services.events.buses import dead_letter_arn
from fogbank.services.events.state import DESTINATIONS, RULES, TARGETS_LIMIT, Rule, Target
from fogbank.store import change
from fogbank.wire.given import plain

ENTRIES_LIMIT = 10
ELSEWHERE = (
    "RunCommandParameters",
    "EcsParameters",
    "BatchParameters",
    "RedshiftDataParameters",
    "SageMakerPipelineParameters",
    "AppSyncParameters",
)
"""Parameters of targets that do not exist here yet."""
BY_ROLE = ("kinesis", "firehose", "states")
"""Which targets EventBridge reaches only as a role; the others by their own policies, or as a role."""


@operation("PutTargets")
def put_targets(ctx: Context, req: Any) -> Answer:
    """Adds targets to a rule, or replaces those of the same Id. Roles need iam:PassRole. Whether a target exists is not asked.

    Limits: 10 in a request, 5 of a rule. Input, InputPath and InputTransformer exclude each other.
    Errors: ResourceNotFoundException, LimitExceededException, ManagedRuleException, ValidationException. Source: PutTargets.
    """
    bus, rule = rules.open_rule_at(ctx, req.EventBusName, req.Rule)
    rules.check_managed(ctx, rule)
    if len(req.Targets) > ENTRIES_LIMIT:
        raise invalid(f"The maximum number of entries per request is {ENTRIES_LIMIT}.")
    after = {target.id: target for target in rule.targets}
    for given in req.Targets:
        target = _read(ctx, rule, given)
        if bus.kms_key and ":schemas:" in target.arn:
            raise invalid("Schema discovery is not supported for event buses with a customer managed key.")
        old = after.get(target.id)
        if old is not None and old.role_arn and not target.role_arn and old.arn == target.arn and _is_foreign_bus(ctx, target.arn):
            target = change(target, role_arn=old.role_arn)
        after[target.id] = target
    if len(after) > TARGETS_LIMIT:
        raise over_limit()
    rules.put(ctx, bus, rule, change(rule, targets=tuple(after.values())))
    return {"FailedEntryCount": 0, "FailedEntries": []}


def _is_foreign_bus(ctx: Context, arn: str) -> bool:
    where = address_of_arn(arn)
    return where is not None and where.account != ctx.account


def _read(ctx: Context, rule: Rule, given: Any) -> Target:
    """A target, checked. Raises ValidationException, ResourceNotFoundException, NotImplemented."""
    for name in ELSEWHERE:
        if getattr(given, name) is not None:
            raise NotImplementedOperation("events", "PutTargets", f"with {name}")
    settings: dict[str, Any] = plain(given)
    target = Target(settings.pop("Id"), settings.pop("Arn"), settings.pop("RoleArn", ""), settings)
    arn = Arn.parse(target.arn)
    if arn is None:
        raise invalid(f"Provided Arn is not in correct format. Parameter(s) Arn of target {target.id} must be the ARN of a resource.")
    inputs.check(target)
    dead_letter_arn(given.DeadLetterConfig)
    if arn.service == "events":
        _check_own_kind(ctx, rule, target, arn)
    else:
        targets.check(target.arn)
    role_arn = target.role_arn or rule.role_arn
    if arn.service in BY_ROLE and not role_arn:
        raise invalid(f"RoleArn is required for target {target.arn}.")
    if arn.service == "logs" and target.role_arn:
        raise invalid(f"RoleArn is not supported for target {target.arn}.")
    if target.role_arn:
        ctx.authorize("iam:PassRole", target.role_arn, iam__PassedToService=encryption.PRINCIPAL)
    if arn.service == "sqs" and arn.resource.endswith(".fifo") and not settings.get("SqsParameters", {}).get("MessageGroupId"):
        raise invalid(f"Parameter(s) SqsParameters must be specified for target: {target.id}.")
    if "KinesisParameters" in settings:
        inputs.check_path(settings["KinesisParameters"]["PartitionKeyPath"], target.id)
    return target


def _check_own_kind(ctx: Context, rule: Rule, target: Target, arn: Arn) -> None:
    """Buses and API destinations."""
    if arn.resource.startswith("api-destination/"):
        name = arn.resource.split("/")[1]
        if DESTINATIONS.get(ctx, arn.account, arn.region, name) is None:
            raise missing(f"API destination {name}")
        if not target.role_arn:
            raise invalid(f"RoleArn is required for target {target.arn}.")
        return
    if not arn.resource.startswith("event-bus/"):
        raise invalid(f"{target.arn} is not supported as a target.")
    if (arn.account, arn.region, arn.resource) == (rule.account, rule.region, f"event-bus/{rule.bus}"):
        raise invalid(f"The event bus of the rule can't be its target: {target.arn}.")
    if (arn.account == rule.account or arn.region != rule.region) and not (target.role_arn or rule.role_arn):
        raise invalid(f"RoleArn is required for target {target.arn}.")
    for name in ("Input", "InputPath", "InputTransformer"):
        if arn.account != rule.account and name in target.settings:
            raise invalid(f"{name} is not supported for target {target.arn}: it is the event bus of another account.")
        if name in target.settings:
            raise NotImplementedOperation("events", "PutTargets", f"with {name} for an event bus")


@operation("RemoveTargets")
def remove_targets(ctx: Context, req: Any) -> Answer:
    """Takes targets away by their ids. Of a managed rule only with Force.

    Errors: ResourceNotFoundException, ManagedRuleException. Source: API reference, RemoveTargets.
    """
    bus, rule = rules.open_rule_at(ctx, req.EventBusName, req.Rule)
    rules.check_managed(ctx, rule, force=req.Force)
    ids = set(req.Ids)
    kept = tuple([target for target in rule.targets if target.id not in ids])
    rules.put(ctx, bus, rule, change(rule, targets=kept))
    unknown = sorted(ids - {target.id for target in rule.targets})
    failed = [
        {"TargetId": id, "ErrorCode": "ResourceNotFoundException", "ErrorMessage": f"Rule {rule.name} does not have a target {id}."}
        for id in unknown
    ]
    return {"FailedEntryCount": len(failed), "FailedEntries": failed}


@operation("ListTargetsByRule")
def list_targets_by_rule(ctx: Context, req: Any) -> Answer:
    """The targets of a rule. Errors: ResourceNotFoundException. Source: API reference, ListTargetsByRule."""
    _, rule = rules.open_rule_at(ctx, req.EventBusName, req.Rule)
    after = paged.after(req)
    ordered = sorted(rule.targets, key=lambda target: target.id)
    page, token = paged.page(req, [target for target in ordered if target.id > after], lambda target: target.id)
    shown = [{"Id": target.id, "Arn": target.arn, "RoleArn": target.role_arn or None, **target.settings} for target in page]
    return {"Targets": shown, "NextToken": token}


@operation("ListRuleNamesByTarget")
def list_rule_names_by_target(ctx: Context, req: Any) -> Answer:
    """The names of the rules of a bus that have a target. Errors: ResourceNotFoundException (no bus). Source: ListRuleNamesByTarget."""
    bus = readable_bus_at(ctx, req.EventBusName)
    found = (
        rule.name
        for rule in RULES.scan(ctx, bus.account, bus.region, bus.name, after=paged.after(req))
        if any(target.arn == req.TargetArn for target in encryption.open_rule(ctx, rule).targets)
    )
    page, token = paged.page(req, found, str)
    return {"RuleNames": page, "NextToken": token}
