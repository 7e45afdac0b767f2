"""Console passwords: the account's policy, users' login profiles, and how passwords are kept."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.iam.account import account_of
from fogbank.services.iam.lookups import caller_name, user_at
from fogbank.services.iam.refusals import exists, not_found
from fogbank.services.iam.state import ACCOUNTS, USERS, Password, PasswordPolicy, User
from fogbank.store.tables import change

_SALT_BYTES = 16
_SYMBOLS = "!@#$%^&*()_+-=[]{}|'"
_DEFAULT_LENGTH = 8
_DEFAULT_KINDS = 3
_DAY_MS = 24 * 3600 * 1000


def _digest(password: str, salt: bytes) -> bytes:
    return salt + hashlib.scrypt(password.encode(), salt=salt, n=1024, r=8, p=1, dklen=32)


def _fits(password: str, digest: bytes) -> bool:
    return hmac.compare_digest(_digest(password, digest[:_SALT_BYTES]), digest)


def _violation(sentence: str) -> ServiceException:
    return ServiceException("PasswordPolicyViolationException", sentence)


def check_password(policy: PasswordPolicy | None, password: str, used: list[bytes]) -> None:
    """Raises PasswordPolicyViolation for a password that the account's policy does not allow.

    Without one AWS's default holds: 8 characters, and three of upper case, lower case, digits and symbols.
    `used`: digests of the passwords before, the last one first.
    """
    kinds = {
        "uppercase character": any(c.isascii() and c.isupper() for c in password),
        "lowercase character": any(c.isascii() and c.islower() for c in password),
        "number": any(c.isascii() and c.isdigit() for c in password),
        "symbol": any(c in _SYMBOLS for c in password),
    }
    if policy is None:
        if len(password) < _DEFAULT_LENGTH:
            raise _violation(f"Password should have a minimum length of {_DEFAULT_LENGTH}")
        if sum(kinds.values()) < _DEFAULT_KINDS:
            raise _violation("Password must include at least three of: uppercase characters, lowercase characters, numbers, symbols")
        return
    if len(password) < policy.minimum_length:
        raise _violation(f"Password should have a minimum length of {policy.minimum_length}")
    required = dict(zip(kinds, (policy.uppercase, policy.lowercase, policy.numbers, policy.symbols), strict=True))
    for kind, wanted in required.items():
        if wanted and not kinds[kind]:
            raise _violation(f"Password should have at least one {kind}")
    if any(_fits(password, digest) for digest in used[: policy.reuse_prevention]):
        raise _violation("Password has been used before")


def _changed(ctx: Context, old: Password | None, password: str, *, reset: bool) -> Password:
    """The login profile with a new password, checked."""
    policy = account_of(ctx).password_policy
    used = old.digests if old else []
    check_password(policy, password, used)
    kept = [_digest(password, ctx.random.bytes(_SALT_BYTES)), *used][: max(1, policy.reuse_prevention if policy else 0)]
    created_at_ms = old.created_at_ms if old else ctx.now
    return Password(created_at_ms=created_at_ms, changed_at_ms=ctx.now, digests=kept, reset_required=reset)


def _describe(user: User, password: Password) -> dict[str, Any]:
    return {"UserName": user.name, "CreateDate": password.created_at_ms, "PasswordResetRequired": password.reset_required}


def _password_of(user: User) -> Password:
    if user.password is None:
        raise not_found(f"Login Profile for User {user.name} cannot be found.")
    return user.password


@operation("CreateLoginProfile")
def create_login_profile(ctx: Context, req: Any) -> Answer:
    """Gives a user a password for the console.

    Errors: EntityAlreadyExists, NoSuchEntity, PasswordPolicyViolation.
    """
    user = user_at(ctx, caller_name(ctx, req.UserName))
    if user.password is not None:
        raise exists(f"Login Profile for user {user.name} already exists.")
    if req.Password is None:
        raise _violation("A password is required.")
    password = _changed(ctx, None, req.Password, reset=bool(req.PasswordResetRequired))
    USERS.put(ctx, change(user, password=password))
    return {"LoginProfile": _describe(user, password)}


@operation("GetLoginProfile")
def get_login_profile(ctx: Context, req: Any) -> Answer:
    """Whether a user has a password, and since when."""
    user = user_at(ctx, caller_name(ctx, req.UserName))
    return {"LoginProfile": _describe(user, _password_of(user))}


@operation("UpdateLoginProfile")
def update_login_profile(ctx: Context, req: Any) -> Answer:
    """Sets a user's password, or whether it must be changed at the next sign-in."""
    user = user_at(ctx, req.UserName)
    password = _password_of(user)
    reset = password.reset_required if req.PasswordResetRequired is None else req.PasswordResetRequired
    if req.Password is not None:
        password = _changed(ctx, password, req.Password, reset=reset)
    else:
        password = Password(password.created_at_ms, password.changed_at_ms, password.digests, reset)
    USERS.put(ctx, change(user, password=password))
    return None


@operation("DeleteLoginProfile")
def delete_login_profile(ctx: Context, req: Any) -> Answer:
    """Takes the password away; access keys go on working."""
    user = user_at(ctx, caller_name(ctx, req.UserName))
    _password_of(user)
    USERS.put(ctx, change(user, password=None))
    return None


@operation("ChangePassword", authorized_here=True)
def change_password(ctx: Context, req: Any) -> Answer:
    """A user's own password, by the user. Where the password policy lets users change theirs, no permission is needed.

    Errors: InvalidUserType (root and sessions), AccessDenied (the old password is another, or has expired), PasswordPolicyViolation.
    """
    if ctx.principal.kind != "user":
        raise ServiceException("InvalidUserTypeException", "Only IAM Users can change their own password.")
    user = user_at(ctx, ctx.principal.name)
    policy = account_of(ctx).password_policy
    if policy is None or not policy.users_may_change:
        ctx.authorize("iam:ChangePassword", user.arn)
    password = _password_of(user)
    if not _fits(req.OldPassword, password.digests[0]):
        raise ServiceException("AccessDenied", "The old password was incorrect.", status=403)
    if policy and policy.hard_expiry and (end := expires_at(policy, password)) is not None and end <= ctx.now:
        raise ServiceException("AccessDenied", "The password has expired and must be reset by an administrator.", status=403)
    USERS.put(ctx, change(user, password=_changed(ctx, password, req.NewPassword, reset=False)))
    return None


def expires_at(policy: PasswordPolicy | None, password: Password) -> int | None:
    """When a password must be changed (ms), or None."""
    return password.changed_at_ms + policy.max_age_days * _DAY_MS if policy and policy.max_age_days else None


@operation("UpdateAccountPasswordPolicy")
def update_account_password_policy(ctx: Context, req: Any) -> Answer:
    """Sets the whole policy: what is not given takes its default, not its old value."""
    policy = PasswordPolicy(
        minimum_length=req.MinimumPasswordLength or 6,
        symbols=bool(req.RequireSymbols),
        numbers=bool(req.RequireNumbers),
        uppercase=bool(req.RequireUppercaseCharacters),
        lowercase=bool(req.RequireLowercaseCharacters),
        users_may_change=bool(req.AllowUsersToChangePassword),
        max_age_days=req.MaxPasswordAge or 0,
        reuse_prevention=req.PasswordReusePrevention or 0,
        hard_expiry=bool(req.HardExpiry),
    )
    ACCOUNTS.put(ctx, change(account_of(ctx), password_policy=policy))
    return None


def _policy_of(ctx: Context) -> PasswordPolicy:
    policy = account_of(ctx).password_policy
    if policy is None:
        raise not_found(f"The Password Policy with domain name {ctx.account} cannot be found.")
    return policy


@operation("GetAccountPasswordPolicy")
def get_account_password_policy(ctx: Context, req: Any) -> Answer:
    """The account's policy; NoSuchEntity while AWS's default holds."""
    policy = _policy_of(ctx)
    return {
        "PasswordPolicy": {
            "MinimumPasswordLength": policy.minimum_length,
            "RequireSymbols": policy.symbols,
            "RequireNumbers": policy.numbers,
            "RequireUppercaseCharacters": policy.uppercase,
            "RequireLowercaseCharacters": policy.lowercase,
            "AllowUsersToChangePassword": policy.users_may_change,
            "ExpirePasswords": bool(policy.max_age_days),
            "MaxPasswordAge": policy.max_age_days or None,
            "PasswordReusePrevention": policy.reuse_prevention or None,
            "HardExpiry": policy.hard_expiry,
        }
    }


@operation("DeleteAccountPasswordPolicy")
def delete_account_password_policy(ctx: Context, req: Any) -> Answer:
    """Back to AWS's default."""
    _policy_of(ctx)
    ACCOUNTS.put(ctx, change(account_of(ctx), password_policy=None))
    return None
