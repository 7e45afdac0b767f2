"""AssumeRoleWithWebIdentity: a role for the bearer of an OpenID Connect token. Source: STS API Reference; RFC 7515 to 7519."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from fogbank.access.principal import Principal
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.iam import oidc_keys, trust
from fogbank.services.iam.assume_role import checked_duration, open_session
from fogbank.services.iam.state import OIDC_PROVIDERS, OidcProvider, Role

_ACTION = "sts:AssumeRoleWithWebIdentity"
_TAG_CLAIM = "https://aws.amazon.com/tags"
_SOURCE_IDENTITY_CLAIM = "https://aws.amazon.com/source_identity"


class Token(NamedTuple):
    """A JSON Web Token, taken apart but not yet believed."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def _invalid(sentence: str) -> ServiceException:
    return ServiceException("InvalidIdentityTokenException", sentence)


def _decoded(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True)


def read(text: str) -> Token:
    """The token's parts.

    Errors: InvalidIdentityToken (no JWT, or one that lacks iss, sub, aud, exp or iat).
    """
    parts = text.split(".")
    try:
        header, claims = (json.loads(_decoded(p)) for p in parts[:2])
        token = Token(header, claims, f"{parts[0]}.{parts[1]}".encode(), _decoded(parts[2]))
    except (ValueError, IndexError, binascii.Error):
        raise _invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)") from None
    if len(parts) != 3 or not isinstance(header, dict) or not isinstance(claims, dict):
        raise _invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
    for name, kind in (("iss", str), ("sub", str), ("aud", (str, list)), ("exp", (int, float)), ("iat", (int, float))):
        if not isinstance(claims.get(name), kind):
            raise _invalid(f"Missing a required claim: {name}")
    return token


@operation("AssumeRoleWithWebIdentity", authorized_here=True)
def assume_role_with_web_identity(ctx: Context, req: Any) -> Answer:
    """Temporary credentials of a role for the bearer of a provider's token; the call is not signed.

    The issuer must be an OIDC provider of the role's account, the token signed with one of its keys and in time by the cloud's
    clock, the audience one of the provider's, and the trust policy must allow it (ISSUER:aud, ISSUER:sub and others).
    Errors: InvalidIdentityToken, ExpiredTokenException, IDPCommunicationError, AccessDenied, MalformedPolicyDocument, PackedPolicyTooLarge.
    """
    if req.ProviderId is not None:
        raise _invalid("OAuth 2.0 access tokens of www.amazon.com and graph.facebook.com cannot be verified here: send an ID token.")
    token = read(req.WebIdentityToken)
    role = trust.get_role(ctx, req.RoleArn)
    if role is None:
        raise trust.denied(f"Not authorized to perform {_ACTION}")
    issuer = token.claims["iss"].rstrip("/")
    provider = OIDC_PROVIDERS.get(ctx, role.account, issuer.partition("://")[2] or issuer)
    if provider is None or provider.issuer not in (issuer, f"https://{issuer}"):
        raise _invalid(f"No OpenIDConnect provider found in your account for {issuer}")
    _check_time(ctx, token)
    audience = _checked_audience(provider, token)
    _check_signature(ctx, provider, token)
    tags, transitive = _tags(token)
    bearer = _bearer(provider, token, audience)
    source_identity = str(token.claims.get(_SOURCE_IDENTITY_CLAIM, ""))
    _check_trust(ctx, bearer, role, req, tags, source_identity)
    answer = open_session(
        ctx,
        req,
        role,
        duration_s=checked_duration(req, role),
        tags=tags,
        transitive=transitive,
        source_identity=source_identity,
        provider=provider.arn,
        claims=bearer.claims,
    )
    return answer | {
        "SubjectFromWebIdentityToken": token.claims["sub"],
        "Provider": provider.arn,
        "Audience": audience,
        "SourceIdentity": source_identity or None,
    }


def _check_time(ctx: Context, token: Token) -> None:
    now_s = ctx.now // 1000
    if token.claims["exp"] <= now_s:
        now, end = (datetime.fromtimestamp(int(s), UTC).strftime("%Y%m%dT%H%M%SZ") for s in (now_s, token.claims["exp"]))
        raise ServiceException(
            "ExpiredTokenException", f"Token expired: current date/time {now} must be before the expiration date/time {end}"
        )
    if token.claims["iat"] > now_s + 300 or token.claims.get("nbf", 0) > now_s + 300:
        raise _invalid("Token is not yet valid")


def _checked_audience(provider: OidcProvider, token: Token) -> str:
    """The client that the token is for: azp where there is one, else aud."""
    given = token.claims["aud"]
    audiences = [token.claims["azp"]] if isinstance(token.claims.get("azp"), str) else [given] if isinstance(given, str) else given
    found = next((a for a in audiences if a in provider.client_ids), None)
    if found is None:
        raise _invalid("Incorrect token audience")
    return str(found)


def _check_signature(ctx: Context, provider: OidcProvider, token: Token) -> None:
    try:
        keys = oidc_keys.find(ctx, provider.issuer, token.header.get("kid"))
    except oidc_keys.Unreachable as error:
        raise ServiceException(
            "IDPCommunicationErrorException", f"Couldn't retrieve verification key from your identity provider: {error}"
        ) from None
    if not keys:
        raise _invalid(
            "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity "
            "documentation for requirements"
        )
    from fogbank.services.iam import signatures

    if not any(signatures.verifies(key, str(token.header.get("alg")), token.signed, token.signature) for key in keys):
        raise _invalid("The signature of the token could not be verified with the provider's keys")


def _bearer(provider: OidcProvider, token: Token, audience: str) -> Principal:
    """The bearer, with the claims that a trust policy may ask for under the issuer's name."""
    claims: dict[str, str | list[str]] = {}
    for name in ("sub", "amr", "email", "oaud", "azp"):
        value = token.claims.get(name)
        if isinstance(value, str):
            claims[f"{provider.url}:{name}".lower()] = value
        elif isinstance(value, list):
            claims[f"{provider.url}:{name}".lower()] = [str(v) for v in value]
    claims[f"{provider.url}:aud".lower()] = audience
    claims["aws:federatedprovider"] = provider.arn
    return Principal(kind="web-identity", federated_provider=provider.arn, claims=claims)


def _tags(token: Token) -> tuple[dict[str, str], list[str]]:
    """Session tags that the provider put into the token: {"principal_tags": {key: [value]}, "transitive_tag_keys": [key]}."""
    given = token.claims.get(_TAG_CLAIM)
    if not isinstance(given, dict):
        return {}, []
    principal = given.get("principal_tags")
    if not isinstance(principal, dict) or not all(isinstance(v, list) and len(v) == 1 for v in principal.values()):
        raise _invalid(f"The claim {_TAG_CLAIM} has another form than principal_tags with one value each")
    tags = {str(k): str(v[0]) for k, v in principal.items()}
    return tags, [k for k in given.get("transitive_tag_keys") or () if k in tags]


def _check_trust(ctx: Context, bearer: Principal, role: Role, req: Any, tags: dict[str, str], source_identity: str) -> None:
    values: dict[str, Any] = {
        "sts:rolesessionname": req.RoleSessionName,
        "sts:sourceidentity": source_identity or None,
        "sts:durationseconds": req.DurationSeconds,
        "aws:requesttag/": tags,
        "aws:tagkeys": list(tags),
    }
    actions = [_ACTION, *(("sts:TagSession",) if tags else ()), *(("sts:SetSourceIdentity",) if source_identity else ())]
    for action in actions:
        if not trust.decision(ctx, bearer, action, role, values)[1].allowed:
            raise trust.denied(f"Not authorized to perform {action}")
