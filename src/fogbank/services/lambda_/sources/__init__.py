"""Event source mappings: queues and streams that Lambda reads, and gives to functions batch by batch.

Read in this order: `state`, `mappings` (the operations, and how states change) over `checks`; `filters`; `consuming` (Lambda as a consumer
of `delivery.sources`, which reads), `windows` and `failures`.
"""
