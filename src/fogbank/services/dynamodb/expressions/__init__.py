"""The expressions of a request, and the older parameters that say the same: read once, checked in AWS's words, run fast.

    asked = expressions.of(req)                  any request, or a part of one (a transaction's Put, a batch's KeysAndAttributes)
    if asked.condition is not None and not asked.condition.holds(item or {}): ...
    new = asked.update.apply(old or key)         a new item; `old` is left as it was
    asked.update.touched(new)                    what UPDATED_NEW gives of it
    asked.projection.pick(item)
    asked.filter.holds(item), asked.filter.attributes
    asked.key.range(("pk",), ("sk",), {"pk": "S", "sk": "N"})  -> KeyRange(partition, sort, operator, operands)

Pure: no context, no tables. In reading order: `syntax` (text to trees), `scope` (what #names and :values stand for),
`paths`, `conditions`, `keys`, `updates` (trees to functions), `asked` (what comes out),
`legacy` (the older parameters to the same), `requests` (all that a request has of this, compiled once and kept).
"""

from fogbank.services.dynamodb.expressions.asked import Asked
from fogbank.services.dynamodb.expressions.conditions import Condition
from fogbank.services.dynamodb.expressions.keys import KeyCondition, KeyRange
from fogbank.services.dynamodb.expressions.paths import Projection
from fogbank.services.dynamodb.expressions.requests import of
from fogbank.services.dynamodb.expressions.updates import Update

__all__ = ["Asked", "Condition", "KeyCondition", "KeyRange", "Projection", "Update", "of"]
