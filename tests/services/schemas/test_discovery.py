"""What is learned of events."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.services.schemas import contents, inference
from fogbank.testing.cloud import ACCOUNT, Cloud

from .conftest import BUS, put, refused

OTHER = "111111111111"
WHERE = {"RegistryName": "discovered-schemas", "SchemaName": "shop@OrderPlaced"}


@pytest.fixture
def discoverer(schemas: Any) -> str:
    id: str = schemas.create_discoverer(SourceArn=BUS, Tags={"a": "b"})["DiscovererId"]
    return id


def learned(cloud: Cloud, schemas: Any) -> Any:
    cloud.settle()
    return schemas.describe_schema(**WHERE)


def test_learns(cloud: Cloud, schemas: Any, events: Any, discoverer: str) -> None:
    """A discoverer writes a schema per source and detail-type; an event of another shape makes a new version, one of the same does not."""
    put(events, {"id": 1, "when": "2024-01-01T00:00:00Z", "lines": [{"sku": "a"}]})
    first = learned(cloud, schemas)
    assert first["SchemaVersion"] == "1"
    assert first["Description"] == "Schema for event type OrderPlaced, from source shop"
    made = json.loads(first["Content"])
    parts = made["components"]["schemas"]
    assert made["info"]["title"] == "OrderPlaced"
    assert parts["AWSEvent"]["x-amazon-events-source"] == "shop"
    assert parts["AWSEvent"]["x-amazon-events-detail-type"] == "Order Placed"
    assert parts["AWSEvent"]["properties"]["detail"] == {"$ref": "#/components/schemas/OrderPlaced"}
    assert parts["AWSEvent"]["required"] == list(inference.ENVELOPE)
    assert parts["OrderPlaced"]["required"] == ["id", "lines", "when"]
    assert parts["OrderPlaced"]["properties"]["when"] == {"type": "string", "format": "date-time"}
    assert parts["OrderPlaced"]["properties"]["lines"] == {"type": "array", "items": {"$ref": "#/components/schemas/LinesItem"}}
    put(events, {"id": 2, "when": "2025-01-01T00:00:00Z", "lines": [{"sku": "b"}, {"sku": "c"}]})
    assert learned(cloud, schemas)["SchemaVersion"] == "1"
    put(events, {"id": 2, "note": "x", "lines": []})
    second = learned(cloud, schemas)
    assert second["SchemaVersion"] == "2"
    order = json.loads(second["Content"])["components"]["schemas"]["OrderPlaced"]
    assert order["required"] == ["id", "lines"]
    assert order["properties"].keys() == {"id", "when", "lines", "note"}
    put(events, {"x": 1}, kind="Other")
    cloud.settle()
    assert [one["SchemaName"] for one in schemas.list_schemas(RegistryName="discovered-schemas")["Schemas"]] == [
        "shop@OrderPlaced",
        "shop@Other",
    ]


def test_own_bus(cloud: Cloud, schemas: Any, events: Any) -> None:
    """A discoverer learns of the bus that it stands on, and of no other."""
    arn = events.create_event_bus(Name="orders")["EventBusArn"]
    assert schemas.create_discoverer(SourceArn=arn)["DiscovererId"] == "events-event-bus-orders"
    put(events, {"id": 1}, kind="Elsewhere")
    put(events, {"id": 1}, EventBusName="orders")
    cloud.settle()
    assert [one["SchemaName"] for one in schemas.list_schemas(RegistryName="discovered-schemas")["Schemas"]] == ["shop@OrderPlaced"]


def test_managed_rule(cloud: Cloud, schemas: Any, events: Any, discoverer: str) -> None:
    """The rule on the bus is the service's: nobody else changes it, and it goes with the discoverer."""
    rules = events.list_rules()["Rules"]
    assert [(one["Name"], one["ManagedBy"]) for one in rules] == [("Schemas-events-event-bus-default", "schemas.amazonaws.com")]
    assert refused(events.disable_rule, Name=rules[0]["Name"])[0] == "ManagedRuleException"
    assert schemas.stop_discoverer(DiscovererId=discoverer)["State"] == "STOPPED"
    assert events.list_rules()["Rules"] == []
    put(events, {"id": 1})
    cloud.settle()
    assert schemas.list_schemas(RegistryName="discovered-schemas")["Schemas"] == []
    assert schemas.start_discoverer(DiscovererId=discoverer)["State"] == "STARTED"
    assert schemas.start_discoverer(DiscovererId=discoverer)["State"] == "STARTED"
    put(events, {"id": 1})
    assert learned(cloud, schemas)["SchemaVersion"] == "1"
    schemas.delete_discoverer(DiscovererId=discoverer)
    assert events.list_rules()["Rules"] == []
    assert refused(schemas.describe_discoverer, DiscovererId=discoverer)[0] == "NotFoundException"
    assert schemas.describe_schema(**WHERE)["SchemaVersion"] == "1"


def test_discoverer(schemas: Any, discoverer: str) -> None:
    """One discoverer for a bus that is there; it is described, changed and listed."""
    held = schemas.describe_discoverer(DiscovererId=discoverer)
    assert held["DiscovererArn"] == f"arn:aws:schemas:us-east-1:{ACCOUNT}:discoverer/events-event-bus-default"
    assert (held["State"], held["CrossAccount"], held["Tags"]) == ("STARTED", True, {"a": "b"})
    assert refused(schemas.create_discoverer, SourceArn=BUS)[:2] == ("ConflictException", 409)
    assert refused(schemas.create_discoverer, SourceArn=BUS.replace("default", "none"))[0] == "NotFoundException"
    assert refused(schemas.create_discoverer, SourceArn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:q")[0] == "BadRequestException"
    assert schemas.update_discoverer(DiscovererId=discoverer, Description="d", CrossAccount=False)["Description"] == "d"
    assert schemas.list_discoverers(SourceArnPrefix="arn:aws:events")["Discoverers"][0]["CrossAccount"] is False
    assert schemas.list_discoverers(DiscovererIdPrefix="other")["Discoverers"] == []


def test_bus_with_a_key(cloud: Cloud, schemas: Any, events: Any) -> None:
    """Nothing is discovered on a bus that has a customer's key."""
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    allow = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    cloud.client("kms").put_key_policy(KeyId=key, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allow]}))
    arn = events.create_event_bus(Name="b", KmsKeyIdentifier=key)["EventBusArn"]
    code, _, message = refused(schemas.create_discoverer, SourceArn=arn)
    assert code == "BadRequestException"
    assert "customer managed key" in message
    assert schemas.list_discoverers()["Discoverers"] == []


def test_cross_account(cloud: Cloud, schemas: Any, events: Any) -> None:
    """Events of other accounts are learned of, unless CrossAccount is false."""
    events.put_permission(Action="events:PutEvents", Principal=OTHER, StatementId="them")
    discoverer = schemas.create_discoverer(SourceArn=BUS, CrossAccount=False)["DiscovererId"]
    theirs = cloud.client("events", OTHER)
    put(theirs, {"id": 1}, EventBusName=BUS)
    cloud.settle()
    assert schemas.list_schemas(RegistryName="discovered-schemas")["Schemas"] == []
    schemas.update_discoverer(DiscovererId=discoverer, CrossAccount=True)
    put(theirs, {"id": 1}, EventBusName=BUS)
    assert learned(cloud, schemas)["SchemaVersion"] == "1"


def test_nobody_teaches_other_accounts(cloud: Cloud, schemas: Any, events: Any, discoverer: str) -> None:
    """A rule of another account with a discoverer as its target teaches it nothing."""
    theirs = cloud.client("events", OTHER)
    theirs.put_rule(Name="r", EventPattern=json.dumps({"version": ["0"]}))
    arn = schemas.describe_discoverer(DiscovererId=discoverer)["DiscovererArn"]
    theirs.put_targets(Rule="r", Targets=[{"Id": "d", "Arn": arn}])
    put(theirs, {"id": 1})
    cloud.settle()
    assert schemas.list_schemas(RegistryName="discovered-schemas")["Schemas"] == []


def test_get_discovered_schema(schemas: Any) -> None:
    """A schema can be had of events, or of other JSON, without being stored."""
    event = {"source": "a.b", "detail-type": "order placed", "detail": {"n": 1, "x": None}, "time": "t"}
    one = json.loads(schemas.get_discovered_schema(Type="OpenApi3", Events=[json.dumps(event)])["Content"])
    assert one["info"]["title"] == "OrderPlaced"
    assert one["components"]["schemas"]["OrderPlaced"]["properties"] == {"n": {"type": "integer", "format": "int64"}, "x": {}}
    both = [json.dumps(event), json.dumps({**event, "detail": {"n": 1.5}})]
    two = json.loads(schemas.get_discovered_schema(Type="JSONSchemaDraft4", Events=both)["Content"])
    assert two["definitions"]["OrderPlaced"]["properties"]["n"] == {"type": "number"}
    assert two["definitions"]["OrderPlaced"]["required"] == ["n"]
    plain = json.loads(schemas.get_discovered_schema(Type="OpenApi3", Events=['{"a": {"b": [true]}}'])["Content"])
    assert plain["components"]["schemas"]["A"]["properties"] == {"b": {"type": "array", "items": {"type": "boolean"}}}
    mixed = [json.dumps(event), json.dumps({**event, "source": "c"})]
    assert refused(schemas.get_discovered_schema, Type="OpenApi3", Events=mixed)[0] == "BadRequestException"
    assert refused(schemas.get_discovered_schema, Type="OpenApi3", Events=["{"])[0] == "BadRequestException"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from([0.5, 1.25]) | st.sampled_from(["", "a", "2024-01-01T00:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c d"]), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(VALUES, min_size=1, max_size=3), VALUES)
def test_known(values: list[Any], other: Any) -> None:
    """What a tree knows is what changes nothing of it."""
    tree: inference.Tree = {}
    for value in values:
        tree = inference.merged(tree, inference.tree_of(value))
        assert inference.knows(tree, value)
    assert inference.knows(tree, other) == (inference.merged(tree, inference.tree_of(other)) == tree)


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_inference(details: list[Any]) -> None:
    """The schema of some events is a valid one and accepts each of them; more of the same changes nothing, and order does not matter."""
    envelope = dict.fromkeys(inference.ENVELOPE, "") | {"source": "s", "detail-type": "t", "time": "2024-01-01T00:00:00Z", "resources": []}
    examples = [{**envelope, "detail": detail} for detail in details]
    tree: inference.Tree = {}
    for example in examples:
        tree = inference.merged(tree, inference.tree_of(example))
    assert inference.merged(tree, inference.tree_of(examples[0])) == tree
    backwards: inference.Tree = {}
    for example in reversed(examples):
        backwards = inference.merged(backwards, inference.tree_of(example))
    assert backwards == tree
    document = inference.document(tree, "s", "t")
    contents.check("OpenApi3", json.dumps(document))
    validator = jsonschema.Draft4Validator(contents.as_json_schema(document))
    for example in examples:
        validator.validate(example)
