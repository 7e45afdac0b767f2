"""What a request asks of items."""

from __future__ import annotations

from typing import NamedTuple

from fogbank.services.dynamodb.expressions.conditions import Condition
from fogbank.services.dynamodb.expressions.keys import KeyCondition
from fogbank.services.dynamodb.expressions.paths import Projection
from fogbank.services.dynamodb.expressions.updates import Update


class Asked(NamedTuple):
    """The compiled expressions of a request, with its values; None for what it does not ask."""

    condition: Condition | None = None
    filter: Condition | None = None
    key: KeyCondition | None = None
    projection: Projection | None = None
    update: Update | None = None


NOTHING = Asked()
