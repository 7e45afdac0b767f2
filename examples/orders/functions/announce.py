"""Tells the bus of every order that is new in the table."""

import json
import os

import boto3

events = boto3.client("events")


def entry(record):
    image = record["dynamodb"]["NewImage"]
    detail = {"customer": image["customer"]["S"], "number": int(image["number"]["N"]), "cents": int(image["cents"]["N"])}
    return {"EventBusName": os.environ["BUS"], "Source": "shop.orders", "DetailType": "OrderPlaced", "Detail": json.dumps(detail)}


def handler(event, context):
    new = [entry(record) for record in event["Records"] if record["eventName"] == "INSERT"]
    for start in range(0, len(new), 10):
        answer = events.put_events(Entries=new[start : start + 10])
        if answer["FailedEntryCount"]:
            raise RuntimeError(str(answer["Entries"]))
    return len(new)
