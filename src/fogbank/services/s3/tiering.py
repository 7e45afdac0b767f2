"""S3 Intelligent-Tiering: configurations by which objects that nobody reads go to the archive tiers.

Only these make a difference to readers: frequent and infrequent access are prices. The moves are made by `expiring`; `archive`
notes who reads, and restores.
Source: "Managing S3 Intelligent-Tiering" and "How S3 Intelligent-Tiering works" in the Amazon S3 User Guide.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.services.s3 import expiring, refusals
from fogbank.services.s3.state import Bucket

DAYS = {"ARCHIVE_ACCESS": range(90, 731), "DEEP_ARCHIVE_ACCESS": range(180, 731)}
"""Days without access, by tier."""


def check(ctx: Context, bucket: Bucket, document: dict[str, Any]) -> int:
    """Checks a configuration, and has the bucket looked after every midnight.

    It is about objects of the class INTELLIGENT_TIERING of 128 KiB or more. Reads are GetObject, copies, and restores.
    Errors: InvalidArgument, MalformedXML.
    """
    tierings = document["Tierings"]
    if document["Status"] not in ("Enabled", "Disabled") or not tierings or any(t["AccessTier"] not in DAYS for t in tierings):
        raise refusals.malformed_xml()
    days = {tiering["AccessTier"]: tiering["Days"] for tiering in tierings}
    if len(days) < len(tierings):
        raise refusals.invalid_argument("Each AccessTier can be specified once only", "AccessTier", tierings[-1]["AccessTier"])
    for tier, count in days.items():
        if count not in DAYS[tier]:
            message = f"Days for {tier} must be between {DAYS[tier][0]} and {DAYS[tier][-1]}"
            raise refusals.invalid_argument(message, "Days", count)
    if len(days) == 2 and days["DEEP_ARCHIVE_ACCESS"] <= days["ARCHIVE_ACCESS"]:
        message = "Days for DEEP_ARCHIVE_ACCESS must be more than Days for ARCHIVE_ACCESS"
        raise refusals.invalid_argument(message, "Days", days["DEEP_ARCHIVE_ACCESS"])
    filter_ = document.get("Filter", {})
    both = filter_.get("And")
    if len(filter_) > 1 or (both is not None and len(both.get("Tags", ())) + ("Prefix" in both) < 2):
        raise refusals.malformed_xml()
    expiring.begin(ctx, bucket)
    return 0
