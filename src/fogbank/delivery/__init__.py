"""What happens later, and how it is tried again: the outbox, due instants, back-off, dead letters.

The gateway runs it (see `gateway.cloud`): a task passes the same door as a request.
"""
