"""The door. Every call passes it: from a client, from one service to another, from a task that was due.

Read in this order: `pipeline` (the hops, as a list), `authenticate`, `authorise`, `cloud` (one cloud: a branch, a
clock, what waits), `turn` (one write to the log for all that happened in a turn of the event loop), `listen` (HTTP:
connections), `message` (its grammar), `sendfile`, `streaming` (answers that go on),
`spool` (large bodies), `zipped`, `forms` (browser uploads), `address` (buckets in host names), `cors`.
"""
