"""PartiQL as DynamoDB speaks it: one statement to a plan that the same functions carry out as any other request.

`syntax` reads a statement into one of `trees`, whose conditions are those of `expressions.syntax`; `templates` are
its values, with `?` still open; `plans` finds the key in the conditions and compiles the rest. Pure: no context, no tables.
"""

from fogbank.services.dynamodb.partiql.plans import Plan, planned
from fogbank.services.dynamodb.partiql.syntax import parsed
from fogbank.services.dynamodb.partiql.trees import Delete, Exists, Insert, Select, Statement, Update

__all__ = ["Delete", "Exists", "Insert", "Plan", "Select", "Statement", "Update", "parsed", "planned"]
