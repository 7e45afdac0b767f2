"""Access keys: two for each user (and for root), shown whole only once."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.iam import ids
from fogbank.services.iam.listing import page_of
from fogbank.services.iam.lookups import owner
from fogbank.services.iam.refusals import check_quota, invalid_value, not_found
from fogbank.services.iam.state import ACCESS_KEYS, KEYS_OF, LAST_USES, USER_BY_ID, AccessKey, User
from fogbank.store.tables import change


def status(active: bool) -> str:
    return "Active" if active else "Inactive"


def wanted_status(req: Any) -> bool:
    """Whether a request makes something active. "Expired" is AWS's to set (ValidationError)."""
    if req.Status not in ("Active", "Inactive"):
        raise invalid_value(f"Status {req.Status} cannot be set: use Active or Inactive.")
    return bool(req.Status == "Active")


def _name(user: User | None) -> str:
    return "<root_account>" if user is None else user.name


def key_at(ctx: Context, req: Any) -> AccessKey:
    """The key of a request, of the user that it names or who asks."""
    owner_id, _ = owner(ctx, req.UserName)
    key = ACCESS_KEYS.get(ctx, req.AccessKeyId)
    if key is None or key.account != ctx.account or key.owner_id != owner_id:
        raise not_found(f"The Access Key with id {req.AccessKeyId} cannot be found.")
    return key


@operation("CreateAccessKey")
def create_access_key(ctx: Context, req: Any) -> Answer:
    """Makes a key, active at once. The secret is in this answer and in no other.

    Errors: NoSuchEntity, LimitExceeded (two keys, whether active or not).
    """
    owner_id, user = owner(ctx, req.UserName)
    check_quota("AccessKeysPerUserQuota", sum(1 for _ in KEYS_OF.scan(ctx, ctx.account, owner_id)))
    key = AccessKey(
        access_key_id=ids.access_key_id(ctx.random, "AKIA", ctx.account),
        secret=ids.secret(ctx.random),
        account=ctx.account,
        owner_id=owner_id,
        created_at_ms=ctx.now,
    )
    ACCESS_KEYS.put(ctx, key)
    return {
        "AccessKey": {
            "UserName": _name(user),
            "AccessKeyId": key.access_key_id,
            "Status": "Active",
            "SecretAccessKey": key.secret,
            "CreateDate": key.created_at_ms,
        }
    }


@operation("UpdateAccessKey")
def update_access_key(ctx: Context, req: Any) -> Answer:
    """Switches a key on or off, from the next call on."""
    key = key_at(ctx, req)
    ACCESS_KEYS.put(ctx, change(key, active=wanted_status(req)))
    return None


@operation("DeleteAccessKey")
def delete_access_key(ctx: Context, req: Any) -> Answer:
    """Deletes a key and what is known of its use."""
    key = key_at(ctx, req)
    ACCESS_KEYS.delete(ctx, key)
    use = LAST_USES.get(ctx, key.access_key_id)
    if use is not None:
        LAST_USES.delete(ctx, use)
    return None


@operation("ListAccessKeys")
def list_access_keys(ctx: Context, req: Any) -> Answer:
    """A user's keys, without their secrets."""
    owner_id, user = owner(ctx, req.UserName)
    keys = KEYS_OF.scan(ctx, ctx.account, owner_id)
    return page_of(
        req,
        "AccessKeyMetadata",
        keys,
        lambda k: f"{k.created_at_ms:015d}{k.access_key_id}",
        lambda k: {
            "UserName": _name(user),
            "AccessKeyId": k.access_key_id,
            "Status": status(k.active),
            "CreateDate": k.created_at_ms,
        },
    )


@operation("GetAccessKeyLastUsed")
def get_access_key_last_used(ctx: Context, req: Any) -> Answer:
    """When, where and for which service a key was last used (to within a few minutes); "N/A" for one never used.

    Errors: NoSuchEntity (no key of this account).
    """
    key = ACCESS_KEYS.get(ctx, req.AccessKeyId)
    if key is None or key.account != ctx.account:
        raise not_found(f"The Access Key with id {req.AccessKeyId} cannot be found.")
    use = LAST_USES.get(ctx, key.access_key_id)
    last = {"ServiceName": "N/A", "Region": "N/A"}
    if use is not None:
        last = {"LastUsedDate": use.at_ms, "ServiceName": use.service, "Region": use.region}  # type: ignore[dict-item]
    user = USER_BY_ID.first(ctx, key.owner_id)
    return {"UserName": _name(user), "AccessKeyLastUsed": last}
