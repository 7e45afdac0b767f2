"""The accounts of a server: the house's own, Aurora's roles, RDS's procedures, and the master user as RDS makes it.

rdsadmin     the superuser: over the unix socket only, with a password that only the house knows (`images.secret`)
rdsrepladmin what the volume's process reads the binlog as
mysql.rds_timelines  what a writer tells the volume of itself: when it became one, and from which position of the log on
"""

from __future__ import annotations

import hashlib

SUPERUSER = "rdsadmin"
REPLICATION = "rdsrepladmin"
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

_EVERYWHERE = "SELECT, RELOAD, PROCESS, SHOW DATABASES, SHOW VIEW, CREATE USER, REPLICATION SLAVE, BINLOG MONITOR, SLAVE MONITOR"
_IN_DATABASES = (
    "INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW,"
    " CREATE ROUTINE, ALTER ROUTINE, EVENT, TRIGGER, DELETE HISTORY"
)
"""What the master user may: all that can be done to data and accounts; not SUPER, FILE, SHUTDOWN, nor what else reaches the machine, the
log or read-only servers. What writes it may in every database (`%`) but `mysql`: a server takes the first entry of `mysql.db` that fits,
and for that database it is the house's, which is for everybody and allows nothing."""

_OWN = f"'{SUPERUSER}', '{REPLICATION}', 'system user', 'event_scheduler'"
PROCEDURES = {"rds_kill": "CONNECTION", "rds_kill_query": "QUERY"}
"""What the master user ends another's connection, or statement, by; not the house's."""


def _procedure(name: str, what: str) -> str:
    return (
        f"CREATE DEFINER = '{SUPERUSER}'@'localhost' PROCEDURE IF NOT EXISTS mysql.{name} (IN thread BIGINT) SQL SECURITY DEFINER BEGIN"
        f" IF EXISTS (SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = thread AND USER IN ({_OWN})) THEN"
        " SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1095, MESSAGE_TEXT = 'You are not owner of that thread';"
        f" END IF; KILL {what} thread; END"
    )


CLIENTS = f"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER NOT IN ({_OWN})"
"""How many are connected."""


def house(secret: str) -> list[str]:
    """The statements that make the house's own accounts, whatever was done to them, and RDS's procedures."""
    proof = f"IDENTIFIED VIA mysql_native_password USING '{native(secret)}'"
    superuser, replication = f"'{SUPERUSER}'@'localhost'", f"'{REPLICATION}'@'localhost'"
    return [
        *(f"CREATE USER IF NOT EXISTS {name} {proof}" for name in (superuser, replication)),
        *(f"ALTER USER {name} {proof} REQUIRE NONE ACCOUNT UNLOCK PASSWORD EXPIRE NEVER" for name in (superuser, replication)),
        f"GRANT ALL PRIVILEGES ON *.* TO {superuser} WITH GRANT OPTION",
        f"GRANT REPLICATION SLAVE, BINLOG MONITOR, CONNECTION ADMIN ON *.* TO {replication}",  # (it gets in when clients have all)
        f"GRANT SELECT ON mysql.rds_timelines TO {replication}",
        *(f"CREATE ROLE IF NOT EXISTS {role} WITH ADMIN {superuser}" for role in ROLES),
        *(f"REPLACE INTO mysql.roles_mapping VALUES ('localhost', '{SUPERUSER}', '{role}', 'Y')" for role in ROLES),
        "REPLACE INTO mysql.db (Host, Db, User) VALUES ('localhost', 'mysql', ''), ('%', 'mysql', '')",
        "FLUSH PRIVILEGES",
        *(_procedure(*one) for one in PROCEDURES.items()),
    ]


HOUSE = (
    "SELECT MD5(CONCAT((SELECT COALESCE(GROUP_CONCAT(Priv ORDER BY User), '') FROM mysql.global_priv"
    f" WHERE Host = 'localhost' AND User IN ('{SUPERUSER}', '{REPLICATION}')),"
    f" (SELECT COUNT(*) FROM mysql.db WHERE User = '' AND Db = 'mysql' AND Drop_priv = 'N'),"
    f" (SELECT COUNT(*) FROM mysql.tables_priv WHERE User = '{REPLICATION}')))"
)
"""Gives another value when somebody did something to the house's own accounts."""


def first(secret: str, system: str) -> list[str]:
    """The statements that make an installed data directory the template."""
    return [
        "CREATE DATABASE IF NOT EXISTS mysql",
        "USE mysql",
        "FLUSH PRIVILEGES",
        "DELETE FROM mysql.proxies_priv",
        "DELETE FROM mysql.global_priv WHERE User = 'root'",
        "FLUSH PRIVILEGES",
        "CREATE TABLE mysql.rds_timelines (timeline BIGINT UNSIGNED PRIMARY KEY, begins BIGINT UNSIGNED NOT NULL,"
        " system VARCHAR(64) NOT NULL, attached INT UNSIGNED NOT NULL) ENGINE=InnoDB",
        f"INSERT INTO mysql.rds_timelines VALUES (0, 0, '{system}', 0)",
        *house(secret),
    ]


def master(user: str, password: str, *, new: bool) -> list[str]:
    """The statements that make the master user, or give an existing one another password; privileges as on RDS."""
    name = f"{literal(user)}@'%'"
    made = f"CREATE USER IF NOT EXISTS {name}" if new else f"ALTER USER {name}"
    return [
        f"{made} IDENTIFIED VIA mysql_native_password USING '{native(password)}'",
        f"GRANT {_EVERYWHERE} ON *.* TO {name} WITH GRANT OPTION",
        f"GRANT {_IN_DATABASES} ON `%`.* TO {name} WITH GRANT OPTION",
        *(f"GRANT EXECUTE ON PROCEDURE mysql.{procedure} TO {name} WITH GRANT OPTION" for procedure in PROCEDURES),
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
