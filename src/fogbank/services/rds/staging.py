"""Continuous backup: every five minutes, what a volume has got since is put into S3, and comes back from there for restores.

It lies in a bucket of RDS's own account, and rows (`STAGED`) say what is there. An object and its row are of one transaction: killed in
between, neither is there, and the same piece comes under the same key again.

    VOLUME/KIND/TIMELINE/POSITION       kind: log or image; hexadecimal
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec

from fogbank.access.principal import root
from fogbank.engines.spec import Failed, Piece, Since
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, task
from fogbank.services.rds import planning
from fogbank.services.rds.addresses import cluster_by_id
from fogbank.services.rds.state import CLUSTERS, DAY_MS, STAGED, VOLUMES_OF, Cluster, Staged
from fogbank.store import Upload, change
from fogbank.store.blobs import CHUNK_BYTES, digest

ACCOUNT = "481516234200"
"""RDS's own."""
FULL_BYTES = 16 << 20
"""A piece of the log that is as long was not the last."""
_DIGESTS = ("md5", "crc64nvme")
"""What S3 wants to know of an object."""


@task("stage")
def stage(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Stages what is new. Of a cluster again and again, of one `volume` until all of it is there."""
    row = cluster_by_id(ctx, payload["cluster"])
    alone = "volume" in payload
    if not alone and (row is None or row.status == "deleting"):
        return None
    volume = payload["volume"] if alone or row is None else row.volume
    full = False
    if alone or (row is not None and row.retention_days and not row.follows and row.status != "creating"):
        full = _stage(ctx, volume, row if row is not None and row.volume == volume else None)
    if full or not alone:
        ctx.later("rds.stage", payload, delay_s=0 if full else planning.STAGE_S)
    return None


def _stage(ctx: Context, volume: str, row: Cluster | None) -> bool:
    """Whether there is more at once."""
    since = so_far(ctx, volume)
    try:
        asked, pieces = ctx.outside("stage", lambda done: ctx.databases.stage(volume, since, lambda found: done(_with(since, found))))
    except Failed:
        return False  # (its storage nodes are away, or it is not there yet: there is another time)
    if asked != since:  # somebody else has done it meanwhile
        return True
    for number, piece in enumerate(pieces):
        _put(ctx, volume, piece, ctx.beside(f"upload-{number}", partial(_upload, ctx.blobs, piece)))
    if row is not None:
        _expire(ctx, volume, ctx.now - row.retention_days * DAY_MS)
        _tell(ctx, row)
    return any(piece.kind == "log" and piece.end - piece.start >= FULL_BYTES for piece in pieces)


def _with(since: Since, found: Any) -> Any:
    return found if isinstance(found, Exception) else (since, found)


def so_far(ctx: Context, volume: str) -> Since:
    """How much of a volume is staged."""
    log = next(STAGED.scan(ctx, volume, "log", reverse=True), None)
    image = next(STAGED.scan(ctx, volume, "image", reverse=True), None)
    return Since(
        log.timeline if log is not None else 0,
        log.end if log is not None else 0,
        log.at_ms if log is not None else 0,
        (image.timeline, image.end) if image is not None else (0, 0),
    )


def _tell(ctx: Context, row: Cluster) -> None:
    """Says in the cluster's row from when to when it is staged, on this volume and those that it has left."""
    volumes = (row.volume, *(left.name for left in VOLUMES_OF.scan(ctx, row.id)))
    first = [image.at_ms for volume in volumes if (image := next(STAGED.scan(ctx, volume, "image"), None)) is not None]
    earliest_ms, staged_ms = max(row.created_at_ms, min(first, default=0)), so_far(ctx, row.volume).at_ms
    if first and (earliest_ms, staged_ms) != (row.earliest_ms, row.staged_ms):
        CLUSTERS.put(ctx, change(row, earliest_ms=earliest_ms, staged_ms=staged_ms))


# objects


def _ours(ctx: Context) -> Context:
    """This task, carried on as RDS's own account."""
    return ctx.as_caller(msgspec.msgpack.encode(root(ACCOUNT, ctx.partition)))


def bucket(region: str) -> str:
    return f"aws-rds-backups-{region}-{ACCOUNT}"


def key_of(row: Staged) -> str:
    return f"{row.volume}/{row.kind}/{row.timeline:08x}/{row.place:016x}"


def _put(ctx: Context, volume: str, piece: Piece, upload: Upload) -> None:
    row = Staged(
        volume=volume,
        kind=piece.kind,
        timeline=piece.timeline,
        place=piece.end if piece.kind == "image" else piece.start,
        start=piece.start,
        end=piece.end,
        at_ms=piece.at_ms,
        bytes=piece.bytes,
        crc=piece.crc,
        region=ctx.region,
    )
    members = {"Bucket": bucket(row.region), "Key": key_of(row), "Body": upload}
    try:
        _ours(ctx).call("s3", "PutObject", members)
    except ServiceException as problem:
        if problem.code != "NoSuchBucket":
            raise
        where = {} if row.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": row.region}}
        _ours(ctx).call("s3", "CreateBucket", {"Bucket": bucket(row.region), **where})
        _ours(ctx).call("s3", "PutObject", members)
    STAGED.put(ctx, row)


def _upload(blobs: Any, piece: Piece) -> Upload:
    """A file as the body of an object; it is taken away from where it was. On a thread."""
    spooled, digests, crc = blobs.spooled(), {name: digest(name) for name in _DIGESTS}, 0
    with piece.file.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            crc = crc32(chunk, crc)
            for one in digests.values():
                one.update(chunk)
            spooled.write(chunk)
    made: Upload = spooled.upload({name: one.digest() for name, one in digests.items()})
    if crc != piece.crc:
        made.drop()
        raise OSError(f"{piece.file} is not what was staged")
    piece.file.unlink(missing_ok=True)
    return made


def _delete(ctx: Context, rows: Iterable[Staged]) -> None:
    for row in rows:
        _ours(ctx).call("s3", "DeleteObject", {"Bucket": bucket(row.region), "Key": key_of(row)}, region=row.region)
        STAGED.delete(ctx, row)


def _expire(ctx: Context, volume: str, floor_ms: int) -> None:
    """Deletes what no instant since then needs: what lies before the last image of before."""
    images = list(STAGED.scan(ctx, volume, "image"))
    old = [image for image in images if image.at_ms <= floor_ms]
    if len(old) < 2:
        return
    first = old[-1]
    gone = [row for row in STAGED.scan(ctx, volume, "log", before=(first.timeline, first.start)) if row.end <= first.start]
    _delete(ctx, [*old[:-1], *gone])


@task("unstage")
def unstage(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Deletes what is staged of a volume that is no more."""
    _delete(ctx, list(STAGED.scan(ctx, payload["volume"])))
    return None


# restores


def bring(ctx: Context, volume: str, at_ms: int, folder: Path) -> list[tuple[Any, ...]]:
    """Brings what a volume is made of as it was at an instant: the last image before it, and the log after that, as files in a folder.

    Errors: NoSuchBucket, NoSuchKey (somebody has deleted them); InvalidParameterValue, where it was not staged.
    """
    rows = needed(ctx, volume, at_ms)
    pieces = []
    for number, row in enumerate(rows):
        file = folder / str(number)
        try:
            body = _ours(ctx).call("s3", "GetObject", {"Bucket": bucket(row.region), "Key": key_of(row)}, region=row.region)["Body"]
        except ServiceException as problem:
            raise ServiceException(problem.code, f"The backup of {volume} has lost {key_of(row)}: {problem.message}") from None
        ctx.beside(f"bring-{number}", partial(_save, body, file))
        pieces.append((row.kind, row.timeline, row.start, row.end, row.at_ms, row.bytes, row.crc, str(file)))
    return pieces


def needed(ctx: Context, volume: str, at_ms: int) -> list[Staged]:
    """What of the staged a restore to an instant needs, in its order. Errors: InvalidParameterValue."""
    image = next((one for one in STAGED.scan(ctx, volume, "image", reverse=True) if one.at_ms <= at_ms), None)
    found = [image] if image is not None else []
    if image is not None:
        for row in STAGED.scan(ctx, volume, "log"):
            if row.end > image.start:
                found.append(row)
            if row.at_ms > at_ms:
                break
    if image is None or found[-1].at_ms < at_ms:
        raise ServiceException("InvalidParameterValue", f"There is no backup of {volume} at the specified time.", status=400)
    return found


def _save(body: Any, file: Path) -> bool:
    with file.open("wb") as target:
        for chunk in (body,) if isinstance(body, bytes) else body.chunks():
            target.write(chunk)
    return True
