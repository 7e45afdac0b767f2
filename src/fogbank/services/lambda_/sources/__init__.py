"""Event source mappings: queues and streams that Lambda reads, and gives to functions batch by batch.

Read in this order: `state`, `mappings` (the operations, and how states change) over `checks`; `filters` and `records` (what of a source
is an event, and its shape); `lanes` (what pollers remember between their turns); `queues` (SQS); `shards` and `streams` (Kinesis,
DynamoDB) over `batches` (what becomes of a batch).

A poller is a task that waits: for its source to be written, for a batching window to end, for a function to answer. It reads as the
function's role. Killed, it begins again: at the stream's checkpoint, or with the messages that become visible again.
"""
