"""OpenID Connect providers: whose tokens AssumeRoleWithWebIdentity believes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.kernel.tags import pairs
from fogbank.services.iam import oidc_keys, tagging
from fogbank.services.iam.refusals import exists, invalid, limit, not_found
from fogbank.services.iam.state import OIDC_PROVIDERS, OidcProvider
from fogbank.store.tables import change

_MOST_PROVIDERS = 100
_MOST_CLIENTS = 100
_MOST_THUMBPRINTS = 5


def provider_at(ctx: Context, arn: str) -> OidcProvider:
    parsed = Arn.parse(arn)
    if parsed is None or not parsed.resource.startswith("oidc-provider/"):
        raise invalid(f"Invalid ARN: {arn}")
    provider = OIDC_PROVIDERS.get(ctx, ctx.account, parsed.resource.removeprefix("oidc-provider/"))
    if provider is None or provider.arn != arn:
        raise not_found(f"OpenIDConnect Provider not found for arn {arn}")
    return provider


def _checked_url(url: str) -> str:
    """The issuer without its scheme. https, or http to this machine; no query, no fragment (InvalidInput)."""
    split = urlsplit(url)
    secure = split.scheme == "https" or (split.scheme == "http" and oidc_keys.on_loopback(split.hostname))
    if not secure or not split.hostname or split.query or split.fragment:
        raise invalid("Invalid Open ID Connect Provider URL")
    return f"{split.netloc}{split.path}".rstrip("/")


def _checked_thumbprints(thumbprints: list[str] | None) -> list[str]:
    wanted = list(thumbprints or ())
    if len(wanted) > _MOST_THUMBPRINTS:
        raise invalid(f"Thumbprint list must contain fewer than {_MOST_THUMBPRINTS + 1} entries.")
    if any(set(t.lower()) - set("0123456789abcdef") for t in wanted):
        raise invalid("Thumbprints must be 40 hexadecimal digits.")
    return wanted


@operation("CreateOpenIDConnectProvider")
def create_open_id_connect_provider(ctx: Context, req: Any) -> Answer:
    """Makes a provider for an issuer. An issuer on this machine may be http.

    Thumbprints are kept as given: keys come from the issuer's own documents, so nothing is looked up for a missing one.
    Errors: InvalidInput, EntityAlreadyExists, LimitExceeded (100 providers, 100 clients of one).
    """
    url = _checked_url(req.Url)
    if OIDC_PROVIDERS.get(ctx, ctx.account, url) is not None:
        raise exists(f"Provider with url {req.Url} already exists.")
    if sum(1 for _ in OIDC_PROVIDERS.scan(ctx, ctx.account)) >= _MOST_PROVIDERS:
        raise limit(f"Cannot exceed quota for OpenIdConnectProvidersPerAccount: {_MOST_PROVIDERS}")
    clients = list(dict.fromkeys(req.ClientIDList or ()))
    if len(clients) > _MOST_CLIENTS:
        raise limit(f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {_MOST_CLIENTS}")
    provider = OidcProvider(
        account=ctx.account,
        url=url,
        issuer=req.Url.rstrip("/"),
        arn=ctx.arn(f"oidc-provider/{url}", service="iam", region=""),
        created_at_ms=ctx.now,
        client_ids=clients,
        thumbprints=_checked_thumbprints(req.ThumbprintList),
        tags=tagging.tagged({}, req.Tags),
    )
    OIDC_PROVIDERS.put(ctx, provider)
    return {"OpenIDConnectProviderArn": provider.arn, "Tags": pairs(provider.tags) or None}


@operation("GetOpenIDConnectProvider")
def get_open_id_connect_provider(ctx: Context, req: Any) -> Answer:
    """One provider."""
    provider = provider_at(ctx, req.OpenIDConnectProviderArn)
    return {
        "Url": provider.url,
        "ClientIDList": provider.client_ids,
        "ThumbprintList": provider.thumbprints,
        "CreateDate": provider.created_at_ms,
        "Tags": pairs(provider.tags),
    }


@operation("ListOpenIDConnectProviders")
def list_open_id_connect_providers(ctx: Context, req: Any) -> Answer:
    """The ARNs of all providers."""
    return {"OpenIDConnectProviderList": [{"Arn": p.arn} for p in OIDC_PROVIDERS.scan(ctx, ctx.account)]}


@operation("UpdateOpenIDConnectProviderThumbprint")
def update_open_id_connect_provider_thumbprint(ctx: Context, req: Any) -> Answer:
    """Replaces all thumbprints."""
    provider = provider_at(ctx, req.OpenIDConnectProviderArn)
    OIDC_PROVIDERS.put(ctx, change(provider, thumbprints=_checked_thumbprints(req.ThumbprintList)))
    return None


@operation("AddClientIDToOpenIDConnectProvider")
def add_client_id_to_open_id_connect_provider(ctx: Context, req: Any) -> Answer:
    """Adds an audience; it does not matter if it is there."""
    provider = provider_at(ctx, req.OpenIDConnectProviderArn)
    if req.ClientID not in provider.client_ids:
        if len(provider.client_ids) >= _MOST_CLIENTS:
            raise limit(f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {_MOST_CLIENTS}")
        OIDC_PROVIDERS.put(ctx, change(provider, client_ids=[*provider.client_ids, req.ClientID]))
    return None


@operation("RemoveClientIDFromOpenIDConnectProvider")
def remove_client_id_from_open_id_connect_provider(ctx: Context, req: Any) -> Answer:
    """Removes an audience; it does not matter if it is not there."""
    provider = provider_at(ctx, req.OpenIDConnectProviderArn)
    OIDC_PROVIDERS.put(ctx, change(provider, client_ids=[c for c in provider.client_ids if c != req.ClientID]))
    return None


@operation("DeleteOpenIDConnectProvider")
def delete_open_id_connect_provider(ctx: Context, req: Any) -> Answer:
    """Deletes a provider; roles that trust it can no longer be assumed with its tokens. A provider that is not there does not matter."""
    parsed = Arn.parse(req.OpenIDConnectProviderArn)
    if parsed is None or not parsed.resource.startswith("oidc-provider/"):
        raise invalid(f"Invalid ARN: {req.OpenIDConnectProviderArn}")
    provider = OIDC_PROVIDERS.get(ctx, ctx.account, parsed.resource.removeprefix("oidc-provider/"))
    if provider is not None:
        OIDC_PROVIDERS.delete(ctx, provider)
    return None


@operation("TagOpenIDConnectProvider")
def tag_open_id_connect_provider(ctx: Context, req: Any) -> Answer:
    """Adds or changes tags."""
    provider = provider_at(ctx, req.OpenIDConnectProviderArn)
    OIDC_PROVIDERS.put(ctx, change(provider, tags=tagging.tagged(provider.tags, req.Tags)))
    return None


@operation("UntagOpenIDConnectProvider")
def untag_open_id_connect_provider(ctx: Context, req: Any) -> Answer:
    """Removes tags; those that are not there do not matter."""
    provider = provider_at(ctx, req.OpenIDConnectProviderArn)
    OIDC_PROVIDERS.put(ctx, change(provider, tags=tagging.untagged(provider.tags, req.TagKeys)))
    return None


@operation("ListOpenIDConnectProviderTags")
def list_open_id_connect_provider_tags(ctx: Context, req: Any) -> Answer:
    """A provider's tags, in order of the keys."""
    return tagging.listed(req, provider_at(ctx, req.OpenIDConnectProviderArn).tags)
