"""The CloudFormation types, by Cloud Control."""

from __future__ import annotations

import json
from typing import Any

from fogbank.testing.cloud import ACCOUNT, Cloud

from .conftest import BUS, ORDER


def test_types(cloud: Cloud, schemas: Any) -> None:
    """A registry with a policy, a schema and a discoverer are made, read, changed, listed and deleted as resources."""
    control = cloud.client("cloudcontrol")

    def done(answer: Any) -> str:
        cloud.settle()
        event = control.get_resource_request_status(RequestToken=answer["ProgressEvent"]["RequestToken"])["ProgressEvent"]
        assert event["OperationStatus"] == "SUCCESS", event
        identifier: str = event["Identifier"]
        return identifier

    def make(kind: str, **properties: Any) -> str:
        return done(control.create_resource(TypeName=f"AWS::EventSchemas::{kind}", DesiredState=json.dumps(properties)))

    def held(kind: str, identifier: str) -> Any:
        found = control.get_resource(TypeName=f"AWS::EventSchemas::{kind}", Identifier=identifier)
        return json.loads(found["ResourceDescription"]["Properties"])

    def patch(kind: str, identifier: str, path: str, value: Any) -> None:
        document = json.dumps([{"op": "replace", "path": path, "value": value}])
        done(control.update_resource(TypeName=f"AWS::EventSchemas::{kind}", Identifier=identifier, PatchDocument=document))

    registry = make("Registry", RegistryName="shop", Description="d", Tags=[{"Key": "a", "Value": "b"}])
    statement = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "schemas:*", "Resource": registry}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    policy = make("RegistryPolicy", RegistryName="shop", Policy=document)
    content = json.dumps(ORDER)
    schema = make("Schema", RegistryName="shop", SchemaName="s", Type="OpenApi3", Content=content)
    discoverer = make("Discoverer", SourceArn=BUS, Description="d")
    assert held("Registry", registry)["Tags"] == [{"Key": "a", "Value": "b"}]
    assert held("RegistryPolicy", policy)["Policy"]["Statement"][0]["Action"] == "schemas:*"
    assert held("Schema", schema)["SchemaVersion"] == "1"
    assert held("Discoverer", discoverer)["State"] == "STARTED"
    patch("Registry", registry, "/Description", "new")
    patch("Schema", schema, "/Content", json.dumps({**ORDER, "info": {"title": "Order", "version": "2"}}))
    patch("Discoverer", discoverer, "/Description", "new")
    assert schemas.describe_registry(RegistryName="shop")["Description"] == "new"
    assert held("Schema", schema)["SchemaVersion"] == "2"
    assert held("Discoverer", discoverer)["Description"] == "new"
    for kind, identifier in (("RegistryPolicy", policy), ("Schema", schema), ("Registry", registry), ("Discoverer", discoverer)):
        done(control.delete_resource(TypeName=f"AWS::EventSchemas::{kind}", Identifier=identifier))
    assert [one["RegistryName"] for one in schemas.list_registries(Scope="Local")["Registries"]] == ["discovered-schemas"]
