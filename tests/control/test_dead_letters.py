"""What was given up can be looked at, and tried again."""

from __future__ import annotations

import json

from fogbank.control.client import ask
from fogbank.testing import Cloud


def test_a_lost_event_is_kept_and_delivered_at_last(cloud: Cloud) -> None:
    """An S3 event whose queue is missing becomes a dead letter after all its attempts; tried again, it arrives."""
    s3, sqs = cloud.client("s3"), cloud.client("sqs")
    s3.create_bucket(Bucket="bucket")
    statement = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}
    attributes = {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}
    url = sqs.create_queue(QueueName="events", Attributes=attributes)["QueueUrl"]
    configuration = {"QueueConfigurations": [{"QueueArn": "arn:aws:sqs:us-east-1:000000000000:events", "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket="bucket", NotificationConfiguration=configuration)
    cloud.settle()
    sqs.delete_queue(QueueUrl=url)
    s3.put_object(Bucket="bucket", Key="k", Body=b"x")
    cloud.settle()
    for _ in range(12):
        cloud.advance(900)
    (letter,) = ask(cloud.endpoint, "GET", "/dead-letters")["letters"]
    assert (letter["task"], letter["attempts"]) == ("s3.deliver", 12)
    assert "not authorized to perform: sqs:sendmessage" in letter["error"]  # nobody has a policy for what is not there
    sqs.create_queue(QueueName="events", Attributes=attributes)
    assert ask(cloud.endpoint, "POST", "/dead-letters", {}) == {"retried": 1}
    cloud.settle()
    assert ask(cloud.endpoint, "GET", "/dead-letters") == {"letters": []}
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"])["Records"][0]["s3"]["object"]["key"] == "k"
