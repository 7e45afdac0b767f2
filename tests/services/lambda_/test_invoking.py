"""Invoke: what comes back, what is refused, who may."""

from __future__ import annotations

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fogbank.control import client as control

from .conftest import ACCOUNT, allow, arn, zipped
from .stage import Stage


def answer(invoked: Any) -> Any:
    return json.loads(invoked["Payload"].read())


def test_an_answer_comes_back(lam: Any, create: Any, stage: Stage) -> None:
    """A function gets its event and its context, and its answer comes back with version and log."""
    create(
        "f",
        "def handler(event, context):\n"
        "    context.log('hello')\n"
        "    return [event, context.invoked_function_arn, context.environment, context.client_context]",
        Environment={"Variables": {"AA": "1"}},
    )
    client = base64.b64encode(b'{"custom": {"a": 1}}').decode()
    got = lam.invoke(FunctionName="f", Payload=b'{"x": 1}', LogType="Tail", ClientContext=client)
    assert (got["StatusCode"], got["ExecutedVersion"], "FunctionError" in got) == (200, "$LATEST", False)
    assert answer(got) == [{"x": 1}, arn("f"), {"AA": "1"}, {"custom": {"a": 1}}]
    assert got["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/json"
    lines = base64.b64decode(got["LogResult"]).decode().splitlines()
    request_id = got["ResponseMetadata"]["RequestId"]
    assert lines == [f"START RequestId: {request_id} Version: $LATEST", "hello", f"END RequestId: {request_id}"]
    assert answer(lam.invoke(FunctionName="f"))[0] == {}


def test_what_a_function_raises_is_its_answer(lam: Any, create: Any, stage: Stage) -> None:
    """An exception comes back as FunctionError Unhandled, with AWS's JSON."""
    create("f", "def handler(event, context):\n    raise ValueError('no')")
    got = lam.invoke(FunctionName="f")
    assert (got["StatusCode"], got["FunctionError"]) == (200, "Unhandled")
    said = answer(got)
    assert (said["errorMessage"], said["errorType"]) == ("no", "ValueError")


def test_names_of_what_is_invoked(lam: Any, create: Any, stage: Stage) -> None:
    """Name, name:qualifier, partial ARN, ARN and Qualifier lead to the version; the context has the ARN as it was called."""
    create("f", "def handler(event, context):\n    return [context.function_version, context.invoked_function_arn]", Publish=True)
    lam.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    cases = [
        ({"FunctionName": "f"}, "$LATEST", arn("f")),
        ({"FunctionName": "f:1"}, "1", arn("f", "1")),
        ({"FunctionName": f"{ACCOUNT}:function:f:live"}, "1", arn("f", "live")),
        ({"FunctionName": arn("f", "$LATEST")}, "$LATEST", arn("f", "$LATEST")),
        ({"FunctionName": arn("f"), "Qualifier": "live"}, "1", arn("f", "live")),
    ]
    for members, version, called in cases:
        got = lam.invoke(**members)
        assert (got["ExecutedVersion"], answer(got)) == (version, [version, called])


def test_requests_that_cannot_be(lam: Any, create: Any, stage: Stage, refused: Any) -> None:
    """No function, no JSON, too large a payload, too large an answer, no runtime."""
    create("f", "def handler(event, context):\n    return 'x' * event")
    assert refused(lam.invoke, FunctionName="g") == ("ResourceNotFoundException", f"Function not found: {arn('g')}")
    code, message = refused(lam.invoke, FunctionName="f", Payload=b"{no")
    assert code == "InvalidRequestContentException"
    assert message.startswith("Could not parse request body into json: ")
    assert refused(lam.invoke, FunctionName="f", Payload=b'"' + b"x" * 6_291_456 + b'"') == (
        "RequestTooLargeException",
        "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
    )
    large = b'"' + b"x" * 1_048_576 + b'"'
    assert refused(lam.invoke, FunctionName="f", InvocationType="Event", Payload=large)[0] == "RequestTooLargeException"
    got = lam.invoke(FunctionName="f", Payload=b"6291556")
    assert answer(got)["errorType"] == "Function.ResponseSizeTooLarge"
    assert got["FunctionError"] == "Unhandled"
    stage.refuses = "runtime"
    assert refused(lam.invoke, FunctionName="f") == ("InvalidRuntimeException", "not here")


def test_a_dry_run_runs_nothing(lam: Any, create: Any, stage: Stage, refused: Any, user: Any) -> None:
    """DryRun says whether the function is there and the caller may invoke it."""
    create("f")
    assert lam.invoke(FunctionName="f", InvocationType="DryRun")["StatusCode"] == 204
    assert refused(lam.invoke, FunctionName="g", InvocationType="DryRun")[0] == "ResourceNotFoundException"
    anne = user("anne", allow("lambda:InvokeFunction", arn("other")))("lambda")
    code, message = refused(anne.invoke, FunctionName="f", InvocationType="DryRun")
    assert code == "AccessDeniedException"
    assert message == (
        f"User: arn:aws:iam::{ACCOUNT}:user/anne is not authorized to perform: lambda:InvokeFunction on resource: {arn('f')} because "
        "no identity-based policy allows the lambda:InvokeFunction action"
    )
    assert stage.invocations == []


def test_who_may_invoke(cloud: Any, lam: Any, create: Any, stage: Stage, user: Any, refused: Any) -> None:
    """A policy on the function does not reach its versions; tags and other accounts count."""
    create("f", Tags={"team": "blue"}, Publish=True)
    anne = user("anne", allow("lambda:InvokeFunction", arn("f")))("lambda")
    anne.invoke(FunctionName="f")
    assert refused(anne.invoke, FunctionName="f", Qualifier="1")[0] == "AccessDeniedException"
    blue = allow("lambda:InvokeFunction", Condition={"StringEquals": {"aws:ResourceTag/team": "blue"}})
    ben = user("ben", blue)("lambda")
    ben.invoke(FunctionName="f")
    lam.tag_resource(Resource=arn("f"), Tags={"team": "red"})
    assert refused(ben.invoke, FunctionName="f")[0] == "AccessDeniedException"
    other = cloud.client("lambda", "111111111111", "test")
    assert refused(other.invoke, FunctionName=arn("f"))[0] == "AccessDeniedException"
    lam.add_permission(FunctionName="f", StatementId="s", Action="lambda:InvokeFunction", Principal="111111111111")
    assert other.invoke(FunctionName=arn("f"))["StatusCode"] == 200
    lam.remove_permission(FunctionName="f", StatementId="s")
    assert refused(other.invoke, FunctionName=arn("f"))[0] == "AccessDeniedException"


def test_the_roles_credentials_work(cloud: Any, lam: Any, create: Any, make_role: Any, stage: Stage, refused: Any) -> None:
    """A function has credentials of its role, which are what the role is, and are renewed when they come to their end."""
    role = make_role("reader", allow("sqs:ListQueues"))
    create("f", "def handler(event, context):\n    return list(context.credentials)", Role=role)
    first = answer(lam.invoke(FunctionName="f"))
    assert cloud.client("sts", *first[:3]).get_caller_identity()["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/f_"
    cloud.client("sqs", *first[:3]).list_queues()
    assert refused(cloud.client("sqs", *first[:3]).create_queue, QueueName="q")[0] == "AccessDenied"
    assert answer(lam.invoke(FunctionName="f")) == first
    cloud.advance(3400)
    second = answer(lam.invoke(FunctionName="f"))
    assert second[0] != first[0]
    cloud.advance(300)
    cloud.client("sqs", *second[:3]).list_queues()
    assert refused(cloud.client("sqs", *first[:3]).list_queues)[0] in ("ExpiredToken", "ExpiredTokenException")


def test_a_role_that_cannot_be_assumed_any_more(cloud: Any, lam: Any, create: Any, stage: Stage, refused: Any) -> None:
    """A role whose trust is gone cannot be had for new invocations."""
    create("f")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}]}
    cloud.client("iam").update_assume_role_policy(RoleName="plain", PolicyDocument=json.dumps(trust))
    assert refused(lam.invoke, FunctionName="f") == (
        "AccessDeniedException",
        "The role defined for the function cannot be assumed by Lambda.",
    )


def test_variables_of_a_key_that_is_disabled(cloud: Any, lam: Any, create: Any, stage: Stage, refused: Any) -> None:
    """Variables under a KMS key are decrypted as the role, by its grant; a disabled key ends that."""
    kms = cloud.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    create("f", "def handler(event, context):\n    return context.environment", KMSKeyArn=key, Environment={"Variables": {"AA": "1"}})
    assert answer(lam.invoke(FunctionName="f")) == {"AA": "1"}
    lam.update_function_configuration(FunctionName="f", MemorySize=256)
    kms.disable_key(KeyId=key)
    code, message = refused(lam.invoke, FunctionName="f")
    assert code == "KMSDisabledException"
    assert message.startswith("Lambda was unable to decrypt the environment variables because the KMS key used is disabled.")


def test_reserved_concurrency_is_a_limit(lam: Any, create: Any, stage: Stage, refused: Any) -> None:
    """More invocations at once than are reserved are throttled; 0 throttles all; 100 must stay unreserved."""
    create("f")
    lam.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=1)
    stage.hold = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lam.invoke, FunctionName="f")
        while not stage.invocations:
            pass
        code, message = refused(lam.invoke, FunctionName="f")
        stage.hold.set()
        assert first.result()["StatusCode"] == 200
    assert (code, message) == ("TooManyRequestsException", "Rate Exceeded.")
    stage.hold = None
    assert lam.invoke(FunctionName="f")["StatusCode"] == 200
    lam.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    assert refused(lam.invoke, FunctionName="f")[0] == "TooManyRequestsException"
    assert refused(lam.put_function_concurrency, FunctionName="f", ReservedConcurrentExecutions=901)[0] == "InvalidParameterValueException"
    lam.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=900)
    assert lam.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 100
    lam.delete_function_concurrency(FunctionName="f")
    assert "ReservedConcurrentExecutions" not in lam.get_function_concurrency(FunctionName="f")


def test_an_alias_spreads_its_invocations(lam: Any, create: Any, stage: Stage) -> None:
    """With weights an alias sends a part of its invocations to a second version."""
    create("f", "def handler(event, context):\n    return context.function_version", Publish=True)
    lam.update_function_configuration(FunctionName="f", MemorySize=256)
    lam.publish_version(FunctionName="f")
    lam.create_alias(FunctionName="f", Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    went = {lam.invoke(FunctionName="f:live")["ExecutedVersion"] for _ in range(40)}
    assert went == {"1", "2"}
    lam.update_alias(FunctionName="f", Name="live", FunctionVersion="2", RoutingConfig={})
    assert {lam.invoke(FunctionName="f:live")["ExecutedVersion"] for _ in range(10)} == {"2"}


def test_provisioned_concurrency_keeps_environments(cloud: Any, lam: Any, create: Any, stage: Stage, refused: Any) -> None:
    """The workshop is told to keep environments of a version ready, for as long as they are asked for."""
    create("f", Publish=True)
    lam.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    put = lam.put_provisioned_concurrency_config(FunctionName="f", Qualifier="live", ProvisionedConcurrentExecutions=3)
    assert put["Status"] == "IN_PROGRESS"
    cloud.settle()
    assert list(stage.warmed.values()) == [3]
    assert lam.get_provisioned_concurrency_config(FunctionName="f", Qualifier="live")["Status"] == "READY"
    code, _ = refused(lam.put_provisioned_concurrency_config, FunctionName="f", Qualifier="$LATEST", ProvisionedConcurrentExecutions=1)
    assert code == "InvalidParameterValueException"
    lam.delete_provisioned_concurrency_config(FunctionName="f", Qualifier="live")
    cloud.settle()
    assert list(stage.warmed.values()) == [0]
    code, _ = refused(lam.get_provisioned_concurrency_config, FunctionName="f", Qualifier="live")
    assert code == "ProvisionedConcurrencyConfigNotFoundException"


def test_provisioned_again_after_a_restart(cloud: Any, lam: Any, create: Any, stage: Stage) -> None:
    """A workshop that begins anew has the environments ready again when somebody asks for them."""
    create("f", Publish=True)
    where = {"FunctionName": "f", "Qualifier": "1"}
    lam.put_provisioned_concurrency_config(**where, ProvisionedConcurrentExecutions=2)
    cloud.settle()
    assert lam.get_provisioned_concurrency_config(**where)["Status"] == "READY"
    cloud.inner._workshop = Stage(cloud.house.loop)
    assert lam.get_provisioned_concurrency_config(**where)["Status"] == "IN_PROGRESS"
    cloud.settle()
    assert lam.get_provisioned_concurrency_config(**where)["Status"] == "READY"


def test_what_is_new_is_made_ready(cloud: Any, lam: Any, create: Any, stage: Stage) -> None:
    """Before a function is first invoked, and after each change, the workshop knows what will run; not where only its role could tell."""
    create("f", Publish=True)
    cloud.settle()
    assert [key.split("/")[3] for key in stage.expected] == ["$LATEST", "1"]
    lam.update_function_configuration(FunctionName="f", MemorySize=256)
    cloud.settle()
    lam.invoke(FunctionName="f")
    assert stage.expected[-1] == stage.invocations[-1][0].key
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    create("sealed", KMSKeyArn=key, Environment={"Variables": {"AA": "1"}})
    cloud.settle()
    assert len(stage.expected) == 3


def test_taken_back_it_is_as_it_was(cloud: Any, lam: Any, create: Any, stage: Stage) -> None:
    """Where the cloud is taken back, environments go with the credentials that they had; new ones work."""
    create("f", "def handler(event, context):\n    return list(context.credentials)[:3]")
    cloud.settle()
    before = cloud.house.on_loop(lambda: cloud.inner.store.sequence)
    key = answer(lam.invoke(FunctionName="f"))
    assert cloud.client("sts", *key).get_caller_identity()["Account"] == ACCOUNT
    stage.warmed["old"] = 0
    control.ask(cloud.endpoint, "POST", "/backtrack", {"to": f"@{before}"})
    again = answer(lam.invoke(FunctionName="f"))
    assert again != key
    assert cloud.client("sts", *again).get_caller_identity()["Account"] == ACCOUNT
    assert stage.forgotten == ["old"]


def test_who_deletes_itself_has_its_answer(lam: Any, create: Any, stage: Stage) -> None:
    """A function that is gone when it ends still answers who called it."""
    create("f")
    stage.hold = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lam.invoke, FunctionName="f", Payload=b'"still here"')
        while not stage.invocations:
            pass
        lam.delete_function(FunctionName="f")
        stage.hold.set()
        assert answer(waiting.result()) == "still here"


def test_changed_code_is_other_code(lam: Any, create: Any, stage: Stage) -> None:
    """What runs is what $LATEST is now; warm environments are known by the revision."""
    create("f", "def handler(event, context):\n    return 1")
    assert answer(lam.invoke(FunctionName="f")) == 1
    lam.update_function_code(FunctionName="f", ZipFile=zipped(index="def handler(event, context):\n    return 2"))
    assert answer(lam.invoke(FunctionName="f")) == 2
    assert len({function.key for function, _ in stage.invocations}) == 2


def test_hot_code(cloud: Any, lam: Any, create: Any, stage: Stage, tmp_path: Path) -> None:
    """A folder in the place of the package is what runs."""
    create("f", "def handler(event, context):\n    return 1")
    (tmp_path / "index.py").write_text("def handler(event, context):\n    return 'hot'")

    def mount(folder: str) -> None:
        from fogbank.delivery import outbox

        tx = cloud.inner.begin()
        item = {"account": ACCOUNT, "region": "us-east-1", "name": "f", "folder": folder}
        outbox.put(tx, "lambda.mount", item, tx.at_ms, ACCOUNT, "us-east-1")
        cloud.inner.commit(tx)

    cloud.house.on_loop(lambda: mount(str(tmp_path)))
    cloud.settle()
    assert answer(lam.invoke(FunctionName="f")) == "hot"
    cloud.house.on_loop(lambda: mount(""))
    cloud.settle()
    assert answer(lam.invoke(FunctionName="f")) == 1


def test_a_loop_is_ended(cloud: Any, lam: Any, create: Any, stage: Stage, refused: Any) -> None:
    """What comes back to a function for the 17th time is refused, unless the function allows it."""
    create("f", "def handler(event, context):\n    return context.trace")
    trace = ""

    def round_trip() -> Any:
        def put(request: Any, **_: Any) -> None:
            if trace:
                request.headers["X-Amzn-Trace-Id"] = trace

        client = cloud.client("lambda")
        client.meta.events.register("before-sign.lambda.Invoke", put, unique_id="trace")
        try:
            return answer(client.invoke(FunctionName="f"))
        finally:
            client.meta.events.unregister("before-sign.lambda.Invoke", unique_id="trace")

    for count in range(1, 17):
        trace = round_trip()
        assert f":{count}" in trace.rpartition("Lineage=")[2]
    code, message = refused(round_trip)
    assert code == "RecursiveInvocationException"
    assert message.startswith("Lambda has detected your function being invoked in a recursive loop")
    lam.put_function_recursion_config(FunctionName="f", RecursiveLoop="Allow")
    assert round_trip()


def test_a_streamed_answer_comes_piece_by_piece(lam: Any, create: Any, stage: Stage) -> None:
    """Pieces come as they are written, then the end with the log."""
    create(
        "f",
        "import stage\n"
        "def handler(event, context):\n"
        "    for piece in event:\n"
        "        context.write(piece.encode())\n"
        "    return stage.Streamed()",
    )
    got = lam.invoke_with_response_stream(FunctionName="f", Payload=b'["ab", "c"]', LogType="Tail")
    assert (got["StatusCode"], got["ExecutedVersion"]) == (200, "$LATEST")
    *pieces, last = list(got["EventStream"])
    assert b"".join(piece["PayloadChunk"]["Payload"] for piece in pieces) == b"abc"
    assert base64.b64decode(last["InvokeComplete"]["LogResult"]).startswith(b"START ")


def test_what_is_not_streamed_comes_in_one_piece(lam: Any, create: Any, stage: Stage, refused: Any) -> None:
    """A plain answer is one piece; what a function raises is told at the end; refusals come before."""
    create("f", "def handler(event, context):\n    return 1 / event")
    [piece, last] = list(lam.invoke_with_response_stream(FunctionName="f", Payload=b"2")["EventStream"])
    assert (piece["PayloadChunk"]["Payload"], last) == (b"0.5", {"InvokeComplete": {}})
    [last] = list(lam.invoke_with_response_stream(FunctionName="f", Payload=b"0")["EventStream"])
    assert last["InvokeComplete"]["ErrorCode"] == "Unhandled"
    assert "division by zero" in last["InvokeComplete"]["ErrorDetails"]
    lam.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    assert refused(lam.invoke_with_response_stream, FunctionName="f")[0] == "TooManyRequestsException"


def test_metrics_are_recorded(cloud: Any, lam: Any, create: Any, stage: Stage, refused: Any) -> None:
    """Invocations, errors, throttles and durations are metrics of the function, and of what of it was invoked."""
    create("f", "def handler(event, context):\n    return 1 / event")
    lam.invoke(FunctionName="f", Payload=b"1")
    lam.invoke(FunctionName="f", Payload=b"0")
    lam.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    refused(lam.invoke, FunctionName="f")
    cloud.settle()

    def total(name: str, *dimensions: tuple[str, str]) -> float:
        got = cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions],
            StartTime=cloud.now_ms / 1000 - 600,
            EndTime=cloud.now_ms / 1000 + 600,
            Period=1200,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in got))

    own = ("FunctionName", "f")
    assert [total(name, own) for name in ("Invocations", "Errors", "Throttles")] == [2, 1, 1]
    assert total("Duration", own, ("Resource", "f")) == 3.0
    assert total("Invocations") == 2
