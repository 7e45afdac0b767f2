"""Data and keys from the real `aws` command line: an object under a key, a table, a secret, a parameter."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import Shell

KEYED = ("--sse", "aws:kms", "--sse-kms-key-id")


def test_an_object_under_a_key(aws: Shell, tmp_path: Path) -> None:
    """What `aws s3 cp` puts under a key comes back, until the key is on its way out."""
    key = aws.json("kms", "create-key")["KeyMetadata"]["KeyId"]
    file = tmp_path / "file"
    file.write_bytes(b"fog" * 100_000)
    aws("s3", "mb", "s3://keyed")
    aws("s3", "cp", file, "s3://keyed/file", *KEYED, key)
    aws("s3", "cp", "s3://keyed/file", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == file.read_bytes()
    aws("kms", "schedule-key-deletion", "--key-id", key, "--pending-window-in-days", "7")
    assert "KMSInvalidStateException" in aws.refused("s3", "cp", "s3://keyed/file", tmp_path / "again")
    aws("kms", "cancel-key-deletion", "--key-id", key)
    aws("kms", "enable-key", "--key-id", key)
    aws("s3", "cp", "s3://keyed/file", tmp_path / "again")


def test_a_table(aws: Shell) -> None:
    """A table is made, waited for, written, asked by an expression and by PartiQL."""
    schema = ("--key-schema", "AttributeName=pk,KeyType=HASH", "--attribute-definitions", "AttributeName=pk,AttributeType=S")
    aws("dynamodb", "create-table", "--table-name", "music", *schema, "--billing-mode", "PAY_PER_REQUEST")
    aws("dynamodb", "wait", "table-exists", "--table-name", "music")
    aws("dynamodb", "put-item", "--table-name", "music", "--item", '{"pk": {"S": "a"}, "n": {"N": "007"}}')
    values = '{":p": {"S": "a"}}'
    answer = aws.json(
        "dynamodb", "query", "--table-name", "music", "--key-condition-expression", "pk = :p", "--expression-attribute-values", values
    )
    assert answer["Items"] == [{"pk": {"S": "a"}, "n": {"N": "7"}}]
    assert aws.json("dynamodb", "execute-statement", "--statement", "SELECT n FROM music WHERE pk = 'a'")["Items"] == [{"n": {"N": "7"}}]


def test_a_secret_and_a_parameter(aws: Shell) -> None:
    """A secret is read back; a SecureString comes sealed, and opened where that is asked for."""
    aws("secretsmanager", "create-secret", "--name", "db", "--secret-string", json.dumps({"password": "p"}))
    assert json.loads(aws.json("secretsmanager", "get-secret-value", "--secret-id", "db")["SecretString"]) == {"password": "p"}
    aws("ssm", "put-parameter", "--name", "/app/token", "--type", "SecureString", "--value", "t")
    assert aws.json("ssm", "get-parameter", "--name", "/app/token")["Parameter"]["Value"] != "t"
    assert aws.json("ssm", "get-parameters-by-path", "--path", "/app", "--with-decryption")["Parameters"][0]["Value"] == "t"
