"""Virtual MFA devices: time-based one-time passwords (RFC 6238: SHA-1, 30 s, 6 digits), by the cloud's clock."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.kernel.tags import pairs
from fogbank.services.iam import tagging, users
from fogbank.services.iam.listing import page_of
from fogbank.services.iam.lookups import owner, user_at
from fogbank.services.iam.refusals import exists, limit, not_found
from fogbank.services.iam.state import DEVICES_OF, MFA_DEVICES, USER_BY_ID, MfaDevice, User
from fogbank.store.tables import change

STEP_S = 30
SEED_BYTES = 40
MOST_DEVICES = 8
_TOLERATED_STEPS = 1
_RESYNC_STEPS = 40


def code_at(seed: bytes, counter: int) -> str:
    """The six digits of a time step (RFC 4226)."""
    digest = hmac.digest(seed, counter.to_bytes(8, "big"), hashlib.sha1)
    offset = digest[-1] & 0xF
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 10**6:06d}"


def _step(now_ms: int) -> int:
    return now_ms // (STEP_S * 1000)


def check_code(ctx: Context, serial: str | None, code: str | None) -> None:
    """Raises AccessDenied unless the code is a fresh one of the caller's device. A code works once."""
    device = MFA_DEVICES.get(ctx, serial or "")
    if device is None or not device.enabled_at_ms or device.owner_id != ctx.principal.unique_id:
        raise _denied(
            "MultiFactorAuthentication failed, unable to validate MFA code.  "
            "Please verify your MFA serial number is valid and associated with this user."
        )
    around = _step(ctx.now) + device.drift
    for counter in range(around - _TOLERATED_STEPS, around + _TOLERATED_STEPS + 1):
        if counter > device.counter and hmac.compare_digest(code_at(device.seed, counter), code or ""):
            MFA_DEVICES.put(ctx, change(device, counter=counter))
            return
    raise _denied("MultiFactorAuthentication failed with invalid MFA one time pass code.")


def _denied(sentence: str) -> ServiceException:
    return ServiceException("AccessDenied", sentence, status=403)


def _synchronised(ctx: Context, device: MfaDevice, req: Any) -> MfaDevice:
    """The device set to two codes, one right after the other (InvalidAuthenticationCode)."""
    around = _step(ctx.now)
    for counter in sorted(range(around - _RESYNC_STEPS, around + _RESYNC_STEPS), key=lambda c: abs(c - around)):
        if code_at(device.seed, counter) == req.AuthenticationCode1 and code_at(device.seed, counter + 1) == req.AuthenticationCode2:
            drift = counter + 1 - around
            return change(device, counter=counter + 1, drift=0 if abs(drift) <= _TOLERATED_STEPS else drift)
    raise ServiceException("InvalidAuthenticationCodeException", "Authentication code for device is not valid.")


def device_at(ctx: Context, serial: str) -> MfaDevice:
    device = MFA_DEVICES.get(ctx, serial)
    if device is None or device.account != ctx.account:
        raise not_found(f"VirtualMFADevice with serial number {serial} doesn't exist.")
    return device


def _device_of(ctx: Context, serial: str, owner_id: str) -> MfaDevice:
    device = MFA_DEVICES.get(ctx, serial)
    if device is None or device.owner_id != owner_id:
        raise not_found(f"MFA Device invalid for user: {serial}")
    return device


def _describe(ctx: Context, device: MfaDevice) -> dict[str, Any]:
    user = USER_BY_ID.first(ctx, device.owner_id) if device.owner_id else None
    return {
        "SerialNumber": device.serial,
        "User": None if user is None else users.describe(user),
        "EnableDate": device.enabled_at_ms or None,
        "Tags": pairs(device.tags) or None,
    }


@operation("CreateVirtualMFADevice")
def create_virtual_mfa_device(ctx: Context, req: Any) -> Answer:
    """Makes a device and tells its seed, this once. (No QR code is drawn: put the seed into the authenticator.)

    Errors: EntityAlreadyExists, InvalidInput.
    """
    path = req.Path or "/"
    serial = ctx.arn(f"mfa{path}{req.VirtualMFADeviceName}", service="iam", region="")
    if MFA_DEVICES.get(ctx, serial) is not None:
        raise exists("MFADevice entity at the same path and name already exists.")
    device = MfaDevice(
        serial=serial,
        account=ctx.account,
        path=path,
        created_at_ms=ctx.now,
        seed=ctx.random.bytes(SEED_BYTES),
        tags=tagging.tagged({}, req.Tags),
    )
    MFA_DEVICES.put(ctx, device)
    return {
        "VirtualMFADevice": {
            "SerialNumber": serial,
            "Base32StringSeed": base64.b32encode(device.seed),
            "Tags": pairs(device.tags) or None,
        }
    }


@operation("DeleteVirtualMFADevice")
def delete_virtual_mfa_device(ctx: Context, req: Any) -> Answer:
    """Deletes a device that nobody uses.

    Errors: NoSuchEntity, DeleteConflict.
    """
    device = device_at(ctx, req.SerialNumber)
    if device.owner_id:
        raise ServiceException("DeleteConflictException", "MFA VirtualDevice in use. Must deactivate first.")
    MFA_DEVICES.delete(ctx, device)
    return None


@operation("ListVirtualMFADevices")
def list_virtual_mfa_devices(ctx: Context, req: Any) -> Answer:
    """The account's virtual devices: Assigned, Unassigned or Any."""
    wanted = req.AssignmentStatus or "Any"
    found = [
        d
        for d in MFA_DEVICES.scan(ctx, starting=f"arn:{ctx.partition}:iam::{ctx.account}:mfa/")
        if wanted == "Any" or bool(d.owner_id) == (wanted == "Assigned")
    ]
    return page_of(req, "VirtualMFADevices", found, lambda d: d.serial, lambda d: _describe(ctx, d))


@operation("EnableMFADevice")
def enable_mfa_device(ctx: Context, req: Any) -> Answer:
    """Gives a device to a user, proven by two codes in a row; eight devices for a user at most.

    Errors: NoSuchEntity, EntityAlreadyExists (it has a user), InvalidAuthenticationCode, LimitExceeded.
    """
    user, device = user_at(ctx, req.UserName), device_at(ctx, req.SerialNumber)
    if device.owner_id:
        raise exists(f"MFA Device is already in use: {device.serial}")
    if sum(1 for _ in DEVICES_OF.scan(ctx, ctx.account, user.id)) >= MOST_DEVICES:
        raise limit(f"Cannot exceed quota for MFADevicesPerUser: {MOST_DEVICES}")
    MFA_DEVICES.put(ctx, change(_synchronised(ctx, device, req), owner_id=user.id, enabled_at_ms=ctx.now))
    return None


@operation("ResyncMFADevice")
def resync_mfa_device(ctx: Context, req: Any) -> Answer:
    """Sets a device's clock by two codes in a row, up to twenty minutes off."""
    user = user_at(ctx, req.UserName)
    device = _device_of(ctx, req.SerialNumber, user.id)
    MFA_DEVICES.put(ctx, _synchronised(ctx, device, req))
    return None


@operation("DeactivateMFADevice")
def deactivate_mfa_device(ctx: Context, req: Any) -> Answer:
    """Takes a device from its user; the device stays, unassigned."""
    owner_id, _ = owner(ctx, req.UserName)
    device = _device_of(ctx, req.SerialNumber, owner_id)
    MFA_DEVICES.put(ctx, change(device, owner_id="", enabled_at_ms=0))
    return None


@operation("GetMFADevice")
def get_mfa_device(ctx: Context, req: Any) -> Answer:
    """Whose a device is, and since when."""
    device = device_at(ctx, req.SerialNumber)
    user: User | None = USER_BY_ID.first(ctx, device.owner_id) if device.owner_id else None
    if req.UserName is not None and user_at(ctx, req.UserName).id != device.owner_id:
        raise not_found(f"MFA Device invalid for user: {device.serial}")
    return {"UserName": user.name if user else None, "SerialNumber": device.serial, "EnableDate": device.enabled_at_ms or None}


@operation("ListMFADevices")
def list_mfa_devices(ctx: Context, req: Any) -> Answer:
    """A user's devices."""
    owner_id, user = owner(ctx, req.UserName)
    return page_of(
        req,
        "MFADevices",
        DEVICES_OF.scan(ctx, ctx.account, owner_id),
        lambda d: d.serial,
        lambda d: {"UserName": user.name if user else "<root_account>", "SerialNumber": d.serial, "EnableDate": d.enabled_at_ms},
    )


@operation("TagMFADevice")
def tag_mfa_device(ctx: Context, req: Any) -> Answer:
    """Adds or changes tags."""
    device = device_at(ctx, req.SerialNumber)
    MFA_DEVICES.put(ctx, change(device, tags=tagging.tagged(device.tags, req.Tags)))
    return None


@operation("UntagMFADevice")
def untag_mfa_device(ctx: Context, req: Any) -> Answer:
    """Removes tags; those that are not there do not matter."""
    device = device_at(ctx, req.SerialNumber)
    MFA_DEVICES.put(ctx, change(device, tags=tagging.untagged(device.tags, req.TagKeys)))
    return None


@operation("ListMFADeviceTags")
def list_mfa_device_tags(ctx: Context, req: Any) -> Answer:
    """A device's tags, in order of the keys."""
    return tagging.listed(req, device_at(ctx, req.SerialNumber).tags)
