"""What postgresql.conf says: what the house needs, what the cluster's parameters say, what the machine can bear."""

from __future__ import annotations

from pathlib import Path

from fogbank.engines import processes
from fogbank.engines.postgres.connections import PORT, SUPERUSER
from fogbank.engines.postgres.logs import PREFIX
from fogbank.engines.postgres.parameters import INSTANCE
from fogbank.engines.postgres.programs import Binaries

EXTENSIONS = "rds.extensions"
"""What can be created."""

SYNCHRONOUS, VOLUME = "synchronous_standby_names", "volume"
"""What a commit waits for: the volume's process, by the name that it gives when it follows a writer."""

_STATEMENTS = "pg_stat_statements"  # (Performance Insights reads it)

MACHINE = {
    "shared_buffers": "64MB",
    "max_connections": "100",
    "max_wal_senders": "10",
    "max_wal_size": "1GB",
    "shared_preload_libraries": _STATEMENTS,
    "jit": "off",
    "log_line_prefix": "%t:%r:%u@%d:[%p]:",
    "log_rotation_age": "60",
    "log_rotation_size": "10MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "wal_init_zero": "off",
    "checkpoint_timeout": "5min",
    "track_io_timing": "on",
    "idle_in_transaction_session_timeout": "86400000",
}
"""Where the cluster's parameters say nothing."""


def house(folder: Path, found: Binaries) -> dict[str, str]:
    """What no parameter changes. The disk is a cache: nothing of it is synced, what makes a commit last is the volume."""
    said = {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": str(folder / "socket"),
        "unix_socket_permissions": "0700",
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "on",
        "hot_standby": "on",
        "archive_mode": "off",
        "restart_after_crash": "off",  # what died with a backend may have left half a page: the node is made anew
        "logging_collector": "on",
        "log_destination": "stderr",
        "log_directory": str(folder / "log"),
        "log_filename": f"{PREFIX}.%Y-%m-%d-%H%M",
        "log_file_mode": "0640",
        "log_truncate_on_rotation": "off",
        "huge_pages": "off",
        "dynamic_shared_memory_type": "mmap",  # in its data: what kill -9 leaves in /dev/shm stays there, and containers give it 64 MB
        "wal_keep_size": "512MB",  # for a volume that was away for a while
        "wal_retrieve_retry_interval": "50ms",
        "update_process_title": "off",
        "ssl": "off",
        "password_encryption": "scram-sha-256",
        EXTENSIONS: ", ".join(found.extensions),
    }
    if found.major >= 18:
        said["io_method"] = "sync"  # (workers are three processes more, for what lies in the page cache anyway)
    if found.major >= 14:
        said["recovery_init_sync_method"] = "syncfs"
    return said


def reader(upstream: Path, name: str) -> dict[str, str]:
    """What makes it a standby fed by a volume."""
    host = str(upstream).replace("\\", "\\\\").replace("'", "\\'")
    return {
        "primary_conninfo": f"host='{host}' port={PORT} user={SUPERUSER} application_name={name} sslmode=disable gssencmode=disable",
        "hot_standby_feedback": "on",
        "wal_receiver_status_interval": "1",
        "recovery_target_timeline": "latest",
        SYNCHRONOUS: VOLUME,  # (counts from its promotion on: nothing that it commits then is acknowledged before the volume follows it)
    }


def text(given: dict[str, str], *others: dict[str, str]) -> str:
    """postgresql.conf: what the cluster's parameters say, over the machine's defaults and under what others say."""
    said = {**MACHINE, **given}
    libraries = [one.strip() for one in said["shared_preload_libraries"].split(",") if one.strip()]
    said["shared_preload_libraries"] = ",".join(dict.fromkeys((*libraries, _STATEMENTS)))
    for other in others:
        said.update(other)
    if INSTANCE not in said and EXTENSIONS in said:
        said[EXTENSIONS] = ", ".join(name for name in said[EXTENSIONS].split(", ") if not name.startswith("aurora_"))
    return "".join(f"{name} = '{_quoted(value)}'\n" for name, value in said.items())


def write(path: Path, content: str) -> None:
    """Writes a file of PostgreSQL's so that it is never seen half."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(content)
    processes.give(new)
    new.replace(path)


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''").replace("\n", " ")
