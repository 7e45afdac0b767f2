"""Unique ids, access keys and secrets, as AWS forms them.

An access key tells its account: after the prefix come 80 bits in base 32, of which the second to the 41st are the account's
number. So `GetAccessKeyInfo` needs no table.
"""

from __future__ import annotations

import base64
import binascii

from fogbank.kernel.chance import Chance

BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SECRET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def unique_id(random: Chance, prefix: str) -> str:
    """AIDA (user), AROA (role), AGPA (group), ANPA (policy), AIPA (instance profile), ASCA (server certificate)... and 17 characters."""
    return prefix + random.text(17, BASE32)


def access_key_id(random: Chance, prefix: str, account: str) -> str:
    """AKIA (long-term) or ASIA (temporary) and 16 characters."""
    drawn = random.bytes(5)
    head = 1 << 47 | int(account) << 7 | drawn[0] & 0x7F
    return prefix + base64.b32encode(head.to_bytes(6, "big") + drawn[1:]).decode()


def account_of(access_key: str) -> str | None:
    """The account that an access key was made in, or None for a text that is no access key."""
    if len(access_key) != 20 or access_key[:4] not in ("AKIA", "ASIA"):
        return None
    try:
        head = int.from_bytes(base64.b32decode(access_key[4:])[:6], "big")
    except binascii.Error:
        return None
    account = (head & (1 << 47) - 1) >> 7
    return f"{account:012d}" if head >> 47 and account < 10**12 else None


def secret(random: Chance) -> str:
    """40 characters."""
    return random.text(40, _SECRET)
