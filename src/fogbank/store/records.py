"""The frames of the log: what one transaction wrote."""

from __future__ import annotations

import msgspec

Frame = tuple[int, int, int, int, list[tuple[int, bytes, msgspec.Raw]]]
"""(sequence number, instant in ms, branch, tree, writes (space, key, value)); a value of nil is a deletion."""

DELETED = b"\xc0"

decode_frame = msgspec.msgpack.Decoder(Frame).decode
encode = msgspec.msgpack.Encoder().encode
