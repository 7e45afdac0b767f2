"""A cluster that the real `aws` command line made, for tests of who connects to it."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path
from typing import Any

import psycopg

from fogbank.testing.cloud import boto

from .conftest import Shell

PASSWORD = "correct-horse"
WITHIN_S = 300


class Database:
    """A cluster with a writer and a reader, made by the command line."""

    def __init__(self, aws: Shell, name: str, engine: str, folder: Path) -> None:
        self.aws, self.name, self.folder = aws, name, folder
        master = ("--master-username", "ada", "--master-user-password", PASSWORD, "--database-name", "library")
        aws("rds", "create-db-cluster", "--db-cluster-identifier", name, "--engine", engine, *master)
        for number in (1, 2):
            place = ("--db-instance-identifier", f"{name}-{number}", "--db-cluster-identifier", name)
            aws("rds", "create-db-instance", *place, "--engine", engine, "--db-instance-class", "db.r6g.large")
        self._wait()
        found = self.described()
        self.writer, self.reader, self.port = found["Endpoint"], found["ReaderEndpoint"], found["Port"]
        self.authority = folder / "global-bundle.pem"
        self.authority.write_bytes(urllib.request.urlopen(f"{aws.server.endpoint}/_fogbank/global-bundle.pem").read())

    def _wait(self) -> None:
        members = [{"Name": "db-cluster-id", "Values": [self.name]}]
        rds, end = boto(self.aws.server.endpoint, "rds"), time.monotonic() + WITHIN_S
        while True:  # (`wait` alone looks every 30 seconds)
            there = [each["DBInstanceStatus"] for each in rds.describe_db_instances(Filters=members)["DBInstances"]]
            if {*there, self.described()["Status"]} == {"available"}:
                break
            assert time.monotonic() < end, there
        self.aws("rds", "wait", "db-instance-available", "--filters", f"Name=db-cluster-id,Values={self.name}")
        self.aws("rds", "wait", "db-cluster-available", "--db-cluster-identifier", self.name)

    def connect(self, host: str, **given: Any) -> psycopg.Connection[Any]:
        who = {"user": "ada", "password": PASSWORD, "dbname": "library"}
        return psycopg.connect(**{"host": host, "port": self.port, **who, **given}, autocommit=True)

    def once(self, host: str, sql: str) -> Any:
        """A statement's first value, if it has any, by a connection of its own: made when the database is there."""
        end = time.monotonic() + WITHIN_S
        while True:
            try:
                with self.connect(host, connect_timeout=10) as connection:
                    found = connection.execute(sql)
                    return found.fetchone()[0] if found.description else None  # type: ignore[index]
            except psycopg.OperationalError:
                assert time.monotonic() < end
                time.sleep(0.1)

    def described(self) -> Any:
        return self.aws.json("rds", "describe-db-clusters", "--db-cluster-identifier", self.name)["DBClusters"][0]
