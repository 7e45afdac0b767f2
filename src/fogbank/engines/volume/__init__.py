"""The quorum volume of a PostgreSQL cluster: a process (`python -m fogbank.engines.volume FOLDER`) between a writer, its readers and the
fleet.

To the writer it is a synchronous standby, to the readers it is the writer. It keeps nothing itself: the log is on six storage nodes, and
a COMMIT returns when four of them have it on disk, with all that came before it.

    quorum.py       the arithmetic: what is durable, what was, which timeline follows which (pure)
    volume.py       the volume: what comes from whom and goes to whom; timelines, epochs, fencing
    recovery.py     what it does first: finds out what is durable, and makes it so
    nodes.py        six connections; who gets the log first, who later
    hot.py          the last megabytes of the log, in memory
    replication.py  the replication protocol, as a standby of the writer
    serving.py      the replication protocol, as a sender to readers
    messages.py     PostgreSQL's wire format
    loop.py         sockets, instants and tasks, by hand
    control.py      the verbs by which fogbank rules it: JSON lines over FOLDER/control

Its folder: settings.json (written before: "volume", "fleet"), `control`, `.s.PGSQL.5432`, and `ready` when it serves.
"""
