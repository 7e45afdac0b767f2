"""The front: one process of each cloud, at the addresses of all its database endpoints.

`python -m fogbank.engines.front FD` (`__main__.py`, `front.py`) is told by fogbank, over `link.py`, the whole routing table (`table.py`) at
each change. A `door.py` listens at each endpoint's address and leads who comes to one of its targets, the nodes' unix sockets; while there
is none (a failover, a cluster at rest) it holds them. When the table leads elsewhere, conversations with the old target are dropped, as
Aurora drops them. `channel.py` is a connection, with TLS from where the client asks for it; `certificates.py` makes what it shows.

`postgres/` and `mysql/` are the two protocols: a greeting (TLS, what is refused, IAM tokens), then a relay that hands bytes on. An endpoint
that is an RDS Proxy lets clients in by itself and lends them connections for a transaction at a time from `lending.py`.

`backdoor.py` is where SQL functions call AWS.
"""
