"""The model of the data.

- A registry holds schemas; the registry aws.events is everybody's, and has no rows (`published`).
- A schema has versions, numbered from 1; the newest of them is what it is.
- A code binding is only that it was asked for: its files are made of the schema when they are fetched.
- A discoverer stands on a bus. What it has learned of the events of one kind is a tree (`inference`), of which the schema is written.
"""

from __future__ import annotations

from typing import Any

from fogbank.store import Record, Table

REGISTRIES_LIMIT = 10
SCHEMAS_LIMIT = 100
DISCOVERED_LIMIT = 200
VERSIONS_LIMIT = 100
DISCOVERERS_LIMIT = 10
PUBLISHED = "aws.events"
DISCOVERED = "discovered-schemas"


class Registry(Record, frozen=True, kw_only=True):
    account: str
    region: str
    name: str
    description: str = ""
    tags: dict[str, str] = {}
    policy: str = ""
    revision: str = ""


class Schema(Record, frozen=True, kw_only=True):
    """`newest`: the number of the newest version; `numbered`: the greatest that there ever was. `token`: of the last update."""

    account: str
    region: str
    registry: str
    name: str
    newest: int
    numbered: int
    modified_at_ms: int
    description: str = ""
    tags: dict[str, str] = {}
    token: str = ""


class Version(Record, frozen=True, kw_only=True):
    account: str
    region: str
    registry: str
    name: str
    number: int
    type: str
    content: str
    created_at_ms: int


class Binding(Record, frozen=True, kw_only=True):
    """Code for a version of a schema, for the account that asked for it. `of`: the account of the schema ("" of AWS's own)."""

    account: str
    region: str
    of: str
    registry: str
    name: str
    number: int
    language: str
    status: str
    created_at_ms: int
    modified_at_ms: int


class Discoverer(Record, frozen=True, kw_only=True):
    account: str
    region: str
    id: str
    source_arn: str
    started: bool = True
    description: str = ""
    cross_account: bool = True
    tags: dict[str, str] = {}


class Learned(Record, frozen=True, kw_only=True):
    """What was seen of the events of a kind."""

    account: str
    region: str
    name: str
    tree: dict[str, Any]


REGISTRIES = Table("schemas.registries", Registry, key=("account", "region", "name"))
SCHEMAS = Table("schemas.schemas", Schema, key=("account", "region", "registry", "name"))
VERSIONS = Table("schemas.versions", Version, key=("account", "region", "registry", "name", "number"))
BINDINGS = Table("schemas.bindings", Binding, key=("account", "region", "of", "registry", "name", "number", "language"))
DISCOVERERS = Table("schemas.discoverers", Discoverer, key=("account", "region", "id"))
LEARNED = Table("schemas.learned", Learned, key=("account", "region", "name"))
