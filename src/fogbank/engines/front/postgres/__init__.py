"""PostgreSQL's protocol.

`welcome.py` greets a client, `relay.py` leads it to one node; `admission.py` lets one into an RDS Proxy, where its `session.py` borrows a
`server.py` for each transaction. `pinning.py` says what ties a session to a connection, `statements.py` lets prepared statements go along.
"""
