"""Short ways to say a policy and a question."""

from __future__ import annotations

import json
from typing import Any

from fogbank.access.context import Context
from fogbank.access.evaluate import Decision, Named, Policies, Query, decide
from fogbank.access.policy import Kind, parse
from fogbank.access.principal import ANONYMOUS, Principal, root, service

ACCOUNT, OTHER = "111111111111", "222222222222"
USER = Principal(kind="user", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:user/team/ann", user_id="AIDAEXAMPLE0000000ANN", name="ann")
SESSION = Principal(
    kind="assumed-role",
    account=ACCOUNT,
    arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/R/s",
    user_id="AROAEXAMPLE00000000R:s",
    name="R",
    issuer_arn=f"arn:aws:iam::{ACCOUNT}:role/path/R",
    session_name="s",
)
FEDERATED = Principal(
    kind="federated-user",
    account=ACCOUNT,
    arn=f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
    user_id=f"{ACCOUNT}:bob",
    name="bob",
    issuer_arn=USER.arn,
)
ROOT = root(ACCOUNT)
SERVICE = service("events.amazonaws.com")
NOBODY = ANONYMOUS
ACTION, RESOURCE = "sqs:SendMessage", f"arn:aws:sqs:eu-west-1:{ACCOUNT}:orders"


def policy(*statements: dict[str, Any], kind: Kind = "identity", version: str = "2012-10-17", name: str = "p") -> Named:
    """A policy of these statements; what a statement does not say is `Allow`, `*` and `*`."""
    full = []
    for statement in statements:
        out = {"Effect": "Allow", **statement}
        if "NotAction" not in out:
            out.setdefault("Action", "sts:*" if kind == "trust" else "*")
        if kind != "trust" and "NotResource" not in out:
            out.setdefault("Resource", "*")
        full.append(out)
    return Named(name, parse(json.dumps({"Version": version, "Statement": full}), kind))


def granted(statement: dict[str, Any], *, action: str = ACTION, resource: str = RESOURCE, who: Principal = USER, **keys: Any) -> bool:
    """Whether an identity policy of one statement allows it. Keys are spelt with `__` for `:` and `___` for `/`."""
    values = {name.replace("___", "/").replace("__", ":").lower(): value for name, value in keys.items()}
    return ask(Policies(identity=[policy(statement)]), action=action, resource=resource, who=who, values=values).allowed


def ask(
    policies: Policies, *, who: Principal = USER, action: str = ACTION, resource: str = RESOURCE, values: dict[str, Any] | None = None
) -> Decision:
    """The decision on one question."""
    return decide(Query(who, action, resource, Context(who, region="eu-west-1", now_ms=1_767_225_600_000, values=values or {})), policies)
