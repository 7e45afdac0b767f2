"""A policy document's syntax, checked with AWS's own sentences.

Source: "Grammar of the IAM JSON policy language" in the IAM User Guide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NoReturn

import msgspec

from fogbank.access import conditions
from fogbank.kernel.errors import ServiceException

Kind = Literal["identity", "resource", "trust", "scp", "session", "boundary"]

VERSIONS = ("2008-10-17", "2012-10-17")

_PARTITIONS = frozenset({"aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc", "*"})
_DOCUMENT_FIELDS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_FIELDS = frozenset({"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal", "Condition"})
_PRINCIPAL_TYPES = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})
# S3's buckets and objects have neither region nor account; its other resources have both.
_S3_WITH_REGION = ("accesspoint", "access-grants", "job", "storage-lens", "async-request", "*", "${")
_vendor = re.compile(r"[A-Za-z0-9\-.]+|\*").fullmatch
_sid = re.compile(r"[0-9A-Za-z]*").fullmatch
_aws_principal = re.compile(
    r"\*|\d{12}|arn:[a-z\-]+:iam::\d{12}:(root|(user|role)/[\x21-\x7e]+)|arn:[a-z\-]+:sts::\d{12}:(assumed-role|federated-user)/[\x21-\x7e]+"
    r"|A[A-Z0-9]{15,}(:.+)?|arn:[a-z\-]+:iam::cloudfront:user/.+"
).fullmatch


def malformed(message: str) -> NoReturn:
    """Raises `MalformedPolicyDocument` (400)."""
    raise ServiceException("MalformedPolicyDocument", message, status=400)


def read(document: str, kind: Kind) -> dict[str, Any]:
    """The document as JSON, its syntax checked, `Statement` always a list and each statement's elements lists."""
    try:
        policy = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        malformed("This policy contains invalid Json" if kind == "trust" else "Syntax errors in policy.")
    if not isinstance(policy, dict):
        malformed("Syntax errors in policy.")
    if policy.keys() - _DOCUMENT_FIELDS:
        malformed("Syntax errors in policy." if kind != "trust" else f"Unknown field {min(policy.keys() - _DOCUMENT_FIELDS)}")
    version = policy.get("Version", VERSIONS[0])
    if version not in VERSIONS:
        malformed("Policy document must be version 2012-10-17 or greater." if isinstance(version, str) else "Syntax errors in policy.")
    statements = policy.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements or not isinstance(policy.get("Id", ""), str):
        malformed("Syntax errors in policy." if kind != "trust" or statements is not None else "Missing required field Statement")
    read_ = [_statement(statement, kind) for statement in statements]
    sids = [statement["Sid"] for statement in read_ if statement.get("Sid")]
    if len(sids) != len(set(sids)):
        malformed("Statement IDs (SID) in a single policy must be unique.")
    return {"Version": version, "Id": policy.get("Id", ""), "Statement": read_}


def _statement(statement: Any, kind: Kind) -> dict[str, Any]:
    if not isinstance(statement, dict) or statement.keys() - _STATEMENT_FIELDS:
        malformed("Syntax errors in policy." if not isinstance(statement, dict) else _unknown(statement, kind))
    out: dict[str, Any] = {"Sid": statement.get("Sid", ""), "Effect": statement.get("Effect")}
    if not isinstance(out["Sid"], str) or out["Effect"] not in ("Allow", "Deny"):
        malformed(
            "Syntax errors in policy." if "Effect" in statement or kind not in ("trust", "resource") else "Missing required field Effect"
        )
    if kind in ("identity", "boundary", "session") and not _sid(out["Sid"]):
        malformed("Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*")
    for name in ("Action", "Resource", "Principal"):
        if name in statement and "Not" + name in statement:
            malformed("Syntax errors in policy.")
    out |= _actions(statement, kind) | _resources(statement, kind) | _principals(statement, kind)
    if "Condition" in statement:
        out["Condition"] = _conditions(statement["Condition"])
    return out


def _unknown(statement: Mapping[str, Any], kind: Kind) -> str:
    return f"Unknown field {min(statement.keys() - _STATEMENT_FIELDS)}" if kind in ("trust", "resource") else "Syntax errors in policy."


def _strings(value: Any, what: str = "") -> list[str]:
    """One string, or a list of them."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        malformed("Syntax errors in policy.")
    if not value and what:
        malformed(what)
    return value


def _actions(statement: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    element = "NotAction" if "NotAction" in statement else "Action"
    if element not in statement:
        malformed("Missing required field Action" if kind in ("trust", "resource") else "Policy statement must contain actions.")
    names = _strings(statement[element], "Policy statement must contain actions.")
    for name in names:
        vendor, colon, rest = name.partition(":")
        if name == "*" and kind != "trust":
            continue
        if not colon or not rest:
            malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
        if not _vendor(vendor):
            malformed(f"Vendor {vendor} is not valid")
        if ":" in rest:
            malformed("Actions/Condition can contain only one colon.")
        if kind == "trust" and vendor.lower() != "sts":
            malformed("AssumeRole policy may only specify STS AssumeRole actions.")
    return {element: names}


def _resources(statement: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    element = "NotResource" if "NotResource" in statement else "Resource"
    if kind == "trust":
        if element in statement:
            malformed(f"Has prohibited field {element}")
        return {}
    if element not in statement:
        if kind == "resource":
            return {}
        malformed("Policy statement must contain resources.")
    names = _strings(statement[element], "Policy statement must contain resources.")
    if kind != "resource":
        for name in names:
            _check_resource(name)
    return {element: names}


def _check_resource(name: str) -> None:
    if name == "*" or name.startswith("${"):
        return
    parts = name.split(":", 5)
    if parts[0] != "arn" or len(parts) < 2:
        malformed(f'Resource {name} must be in ARN format or "*".')
    if parts[1] not in _PARTITIONS and "*" not in parts[1] and "${" not in parts[1]:
        malformed(f'Partition "{parts[1]}" is not valid for resource "{name}".')
    if len(parts) < 6:
        if "*" not in name:
            malformed(f'Resource {name} must be in ARN format or "*".')
        return
    service, region, path = parts[2], parts[3], parts[5]
    if service == "iam" and region not in ("", "*"):
        malformed(f"IAM resource {name} cannot contain region information.")
    if service == "s3" and region and not path.startswith(_S3_WITH_REGION):
        malformed(f"Resource {name} can not contain region information.")
    if service == "s3" and parts[4] not in ("", "*") and not path.startswith(_S3_WITH_REGION):
        malformed(f"Resource {name} can not contain account information.")


def _principals(statement: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    element = "NotPrincipal" if "NotPrincipal" in statement else "Principal"
    if kind not in ("trust", "resource"):
        if element in statement:
            malformed("Policy document should not specify a principal.")
        return {}
    if element not in statement:
        malformed("Missing required field Principal")
    value = statement[element]
    if value == "*":
        return {element: {"AWS": ["*"]}}
    if not isinstance(value, dict) or not value:
        malformed("Invalid principal in policy." if kind == "resource" else f'Invalid principal in policy: "{value}"')
    listed = {}
    for principal_type, names in value.items():
        if principal_type not in _PRINCIPAL_TYPES:
            malformed(f'Invalid principal in policy: "{principal_type}":"{names}"' if kind == "trust" else "Invalid principal in policy.")
        listed[principal_type] = _strings(names, "Invalid principal in policy.")
    for name in listed.get("AWS", []):
        if not _aws_principal(name):
            malformed(f'Invalid principal in policy: "AWS":"{name}"')
    return {element: listed}


def _conditions(element: Any) -> dict[str, dict[str, list[str]]]:
    if not isinstance(element, dict):
        malformed("Syntax errors in policy.")
    out: dict[str, dict[str, list[str]]] = {}
    for operator, keys in element.items():
        op = conditions.operator(operator)
        if op is None:
            malformed(f"Invalid Condition type : {operator}" if operator else "Syntax errors in policy.")
        if not isinstance(keys, dict):
            malformed("Syntax errors in policy.")
        out[operator] = {key: _values(op, key, value) for key, value in keys.items()}
    return out


def _values(op: conditions.Operator, key: str, value: Any) -> list[str]:
    if ":" not in key:
        malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
    values = [_scalar(item) for item in (value if isinstance(value, list) else [value])]
    for text in values:
        if "${" in text:
            continue
        if op.name.startswith("numeric") and conditions.number(text) is None:
            malformed(f"The following Value in the Numeric Condition is not valid: {text}")
        if op.name.startswith("date") and conditions.instant(text) is None:
            malformed(f"The following Value in the Date Condition is not valid: {text}")
        if op.name == "ipaddress" and conditions.ip_network(text) is None:
            malformed(f"The value {text} is not a valid IP address or CIDR block.")
    return values


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    malformed("Syntax errors in policy.")
