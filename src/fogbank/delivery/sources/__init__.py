"""Reading queues and streams for somebody: event source mappings of Lambda, pipes of EventBridge.

Read in this order: `reading` (what is read, how far, and for whom: the `Consumer`, which a service is), `records` (what of a source is an
event), `lanes` (what pollers remember between their turns); `queues` (SQS); `shards` and `streams` (Kinesis, DynamoDB) over `batches` (what
becomes of a batch) and `windows`.

A poller is a task of the service that waits: for its source to be written, for a batching window to end, for a batch to be handled. It
reads as the consumer's role. Killed, it begins again: at the stream's checkpoint, or with the messages that become visible again.
"""
