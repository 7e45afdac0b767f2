"""The accounts of a server: the house's own, Aurora's roles, and the master user as RDS makes it.

rdsadmin     the superuser: over the unix socket only, with a password that only the house knows (`images.secret`)
rdsrepladmin what the volume's process reads the binlog as
mysql.rds_timelines  what a writer tells the volume of itself: when it became one, and from which position of the log on
"""

from __future__ import annotations

import hashlib

SUPERUSER = "rdsadmin"
REPLICATION = "rdsrepladmin"
RESERVED = frozenset({SUPERUSER, REPLICATION, "mariadb.sys", "rdsproxyadmin", "rds_superuser_role"})
IAM_PLUGIN = "AWSAuthenticationPlugin"

ROLES = (
    "AWS_BEDROCK_ACCESS",
    "AWS_COMPREHEND_ACCESS",
    "AWS_LAMBDA_ACCESS",
    "AWS_LOAD_S3_ACCESS",
    "AWS_SAGEMAKER_ACCESS",
    "AWS_SELECT_S3_ACCESS",
)
"""What Aurora lets an account do beyond the database, granted as roles."""

MASTER = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, CREATE TEMPORARY TABLES,"
    " LOCK TABLES, EXECUTE, REPLICATION SLAVE, BINLOG MONITOR, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT,"
    " TRIGGER, DELETE HISTORY, SLAVE MONITOR"
)
"""All that may be done to data and accounts; not SUPER, FILE, SHUTDOWN, nor what else reaches the machine, the log or read-only servers."""


def first(secret: str, system: str) -> list[str]:
    """The statements that make an installed data directory the template."""
    own = native(secret)
    return [
        "CREATE DATABASE IF NOT EXISTS mysql",
        "USE mysql",
        "FLUSH PRIVILEGES",
        "DELETE FROM mysql.proxies_priv",
        "DELETE FROM mysql.global_priv WHERE User = 'root'",
        "FLUSH PRIVILEGES",
        f"CREATE OR REPLACE USER '{SUPERUSER}'@'localhost' IDENTIFIED VIA mysql_native_password USING '{own}'",
        f"GRANT ALL PRIVILEGES ON *.* TO '{SUPERUSER}'@'localhost' WITH GRANT OPTION",
        f"CREATE OR REPLACE USER '{REPLICATION}'@'localhost' IDENTIFIED VIA mysql_native_password USING '{own}'",
        f"GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO '{REPLICATION}'@'localhost'",
        "CREATE TABLE mysql.rds_timelines (timeline BIGINT UNSIGNED PRIMARY KEY, begins BIGINT UNSIGNED NOT NULL,"
        " system VARCHAR(64) NOT NULL, attached INT UNSIGNED NOT NULL) ENGINE=InnoDB",
        f"INSERT INTO mysql.rds_timelines VALUES (0, 0, '{system}', 0)",
        f"GRANT SELECT ON mysql.rds_timelines TO '{REPLICATION}'@'localhost'",
        *(f"CREATE ROLE IF NOT EXISTS {role} WITH ADMIN '{SUPERUSER}'@'localhost'" for role in ROLES),
    ]


def master(user: str, password: str, *, new: bool) -> list[str]:
    """The statements that make the master user, or give an existing one another password; privileges as on RDS."""
    name = f"{literal(user)}@'%'"
    made = f"CREATE USER IF NOT EXISTS {name}" if new else f"ALTER USER {name}"
    return [
        f"{made} IDENTIFIED VIA mysql_native_password USING '{native(password)}'",
        f"GRANT {MASTER} ON *.* TO {name} WITH GRANT OPTION",
        *(f"GRANT {role} TO {name} WITH ADMIN OPTION" for role in ROLES if new),
    ]


def native(password: str) -> str:
    """The hash that mysql_native_password keeps."""
    return "*" + hashlib.sha1(hashlib.sha1(password.encode()).digest()).hexdigest().upper()


def iam_password(secret: str) -> str:
    """The password in the database of accounts that IAM signs in: only the front knows it, and shows it once a token was found right."""
    return hashlib.sha256(f"iam {secret}".encode()).hexdigest()


def literal(text: str) -> str:
    """As a string in SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def quoted(name: str) -> str:
    """As a name in SQL."""
    return "`" + name.replace("`", "``") + "`"
