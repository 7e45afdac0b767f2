"""Logs Insights' query language (Logs Insights QL). Pure: a query's text becomes a function from events to rows.

Read in this order: `values` (numbers, instants, texts; how they compare and are written), `records` (an event and its fields,
discovered and own), `reading` (the characters of a query), `expressions` and `functions`, `aggregates`, then `commands`: each is
read into a stage, a function from rows to rows, and `program` strings them together.

    program = read("filter level = 'ERROR' | stats count(*) as n by bin(5m)")
    rows, counted = program.run(records)

`pattern`, `diff`, `anomaly`, `lookup`, `join`, subqueries and `filterIndex` are refused by name.

Source: "CloudWatch Logs Insights language query syntax" in the CloudWatch Logs User Guide.
"""

from fogbank.services.logs.insights.program import Program, read
from fogbank.services.logs.insights.reading import Malformed, Unmet

__all__ = ["Malformed", "Program", "Unmet", "read"]
