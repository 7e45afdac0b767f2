"""The entity that a PutLogEvents says its events belong to: checked as AWS checks it. Nothing reads entities back from CloudWatch Logs.

Source: "How to add related information to telemetry" in the CloudWatch User Guide; API reference, Entity.
"""

from __future__ import annotations

from typing import Any

from fogbank.services.logs.state import STANDARD, Group

_KEYS = frozenset({"Type", "ResourceType", "Identifier", "Name", "Environment"})
_NEEDED = {
    "Service": ("Name", "Environment"),
    "RemoteService": ("Name",),
    "Resource": ("ResourceType", "Identifier"),
    "AWS::Resource": ("ResourceType", "Identifier"),
}


def fault(group: Group, entity: Any) -> dict[str, str] | None:
    """Why the entity is rejected; the events are taken all the same."""
    if group.log_class != STANDARD:
        return {"errorType": "UnsupportedLogGroupType"}
    keys = entity.keyAttributes
    if not keys:
        return {"errorType": "MissingRequiredFields"}
    if keys.keys() - _KEYS:
        return {"errorType": "InvalidKeyAttributes"}
    needed = _NEEDED.get(keys.get("Type", ""))
    if needed is None:
        return {"errorType": "InvalidTypeValue"}
    return None if all(name in keys for name in needed) else {"errorType": "MissingRequiredFields"}
