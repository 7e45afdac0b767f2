"""The roles of a database as RDS hands it out, who may come in how, and the master user."""

from __future__ import annotations

import base64
import hashlib
import hmac

from psycopg import sql

from fogbank.engines.postgres.connections import SUPERUSER, Connection, Pool

_GRANTED = {  # to rds_superuser: role -> since which version there is one
    "pg_monitor": 10,
    "pg_signal_backend": 10,
    "pg_checkpoint": 15,
    "pg_create_subscription": 16,
    "pg_use_reserved_connections": 16,
    "pg_maintain": 17,
    "pg_signal_autovacuum_worker": 18,
    "rds_password": 10,
    "rds_replication": 10,
}
_SETTABLE_WORDS = (
    "session_replication_role log_statement log_min_duration_statement log_min_messages log_min_error_statement log_error_verbosity"
    " log_duration log_lock_waits log_temp_files log_executor_stats log_parser_stats log_planner_stats log_statement_stats"
    " deadlock_timeout temp_file_limit track_activities track_counts track_functions track_io_timing lc_messages zero_damaged_pages"
    " commit_delay"
)
_SETTABLE = tuple(_SETTABLE_WORDS.split())
"""What a master user sets for a session although PostgreSQL asks for a superuser."""

_PASSWORD = "rdsmaster"
"""Its members come in with a password even though PostgreSQL counts who may *grant* rds_iam (the master user) among that role's members."""


def admission(iam: bool) -> str:
    """pg_hba.conf. The socket's folder is ours alone: whoever comes in came through the front, which has checked an IAM user's token."""
    return f"""local replication {SUPERUSER} trust
local replication all reject
local all {SUPERUSER} trust
local rdsadmin all reject
local all +{_PASSWORD} scram-sha-256
local all +rds_iam {"trust" if iam else "reject"}
local all all scram-sha-256
"""


TRUSTING = f"""local replication all reject
local all {SUPERUSER} trust
local rdsadmin all reject
local all all trust
"""
"""pg_hba.conf of a page reader, to which nobody comes but fogbank, as the user who asked for something."""


def founding(major: int) -> list[str]:
    """SQL that makes the roles, once for all databases."""
    granted = ", ".join(role for role, since in _GRANTED.items() if major >= since)
    made = [f"create role {name} nologin" for name in ("rds_superuser", "rds_replication", "rds_password", "rds_iam", "rds_ad", _PASSWORD)]
    made.append(f"grant {granted} to rds_superuser with admin option")
    if major >= 15:
        made.append(f"grant set on parameter {', '.join(_SETTABLE)} to rds_superuser")
    return made


async def prepare(pool: Pool, major: int, master: str, password: str, database: str) -> None:
    """Makes the master user, its password and the first database what they should be. Nothing is written where they are already."""
    async with pool.connection() as connection:
        await _master(connection, major, master, password)
        for name in filter(None, ("postgres", "template1", database)):
            found = await connection.one(
                "select r.rolname from pg_database d join pg_roles r on r.oid = d.datdba where d.datname = %s", name
            )
            if found is None:
                await _do(connection, "create database {} owner {}", name, master)
            elif found == SUPERUSER:
                await _do(connection, "alter database {} owner to {}", name, master)


async def _master(connection: Connection, major: int, master: str, password: str) -> None:
    known = await connection.one("select coalesce(rolpassword, '') from pg_authid where rolname = %s", master)
    verifier = connection.raw.pgconn.encrypt_password(password.encode(), master.encode(), b"scram-sha-256").decode()
    if known is None:
        await _do(
            connection, f"create role {{}} login createdb createrole replication password '{verifier}' valid until 'infinity'", master
        )
    elif not matches(known, password):
        await _do(connection, f"alter role {{}} login password '{verifier}'", master)
    for role in ("rds_superuser",) if major < 16 else ("rds_superuser", "rds_iam"):
        if not await _member(connection, role, master, "admin_option"):
            how = "" if major < 16 else ", inherit false, set false" if role == "rds_iam" else ", inherit true, set true"
            await _do(connection, f"grant {role} to {{}} with admin {'option' if major < 16 else 'true'}{how}", master)
    by_token = await _member(connection, "rds_iam", master, "true" if major < 16 else "(inherit_option or set_option)")
    if by_token == await _member(connection, _PASSWORD, master, "true"):
        await _do(connection, f"revoke {_PASSWORD} from {{}}" if by_token else f"grant {_PASSWORD} to {{}}", master)


async def _member(connection: Connection, role: str, member: str, how: str) -> bool:
    who = "(select oid from pg_roles where rolname = %s)"
    asked = f"select true from pg_auth_members where roleid = '{role}'::regrole and member = {who} and {how} limit 1"
    return bool(await connection.one(asked, member))


async def _do(connection: Connection, statement: str, *names: str) -> None:
    async with connection.raw.cursor() as cursor:
        await cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def matches(verifier: str, password: str) -> bool:
    """Whether a stored SCRAM verifier is of this password."""
    try:
        kind, salted, keys = verifier.split("$")
        rounds, salt = salted.split(":")
        stored = base64.b64decode(keys.split(":")[0])
    except ValueError:
        return False
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
    client = hmac.digest(key, b"Client Key", "sha256")
    return kind == "SCRAM-SHA-256" and hmac.compare_digest(hashlib.sha256(client).digest(), stored)
