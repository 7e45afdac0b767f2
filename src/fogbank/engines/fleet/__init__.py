"""The storage fleet: six nodes in three zones, two in each, that hold the logs of all volumes.

`frames.py` is what is spoken with a node; `client.py` speaks it from fogbank's loop (and says what a writer must know), `reader.py` is
for whoever does it by hand. `fleet.py` starts the six, and starts again what died.

A node is a process, `node.py`. It does of Aurora's eight steps those that are about the log: it receives (`connection.py`,
`handlers.py`) and writes to the hot log (`segment.py` is a file of it, `front.py` where that grows, `claims.py` what it says of itself),
acknowledges, sorts and finds gaps (`spans.py`, and `replica.py`: one node's copy of a volume; `forking.py` makes another volume of it),
asks its peers for what it misses (`gossip.py`), deletes what is forgotten, and scrubs (`upkeep.py`). `loop.py` sees to it that only the
first two are in anyone's way. Page versions and their staging to S3 are the engines' part.
"""
