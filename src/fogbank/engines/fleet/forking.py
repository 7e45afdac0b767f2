"""A new volume that begins with what another one has: clones, and restores to an instant."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from fogbank.engines.fleet.disk import load, store, sync_folder
from fogbank.engines.fleet.replica import Replica


def fork(origin: Replica, folder: str, spans: list[tuple[int, int, int]]) -> Iterator[None]:
    """Makes a volume of these spans of another, a slice at a time: it is there, and on disk, when this has ended.

    Segments that are finished are shared, of others what is in the spans is copied. It remembers the cuts too: where a node has not
    learned one yet, it will, in the origin and in the fork.
    """
    fresh = folder + ".new"
    about = msgspec.structs.replace(origin.about, starts={}, forgotten=(0, 0), origin=(origin.name, spans))
    for timeline, start, _ in spans:
        about.starts[timeline] = (min(start, about.starts.get(timeline, (start, 0))[0]), about.epoch)
    os.mkdir(fresh)
    os.mkdir(f"{fresh}/kept")
    for name in origin.kept:  # (what is known of the log beside it is true of the fork's too)
        content = load(f"{origin.folder}/kept/{name}")
        if content is not None:
            store(f"{fresh}/kept/{name}", content)
    for timeline, start, end in spans:
        for key in sorted(key for key in origin.segments if key[0] == timeline):
            base = key[1] * about.segment_bytes
            segment = origin.segments.get(key)
            first, last = max(start - base, 0), min(end - base, about.segment_bytes)
            if segment is None or first >= last:
                continue
            path = f"{fresh}{segment.path.removeprefix(origin.folder)}"
            held = [(max(a, first), min(b, last), epoch) for a, b, epoch in origin.pieces(key) if a < last and b > first]
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if segment.finished and last - first == segment.size:
                segment.share(path)
            elif held:
                yield from segment.copy(path, held)
            yield
    for group in os.listdir(fresh):
        sync_folder(f"{fresh}/{group}")
        yield
    store(f"{fresh}/about", msgspec.msgpack.encode(about))
    os.rename(fresh, folder)
    sync_folder(os.path.dirname(folder))
