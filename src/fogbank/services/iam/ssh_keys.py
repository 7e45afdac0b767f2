"""Users' SSH public keys (for CodeCommit): five at most."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.iam import ids
from fogbank.services.iam.access_keys import status, wanted_status
from fogbank.services.iam.listing import page_of
from fogbank.services.iam.lookups import caller_name, user_at
from fogbank.services.iam.refusals import limit, not_found
from fogbank.services.iam.state import SSH_KEYS, SshKey, User
from fogbank.store.tables import change

MOST_KEYS = 5


def _key_at(ctx: Context, req: Any) -> tuple[SshKey, User]:
    user = user_at(ctx, req.UserName)
    key = SSH_KEYS.get(ctx, ctx.account, user.id, req.SSHPublicKeyId)
    if key is None:
        raise not_found(f"The Public Key with id {req.SSHPublicKeyId} cannot be found.")
    return key, user


def _describe(key: SshKey, user: User) -> dict[str, Any]:
    return {"UserName": user.name, "SSHPublicKeyId": key.id, "Status": status(key.active), "UploadDate": key.uploaded_at_ms}


@operation("UploadSSHPublicKey")
def upload_ssh_public_key(ctx: Context, req: Any) -> Answer:
    """Gives a user a key.

    Errors: NoSuchEntity, UnrecognizedPublicKeyEncoding, InvalidPublicKey, DuplicateSSHPublicKey, LimitExceeded (five).
    """
    from fogbank.services.iam import pem

    user = user_at(ctx, req.UserName)
    fingerprint = pem.fingerprint(pem.public_key(req.SSHPublicKeyBody))
    there = list(SSH_KEYS.scan(ctx, ctx.account, user.id))
    if any(k.fingerprint == fingerprint for k in there):
        raise ServiceException("DuplicateSSHPublicKeyException", "The SSH public key is already associated with the user.")
    if len(there) >= MOST_KEYS:
        raise limit(f"Cannot exceed quota for SSHPublicKeysPerUser: {MOST_KEYS}")
    key = SshKey(
        account=ctx.account,
        owner_id=user.id,
        id=ids.unique_id(ctx.random, "APKA"),
        body=req.SSHPublicKeyBody,
        fingerprint=fingerprint,
        uploaded_at_ms=ctx.now,
    )
    SSH_KEYS.put(ctx, key)
    return {"SSHPublicKey": _describe(key, user) | {"Fingerprint": fingerprint, "SSHPublicKeyBody": key.body}}


@operation("GetSSHPublicKey")
def get_ssh_public_key(ctx: Context, req: Any) -> Answer:
    """One key in ssh-rsa (SSH) or PEM form."""
    from fogbank.services.iam import pem

    key, user = _key_at(ctx, req)
    public = pem.public_key(key.body)
    body = pem.as_pem(public) if req.Encoding == "PEM" else pem.as_ssh(public)
    return {"SSHPublicKey": _describe(key, user) | {"Fingerprint": key.fingerprint, "SSHPublicKeyBody": body}}


@operation("ListSSHPublicKeys")
def list_ssh_public_keys(ctx: Context, req: Any) -> Answer:
    """A user's keys, without their bodies."""
    user = user_at(ctx, caller_name(ctx, req.UserName))
    return page_of(req, "SSHPublicKeys", SSH_KEYS.scan(ctx, ctx.account, user.id), lambda k: k.id, lambda k: _describe(k, user))


@operation("UpdateSSHPublicKey")
def update_ssh_public_key(ctx: Context, req: Any) -> Answer:
    """Switches a key on or off."""
    SSH_KEYS.put(ctx, change(_key_at(ctx, req)[0], active=wanted_status(req)))
    return None


@operation("DeleteSSHPublicKey")
def delete_ssh_public_key(ctx: Context, req: Any) -> Answer:
    """Deletes a key."""
    SSH_KEYS.delete(ctx, _key_at(ctx, req)[0])
    return None
