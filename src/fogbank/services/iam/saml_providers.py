"""SAML providers: an identity provider's metadata, kept and checked. (AssumeRoleWithSAML is not implemented.)"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.kernel.tags import pairs
from fogbank.services.iam import ids, tagging
from fogbank.services.iam.listing import page_of
from fogbank.services.iam.refusals import exists, invalid, limit, not_found
from fogbank.services.iam.state import SAML_PROVIDERS, SamlProvider
from fogbank.store.tables import change

_METADATA = "{urn:oasis:names:tc:SAML:2.0:metadata}"
_MOST_PROVIDERS = 100
_MOST_KEYS = 2
_YEAR_MS = 365 * 24 * 3600 * 1000


def _valid_until(ctx: Context, document: str) -> int:
    """When the metadata ends: as it says, else in a hundred years (InvalidInput for what is no provider's metadata)."""
    from xml.etree import ElementTree

    if "<!DOCTYPE" in document or "<!ENTITY" in document:
        raise invalid("Could not parse metadata")
    try:
        root = ElementTree.fromstring(document)
    except ElementTree.ParseError:
        raise invalid("Could not parse metadata") from None
    if root.tag != f"{_METADATA}EntityDescriptor" or root.find(f"{_METADATA}IDPSSODescriptor") is None:
        raise invalid("Could not parse metadata")
    given = root.get("validUntil")
    if given is None:
        return ctx.now + 100 * _YEAR_MS
    try:
        end = datetime.fromisoformat(given)
    except ValueError:
        raise invalid("Could not parse metadata") from None
    return int((end if end.tzinfo else end.replace(tzinfo=UTC)).timestamp() * 1000)


def provider_at(ctx: Context, arn: str) -> SamlProvider:
    parsed = Arn.parse(arn)
    if parsed is None or not parsed.resource.startswith("saml-provider/"):
        raise invalid(f"Invalid ARN: {arn}")
    provider = SAML_PROVIDERS.get(ctx, ctx.account, parsed.resource.rpartition("/")[2].lower())
    if provider is None or provider.arn != arn:
        raise not_found(f"Manifest not found for arn {arn}")
    return provider


def _added(ctx: Context, provider: SamlProvider, private_key: str | None) -> SamlProvider:
    """The provider with one more key for encrypted assertions; two at most."""
    if private_key is None:
        return provider
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError):
        raise invalid("Could not parse the private key.") from None
    if len(provider.private_keys) >= _MOST_KEYS:
        raise limit(f"Cannot exceed quota for PrivateKeysPerSAMLProvider: {_MOST_KEYS}")
    key = (ctx.random.text(20, ids.BASE32), ctx.now, private_key)
    return change(provider, private_keys=[*provider.private_keys, key])


@operation("CreateSAMLProvider")
def create_saml_provider(ctx: Context, req: Any) -> Answer:
    """Makes a provider from its metadata.

    Errors: InvalidInput, EntityAlreadyExists, LimitExceeded (100).
    """
    key = req.Name.lower()
    arn = ctx.arn(f"saml-provider/{req.Name}", service="iam", region="")
    if SAML_PROVIDERS.get(ctx, ctx.account, key) is not None:
        raise exists(f"SAMLProvider with name {req.Name} already exists.")
    if sum(1 for _ in SAML_PROVIDERS.scan(ctx, ctx.account)) >= _MOST_PROVIDERS:
        raise limit(f"Cannot exceed quota for SAMLProvidersPerAccount: {_MOST_PROVIDERS}")
    provider = SamlProvider(
        account=ctx.account,
        key=key,
        name=req.Name,
        arn=arn,
        uuid=ids.unique_id(ctx.random, "ASAM"),
        metadata=req.SAMLMetadataDocument,
        created_at_ms=ctx.now,
        valid_until_ms=_valid_until(ctx, req.SAMLMetadataDocument),
        encryption=req.AssertionEncryptionMode,
        tags=tagging.tagged({}, req.Tags),
    )
    SAML_PROVIDERS.put(ctx, _added(ctx, provider, req.AddPrivateKey))
    return {"SAMLProviderArn": arn, "Tags": pairs(provider.tags) or None}


@operation("GetSAMLProvider")
def get_saml_provider(ctx: Context, req: Any) -> Answer:
    """A provider with its metadata; private keys by their ids only."""
    provider = provider_at(ctx, req.SAMLProviderArn)
    return {
        "SAMLProviderUUID": provider.uuid,
        "SAMLMetadataDocument": provider.metadata,
        "CreateDate": provider.created_at_ms,
        "ValidUntil": provider.valid_until_ms,
        "Tags": pairs(provider.tags),
        "AssertionEncryptionMode": provider.encryption,
        "PrivateKeyList": [{"KeyId": id, "Timestamp": at_ms} for id, at_ms, _ in provider.private_keys],
    }


@operation("ListSAMLProviders")
def list_saml_providers(ctx: Context, req: Any) -> Answer:
    """All providers."""
    found = SAML_PROVIDERS.scan(ctx, ctx.account)
    return {
        "SAMLProviderList": [{"Arn": p.arn, "ValidUntil": p.valid_until_ms, "CreateDate": p.created_at_ms} for p in found],
    }


@operation("UpdateSAMLProvider")
def update_saml_provider(ctx: Context, req: Any) -> Answer:
    """Replaces the metadata, the encryption mode, or adds and removes private keys.

    Errors: NoSuchEntity (the provider or the key to remove), InvalidInput, LimitExceeded (two keys).
    """
    provider = provider_at(ctx, req.SAMLProviderArn)
    if req.RemovePrivateKey is not None:
        kept = [k for k in provider.private_keys if k[0] != req.RemovePrivateKey]
        if len(kept) == len(provider.private_keys):
            raise not_found(f"The private key with id {req.RemovePrivateKey} cannot be found.")
        provider = change(provider, private_keys=kept)
    provider = _added(ctx, provider, req.AddPrivateKey)
    if req.SAMLMetadataDocument is not None:
        until = _valid_until(ctx, req.SAMLMetadataDocument)
        provider = change(provider, metadata=req.SAMLMetadataDocument, valid_until_ms=until)
    if req.AssertionEncryptionMode is not None:
        provider = change(provider, encryption=req.AssertionEncryptionMode)
    SAML_PROVIDERS.put(ctx, provider)
    return {"SAMLProviderArn": provider.arn}


@operation("DeleteSAMLProvider")
def delete_saml_provider(ctx: Context, req: Any) -> Answer:
    """Deletes a provider."""
    SAML_PROVIDERS.delete(ctx, provider_at(ctx, req.SAMLProviderArn))
    return None


@operation("TagSAMLProvider")
def tag_saml_provider(ctx: Context, req: Any) -> Answer:
    """Adds or changes tags."""
    provider = provider_at(ctx, req.SAMLProviderArn)
    SAML_PROVIDERS.put(ctx, change(provider, tags=tagging.tagged(provider.tags, req.Tags)))
    return None


@operation("UntagSAMLProvider")
def untag_saml_provider(ctx: Context, req: Any) -> Answer:
    """Removes tags; those that are not there do not matter."""
    provider = provider_at(ctx, req.SAMLProviderArn)
    SAML_PROVIDERS.put(ctx, change(provider, tags=tagging.untagged(provider.tags, req.TagKeys)))
    return None


@operation("ListSAMLProviderTags")
def list_saml_provider_tags(ctx: Context, req: Any) -> Answer:
    """A provider's tags, in order of the keys."""
    return page_of(req, "Tags", pairs(provider_at(ctx, req.SAMLProviderArn).tags), lambda t: t["Key"], lambda t: t)
