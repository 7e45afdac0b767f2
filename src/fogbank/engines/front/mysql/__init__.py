"""MySQL's protocol, as MariaDB speaks it.

The server greets first, so `welcome.py` has a node before it knows who has come; `relay.py` leads the client to it. `admission.py` lets one
into an RDS Proxy, where its `session.py` borrows a `server.py` for each transaction; `answers.py` knows where an answer ends, `pinning.py`
what ties a session to a connection.
"""
