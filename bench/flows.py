"""What passes from service to service: fan-out, rules, notifications, streams, functions.

`OPS` has the rates, in the form of `load.OPS`. `ARRIVALS` has latencies from the request until what comes of it has been received at the
other end, by a consumer that polled (long) before the request was sent: name -> (the request, the queue where it arrives).
`COLD`: a function's first invocation. A rate's messages are counted at its end: `arrived` is how many of a hundred were in the queue.
"""

from __future__ import annotations

import io
import json
import re
import time
import zipfile

ACCOUNT = "000000000000"
SHARDS = 1600
"""A shard takes 1,000 records and gives 5 answers a second: as many as no peer's rate comes up to."""
RECORD = b"d" * 256
SOURCE = b"def handler(event, context): return event\n"
EVENT = {"text": "m" * 100}


def policy(service: str) -> str:
    """A queue's policy that lets a service send on behalf of anything of the account."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": "*",
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:*:*:*:*"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def queue(t, name, service):
    """A queue that a service may send to: its URL and ARN."""

    def make():
        sqs = t.live("sqs")
        attributes = {"VisibilityTimeout": "600", "Policy": policy(service)}
        url = sqs.create_queue(QueueName=f"{name}-{t.tag}", Attributes=attributes)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        return url, arn

    return t.once("fq" + name, make)


def fan(t, use):
    """A topic with ten queues: its ARN; the last queue is `fan-USE-9`. `raw`: they get the message alone, without the signed envelope."""

    def make():
        sns = t.live("sns")
        topic = sns.create_topic(Name=f"fan-{use}-{t.tag}")["TopicArn"]
        for i in range(10):
            raw = {"RawMessageDelivery": "true"} if use.startswith("raw") else {}
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue(t, f"fan-{use}-{i}", "sns")[1], Attributes=raw)
        return topic

    return t.once("fan" + use, make)


def rule(t, use):
    """A rule for one source, and its queue: the source."""

    def make():
        events, source = t.live("events"), f"bench.{use}"
        events.put_rule(Name=f"rule-{use}-{t.tag}", EventPattern=json.dumps({"source": [source], "detail-type": ["Order"]}))
        failed = events.put_targets(Rule=f"rule-{use}-{t.tag}", Targets=[{"Id": "1", "Arn": queue(t, f"rule-{use}", "events")[1]}])[
            "FailedEntryCount"
        ]
        assert not failed
        return source

    return t.once("rule" + use, make)


def noticed(t, use):
    """A bucket that tells a queue of what is put: its name."""

    def make():
        name, s3 = f"noticed-{use}-{t.tag}", t.live("s3")
        s3.create_bucket(Bucket=name)
        told = {"QueueArn": queue(t, f"noticed-{use}", "s3")[1], "Events": ["s3:ObjectCreated:*"]}
        s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"QueueConfigurations": [told]})
        return name

    return t.once("noticed" + use, make)


def stream(t):
    """A stream with ten records in each of its many shards: its name, and an iterator at the beginning of each shard."""

    def make():
        kinesis, name = t.live("kinesis"), f"bench-{t.tag}"
        kinesis.create_stream(StreamName=name, ShardCount=SHARDS)
        for _ in range(1200):
            if kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE":
                break
            time.sleep(0.05)
        places = [i * (2**128 // SHARDS) + 1000 for i in range(SHARDS)]
        shards: list[str] = []
        for start in range(0, SHARDS, 50):
            records = [
                {"Data": RECORD, "PartitionKey": f"k{k}", "ExplicitHashKey": str(p)} for p in places[start : start + 50] for k in range(10)
            ]
            put = kinesis.put_records(StreamName=name, Records=records)
            assert not put.get("FailedRecordCount")
            shards += [record["ShardId"] for record in put["Records"][::10]]
        return name, shards

    return t.once("stream", make)


def iterators(t):
    def make():
        name, shards = stream(t)
        get = t.live("kinesis").get_shard_iterator
        return [get(StreamName=name, ShardId=s, ShardIteratorType="TRIM_HORIZON")["ShardIterator"] for s in shards]

    return t.once("iterators", make)


def packed() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("app.py", SOURCE)
    return out.getvalue()


def role(t):
    def make():
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        return t.live("iam").create_role(RoleName=f"bench-{t.tag}", AssumeRolePolicyDocument=document)["Role"]["Arn"]

    return t.once("role", make)


def function(t, name):
    """A Python function of one line: its name."""

    def make():
        functions, full = t.live("lambda"), f"{name}-{t.tag}"
        functions.create_function(
            FunctionName=full, Runtime="python3.11", Handler="app.handler", Role=role(t), Code={"ZipFile": packed()}, Timeout=30
        )
        for _ in range(600):
            if functions.get_function_configuration(FunctionName=full).get("State", "Active") == "Active":
                break
            time.sleep(0.05)
        return full

    return t.once("f" + name, make)


# --------------------------------------------------------------------------- verified once
def check(cond, what):
    if not cond:
        raise AssertionError(what)


def received(t, url, seconds=10):
    """The body of the next message, taken out of the queue."""
    sqs, end = t.live("sqs"), time.monotonic() + seconds
    while time.monotonic() < end:
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2).get("Messages", ()):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return message["Body"]
    raise AssertionError("nothing arrived")


def _fan_verify(t):
    id = t.live("sns").publish(TopicArn=fan(t, "v"), Message="hello")["MessageId"]
    for i in range(10):
        told = json.loads(received(t, queue(t, f"fan-v-{i}", "sns")[0]))
        check(told["Message"] == "hello" and told["MessageId"] == id, "message differs")


def _raw_verify(t):
    t.live("sns").publish(TopicArn=fan(t, "rawv"), Message="hello")
    check([received(t, queue(t, f"fan-rawv-{i}", "sns")[0]) for i in range(10)] == ["hello"] * 10, "message differs")


def _rule_verify(t):
    source = rule(t, "v")
    entries = [{"Source": s, "DetailType": "Order", "Detail": json.dumps(EVENT)} for s in ("bench.other", source)]
    check(t.live("events").put_events(Entries=entries)["FailedEntryCount"] == 0, "failed")
    told = json.loads(received(t, queue(t, "rule-v", "events")[0]))
    check(told["detail"] == EVENT and told["source"] == source, "event differs")


def _noticed_verify(t):
    t.live("s3").put_object(Bucket=noticed(t, "v"), Key="hello", Body=b"x" * 1024)
    while True:
        told = json.loads(received(t, queue(t, "noticed-v", "s3")[0]))
        if told.get("Event") != "s3:TestEvent":
            break
    check(told["Records"][0]["s3"]["object"]["key"] == "hello", "event differs")


def _stream_verify(t):
    name, _ = stream(t)
    k = t.live("kinesis")
    check(k.put_record(StreamName=name, Data=RECORD, PartitionKey="k")["SequenceNumber"], "no sequence number")
    got = k.get_records(ShardIterator=iterators(t)[7], Limit=10)["Records"]
    check([r["Data"] for r in got] == [RECORD] * 10 and got[3]["PartitionKey"] == "k3", "records differ")


def _function_verify(t):
    got = t.live("lambda").invoke(FunctionName=function(t, "warm"), Payload=json.dumps(EVENT))
    check(json.load(got["Payload"]) == EVENT and not got.get("FunctionError"), "answer differs")


# --------------------------------------------------------------------------- requests
def publish(t, use, i):
    return "sns", "publish", {"TopicArn": fan(t, use), "Message": f"message {i} " + "m" * 100}


def put_event(t, use, i):
    entry = {"Source": rule(t, use), "DetailType": "Order", "Detail": json.dumps({"n": i, **EVENT})}
    return "events", "put_events", {"Entries": [entry]}


def put_object(t, use, i):
    return "s3", "put_object", {"Bucket": noticed(t, use), "Key": f"k{i:04d}", "Body": bytes(range(256)) * 4}


def put_record(t, i):
    return "kinesis", "put_record", {"StreamName": stream(t)[0], "Data": RECORD, "PartitionKey": f"k{i}"}


def get_records(t, i):
    return "kinesis", "get_records", {"ShardIterator": iterators(t)[i], "Limit": 10}


def invoke(t, name):
    return "lambda", "invoke", {"FunctionName": function(t, name), "Payload": json.dumps(EVENT)}


OPS = {
    "sns.fanout_10": (_fan_verify, lambda t, i: publish(t, "rate", i), 64),
    "sns.fanout_10_raw": (_raw_verify, lambda t, i: publish(t, "raw", i), 64),
    "events.put_sqs": (_rule_verify, lambda t, i: put_event(t, "rate", i), 64),
    "s3.event_sqs": (_noticed_verify, lambda t, i: put_object(t, "rate", i), 256),
    "kinesis.put": (_stream_verify, put_record, 4096),
    "kinesis.get": (_stream_verify, get_records, SHARDS),
    "lambda.warm": (_function_verify, lambda t, i: invoke(t, "warm"), 16),
}
ARRIVALS = {
    "sns.fanout_10.arrival": (_fan_verify, lambda t, i: publish(t, "arrival", i), lambda t: queue(t, "fan-arrival-9", "sns")[0]),
    "events.put_sqs.arrival": (_rule_verify, lambda t, i: put_event(t, "arrival", i), lambda t: queue(t, "rule-arrival", "events")[0]),
    "s3.event_sqs.arrival": (_noticed_verify, lambda t, i: put_object(t, "arrival", i), lambda t: queue(t, "noticed-arrival", "s3")[0]),
}
COLD = "lambda.cold"
ARRIVE_AT = {
    "sns.fanout_10": lambda t: queue(t, "fan-rate-9", "sns")[0],
    "sns.fanout_10_raw": lambda t: queue(t, "fan-raw-9", "sns")[0],
    "events.put_sqs": lambda t: queue(t, "rule-rate", "events")[0],
    "s3.event_sqs": lambda t: queue(t, "noticed-rate", "s3")[0],
}
handle_in = re.compile(rb'"ReceiptHandle"\s*:\s*("(?:[^"\\]|\\.)*")').search


def waiting(t, url) -> int:
    """How many messages there are in a queue."""
    got = t.live("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(got["Attributes"]["ApproximateNumberOfMessages"])


def settled(t, url, wanted, seconds=20) -> int:
    """How many messages there are, once there are as many as wanted, or no more come."""
    end = time.monotonic() + seconds
    before = -1
    while True:
        there = waiting(t, url)
        if there >= wanted or time.monotonic() > end or there == before:
            return there
        before = there
        time.sleep(0.5)
