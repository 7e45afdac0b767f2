"""What ties a session of an RDS Proxy to its connection for good, and which settings go along instead."""

from __future__ import annotations

import functools
import re

_LONGEST = 16 * 1024
_START = rb"(?:\A|;)(?:\s|--\s[^\n]*\n|#[^\n]*\n|/\*(?!!).*?\*/)*"
_FLAGS = re.IGNORECASE | re.DOTALL
_STATE = re.compile(
    _START + rb"(?:(lock\s+tables?)\b|(flush\s+tables?\s+.*(?:with\s+read\s+lock|for\s+export))|(drop\s+(?:database|schema))\b"
    rb"|(prepare|execute|deallocate|handler|xa|load\s+data\s+local)\b|(create)\s+(?:or\s+replace\s+)?temporary\b)"
    rb"|\b(get_lock|release_lock|release_all_locks)\s*\(|\binto\s+(@)\w|(@)\w+\s*:=|\b(sql_calc_found_rows)\b",
    _FLAGS,
)
_SET = re.compile(_START + rb"set\b(?!\s+(?:global|persist|password|default\s+role|statement)\b)\s*(.*)\Z", _FLAGS)
_TRACKED = re.compile(
    rb"(?:(names)\s+\S+(?:\s+collate\s+\S+)?|(character)\s+set\s+\S+|session\s+(transaction)\s+[\w\s]+|"
    rb"(?:session\s+|local\s+|@@(?:session\.|local\.)?)?(autocommit|auto_increment_increment|auto_increment_offset|"
    rb"character_set_\w+|collation_\w+|foreign_key_checks|group_concat_max_len|innodb_lock_wait_timeout|interactive_timeout|lock_wait_timeout|"
    rb"max_execution_time|max_statement_time|net_read_timeout|net_write_timeout|sql_auto_is_null|sql_mode|sql_notes|sql_safe_updates|sql_select_limit|"
    rb"time_zone|tx_isolation|tx_read_only|transaction_isolation|transaction_read_only|unique_checks|wait_timeout)"
    rb"\s*:?=\s*(?:'[^']*'|\"[^\"]*\"|[\w.+:-]+))\s*",
    re.IGNORECASE,
)
_LAST = re.compile(
    rb"\b(?:last_insert_id|found_rows|row_count)\s*\(\s*\)|@@(?:session\.)?(?:identity|last_insert_id|warning_count|error_count)\b"
    rb"|\A\s*show\s+(?:count\s*\(\s*\*\s*\)\s*)?(?:warnings|errors)\b|\A\s*get\s+diagnostics\b",
    re.IGNORECASE,
)
_USE = re.compile(rb"\A\s*use\s+(`(?:[^`]|``)+`|[\w$]+)\s*;?\s*\Z", re.IGNORECASE)
_CHANGE = re.compile(_START + rb"use\b", _FLAGS)
EXCLUDE_VARIABLE_SETS = "EXCLUDE_VARIABLE_SETS"


@functools.lru_cache(maxsize=8192)
def reason(statement: bytes, excluded: bool) -> str:
    """Why a statement pins, "" where it does not. `excluded`: variable sets do not."""
    if len(statement) > _LONGEST:
        return "a statement of more than 16 KB"
    found = _STATE.search(statement)
    if found:
        return str(next(filter(None, found.groups())).decode().lower())
    if _CHANGE.search(statement) and used(statement) is None:
        return "use"
    if not excluded and _SET.search(statement) and not tracked(statement):
        return "set"
    return ""


@functools.lru_cache(maxsize=1024)
def tracked(statement: bytes) -> bytes:
    """What a SET sets, where that can be repeated on another connection: names and no values; b"" otherwise."""
    found = _SET.search(statement)
    if found is None or found.start() or b";" in found[1].rstrip(b"; \t\r\n"):
        return b""
    parts = found[1].rstrip(b"; \t\r\n").split(b",")
    if len(parts) > 1 and any(b"'" in part or b'"' in part for part in parts):
        return b""
    names = []
    for part in parts:
        one = _TRACKED.fullmatch(part.strip())
        if one is None:
            return b""
        names.append(next(filter(None, one.groups())).lower())
    return b",".join(names)


@functools.lru_cache(maxsize=1024)
def looks_back(statement: bytes) -> bool:
    """Whether a statement asks about the one before it."""
    return _LAST.search(statement) is not None


def used(statement: bytes) -> str | None:
    """The database that a USE names."""
    found = _USE.match(statement)
    return found[1].decode().strip("`").replace("``", "`") if found else None
