"""What a bucket is configured with: documents of the members that the request gave, kept as they came and given back so.

A kind of which a bucket has at most one (lifecycle, website, replication ...) lies in the bucket's own record, because
requests ask for it; those that have ids of their own (inventory, metrics ...) are rows.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.services.s3.state import BUCKETS, Bucket
from fogbank.store.tables import change


def document(members: Any) -> Any:
    """A structure of a request as plain dictionaries by AWS's names, without the members that were not given."""
    if isinstance(members, msgspec.Struct):
        return {name: document(value) for name in members.__struct_fields__ if (value := getattr(members, name)) is not None}
    if isinstance(members, dict):
        return {name: document(value) for name, value in members.items()}
    if isinstance(members, list | tuple):
        return [document(value) for value in members]
    return members


def keep(ctx: Context, bucket: Bucket, kind: str, value: Any) -> Bucket:
    """Stores a configuration in the place of the one before (None: removes it), and returns the bucket as it is now."""
    settings = {name: there for name, there in bucket.settings.items() if name != kind}
    if value is not None:
        settings[kind] = value
    changed = change(bucket, settings=settings)
    BUCKETS.put(ctx, changed)
    return changed
