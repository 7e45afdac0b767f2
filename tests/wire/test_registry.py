"""AWS's schemas of resource types."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fogbank.wire import registry

SERVICES = sorted(path.name.removesuffix(".json.gz") for path in registry._REGISTRY.glob("*.json.gz"))
SAMPLE = {"EC2", "ECS", "IAM", "Lambda", "RDS", "S3", "SQS", "StepFunctions"}


@pytest.mark.parametrize("service", [pytest.param(s, marks=() if s in SAMPLE else pytest.mark.slow) for s in SERVICES])
def test_schemas(service: str) -> None:
    """Every schema can be held against properties, and names its identifier."""
    for name in registry._file(service):
        schema = registry.schema(name)
        assert schema is not None
        assert schema.identifier
        assert schema.violations({"NoSuchProperty": 1})


def test_paths() -> None:
    """Properties inside of others, and inside of each item of a list, are named by their paths."""
    schema = registry.schema("AWS::S3::Bucket")
    assert schema is not None
    rules = {"Rules": [{"Id": "a", "Transition": {}, "Status": "Enabled"}]}
    kept = schema.readable({"AccessControl": "Private", "BucketName": "b", "LifecycleConfiguration": rules})
    assert kept == {"BucketName": "b", "LifecycleConfiguration": {"Rules": [{"Id": "a", "Status": "Enabled"}]}}
    assert schema.changed({"BucketName": "a"}, {"BucketName": "b"}, schema.create_only) == ["BucketName"]
    assert schema.given({"BucketName": "b", "Arn": None}, (*schema.create_only, *schema.read_only)) == ["BucketName"]


def test_patterns() -> None:
    """Patterns are Java's: a value has to match as a whole, and letters are of any script."""
    schema = registry.schema("AWS::SQS::Queue")
    assert schema is not None
    assert schema.violations({"Tags": [{"Key": "\u00e9t\u00e9 1", "Value": "v"}]}) == []
    assert schema.violations({"Tags": [{"Key": "a!", "Value": "v"}]}) == [
        "#/Tags/0/Key: failed validation constraint for keyword [pattern]"
    ]


def test_packing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is said goes when schemas are packed; a property may have the name of a word of schemas."""
    document = {
        "typeName": "AWS::Test::Thing",
        "description": "a thing",
        "properties": {"description": {"type": "string", "description": "its text"}, "format": {"type": "string", "format": "x"}},
        "handlers": {"read": {"permissions": []}, "create": {"permissions": []}},
        "primaryIdentifier": ["/properties/format"],
    }
    for folder, name, content in (("providers", "us-east-1", {"AWS::Test::Thing": "1"}), ("resources", "1", document)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.json").write_bytes(msgspec.json.encode(content))
    monkeypatch.setattr(registry, "_REGISTRY", tmp_path)
    registry.write(tmp_path)
    registry._file.cache_clear()
    packed = registry._file("Test")["AWS::Test::Thing"]
    registry._file.cache_clear()
    assert packed == {
        "typeName": "AWS::Test::Thing",
        "properties": {"description": {"type": "string"}, "format": {"type": "string"}},
        "handlers": ["create", "read"],
        "primaryIdentifier": ["/properties/format"],
    }
