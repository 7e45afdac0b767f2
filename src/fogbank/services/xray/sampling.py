"""Sampling rules: how many requests are traced. The Default rule is also the door's own."""

from __future__ import annotations

from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, Wait, operation
from fogbank.services.xray.state import RULES, STATISTICS, Rule, Statistics
from fogbank.services.xray.summaries import refused
from fogbank.store.tables import At, change

DEFAULT = "Default"
RULE_LIMIT = 25
INTERVAL_S = 10
_FAR_MS = 1 << 52
_PAGE = 100
_MEMBERS = {
    "Priority": "priority",
    "FixedRate": "rate",
    "ReservoirSize": "reservoir",
    "ResourceARN": "resource_arn",
    "ServiceName": "service_name",
    "ServiceType": "service_type",
    "Host": "host",
    "HTTPMethod": "method",
    "URLPath": "path",
}
"""AWS's member -> the record's field."""
_FIXED_IN_DEFAULT = ("Priority", "ResourceARN", "ServiceName", "ServiceType", "Host", "HTTPMethod", "URLPath")


def default_rule(account: str, region: str) -> Rule:
    """What every account begins with: one a second, and five percent of the rest."""
    return Rule(account=account, region=region, name=DEFAULT, priority=10_000, rate=0.05, reservoir=1)


def rates(at: At) -> tuple[float, float, Wait]:
    """How many calls the door follows: the most that any account's Default rule asks for."""
    rules = [rule for rule in RULES.scan(at) if rule.name == DEFAULT]
    wait = Wait((RULES.watch(),), _FAR_MS)
    if not rules:
        return 1.0, 0.05, wait
    return float(max(rule.reservoir for rule in rules)), max(rule.rate for rule in rules), wait


def arn_of(ctx: Context, name: str) -> str:
    return ctx.arn(f"sampling-rule/{name}")


def arn_of_request(ctx: Context, req: Any) -> str | None:
    """The rule that a request is about."""
    wanted = getattr(req, "SamplingRule", None) or getattr(req, "SamplingRuleUpdate", None) or req
    given: str | None = getattr(wanted, "RuleARN", None) or getattr(wanted, "ResourceARN", None)
    if given is not None and ":sampling-rule/" in given:
        return given
    name = getattr(wanted, "RuleName", None)
    return arn_of(ctx, name) if name else None


def rules_of(ctx: Context) -> list[Rule]:
    """An account's rules, in order of priority; Default is the last."""
    found = list(RULES.scan(ctx, ctx.account, ctx.region))
    if all(rule.name != DEFAULT for rule in found):
        found.append(default_rule(ctx.account, ctx.region))
    return sorted(found, key=lambda rule: (rule.priority, rule.name))


def rule_at(ctx: Context, name: str | None, arn: str | None) -> Rule:
    """Errors: InvalidRequestException."""
    if bool(name) == bool(arn):
        raise refused("Specify either RuleName or RuleARN, but not both.")
    name = name or (arn or "").rpartition("/")[2]
    found = next((rule for rule in rules_of(ctx) if rule.name == name), None)
    if found is None or (arn and arn != arn_of(ctx, name)):
        raise refused(f"Sampling rule {name} does not exist.")
    return found


def describe(ctx: Context, rule: Rule) -> dict[str, Any]:
    shown: dict[str, Any] = {"RuleName": rule.name, "RuleARN": arn_of(ctx, rule.name), "Version": 1, "Attributes": rule.attributes}
    shown |= {member: getattr(rule, field) for member, field in _MEMBERS.items()}
    shown["SamplingRateBoost"] = rule.boost
    return {"SamplingRule": shown, "CreatedAt": rule.created_at_ms, "ModifiedAt": rule.modified_at_ms}


@operation("CreateSamplingRule")
def create_sampling_rule(ctx: Context, req: Any) -> Answer:
    """Makes a rule; 25 beside Default. Rules are asked by SDKs (GetSamplingTargets); the door itself follows Default alone.

    A boost is refused: nothing here finds the anomalies that it reacts to.
    Errors: InvalidRequestException, RuleLimitExceededException. Source: API reference, CreateSamplingRule.
    """
    wanted = req.SamplingRule
    if not wanted.RuleName:
        raise refused("A rule name is required.")
    if wanted.Version != 1:
        raise refused("Sampling rule version must be 1.")
    known = rules_of(ctx)
    if any(rule.name == wanted.RuleName for rule in known):
        raise refused(f"Sampling rule {wanted.RuleName} already exists.")
    if len(known) > RULE_LIMIT:
        raise ServiceException("RuleLimitExceededException", f"The maximum number of sampling rules ({RULE_LIMIT}) has been reached.")
    _refuse_boost(wanted)
    fields = {field: getattr(wanted, member) for member, field in _MEMBERS.items()}
    rule = Rule(
        account=ctx.account,
        region=ctx.region,
        name=wanted.RuleName,
        attributes=dict(wanted.Attributes or {}),
        created_at_ms=ctx.now,
        modified_at_ms=ctx.now,
        tags={tag.Key: tag.Value for tag in req.Tags or ()},
        **fields,
    )
    RULES.put(ctx, rule)
    return {"SamplingRuleRecord": describe(ctx, rule)}


def _refuse_boost(wanted: Any) -> None:
    if wanted.SamplingRateBoost is not None:
        raise ServiceException("NotImplemented", "Fogbank does not implement xray sampling rules with SamplingRateBoost.", status=501)


@operation("UpdateSamplingRule")
def update_sampling_rule(ctx: Context, req: Any) -> Answer:
    """Changes what is given of a rule; of Default, its rate and reservoir.

    Errors: InvalidRequestException. Source: API reference, UpdateSamplingRule.
    """
    wanted = req.SamplingRuleUpdate
    rule = rule_at(ctx, wanted.RuleName, wanted.RuleARN)
    given = [member for member in _MEMBERS if getattr(wanted, member) is not None]
    if rule.name == DEFAULT and (wrong := [member for member in given if member in _FIXED_IN_DEFAULT]):
        raise refused(f"{wrong[0]} of the default rule cannot be changed.")
    if wanted.FixedRate is not None and not 0 <= wanted.FixedRate <= 1:
        raise refused("The fixed rate must be between 0 and 1.")
    if wanted.Priority is not None and not 1 <= wanted.Priority <= 9999:
        raise refused("The priority must be between 1 and 9999.")
    if wanted.ReservoirSize is not None and wanted.ReservoirSize < 0:
        raise refused("The reservoir size must not be negative.")
    _refuse_boost(wanted)
    fields: dict[str, Any] = {_MEMBERS[member]: getattr(wanted, member) for member in given}
    if wanted.Attributes is not None:
        fields["attributes"] = dict(wanted.Attributes)
    rule = change(rule, modified_at_ms=ctx.now, **fields)
    RULES.put(ctx, rule)
    return {"SamplingRuleRecord": describe(ctx, rule)}


@operation("DeleteSamplingRule")
def delete_sampling_rule(ctx: Context, req: Any) -> Answer:
    """Removes a rule; Default stays. Errors: InvalidRequestException. Source: API reference, DeleteSamplingRule."""
    rule = rule_at(ctx, req.RuleName, req.RuleARN)
    if rule.name == DEFAULT:
        raise refused("The default sampling rule cannot be deleted.")
    RULES.delete(ctx, rule)
    for statistics in list(STATISTICS.scan(ctx, ctx.account, ctx.region, rule.name)):
        STATISTICS.delete(ctx, statistics)
    return {"SamplingRuleRecord": describe(ctx, rule)}


@operation("GetSamplingRules")
def get_sampling_rules(ctx: Context, req: Any) -> Answer:
    """All rules, in order of priority. Source: API reference, GetSamplingRules."""
    return {"SamplingRuleRecords": [describe(ctx, rule) for rule in rules_of(ctx)]}


@operation("GetSamplingTargets")
def get_sampling_targets(ctx: Context, req: Any) -> Answer:
    """Takes what a client counted for each rule, and tells it its share of the rule's reservoir for the next ten seconds.

    A reservoir is shared evenly among the clients that reported within the last two intervals.
    Errors: InvalidRequestException. Source: API reference, GetSamplingTargets.
    """
    if req.SamplingBoostStatisticsDocuments:
        raise ServiceException("NotImplemented", "Fogbank does not implement xray:GetSamplingTargets with boost statistics.", status=501)
    known = {rule.name: rule for rule in rules_of(ctx)}
    targets, unprocessed = [], []
    for document in req.SamplingStatisticsDocuments:
        rule = known.get(document.RuleName)
        if rule is None:
            unprocessed.append({"RuleName": document.RuleName, "ErrorCode": "400", "Message": "Unknown rule"})
            continue
        STATISTICS.put(
            ctx,
            Statistics(
                account=ctx.account,
                region=ctx.region,
                rule=rule.name,
                client=document.ClientID,
                at_ms=ctx.now,
                requests=document.RequestCount,
                sampled=document.SampledCount,
                borrowed=document.BorrowCount or 0,
            ),
        )
        reported = STATISTICS.scan(ctx, ctx.account, ctx.region, rule.name)
        clients = sum(1 for s in reported if s.at_ms > ctx.now - 2 * INTERVAL_S * 1000)
        share = rule.reservoir // clients + (1 if rule.reservoir % clients else 0)
        targets.append(
            {
                "RuleName": rule.name,
                "FixedRate": rule.rate,
                "ReservoirQuota": share,
                "ReservoirQuotaTTL": ctx.now + INTERVAL_S * 1000,
                "Interval": INTERVAL_S,
            }
        )
    modified = max((rule.modified_at_ms for rule in known.values()), default=0)
    return {"SamplingTargetDocuments": targets, "LastRuleModification": modified, "UnprocessedStatistics": unprocessed}


@operation("GetSamplingStatisticSummaries")
def get_sampling_statistic_summaries(ctx: Context, req: Any) -> Answer:
    """What clients have reported last, summed by rule. Errors: InvalidRequestException."""
    after = paging.place(req.NextToken, lambda: refused("Invalid next token")) or ""
    names = sorted({s.rule for s in STATISTICS.scan(ctx, ctx.account, ctx.region) if s.rule > after})
    page, more = paging.page(names, _PAGE)
    summaries = []
    for name in page:
        found = list(STATISTICS.scan(ctx, ctx.account, ctx.region, name))
        summaries.append(
            {
                "RuleName": name,
                "Timestamp": max(s.at_ms for s in found),
                "RequestCount": sum(s.requests for s in found),
                "SampledCount": sum(s.sampled for s in found),
                "BorrowCount": sum(s.borrowed for s in found),
            }
        )
    return {"SamplingStatisticSummaries": summaries, "NextToken": paging.token(page[-1]) if more else None}
