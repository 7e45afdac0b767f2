"""The quorum volume of a MariaDB cluster: a process (`python -m fogbank.engines.binlog FOLDER`) between writer, readers and fleet.

To the writer it is a semi-synchronous replica, to the readers it is the writer. Nodes, quorum, recovery and control are those of
`engines.volume`; here is what is MariaDB's:

    events.py   the binlog's events, as far as one has to know them (pure)
    trail.py    which bytes of the log are which file and offset of the binlog, and where transactions end (pure)
    times.py    when what became durable (pure)
    packets.py  MySQL's wire format (pure)
    source.py   the replication protocol, as a replica of the writer, or of another volume
    serving.py  the replication protocol, as a source of readers
    volume.py   the volume, with this in its place

A position of the volume counts the bytes of events as a replica gets them, through all files of a timeline and on through the
next timeline: so a log is one line, as PostgreSQL's is. Each file of the binlog begins in it with the event that tells a replica
of the new file. A timeline is the time of one writer: a promoted reader begins the next, and its binlog begins with a higher file
number.

Its folder: settings.json (written before: "volume", "fleet"), `control`, `port` and `secret` (where readers connect, and their password),
`volume.sock`, and `ready` when it serves.
"""
