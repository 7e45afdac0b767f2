"""S3's browser uploads: a form that carries its own policy, signed.

Source: "Authenticating requests in browser-based uploads using POST" in the S3 API Reference.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fogbank.access import refusals, version2
from fogbank.access.dates import instant
from fogbank.access.principal import Credential
from fogbank.access.signing import ALGORITHM, UNSIGNED_PAYLOAD, Scope, Signed, signing_key
from fogbank.kernel.errors import ServiceException

_iso = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,3})\d*)?Z", re.ASCII).fullmatch
_size = re.compile(r"[0-9]{1,18}").fullmatch
# Fields that no condition needs to name.
_FREE = frozenset({"policy", "file", "x-amz-signature", "signature", "awsaccesskeyid"})


class PostPolicy(msgspec.Struct, frozen=True):
    """What a verified form still demands: the size of its file, in bytes."""

    signed: Signed
    min_bytes: int = 0
    max_bytes: int | None = None

    def check_size(self, size_bytes: int) -> None:
        """Raises `EntityTooSmall` or `EntityTooLarge`."""
        if size_bytes < self.min_bytes:
            message = "Your proposed upload is smaller than the minimum allowed size"
            raise ServiceException("EntityTooSmall", message, ProposedSize=str(size_bytes), MinSizeAllowed=str(self.min_bytes))
        if self.max_bytes is not None and size_bytes > self.max_bytes:
            message = "Your proposed upload exceeds the maximum allowed size"
            raise ServiceException("EntityTooLarge", message, ProposedSize=str(size_bytes), MaxSizeAllowed=str(self.max_bytes))


def verify_post(
    fields: Mapping[str, str],
    now_ms: int,
    find: Callable[[str], Credential | None],
    *,
    bucket: str = "",
    dated_by: Callable[[int | None], int] | None = None,
) -> PostPolicy | None:
    """Who signed this form; None where it carries no policy (an anonymous upload).

    `fields` are the form's fields before the file, by lower-case name; `key` with `${filename}` as it was sent. `dated_by`: see `Verifier`.
    Errors: `InvalidAccessKeyId`, `SignatureDoesNotMatch`, `InvalidToken`, `ExpiredToken`, `AccessDenied` (policy expired, condition
    failed, extra fields), `InvalidPolicyDocument`, `AuthorizationQueryParametersError`, `InvalidArgument`.
    """
    policy = fields.get("policy")
    if policy is None:
        if "x-amz-signature" in fields or "x-amz-credential" in fields:
            raise _missing("policy")
        return None
    signed = _verify_signature(fields, policy, now_ms, find)
    document = _decode(policy)
    expires_ms = _expiration(document)
    if dated_by is not None:
        signed_ms = instant(signed.date)
        now_ms = dated_by(version2.signed_at(expires_ms, dated_by(None)) if signed_ms is None else signed_ms)
    if now_ms >= expires_ms:
        raise _denied("Policy expired.")
    lowest, highest = _check_conditions(document["conditions"], {**fields, "bucket": bucket} if bucket else fields)
    return PostPolicy(signed, lowest, highest)


def _verify_signature(fields: Mapping[str, str], policy: str, now_ms: int, find: Callable[[str], Credential | None]) -> Signed:
    if "x-amz-signature" not in fields and "awsaccesskeyid" in fields:
        return _verify_version2(fields, policy, now_ms, find)
    for name in ("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"):
        if name not in fields:
            raise _missing(name)
    if fields["x-amz-algorithm"] != ALGORITHM:
        raise refusals.other_algorithm(fields["x-amz-algorithm"], {}, "s3")
    scope = Scope.parse(fields["x-amz-credential"])
    if isinstance(scope, str):
        raise refusals.wrong_query(scope, {}, "s3")
    credential = _credential(scope.access_key_id, fields, now_ms, find)
    key = signing_key(credential.secret, scope.date, scope.region, scope.service)
    signature, date = fields["x-amz-signature"], fields["x-amz-date"]
    if not credential.trusted and not version2.matches(hmac.digest(key, policy.encode(), "sha256").hex(), signature):
        raise refusals.mismatch(scope.access_key_id, signature, "", policy, {}, "s3")
    return Signed(credential, scope.access_key_id, scope.region, scope.service, "post", UNSIGNED_PAYLOAD, signature, key, scope.text, date)


def _verify_version2(fields: Mapping[str, str], policy: str, now_ms: int, find: Callable[[str], Credential | None]) -> Signed:
    access_key_id, signature = fields["awsaccesskeyid"], fields.get("signature")
    if signature is None:
        raise _missing("signature")
    credential = _credential(access_key_id, fields, now_ms, find)
    if not credential.trusted and not version2.matches(version2.sign(credential.secret, policy), signature):
        raise refusals.mismatch(access_key_id, signature, "", policy, {}, "s3")
    return Signed(credential, access_key_id, version2.REGION, "s3", "post", UNSIGNED_PAYLOAD)


def _credential(access_key_id: str, fields: Mapping[str, str], now_ms: int, find: Callable[[str], Credential | None]) -> Credential:
    """The key, with its session's token where it has one."""
    credential = find(access_key_id)
    if credential is None or not credential.active:
        raise refusals.unknown_key(access_key_id, {}, "s3")
    token = fields.get("x-amz-security-token")
    if not credential.trusted and (credential.session_token or token):
        if token is None or token != credential.session_token:
            raise refusals.wrong_token(access_key_id, token, {}, "s3")
        if credential.expires_at_ms is not None and now_ms >= credential.expires_at_ms:
            raise refusals.expired_token(token, {}, "s3")
    return credential


def _decode(policy: str) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(base64.b64decode(policy))
    except (binascii.Error, msgspec.DecodeError, ValueError):
        raise _invalid("Invalid JSON.") from None
    if not isinstance(document, dict) or not isinstance(document.get("conditions"), list):
        raise _invalid("Policy is missing conditions." if isinstance(document, dict) else "Invalid JSON.")
    return document


def _expiration(document: dict[str, Any]) -> int:
    text = document.get("expiration")
    if text is None:
        raise _invalid("Policy is missing expiration.")
    found = _iso(text) if isinstance(text, str) else None
    if not found:
        raise _invalid(f"Invalid 'expiration' value: '{text}'")
    at_ms = instant(f"{found[1]}{found[2]}{found[3]}T{found[4]}{found[5]}{found[6]}Z")
    if at_ms is None:
        raise _invalid(f"Invalid 'expiration' value: '{text}'")
    return at_ms + int((found[7] or "0").ljust(3, "0"))


def _check_conditions(conditions: list[Any], fields: Mapping[str, str]) -> tuple[int, int | None]:
    """Checks each field against each condition that names it; gives the allowed sizes."""
    named: set[str] = set()
    lowest, highest = 0, None
    for condition in conditions:
        for operator, name, value in _triples(condition):
            if operator == "content-length-range":
                lowest, highest = int(name), int(value)
                continue
            key = name.removeprefix("$").lower()
            named.add(key)
            found = fields.get(key, "")
            if not (_holds(operator, key, found, str(value))):
                raise _denied(f"Policy Condition failed: {msgspec.json.encode([operator, '$' + key, value]).decode().replace(',', ', ')}")
    extra = [name for name in fields if name not in named and name not in _FREE and not name.startswith("x-ignore-") and name != "bucket"]
    if extra:
        raise _denied(f"Extra input fields: {', '.join(extra)}")
    return lowest, highest


def _triples(condition: Any) -> list[tuple[str, Any, Any]]:
    """`{"acl": "private"}` as `("eq", "$acl", "private")`; a list as it is."""
    if isinstance(condition, dict) and len(condition) == 1:
        return [("eq", "$" + name, value) for name, value in condition.items()]
    if isinstance(condition, list) and len(condition) == 3 and isinstance(condition[0], str):
        operator = condition[0].lower()
        if operator == "content-length-range":
            if all(_size(str(bound)) for bound in condition[1:]):
                return [(operator, condition[1], condition[2])]
        elif operator in ("eq", "starts-with") and isinstance(condition[1], str) and condition[1].startswith("$"):
            return [(operator, condition[1], condition[2])]
    raise _invalid(
        "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified."
        if isinstance(condition, dict)
        else "Invalid Condition."
    )


def _holds(operator: str, key: str, found: str, value: str) -> bool:
    if operator == "eq":
        return found == value
    # A Content-Type may list several types: each has to start so.
    return all(part.strip().startswith(value) for part in found.split(",")) if key == "content-type" else found.startswith(value)


def _missing(field: str) -> ServiceException:
    message = f"Bucket POST must contain a field named '{field}'.  If it is specified, please check the order of the fields."
    return ServiceException("InvalidArgument", message, status=400, ArgumentName=field, ArgumentValue="")


def _denied(why: str) -> ServiceException:
    return ServiceException("AccessDenied", f"Invalid according to Policy: {why}", status=403)


def _invalid(why: str) -> ServiceException:
    return ServiceException("InvalidPolicyDocument", f"Invalid Policy: {why}", status=400)
