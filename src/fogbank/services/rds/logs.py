"""Log files of instances: listed and downloaded as the engine writes them."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import addresses
from fogbank.services.rds.faults import invalid
from fogbank.services.rds.state import Instance

_FOLDERS = {"postgresql.log": "error", "mysql-error": "error", "mysql-slowquery": "slowquery", "mysql-general": "general"}
"""How a file of the engine begins -> the folder that RDS shows it in."""
PORTION_BYTES = 1 << 20
LINES = 10_000


def _instance(ctx: Context, name: str) -> Instance:
    """Errors: DBInstanceNotFound, DBInstanceNotReady."""
    found = addresses.instance_at(ctx, name)
    if found.status == "creating":
        raise ServiceException("DBInstanceNotReadyFault", f"DB instance {found.name} is not ready.")
    return found


@operation("DescribeDBLogFiles")
def describe_db_log_files(ctx: Context, req: Any) -> Answer:
    """An instance's log files by name; those whose names contain something, that were written since, or that are larger than that.

    Errors: DBInstanceNotFound, DBInstanceNotReady, InvalidParameterValue. Source: API reference, DescribeDBLogFiles.
    """
    addresses.filters(req, ())
    instance = _instance(ctx, req.DBInstanceIdentifier)
    there = sorted(
        (f"{folder}/{name}", size, ctx.at_machine(written_ms))
        for name, size, written_ms in ctx.databases.files(instance.cluster, instance.node)
        if (folder := _folder(name))
    )
    wanted = (
        (name, size, written_ms)
        for name, size, written_ms in there
        if (req.FilenameContains or "") in name
        and (req.FileLastWritten is None or written_ms >= req.FileLastWritten)
        and (req.FileSize is None or size > req.FileSize)
    )
    found, marker = addresses.page(req, wanted, lambda file: file[0])
    files = [{"LogFileName": name, "LastWritten": written_ms, "Size": size} for name, size, written_ms in found]
    return {"DescribeDBLogFiles": files, "Marker": marker}


@operation("DownloadDBLogFilePortion")
def download_db_log_file_portion(ctx: Context, req: Any) -> Answer:
    """Whole lines of a log file, at most 1 MB and 10,000 lines: from a Marker on ("0": the beginning), else the last ones.

    A Marker is a place in the file.

    Errors: DBInstanceNotFound, DBInstanceNotReady, DBLogFileNotFoundFault, InvalidParameterValue.
    Source: API reference, DownloadDBLogFilePortion.
    """
    instance = _instance(ctx, req.DBInstanceIdentifier)
    lines = req.NumberOfLines or LINES
    if lines < 0:
        raise invalid(f"Invalid value {lines} for NumberOfLines.")
    folder, _, name = req.LogFileName.rpartition("/")
    there = {name: size for name, size, _ in ctx.databases.files(instance.cluster, instance.node)}
    if name not in there or folder != _folder(name):
        raise _missing(req.LogFileName)
    size = there[name]
    start = max(0, size - PORTION_BYTES) if req.Marker is None else _place(req.Marker)
    try:
        portion: bytes = ctx.databases.read(instance.cluster, instance.node, name, start, PORTION_BYTES)
    except LookupError:
        raise _missing(req.LogFileName) from None
    portion, start = _last(portion, start, lines) if req.Marker is None else (_first(portion, lines), start)
    end = start + len(portion)
    return {"LogFileData": portion.decode(errors="replace"), "Marker": str(end), "AdditionalDataPending": end < size}


def _folder(name: str) -> str:
    return next((folder for begins, folder in _FOLDERS.items() if name.startswith(begins)), "")


def _missing(name: str) -> ServiceException:
    return ServiceException("DBLogFileNotFoundFault", f"DB log file {name} not found.", status=404)


def _place(marker: str) -> int:
    place = marker.rpartition(":")[2]
    if not place.isdecimal() or len(place) > 18:
        raise invalid(f"Invalid marker: {marker}")
    return int(place)


def _first(portion: bytes, lines: int) -> bytes:
    """The first lines; one that is cut off at the end stays for later, unless it is all there is."""
    end = 0
    for _ in range(lines):
        place = portion.find(b"\n", end)
        if place < 0:
            return portion if end == 0 or len(portion) < PORTION_BYTES else portion[:end]
        end = place + 1
    return portion[:end]


def _last(portion: bytes, start: int, lines: int) -> tuple[bytes, int]:
    """The last lines, and where they begin in the file."""
    if start > 0:
        cut = portion.find(b"\n") + 1
        portion, start = portion[cut:], start + cut
    place = len(portion.removesuffix(b"\n"))
    for _ in range(lines):
        place = portion.rfind(b"\n", 0, place)
        if place < 0:
            return portion, start
    return portion[place + 1 :], start + place + 1
