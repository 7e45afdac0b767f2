"""PostgreSQL's parameters, as RDS's parameter groups describe them. Pure.

`parameters.json` is what servers of several versions say of their settings (`describe.py`).
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

RETENTION, INSTANCE = "rds.log_retention_period", "aurora.instance"
"""How long log files are kept, in minutes; what an Aurora instance is called: a server that is told so is one of Aurora's."""
_RETENTION_MINUTES = 4320
_TYPES = {"bool": "boolean", "integer": "integer", "real": "float", "enum": "string", "string": "string"}
_LISTS = {
    "shared_preload_libraries": "auto_explain,pg_prewarm,pg_stat_statements",
    "session_preload_libraries": "auto_explain",
    "search_path": "",
    "temp_tablespaces": "",
    "DateStyle": "",
    "log_connections": "",
}
"""Parameters that are lists, and what may be in them ("" : anything)."""
_OURS_WORDS = (
    "allow_alter_system allow_in_place_tablespaces allow_system_table_mods backtrace_functions bonjour bonjour_name cluster_name"
    " config_file data_directory data_sync_retry dynamic_library_path dynamic_shared_memory_type event_source event_triggers"
    " extension_control_path extension_destdir external_pid_file fsync full_page_writes hba_file hot_standby hot_standby_feedback"
    " huge_page_size huge_pages ident_file ignore_checksum_failure ignore_invalid_pages ignore_system_indexes io_method jit_provider"
    " listen_addresses local_preload_libraries log_destination log_directory log_file_mode log_filename log_line_prefix log_timezone"
    " log_truncate_on_rotation logging_collector lo_compat_privileges max_wal_senders oauth_validator_libraries output_plugin_libraries"
    " password_encryption port post_auth_delay pre_auth_delay promote_trigger_file restart_after_crash shared_memory_type summarize_wal"
    " superuser_reserved_connections sync_replication_slots synchronized_standby_slots synchronous_commit synchronous_standby_names"
    " unix_socket_directories unix_socket_group unix_socket_permissions update_process_title wal_consistency_checking wal_init_zero"
    " wal_keep_size wal_level wal_log_hints wal_recycle wal_retrieve_retry_interval wal_sync_method zero_damaged_pages"
)
_OURS = frozenset(_OURS_WORDS.split())
"""What a volume needs, or the machine: shown, and for nobody to change."""
_OF_THE_MACHINE = re.compile(
    "(archive|bonjour|debug|gss|jit_d|jit_p|krb|primary|recovery|restore|ssl|syslog|trace|transaction_(deferrable|isolation|read))"
)


class Parameter(NamedTuple):
    """A parameter. default: in its unit; type: string, boolean, integer, float, list; allowed: as RDS writes it ("0-100", "on,off"), "" for
    anything; dynamic: it changes without a restart; modifiable: by anybody."""

    name: str
    default: str | None
    type: str
    allowed: str
    dynamic: bool
    modifiable: bool
    description: str


@lru_cache(8)
def parameters(family: str = "postgres18") -> dict[str, Parameter]:
    """All parameters of a family ("aurora-postgresql15", "postgres18"), by name."""
    match = re.search(r"\d+", family)
    wanted = int(match[0]) if match else 0
    told = _told()
    below = max((major for major in told if major <= wanted), default=min(told))
    above = min((major for major in told if major >= wanted), default=max(told))
    known = [_parameter(*row) for name, row in told[above].items() if name in told[below]]
    own = Parameter(RETENTION, str(_RETENTION_MINUTES), "integer", "1440-10080", True, True, "Minutes that log files are kept.")
    return {one.name: one for one in (*known, own)}


def retention_s(given: dict[str, str]) -> int:
    """How long log files are kept."""
    value = given.get(RETENTION, "")
    return 60 * (int(value) if value.isdecimal() else _RETENTION_MINUTES)


@lru_cache(1)
def _told() -> dict[int, dict[str, list[Any]]]:
    raw: dict[str, list[list[Any]]] = json.loads(Path(__file__).with_name("parameters.json").read_bytes())
    return {int(major): {row[0]: row for row in rows} for major, rows in raw.items()}


def _parameter(
    name: str, kind: str, context: str, unit: str, default: str | None, least: str, most: str, words: str, text: str
) -> Parameter:
    described = f"({unit}) {text}" if unit else text
    if kind == "bool":
        default, allowed = ("1" if default == "on" else "0"), "0,1"
    else:
        allowed = f"{least}-{most}" if kind in ("integer", "real") else _LISTS.get(name, words)
    type_ = "list" if name in _LISTS else _TYPES[kind]
    modifiable = name not in _OURS and not _OF_THE_MACHINE.match(name)
    return Parameter(name, default, type_, allowed, context != "postmaster", modifiable, described)
