"""Access control lists without the bucket: what they consist of, how a request says one, and what they allow.

A list is a sequence of grants. It is evaluated as a policy: each permission is a fixed set of actions, each grantee a principal.
Source: "Access control list (ACL) overview" in the Amazon S3 User Guide.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from fogbank.access.principal import canonical_id
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.s3 import refusals
from fogbank.services.s3.state import Grant

Acl = tuple[Grant, ...]

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"
LOGGING = "logging.s3.amazonaws.com"
NOBODY = "anonymous"
"""The owner of what was written without a signature, as records have it."""
NOBODY_ID = "65a011a29cdf8ec533ec3d1ccaae921c"
GRANTS = 100
PERMISSIONS = ("FULL_CONTROL", "READ", "WRITE", "READ_ACP", "WRITE_ACP")

HEADERS = {
    "GrantFullControl": ("x-amz-grant-full-control", "FULL_CONTROL"),
    "GrantRead": ("x-amz-grant-read", "READ"),
    "GrantReadACP": ("x-amz-grant-read-acp", "READ_ACP"),
    "GrantWrite": ("x-amz-grant-write", "WRITE"),
    "GrantWriteACP": ("x-amz-grant-write-acp", "WRITE_ACP"),
}
"""Member -> the header's name, and the permission that it grants."""
_OF_OBJECTS = ("ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWriteACP")
_asked = attrgetter(*_OF_OBJECTS)
_NOTHING = (None,) * len(_OF_OBJECTS)

_CANNED = {
    "private": (),
    "public-read": ((ALL_USERS, "READ"),),
    "public-read-write": ((ALL_USERS, "READ"), (ALL_USERS, "WRITE")),
    "authenticated-read": ((AUTHENTICATED_USERS, "READ"),),
    "log-delivery-write": ((LOG_DELIVERY, "WRITE"), (LOG_DELIVERY, "READ_ACP")),
}
"""Canned list -> its grants besides the owner's."""
_OF_BUCKET_OWNER = {"bucket-owner-read": "READ", "bucket-owner-full-control": "FULL_CONTROL"}


def id_of(owner: str) -> str:
    """The canonical id of an owner."""
    return NOBODY_ID if owner == NOBODY else canonical_id(owner)


def private(owner: str) -> Acl:
    return (Grant(id_of(owner), "FULL_CONTROL"),)


# reading


def is_asked(req: Any) -> bool:
    """Whether a request that makes an object says who may have it."""
    return bool(_asked(req) != _NOTHING)


def asked(req: Any, owner: str, bucket_owner: str) -> Acl | None:
    """The list that a request's headers say, canned or grant by grant; None where they say nothing.

    Errors: InvalidRequest for both; InvalidArgument; MethodNotAllowed for grantees by e-mail address.
    """
    granting = {name: value for name in HEADERS if (value := getattr(req, name, None)) is not None}
    if req.ACL is None and not granting:
        return None
    if req.ACL is None:
        return tuple([grant for name, value in granting.items() for grant in _header(value, *HEADERS[name])])
    if granting:
        raise refusals.invalid_request("Specifying both Canned ACLs and Header Grants is not allowed")
    return canned(req.ACL, owner, bucket_owner)


def canned(name: str, owner: str, bucket_owner: str) -> Acl:
    """A canned list. Errors: InvalidArgument; NotImplemented for aws-exec-read (EC2 fetches no images from here)."""
    if name == "aws-exec-read":
        raise NotImplementedOperation("s3", "PutObject", "with ACL=aws-exec-read")
    if (permission := _OF_BUCKET_OWNER.get(name)) is not None:
        own = private(owner)
        return own if owner == bucket_owner else (*own, Grant(id_of(bucket_owner), permission))
    if name not in _CANNED:
        raise refusals.invalid_argument("The canned ACL is not one that Amazon S3 knows", "x-amz-acl", name)
    return (*private(owner), *[Grant(*grant) for grant in _CANNED[name]])


_grantee = re.compile(r'\s*(id|uri|emailAddress)\s*=\s*(?:"([^"]*)"|([^",\s]*))\s*(?:,|$)', re.IGNORECASE)


def _header(text: str, header: str, permission: str) -> list[Grant]:
    """One x-amz-grant-* header: `id="...", uri="..."`."""
    out: list[Grant] = []
    at = 0
    while at < len(text):
        found = _grantee.match(text, at)
        if found is None:
            raise refusals.invalid_argument("Argument format not recognized", header, text)
        kind = {"id": "CanonicalUser", "uri": "Group"}.get(found[1].lower(), "AmazonCustomerByEmail")
        out.append(Grant(_checked(kind, found[2] or found[3] or ""), permission))
        at = found.end()
    return out


_canonical = re.compile(r"[0-9a-f]{64}").fullmatch


def _checked(kind: str | None, value: str | None) -> str:
    """A grantee's id or URI. Errors: InvalidArgument, MethodNotAllowed."""
    if kind == "AmazonCustomerByEmail":
        message = "Grantees by email address are no longer supported. Use the canonical user ID of the account."
        raise ServiceException("MethodNotAllowed", message, status=405, ResourceType="ACL")
    if kind == "Group":
        if value not in (ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY):
            raise refusals.invalid_argument("Invalid group uri", "Group/URI", value)
    elif kind != "CanonicalUser" or not value:
        raise malformed()
    elif not _canonical(value) and value != NOBODY_ID:
        raise refusals.invalid_argument("Invalid id", "CanonicalUser/ID", value)
    return value


def malformed() -> ServiceException:
    message = "The XML you provided was not well-formed or did not validate against our published schema"
    return ServiceException("MalformedACLError", message, status=400)


def listed(entries: Sequence[Any] | None) -> Acl:
    """The grants of a document. Errors: MalformedACLError, and those of their grantees."""
    out = []
    for entry in entries or ():
        if entry.Grantee is None or entry.Permission not in PERMISSIONS:
            raise malformed()
        grantee = entry.Grantee
        out.append(Grant(_checked(grantee.Type, grantee.URI if grantee.Type == "Group" else grantee.ID), entry.Permission))
    if len(out) > GRANTS:
        raise malformed()
    return tuple(out)


# telling


def answer(owner: str, acl: Acl | None) -> dict[str, Any]:
    """A list as GetBucketAcl and GetObjectAcl answer it."""
    shown = [{"Grantee": _described(grant.grantee), "Permission": grant.permission} for grant in acl or private(owner)]
    return {"Owner": {"ID": id_of(owner)}, "Grants": [] if acl == () else shown}


def _described(grantee: str) -> dict[str, str]:
    if grantee.startswith("http:"):
        return {"Type": "Group", "URI": grantee}
    return {"Type": "CanonicalUser", "ID": grantee}


# evaluating

READ_OF_BUCKET = ("s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads")
OF_BUCKET: dict[str, tuple[str, ...]] = {"READ": READ_OF_BUCKET, "READ_ACP": ("s3:GetBucketAcl",), "WRITE_ACP": ("s3:PutBucketAcl",)}
OF_OBJECT: dict[str, tuple[str, ...]] = {
    "READ": ("s3:GetObject", "s3:GetObjectVersion"),
    "READ_ACP": ("s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
    "WRITE_ACP": ("s3:PutObjectAcl", "s3:PutObjectVersionAcl"),
}
OF_NO_OBJECT: dict[str, tuple[str, ...]] = {"READ": ("s3:GetObject", "s3:GetObjectVersion"), "WRITE": ("s3:PutObject",)}
"""What a bucket's list allows on a key that has no object: who may list the bucket may learn that there is none."""
OF_OWN_OBJECT: dict[str, tuple[str, ...]] = {"WRITE": ("s3:PutObject", "s3:DeleteObject")}
"""What a bucket's list allows on an object, to its owner: existing objects are not for others to replace."""
TABLES: dict[str, dict[str, tuple[str, ...]]] = {
    "bucket": OF_BUCKET,
    "object": OF_OBJECT,
    "no object": OF_NO_OBJECT,
    "own object": OF_OWN_OBJECT,
}

_BY_GROUP: dict[str, dict[str, Any]] = {
    ALL_USERS: {"Principal": {"AWS": ["*"]}},
    AUTHENTICATED_USERS: {"Principal": {"AWS": ["*"]}, "Condition": {"StringNotEquals": {"aws:PrincipalType": ["Anonymous"]}}},
    LOG_DELIVERY: {"Principal": {"Service": [LOGGING]}},
}


def is_public(acl: Acl | None) -> bool:
    """Whether a list grants anything to everybody, or to everybody with an account."""
    return any(grant.grantee in (ALL_USERS, AUTHENTICATED_USERS) for grant in acl or ())


def without_public(acl: Acl | None) -> Acl | None:
    """What IgnorePublicAcls leaves of a list."""
    return None if acl is None else tuple([grant for grant in acl if grant.grantee not in (ALL_USERS, AUTHENTICATED_USERS)])


def of_owner(acl: Acl, owner_id: str) -> Acl:
    """The grants that an owner has, by themselves or through a group, as their own."""
    theirs = (owner_id, ALL_USERS) if owner_id == NOBODY_ID else (owner_id, ALL_USERS, AUTHENTICATED_USERS)
    grantee = ALL_USERS if owner_id == NOBODY_ID else owner_id
    return tuple([Grant(grantee, grant.permission) for grant in acl if grant.grantee in theirs])


@lru_cache(4096)
def joined(policy: str | None, acl: Acl | None, of: str, *, denials_only: bool) -> str | None:
    """A policy and a list as one policy, about one resource. `of` says which table the list is read by.

    `denials_only`: the policy's owner does not own the resource, so what it allows does not count.
    """
    statements: list[Any] = []
    if policy is not None:
        there = msgspec.json.decode(policy)["Statement"]
        there = there if isinstance(there, list) else [there]
        statements = [statement for statement in there if not denials_only or statement["Effect"] == "Deny"]
    for grant in acl or ():
        actions = _actions(TABLES[of], grant.permission)
        if actions and grant.grantee != NOBODY_ID:
            by = _BY_GROUP.get(grant.grantee) or {"Principal": {"CanonicalUser": [grant.grantee]}}
            statements.append({"Effect": "Allow", "Action": actions, "Resource": ["*"], **by})
    if not statements:
        return None
    version = msgspec.json.decode(policy).get("Version", "2008-10-17") if policy is not None else "2012-10-17"
    return msgspec.json.encode({"Version": version, "Statement": statements}).decode()


def _actions(table: dict[str, tuple[str, ...]], permission: str) -> list[str]:
    if permission == "FULL_CONTROL":
        return [action for actions in table.values() for action in actions]
    return list(table.get(permission, ()))


def by_list(statement: Any) -> bool:
    """Whether a statement of a joined policy comes from the list: those of bucket policies name the bucket."""
    return bool(statement.document.get("Resource") == ["*"])
