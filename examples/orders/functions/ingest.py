"""Takes every order of an uploaded file into the table: one JSON object a line."""

import json
import os
from urllib.parse import unquote_plus

import boto3

s3 = boto3.client("s3")
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def handler(event, context):
    count = 0
    for record in event["Records"]:
        bucket, key = record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"])
        lines = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode().splitlines()
        with table.batch_writer() as batch:
            for line in lines:
                order = json.loads(line)
                batch.put_item({"customer": order["customer"], "number": order["number"], "cents": order["cents"], "file": key})
                count += 1
    print(f"{count} orders")
    return count
