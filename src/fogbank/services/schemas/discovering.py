"""Learning schemas: of the events that discoverers hand on, and of those that a request brings."""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.languages import documents
from fogbank.services.schemas import contents, inference, schemas
from fogbank.services.schemas.addresses import bad
from fogbank.services.schemas.state import (
    DISCOVERED,
    DISCOVERED_LIMIT,
    DISCOVERERS,
    LEARNED,
    REGISTRIES,
    SCHEMAS,
    VERSIONS,
    VERSIONS_LIMIT,
    Learned,
    Registry,
    Schema,
)


def gather(ctx: Context, items: list[Any]) -> None:
    """Learns of events: `(account, region, discoverer, text)`. Those of one kind make one new version at most."""
    kinds: dict[tuple[str, str, str], tuple[inference.Tree, dict[str, Any]]] = {}
    heard: dict[tuple[str, str, str], bool] = {}
    for account, region, id, text in items:
        where = (account, region, id)
        if where not in heard:
            discoverer = DISCOVERERS.get(ctx, *where)
            heard[where] = discoverer is not None and discoverer.started
        if not heard[where]:
            continue
        try:
            event = documents.read_object(text)
        except documents.Malformed:  # nested too deeply
            continue
        if not inference.is_event(event):
            continue
        key = (account, region, inference.schema_name(event))
        learned, before = LEARNED.get(ctx, *key), kinds.get(key)
        if learned is not None and inference.knows(learned.tree, event):
            continue
        tree = inference.tree_of(event)
        kinds[key] = (tree if before is None else inference.merged(before[0], tree), event)
    for (account, region, name), (tree, event) in kinds.items():
        registry = REGISTRIES.get(ctx, account, region, DISCOVERED)
        if registry is not None:
            _learn(ctx, registry, name, tree, event)


def _learn(ctx: Context, registry: Registry, name: str, tree: inference.Tree, event: dict[str, Any]) -> None:
    """Adds to what is known of a kind of events; a new version where that has changed."""
    learned = LEARNED.get(ctx, registry.account, registry.region, name)
    if learned is not None:
        tree = inference.merged(learned.tree, tree)
        if tree == learned.tree:
            return
    schema = SCHEMAS.get(ctx, registry.account, registry.region, DISCOVERED, name)
    if not _room(ctx, registry, schema):
        return
    LEARNED.put(ctx, Learned(account=registry.account, region=registry.region, name=name, tree=tree))
    document = inference.document(tree, event["source"], event["detail-type"])
    content = msgspec.json.encode(document).decode()
    if schema is not None:
        schemas.with_version(ctx, schema, contents.OPENAPI, content)
        return
    said = f"Schema for event type {inference.title(event['detail-type'])}, from source {event['source']}"
    schemas.made(ctx, registry, name, contents.OPENAPI, content, description=said[:256], tags={})


def _room(ctx: Context, registry: Registry, schema: Schema | None) -> bool:
    """Whether there may be another version, or another schema."""
    where = (registry.account, registry.region, DISCOVERED)
    if schema is not None:
        return sum(1 for _ in VERSIONS.scan(ctx, *where, schema.name)) < VERSIONS_LIMIT
    return sum(1 for _ in SCHEMAS.scan(ctx, *where)) < DISCOVERED_LIMIT


@operation("GetDiscoveredSchema")
def get_discovered_schema(ctx: Context, req: Any) -> Answer:
    """The schema of one to ten events of one kind, or of other JSON objects. Nothing is stored.

    Errors: BadRequestException. Source: API reference, GetDiscoveredSchema.
    """
    events = [_parsed(text) for text in req.Events]
    kinds = {(event["source"], event["detail-type"]) if inference.is_event(event) else None for event in events}
    if len(kinds) > 1:
        raise bad("The events are of more than one source or detail-type.")
    tree: inference.Tree = {}
    for event in events:
        tree = inference.merged(tree, inference.tree_of(event))
    kind = kinds.pop()
    document = inference.plain_document(tree) if kind is None else inference.document(tree, *kind)
    if req.Type == contents.JSONSCHEMA:
        document = contents.as_json_schema(document)
    return {"Content": msgspec.json.encode(document).decode()}


def _parsed(text: str) -> dict[str, Any]:
    """Raises BadRequestException."""
    try:
        return documents.read_object(text)
    except documents.Malformed as wrong:
        raise bad(f"An event is not a valid JSON object: {wrong}.") from None
