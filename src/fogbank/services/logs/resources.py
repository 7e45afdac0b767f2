"""Log groups, streams, resource policies and saved queries as CloudFormation has them; filters and destinations: `filter_resources`.

Refused by name, as by their operations: a group's field indexes and bearer tokens, what filters have for transformed and
centralised logs. Groups with a ResourcePolicyDocument have a policy of their own.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import (
    Naming,
    Part,
    Properties,
    ResourceType,
    absent,
    document,
    every,
    exists,
    found,
    given,
    not_updatable,
    pairs,
    parsed,
    tags,
)
from fogbank.services.logs.filter_resources import ABSENT, DESTINATION, METRIC_FILTER, PRESENT, SUBSCRIPTION_FILTER, group_names
from fogbank.services.logs.filter_resources import call as _call

# Groups

GROUP = "AWS::Logs::LogGroup"


def _group(ctx: Context, name: str) -> Any:
    for one in every(ctx, "logs", "DescribeLogGroups", {"logGroupNamePrefix": name}, "logGroups", "nextToken"):
        if one["logGroupName"] == name:
            return one
    raise absent(GROUP, name)


def _create_group(ctx: Context, properties: Properties) -> str:
    name: str = properties["LogGroupName"]
    _call(
        ctx,
        "CreateLogGroup",
        logGroupName=name,
        kmsKeyId=properties.get("KmsKeyId"),
        logGroupClass=properties.get("LogGroupClass"),
        deletionProtectionEnabled=properties.get("DeletionProtectionEnabled"),
        tags=pairs(properties.get("Tags")) or None,
    )
    return name


def _read_group(ctx: Context, name: str) -> Properties:
    one = _group(ctx, name)
    policy = _call(ctx, "GetDataProtectionPolicy", logGroupIdentifier=name).get("policyDocument")
    own = _call(ctx, "DescribeResourcePolicies", resourceArn=one["logGroupArn"])["resourcePolicies"]
    return {
        "LogGroupName": name,
        "Arn": one["arn"],
        "LogGroupClass": one["logGroupClass"],
        "KmsKeyId": one["kmsKeyId"],
        "RetentionInDays": one["retentionInDays"],
        "DeletionProtectionEnabled": one["deletionProtectionEnabled"],
        "DataProtectionPolicy": parsed(policy) if policy else None,
        "ResourcePolicyDocument": parsed(own[0]["policyDocument"]) if own else None,
    }


def _put_retention(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    days = after.get("RetentionInDays")
    if days is None:
        _call(ctx, "DeleteRetentionPolicy", logGroupName=name)
    else:
        _call(ctx, "PutRetentionPolicy", logGroupName=name, retentionInDays=days)


def _put_key(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    if after.get("KmsKeyId"):
        _call(ctx, "AssociateKmsKey", logGroupName=name, kmsKeyId=after["KmsKeyId"])
    else:
        _call(ctx, "DisassociateKmsKey", logGroupName=name)


def _put_protection(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    policy = after.get("DataProtectionPolicy")
    if policy:
        _call(ctx, "PutDataProtectionPolicy", logGroupIdentifier=name, policyDocument=document(policy))
    else:
        _call(ctx, "DeleteDataProtectionPolicy", logGroupIdentifier=name)


def _put_own_policy(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    arn = _group(ctx, name)["logGroupArn"]
    old = _call(ctx, "DescribeResourcePolicies", resourceArn=arn)["resourcePolicies"]
    revision = old[0]["revisionId"] if old else None
    policy = after.get("ResourcePolicyDocument")
    if policy:
        _call(ctx, "PutResourcePolicy", resourceArn=arn, policyDocument=document(policy), expectedRevisionId=revision)
    elif old:
        _call(ctx, "DeleteResourcePolicy", resourceArn=arn, expectedRevisionId=revision)


def _put_deletion_protection(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    enabled = bool(after.get("DeletionProtectionEnabled"))
    _call(ctx, "PutLogGroupDeletionProtection", logGroupIdentifier=name, deletionProtectionEnabled=enabled)


LOG_GROUP = ResourceType(
    GROUP,
    create=_create_group,
    made_with=("LogGroupName", "KmsKeyId", "LogGroupClass", "DeletionProtectionEnabled", "Tags"),
    read=_read_group,
    delete=lambda ctx, name, properties: _call(ctx, "DeleteLogGroup", logGroupName=name),
    list=group_names,
    parts=(
        Part(("RetentionInDays",), _put_retention),
        not_updatable(GROUP, "LogGroupClass"),
        Part(("KmsKeyId",), _put_key),
        Part(("DataProtectionPolicy",), _put_protection),
        Part(("ResourcePolicyDocument",), _put_own_policy),
        Part(("DeletionProtectionEnabled",), _put_deletion_protection),
        tags(
            read=lambda ctx, name: _call(ctx, "ListTagsForResource", resourceArn=_group(ctx, name)["logGroupArn"])["tags"],
            add=lambda ctx, name, added: _call(ctx, "TagResource", resourceArn=_group(ctx, name)["logGroupArn"], tags=added),
            remove=lambda ctx, name, keys: _call(ctx, "UntagResource", resourceArn=_group(ctx, name)["logGroupArn"], tagKeys=keys),
        ),
    ),
    naming=Naming("LogGroupName", 512),
    absent=ABSENT,
    present=PRESENT,
)

# Streams


def _create_stream(ctx: Context, properties: Properties) -> str:
    _call(ctx, "CreateLogStream", logGroupName=properties["LogGroupName"], logStreamName=properties["LogStreamName"])
    return f"{properties['LogGroupName']}|{properties['LogStreamName']}"


def _read_stream(ctx: Context, identifier: str) -> Properties:
    group, _, stream = identifier.partition("|")
    names = (one["logStreamName"] for one in _streams(ctx, group, stream))
    if stream not in names:
        raise absent("AWS::Logs::LogStream", identifier)
    return {"LogGroupName": group, "LogStreamName": stream}


def _streams(ctx: Context, group: str, prefix: str = "") -> Any:
    members = given(logGroupName=group, logStreamNamePrefix=prefix or None)
    return every(ctx, "logs", "DescribeLogStreams", members, "logStreams", "nextToken")


LOG_STREAM = ResourceType(
    "AWS::Logs::LogStream",
    create=_create_stream,
    made_with=("LogGroupName", "LogStreamName"),
    read=_read_stream,
    delete=lambda ctx, identifier, properties: _call(
        ctx, "DeleteLogStream", logGroupName=identifier.partition("|")[0], logStreamName=identifier.partition("|")[2]
    ),
    list=lambda ctx: (f"{name}|{stream['logStreamName']}" for name in group_names(ctx) for stream in _streams(ctx, name)),
    naming=Naming("LogStreamName", 512),
    absent=ABSENT,
    present=PRESENT,
)

# Resource policies and saved queries


def _policy(ctx: Context, name: str) -> Any:
    for one in every(ctx, "logs", "DescribeResourcePolicies", {}, "resourcePolicies", "nextToken"):
        if one["policyName"] == name:
            return one
    raise absent("AWS::Logs::ResourcePolicy", name)


def _create_policy(ctx: Context, properties: Properties) -> str:
    name: str = properties["PolicyName"]
    if found(lambda: _policy(ctx, name), *ABSENT):
        raise exists("AWS::Logs::ResourcePolicy", name)
    _put_policy(ctx, name, {}, properties)
    return name


def _put_policy(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    _call(ctx, "PutResourcePolicy", policyName=name, policyDocument=document(after["PolicyDocument"]))


RESOURCE_POLICY = ResourceType(
    "AWS::Logs::ResourcePolicy",
    create=_create_policy,
    made_with=("PolicyName", "PolicyDocument"),
    read=lambda ctx, name: {"PolicyName": name, "PolicyDocument": _policy(ctx, name)["policyDocument"]},
    delete=lambda ctx, name, properties: _call(ctx, "DeleteResourcePolicy", policyName=name),
    list=lambda ctx: (one["policyName"] for one in every(ctx, "logs", "DescribeResourcePolicies", {}, "resourcePolicies", "nextToken")),
    parts=(Part(("PolicyDocument",), _put_policy),),
    absent=ABSENT,
    present=PRESENT,
)
_QUERY = ("Name", "QueryString", "LogGroupNames", "QueryLanguage", "Parameters")


def _save_query(ctx: Context, properties: Properties, identifier: str | None = None) -> str:
    parameters = [
        given(name=one["Name"], defaultValue=one.get("DefaultValue"), description=one.get("Description"))
        for one in properties.get("Parameters") or ()
    ]
    made: str = _call(
        ctx,
        "PutQueryDefinition",
        name=properties["Name"],
        queryString=properties["QueryString"],
        logGroupNames=properties.get("LogGroupNames"),
        queryLanguage=properties.get("QueryLanguage"),
        parameters=parameters or None,
        queryDefinitionId=identifier,
    )["queryDefinitionId"]
    return made


def _read_query(ctx: Context, identifier: str) -> Properties:
    for one in every(ctx, "logs", "DescribeQueryDefinitions", {}, "queryDefinitions", "nextToken"):
        if one["queryDefinitionId"] == identifier:
            parameters = [
                given(Name=p["name"], DefaultValue=p.get("defaultValue"), Description=p.get("description")) for p in one["parameters"] or ()
            ]
            return {
                "QueryDefinitionId": identifier,
                "Name": one["name"],
                "QueryString": one["queryString"],
                "LogGroupNames": one["logGroupNames"] or None,
                "QueryLanguage": one["queryLanguage"],
                "Parameters": parameters or None,
            }
    raise absent("AWS::Logs::QueryDefinition", identifier)


QUERY_DEFINITION = ResourceType(
    "AWS::Logs::QueryDefinition",
    create=_save_query,
    made_with=_QUERY,
    read=_read_query,
    delete=lambda ctx, identifier, properties: _call(ctx, "DeleteQueryDefinition", queryDefinitionId=identifier),
    list=lambda ctx: (
        one["queryDefinitionId"] for one in every(ctx, "logs", "DescribeQueryDefinitions", {}, "queryDefinitions", "nextToken")
    ),
    parts=(Part(_QUERY, lambda ctx, identifier, before, after: _save_query(ctx, after, identifier)),),
    absent=ABSENT,
)

TYPES = (LOG_GROUP, LOG_STREAM, METRIC_FILTER, SUBSCRIPTION_FILTER, DESTINATION, RESOURCE_POLICY, QUERY_DEFINITION)
