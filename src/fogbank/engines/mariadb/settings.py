"""What a server is started with. What the house needs comes last and wins: nobody can set it otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from zlib import crc32

BINLOG = "mysql-bin-changelog"
"""What RDS calls the binlog's files."""
QUICK = ("--innodb-log-file-size=4M", "--innodb-flush-method=nosync", "--innodb-doublewrite=0", "--innodb-buffer-pool-dump-at-shutdown=0")
"""For directories that are made: a small redo log, and nothing synced."""

_DEFAULTS = {
    "binlog_annotate_row_events": "0",
    "innodb_log_file_size": "50331648",
    "max_allowed_packet": "67108864",
    "slave_max_allowed_packet": "1073741824",
    "thread_cache_size": "32",
}

_HOUSE = {
    # its disk is a cache: a commit is durable when the volume has it
    "sync_binlog": "0",
    "innodb_flush_log_at_trx_commit": "0",
    "innodb_flush_method": "nosync",
    "innodb_doublewrite": "0",
    "innodb_buffer_pool_dump_at_shutdown": "0",
    "innodb_buffer_pool_load_at_startup": "0",
    "sync_master_info": "0",
    "sync_relay_log": "0",
    "sync_relay_log_info": "0",
    # the log
    "log_bin": BINLOG,
    "binlog_format": "ROW",
    "binlog_checksum": "CRC32",
    "max_binlog_size": "67108864",
    "binlog_expire_logs_seconds": "600",
    "log_slave_updates": "0",
    "replicate_same_server_id": "1",
    "relay_log": "relay",
    "skip_slave_start": "1",
    "gtid_strict_mode": "0",
    # commits wait for the volume, once `Instance.attach` says so
    "rpl_semi_sync_master_enabled": "0",
    "rpl_semi_sync_master_wait_point": "AFTER_SYNC",
    "rpl_semi_sync_master_wait_no_slave": "1",
    "rpl_semi_sync_master_timeout": "3000000000000",
    "rpl_semi_sync_slave_enabled": "0",
    # clients come through the front
    "skip_networking": "1",
    "skip_name_resolve": "1",
    "symbolic_links": "0",
}


_OURS = (
    "gtid_", "slave_", "relay_log", "max_relay_log", "replicate", "report", "rpl_semi_sync", "wsrep", "ssl", "tls", "plugin", "sql_slave",
    "init_slave", "sql_log_bin", "log_bin_compress", "encrypt_binlog", "binlog_alter_two_phase", "read_binlog_speed", "master_verify",
    "skip_grant", "innodb_read_only", "innodb_force_recovery", "proxy_protocol", "extra_max_connections",
)  # fmt: skip
"""What begins like this is about the log and its readers, or about who may come in."""


def server_id(folder: Path) -> int:
    """A number for a server: the same one after a restart."""
    return crc32(str(folder.resolve()).encode()) | 1


def write(folder: Path, given: Mapping[str, str], *, reads: bool) -> Path:
    """Writes the configuration of the server in a folder. `reads`: it is fed, and nobody but the house writes."""
    own = {
        "datadir": folder / "data",
        "socket": folder / "socket" / "mysqld.sock",
        "pid_file": folder / "socket" / "pid",
        "tmpdir": folder / "tmp",
        "secure_file_priv": folder / "tmp",
        "init_file": first(folder),
        "general_log_file": folder / "log" / "mysql-general.log",
        "slow_query_log_file": folder / "log" / "mysql-slowquery.log",
        "server_id": server_id(folder),
        "read_only": int(reads or given.get("read_only", "0").lower() in ("1", "on", "true")),
    }
    if reads:
        own["event_scheduler"] = "OFF"
    lines = {**_DEFAULTS, **{name: value for name, value in given.items() if not fixed(name)}, **_HOUSE, **own}
    path = folder / "my.cnf"
    path.write_text("[mariadbd]\n" + "".join(f"{name} = {_line(value)}\n" for name, value in lines.items()))
    path.chmod(0o644)
    return path


def first(folder: Path) -> Path:
    """The statements that a server runs first."""
    return folder / "first.sql"


def fixed(name: str) -> bool:
    """Whether a parameter is the house's."""
    return (
        name in _HOUSE
        or name.startswith(_OURS)
        or name in ("datadir", "socket", "pid_file", "tmpdir", "secure_file_priv", "init_file", "server_id")
    )


def last(log: Path) -> str:
    """The last errors of a log."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    errors = [line for line in lines if "ERROR" in line or "error" in line] or lines
    return " ".join(errors[-4:])


def _line(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("\n", "\\n")
    return f'"{text}"' if any(mark in text for mark in "#;'\" ") or not text else text
