"""Calls out of SQL: what `aws_lambda.invoke` and its like ask for, done as the cluster's role for that feature.

The functions themselves are SQL (`engines/inside/extension`). An answer with `refused` is an error that they raise, in Aurora's words.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from fogbank.engines.inside import files
from fogbank.engines.spec import Actual, Failed, Usage
from fogbank.kernel.arn import partition_of
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import task
from fogbank.services.rds import readings, scaling
from fogbank.services.rds.state import Cluster, members
from fogbank.store import Upload
from fogbank.store.blobs import read_piece

PRINCIPAL = "rds.amazonaws.com"
_AT_ONCE_BYTES = 1 << 20
_PUT_BYTES = 5 << 30
_DATA_API = {"Effect": "Allow", "Principal": {"Service": "rds-data.amazonaws.com"}, "Action": "rds:DescribeDBClusters", "Resource": "*"}
_NEIGHBOURS = json.dumps({"Version": "2012-10-17", "Statement": [_DATA_API]})


def neighbours(ctx: Context, req: Any, action: str, arn: str) -> str:
    """What other services of the house may do with a cluster by themselves (`Resource.grants`): the Data API looks it up."""
    return _NEIGHBOURS


@task("wake")
def wake(ctx: Context, payload: dict[str, Any]) -> None:
    """Has a paused cluster go on: the Data API was asked for it."""
    scaling.wake(ctx, payload["cluster"])


class Refusal(Exception):
    """What SQL fails with."""

    def __init__(self, message: str, detail: str = "", hint: str = "", code: str = "XX000") -> None:
        super().__init__(message)
        self.said = {"message": message, "detail": detail, "hint": hint, "code": code}


def call(ctx: Context, cluster: Cluster, feature: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Carries out a call of a cluster's SQL, and answers it; raises Waiting meanwhile."""
    try:
        act = _CALLS.get((feature, asked.get("do", "")))
        if act is None:
            raise Refusal(f"Fogbank does not implement {asked.get('do')} of the feature {feature}", code="0A000")
        return act(Reach(ctx, cluster, feature), asked)
    except Refusal as refusal:
        return {"refused": refusal.said}
    except NotImplementedOperation as refusal:
        return {"refused": {"message": refusal.message, "code": "0A000"}}


class Reach:
    """A cluster's reach into AWS, by the role that it has for a feature."""

    def __init__(self, ctx: Context, cluster: Cluster, feature: str) -> None:
        role = next((role.arn for role in cluster.roles if role.feature == feature), None)
        kind = "db" if cluster.plain else "cluster"
        arn = f"arn:{partition_of(cluster.region)}:rds:{cluster.region}:{cluster.account}:{kind}:{cluster.name}"
        self.ctx = ctx
        self.row = cluster
        self._feature = feature
        self._region = cluster.region
        self._role = Role(role, PRINCIPAL, cluster.id, arn, cluster.account) if role is not None else None

    def ask(self, service: str, operation: str, members: Mapping[str, Any], region: str | None = None) -> Any:
        """Raises Refusal where there is no role, or it cannot be taken on; the service's own ServiceException."""
        if self._role is None:
            raise self._no_credentials()
        given = {name: value for name, value in members.items() if value is not None}
        try:
            return self.ctx.call(service, operation, given, acting=self._role, region=region or self._region)
        except ServiceException as refused:
            if "sts:AssumeRole" in refused.message:
                raise self._no_credentials(refused.message) from None
            raise

    def _no_credentials(self, detail: str = "") -> Refusal:
        hint = f'Has the IAM role Amazon Resource Name (ARN) been associated with the feature-name "{self._feature}"?'
        return Refusal("credentials stored with the database cluster can't be accessed", detail, hint)


def _invoke(reach: Reach, asked: dict[str, Any]) -> dict[str, Any]:
    context = asked["context"]
    members = {
        "FunctionName": asked["function"],
        "Payload": (asked["payload"] or "null").encode(),
        "InvocationType": asked["type"],
        "LogType": asked["log"],
        "ClientContext": base64.b64encode(context.encode()).decode() if context else None,
        "Qualifier": asked["qualifier"],
    }
    try:
        answer = reach.ask("lambda", "Invoke", members, asked["region"])
    except NotImplementedOperation:
        raise
    except ServiceException as refused:
        raise Refusal("invoke API failed", f"AWS Lambda client returned '{refused.message}'") from None
    payload = (answer.get("Payload") or b"").decode("utf-8", "replace")
    if answer.get("FunctionError"):
        detail = f'"{asked["function"]}" returned error "{answer["FunctionError"]}", details: "{payload}".'
        raise Refusal("lambda invocation failed", detail)
    return {
        "status_code": answer["StatusCode"],
        "payload": payload or None,
        "executed_version": answer.get("ExecutedVersion"),
        "log_result": answer.get("LogResult"),
    }


def _get(reach: Reach, asked: dict[str, Any]) -> dict[str, Any]:
    """Puts an object's content into a file of the server's."""
    try:
        answer = reach.ask("s3", "GetObject", {"Bucket": asked["bucket"], "Key": asked["key"]}, asked["region"])
    except NotImplementedOperation:
        raise
    except ServiceException as refused:
        raise Refusal(f"HTTP {refused.status}. Check your arguments or credentials.", refused.message) from None
    body, path = answer["Body"], Path(asked["file"])
    packed = answer.get("ContentEncoding") == "gzip"
    pieces = [body] if isinstance(body, bytes) else list(body.pieces)

    def fill() -> int:
        chunks: Iterable[bytes | memoryview] = (chunk for piece in pieces for chunk in read_piece(piece))
        return files.fill(path, _unpacked(chunks) if packed else chunks)

    try:
        small = answer["ContentLength"] <= _AT_ONCE_BYTES and not packed
        return {"bytes": fill() if small else reach.ctx.beside("fill", fill)}
    except Failed as problem:
        raise Refusal(str(problem)) from None
    except zlib.error as problem:
        raise Refusal(f"{asked['key']} is no gzip file: {problem}") from None


def _unpacked(chunks: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """Of one gzip file, or several one after the other."""
    unpacker = zlib.decompressobj(31)
    for chunk in chunks:
        rest = bytes(chunk)
        while rest:
            yield unpacker.decompress(rest)
            rest = unpacker.unused_data
            if unpacker.eof:
                unpacker = zlib.decompressobj(31)
    yield unpacker.flush()


def _put(reach: Reach, asked: dict[str, Any]) -> dict[str, Any]:
    """Puts what is in a file of the server's into an object."""
    path, ctx = Path(asked["file"]), reach.ctx

    def read() -> Upload:
        spooled = ctx.blobs.spooled()
        try:
            for piece in files.pieces(path):
                spooled.write(piece)
        except BaseException:
            spooled.upload().drop()
            raise
        upload: Upload = spooled.upload()
        return upload

    try:
        body: Upload = ctx.beside("read", read)
    except Failed as problem:
        raise Refusal(str(problem)) from None
    key = asked["kms_key"]
    members = {
        "Bucket": asked["bucket"],
        "Key": asked["key"],
        "Body": body,
        "ServerSideEncryption": "aws:kms" if key else None,
        "SSEKMSKeyId": key,
    }
    try:
        if body.size > _PUT_BYTES:
            raise ServiceException("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
        reach.ask("s3", "PutObject", members, asked["region"])
    except ServiceException as refused:
        body.drop()
        if isinstance(refused, NotImplementedOperation):
            raise
        raise Refusal("could not upload to Amazon S3", f"Amazon S3 client returned '{refused.message}'.") from None
    except Refusal:
        body.drop()
        raise
    return {"bytes": body.size}


def _endpoint(reach: Reach, asked: dict[str, Any]) -> dict[str, Any]:
    """A model's answer to a line of CSV: of SageMaker, or while that is not there, of the Lambda function of the endpoint's name."""
    name, line = asked["endpoint"], asked["body"]
    members = {"EndpointName": name, "ContentType": "text/csv", "Accept": "text/csv", "Body": line.encode()}
    try:
        try:
            body: bytes = reach.ask("sagemaker-runtime", "InvokeEndpoint", members)["Body"]
        except NotImplementedOperation:
            return {"body": _by_function(reach, name, {"endpoint": name, "contentType": "text/csv", "accept": "text/csv", "body": line})}
    except NotImplementedOperation:
        raise
    except ServiceException as refused:
        raise Refusal("invoke endpoint failed", f"SageMaker client returned '{refused.message}'") from None
    return {"body": body.decode("utf-8", "replace").rstrip("\n")}


def _by_function(reach: Reach, name: str, event: dict[str, Any]) -> str:
    """What a function gives for an event: text, or a number, or an object with `body`."""
    answer = reach.ask("lambda", "Invoke", {"FunctionName": name, "Payload": msgspec.json.encode(event)})
    if answer.get("FunctionError"):
        raise Refusal("lambda invocation failed", answer["Payload"].decode("utf-8", "replace"))
    given = msgspec.json.decode(answer["Payload"])
    if isinstance(given, dict) and "body" in given:
        given = given["body"]
    return given if isinstance(given, str) else json.dumps(given)


def _model(reach: Reach, asked: dict[str, Any]) -> dict[str, Any]:
    members = {"modelId": asked["model"], "contentType": asked["content_type"], "accept": asked["accept"], "body": asked["body"].encode()}
    answer = _asked(reach, "bedrock-runtime", "InvokeModel", members)
    return {"body": answer["body"].decode()}


def _sentiment(reach: Reach, asked: dict[str, Any]) -> dict[str, Any]:
    answer = _asked(reach, "comprehend", "DetectSentiment", {"Text": asked["text"], "LanguageCode": asked["language"]})
    return {"sentiment": answer["Sentiment"], "confidence": answer["SentimentScore"][answer["Sentiment"].title()]}


def _parallel(reach: Reach, asked: dict[str, Any]) -> dict[str, Any]:
    """A query that is evaluated beside the storage. It needs no role: it stays in the cluster."""
    databases = reach.ctx.databases
    found: dict[str, Any] = reach.ctx.outside("parallel", lambda done: databases.parallel(reach.row.id, asked, done))
    return found


def _status(reach: Reach, asked: dict[str, Any]) -> dict[str, Any]:
    """How a cluster's nodes are, for `aurora_replica_status`. It needs no role."""
    ctx, row = reach.ctx, reach.row
    usage: dict[str, Usage] = ctx.outside("usage", lambda done: ctx.databases.usage(row.id, done)) if ctx.databases.measures else {}
    actual: Actual | None = ctx.databases.look(row.id)
    nodes = {node.id: node for node in actual.nodes} if actual is not None else {}
    found = []
    for instance in members(ctx, row):
        node = nodes.get(instance.node)
        if node is not None and node.state == "running":
            cpu = readings.busy(ctx, "status", node.id, usage[node.id]) if node.id in usage else None
            found.append({"id": instance.id, "name": instance.name, "writes": node.writes, "lag_ms": node.lag_ms, "cpu": cpu})
    durable = actual.volume.durable if actual is not None and actual.volume is not None else None
    return {"durable": durable, "nodes": found}


def _asked(reach: Reach, service: str, operation: str, members: dict[str, Any]) -> Any:
    try:
        return reach.ask(service, operation, members)
    except NotImplementedOperation:
        raise
    except ServiceException as refused:
        raise Refusal(f"{operation} failed", refused.message) from None


_CALLS: dict[tuple[str, str], Callable[[Reach, dict[str, Any]], dict[str, Any]]] = {
    ("Lambda", "invoke"): _invoke,
    ("s3Import", "get"): _get,
    ("s3Export", "put"): _put,
    ("SageMaker", "endpoint"): _endpoint,
    ("Bedrock", "model"): _model,
    ("Cluster", "status"): _status,
    ("Parallel", "query"): _parallel,
    ("Parallel", "explain"): _parallel,
    ("Comprehend", "sentiment"): _sentiment,
}
