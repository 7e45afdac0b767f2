"""The model of the data.

A parameter is one record, known by its name, `/` at its front included; it says which version is the latest and which label is on
which version. Its `id` is its own for life, and its versions are filed under it: 100 at most, numbered from 1, the oldest of which
makes room for a new one. What a version holds is as it was put: text, or for a SecureString what KMS made of it.
"""

from __future__ import annotations

import msgspec

from fogbank.store import Record, Table

VERSIONS_LIMIT = 100
LABELS_LIMIT = 10
TAGS_LIMIT = 50
STANDARD, ADVANCED, INTELLIGENT = "Standard", "Advanced", "Intelligent-Tiering"
VALUE_BYTES = {STANDARD: 4096, ADVANCED: 8192}
COUNT_LIMITS = {STANDARD: 10_000, ADVANCED: 100_000}


class Sharing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A parameter's resource policy."""

    id: str
    hash: str
    document: str


class Parameter(Record, frozen=True, kw_only=True):
    account: str
    region: str
    name: str
    id: int
    type: str
    tier: str
    latest: int
    oldest: int
    tags: dict[str, str] = {}
    labels: dict[str, int] = {}
    sharing: Sharing | None = None
    expires_at_ms: int = 0


class Version(Record, frozen=True, kw_only=True):
    """`value` is the text of a String or StringList; of a SecureString `sealed` is what is kept, with its `data_key` if Advanced."""

    parameter: int
    number: int
    at_ms: int
    user: str
    tier: str
    value: str = ""
    sealed: bytes = b""
    data_key: bytes = b""
    key_id: str = ""
    description: str = ""
    allowed_pattern: str = ""
    data_type: str = "text"
    policies: tuple[str, ...] = ()


class Tally(Record, frozen=True, kw_only=True):
    """How many parameters an account has in a region."""

    account: str
    region: str
    standard: int = 0
    advanced: int = 0


class Setting(Record, frozen=True, kw_only=True):
    """A service setting that was changed."""

    account: str
    region: str
    id: str
    value: str
    at_ms: int
    user: str


PARAMETERS = Table("ssm.parameters", Parameter, key=("account", "region", "name"))
VERSIONS = Table("ssm.versions", Version, key=("parameter", "number"))
TALLIES = Table("ssm.tallies", Tally, key=("account", "region"))
SETTINGS = Table("ssm.settings", Setting, key=("account", "region", "id"))
