"""What happens later, and how it is tried again: the outbox, targets, attempts, back-off, dead letters, HTTP.

The gateway runs it (see `gateway.cloud`): a task passes the same door as a request. `outbox` has the tasks; `targets` brings a
message to what an ARN names; `attempts` says when to try again, and buries what is given up; `http` reaches out of the cloud.
`sources` reads queues and streams, for the services that are its consumers.
"""
