"""Builds the application in the cloud that the environment points at, uploads a file of orders, and shows what arrived where."""

from __future__ import annotations

import argparse
import gzip
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
from deploy import deploy

QUEUES = ("packing.fifo", "lost-uploads", "lost-orders", "lost-packing", "lost-notices", "lost-ledger")


class Listener(BaseHTTPRequestHandler):
    """The HTTP subscriber: confirms, and counts."""

    heard: list[Any] = []

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()
        if message["Type"] == "SubscriptionConfirmation":
            arn, token = message["TopicArn"], message["Token"]
            threading.Thread(target=lambda: boto3.client("sns").confirm_subscription(TopicArn=arn, Token=token)).start()
        else:
            self.heard.append(message)

    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--again", action="store_true", help="it has been built: upload another file")
    options.add_argument("--orders", type=int, default=20)
    options.add_argument("--port", type=int, default=8099, help="of the HTTP subscriber")
    chosen = options.parse_args()
    server = HTTPServer(("127.0.0.1", chosen.port), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if not chosen.again:
        deploy(boto3.client, f"http://127.0.0.1:{chosen.port}/orders")
        time.sleep(1)
    s3 = boto3.client("s3")
    batch = int(time.time())
    lines = [json.dumps({"customer": f"c{n % 3}", "number": batch * 1000 + n, "cents": 100 * n}) for n in range(chosen.orders)]
    s3.put_object(Bucket="shop-uploads", Key=f"orders-{batch}.jsonl", Body="\n".join(lines).encode())
    print(f"uploaded {chosen.orders} orders; waiting")
    sqs = boto3.client("sqs")
    time.sleep(5)
    for name in QUEUES:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
        print(f"{name:20} {attributes['ApproximateNumberOfMessages']}")
    print(f"{'HTTP subscriber':20} {len(Listener.heard)}")
    print("archive, once a minute is over (or: fogbank clock advance 61s):")
    for found in s3.list_objects_v2(Bucket="shop-archive").get("Contents", []):
        body = gzip.decompress(s3.get_object(Bucket="shop-archive", Key=found["Key"])["Body"].read())
        print(f"  {found['Key']}: {len(body.splitlines())} orders")
    now = time.time()
    for trace in boto3.client("xray").get_trace_summaries(StartTime=now - 300, EndTime=now + 60, TimeRangeType="Event")["TraceSummaries"]:
        services = " > ".join(dict.fromkeys(s["Name"] for s in trace["ServiceIds"]))
        print(f"trace {trace['Id']} {trace['Duration']} s{' with errors' if trace['HasError'] else ''}: {services}")


if __name__ == "__main__":
    main()
