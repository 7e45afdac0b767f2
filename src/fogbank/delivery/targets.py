"""Bringing a message to what an ARN names: a function, a queue, a topic, a stream, a bus, a log group."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Acting, Context, Role
from fogbank.kernel.errors import NotImplementedOperation, ServiceException

Parameters = Mapping[str, Any]
Call = tuple[str, str, dict[str, Any]]
"""A service, its operation, the members."""


def send(ctx: Context, arn: str, message: str, acting: Acting | Role, *, parameters: Parameters | None = None) -> Any:
    """Brings a message there, as `acting`, in the target's own region; the answer's members.

    `parameters` are further members by AWS's names, as far as the kind of target has a use for them: MessageGroupId,
    MessageDeduplicationId, MessageAttributes (SQS, SNS), Subject (SNS), PartitionKey (Kinesis), Source, DetailType, Resources,
    Time (a bus), LogStreamName (Logs).
    A discoverer of schemas is told of it afterwards: what it learns is a best effort.
    Errors: those of the target's operation; NotImplemented, naming it, where there is no such operation here; ValidationException.
    """
    check(arn)
    target = Arn.parse(arn)
    assert target is not None
    if target.service == "schemas":
        if not isinstance(acting, Acting) or acting.source_account != target.account:
            raise ServiceException("AccessDeniedException", f"{arn} learns only of events of its own account's buses.", status=403)
        ctx.tell("schemas", (target.account, target.region, target.resource.removeprefix("discoverer/"), message))
        return None
    service, operation, members = _KINDS[target.service](ctx, target, message, parameters or {})
    return ctx.call(service, operation, members, acting=acting, region=target.region or None)


def check(arn: str) -> None:
    """Raises ValidationException for what is no target, and NotImplemented for one of a kind that is not there yet."""
    target = Arn.parse(arn)
    if target is not None and target.service in MISSING:
        raise NotImplementedOperation(*MISSING[target.service], f"as a target ({arn})")
    if target is None or (target.service not in _KINDS and target.service != "schemas"):
        raise ServiceException("ValidationException", f"{arn} is not an ARN that messages can be sent to")


def _some(parameters: Parameters, *names: str) -> dict[str, Any]:
    return {name: parameters[name] for name in names if parameters.get(name) is not None}


def _lambda(ctx: Context, arn: Arn, message: str, parameters: Parameters) -> Call:
    return "lambda", "Invoke", {"FunctionName": str(arn), "InvocationType": "Event", "Payload": message.encode()}


def _sqs(ctx: Context, arn: Arn, message: str, parameters: Parameters) -> Call:
    url = f"{ctx.endpoint}/{arn.account}/{arn.resource}"
    asked = _some(parameters, "MessageGroupId", "MessageDeduplicationId", "MessageAttributes", "MessageSystemAttributes")
    if ctx.trace and "MessageSystemAttributes" not in asked:
        asked["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": ctx.trace}}
    return "sqs", "SendMessage", {"QueueUrl": url, "MessageBody": message, **asked}


def _sns(ctx: Context, arn: Arn, message: str, parameters: Parameters) -> Call:
    asked = _some(parameters, "Subject", "MessageGroupId", "MessageDeduplicationId", "MessageAttributes", "MessageStructure")
    return "sns", "Publish", {"TopicArn": str(arn), "Message": message, **asked}


def _kinesis(ctx: Context, arn: Arn, message: str, parameters: Parameters) -> Call:
    key = parameters.get("PartitionKey") or ctx.random.uuid()
    return "kinesis", "PutRecord", {"StreamARN": str(arn), "Data": message.encode(), "PartitionKey": key}


def _firehose(ctx: Context, arn: Arn, message: str, parameters: Parameters) -> Call:
    name = arn.resource.removeprefix("deliverystream/")
    return "firehose", "PutRecord", {"DeliveryStreamName": name, "Record": {"Data": message.encode()}}


def _events(ctx: Context, arn: Arn, message: str, parameters: Parameters) -> Call:
    entry = {"EventBusName": str(arn), "Detail": message, **_some({"TraceHeader": ctx.trace or None, **parameters}, *_ENTRY)}
    return "events", "PutEvents", {"Entries": [entry]}


_ENTRY = ("TraceHeader", "Source", "DetailType", "Resources", "Time")


def _logs(ctx: Context, arn: Arn, message: str, parameters: Parameters) -> Call:
    """A log event of a stream that is there (see `log`, which makes it)."""
    group = arn.resource.removeprefix("log-group:").removesuffix(":*")
    events = [{"timestamp": parameters.get("Timestamp") or ctx.now, "message": message}]
    return "logs", "PutLogEvents", {"logGroupName": group, "logStreamName": parameters.get("LogStreamName", "default"), "logEvents": events}


_KINDS: dict[str, Callable[[Context, Arn, str, Parameters], Call]] = {
    "lambda": _lambda,
    "sqs": _sqs,
    "sns": _sns,
    "kinesis": _kinesis,
    "firehose": _firehose,
    "events": _events,
    "logs": _logs,
}
MISSING = {
    "appsync": ("appsync", "GraphQL"),
    "batch": ("batch", "SubmitJob"),
    "codebuild": ("codebuild", "StartBuild"),
    "codepipeline": ("codepipeline", "StartPipelineExecution"),
    "ecs": ("ecs", "RunTask"),
    "execute-api": ("apigateway", "Invoke"),
    "glue": ("glue", "NotifyEvent"),
    "imagebuilder": ("imagebuilder", "StartImagePipelineExecution"),
    "inspector": ("inspector", "StartAssessmentRun"),
    "redshift": ("redshift-data", "ExecuteStatement"),
    "redshift-serverless": ("redshift-data", "ExecuteStatement"),
    "sagemaker": ("sagemaker", "StartPipelineExecution"),
    "ssm": ("ssm", "SendCommand"),
    "ssm-incidents": ("ssm-incidents", "StartIncident"),
    "states": ("stepfunctions", "StartExecution"),
}
"""Kinds of targets whose service is not there: what would be called."""


def log(ctx: Context, arn: str, stream: str, message: str, acting: Acting | Role, *, at_ms: int | None = None) -> None:
    """Writes a log event (of now, or of another instant) to a stream of a log group, made where it is not there. Errors: those of Logs."""
    target = Arn.parse(arn)
    if target is None or target.service != "logs":
        raise ServiceException("ValidationException", f"{arn} is not the ARN of a log group")
    service, operation, members = _logs(ctx, target, message, {"LogStreamName": stream, "Timestamp": at_ms})
    try:
        ctx.call(service, operation, members, acting=acting, region=target.region)
    except ServiceException as refused:
        if refused.code != "ResourceNotFoundException":
            raise
        made = {name: members[name] for name in ("logGroupName", "logStreamName")}
        ctx.call("logs", "CreateLogStream", made, acting=acting, region=target.region)
        ctx.call(service, operation, members, acting=acting, region=target.region)
