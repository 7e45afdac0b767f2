"""What all batch operations share: their rules, and answers entry by entry."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer

ENTRIES_LIMIT = 10
_id = re.compile(r"[A-Za-z0-9_-]{1,80}").fullmatch


def check(entries: Sequence[Any], kind: str) -> None:
    """Raises EmptyBatchRequest, TooManyEntriesInBatchRequest, InvalidBatchEntryId, BatchEntryIdsNotDistinct."""
    if not entries:
        raise ServiceException("EmptyBatchRequest", f"There should be at least one {kind} in the request.")
    if len(entries) > ENTRIES_LIMIT:
        raise ServiceException(
            "TooManyEntriesInBatchRequest", f"Maximum number of entries per request are {ENTRIES_LIMIT}. You have sent {len(entries)}."
        )
    seen: set[str] = set()
    for entry in entries:
        if not _id(entry.Id):
            raise ServiceException(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.",
            )
        if entry.Id in seen:
            raise ServiceException("BatchEntryIdsNotDistinct", f"Id {entry.Id} repeated.")
        seen.add(entry.Id)


def answer(entries: Sequence[Any], act: Callable[[Any], dict[str, Any]]) -> Answer:
    """Acts on each entry; one that is refused is told under Failed. `act` must check before it changes anything."""
    successful: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for entry in entries:
        try:
            successful.append({"Id": entry.Id, **act(entry)})
        except ServiceException as error:
            failed.append({"Id": entry.Id, "SenderFault": error.status < 500, "Code": error.code, "Message": error.message})
    return {"Successful": successful, "Failed": failed}
