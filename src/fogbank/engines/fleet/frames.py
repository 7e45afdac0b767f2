"""What is spoken with a storage node: frames over TCP, the same in both directions.

A frame is a header and a payload: kind, timeline, position, length of the payload. A connection begins with OPEN and then is about
that volume. Positions are bytes of a volume's log, counted within a timeline: for PostgreSQL the timeline's number and the LSN, for
MariaDB the number of the binlog's file and the offset in it. A log may have gaps on a node; what a node acknowledges is the end of
what it has from its start without one.

    OPEN     {"volume", "epoch", "create"}      -> STATE     epoch: of whoever writes; 0: reads only. Writes of an older epoch are REFUSED
    WRITE    timeline, position, bytes          -> ACK       once they are on disk; for many writes one ACK may come
    READ     timeline, position, {"length"}     -> DATA      what is there from that position on without a gap,
                                                             at most `length`; empty where nothing is
    ASK                                         -> STATE
    BEGIN    timeline, position                 -> DONE      a timeline begins there (its start, from which gaps count)
    CUT      timeline, position                 -> DONE      all of that timeline from there on, and later timelines, never happened
    FORGET   timeline, position                 -> DONE      what lies before may go
    FORK     {"volume", "spans"}                -> DONE      a new volume has these spans of this one: [[timeline, from, to], ...]
    KEEP     {"name"} + bytes after a NUL       -> DONE      a small file that belongs to the volume
    GET      {"name"}                           -> DATA      its content; REFUSED where there is none
    DROP                                        -> DONE      the volume is gone
    STATUS   (no OPEN needed)                   -> DATA      msgpack: what the node holds and does
    FAULT    {...} (no OPEN needed)             -> DONE      makes it fail on purpose
    REFUSED  the reason, as text

Between nodes, and for whoever looks after them (no OPEN needed):

    GOSSIP   {"since", "boot"}                  -> DATA      msgpack: all that changed since (`gossip.py`)
    SCRUB                                       -> DATA      {"checked", "bad", "repaired"}, once every byte was looked at

Rows that writers of a multi-master cluster hold (no OPEN needed; `holds.py`; payloads are msgpack arrays, their members in this order):

    TELL     cluster, generation, writer, writers, {claim: [alone, shared]}  -> DONE  all that a writer holds; no writers: it is over
    CLAIM    cluster, generation, writer, claim, alone, shared  -> DATA      empty: granted; or [writer, claim] of who stands in the way;
                                                             REFUSED where a writer of this generation has not told yet: no vote
    RELEASE  cluster, generation, writer, [claim, ...]       -> DONE

STATE is msgpack: {"volume", "epoch", "spans": [[timeline, from, to], ...] sorted (every contiguous span), "acknowledged":
[timeline, position]}. Payloads in braces are msgpack maps.
"""

from __future__ import annotations

from struct import Struct

HEADER = Struct(">BIQI")
"""kind, timeline, position, length of the payload (17 bytes)."""
LONGEST_BYTES = 16 << 20
"""No payload is longer."""

OPEN, WRITE, READ, ASK, BEGIN, CUT, FORGET, FORK, KEEP, GET, DROP, STATUS, FAULT, GOSSIP, SCRUB, TELL, CLAIM, RELEASE = range(1, 19)
STATE, ACK, DATA, DONE, REFUSED = range(65, 70)

ZONES = ("a", "a", "b", "b", "c", "c")
"""The zone of each of the six nodes."""
WRITE_QUORUM = 4
READ_QUORUM = 3


def frame(kind: int, payload: bytes = b"", timeline: int = 0, position: int = 0) -> bytes:
    """One frame."""
    return HEADER.pack(kind, timeline, position, len(payload)) + payload
