"""GetRandomPassword."""

from __future__ import annotations

import string
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.secretsmanager.rules import invalid

DEFAULT_LENGTH = 32
TYPES = {
    "ExcludeLowercase": string.ascii_lowercase,
    "ExcludeUppercase": string.ascii_uppercase,
    "ExcludeNumbers": string.digits,
    "ExcludePunctuation": string.punctuation,
}


@operation("GetRandomPassword")
def get_random_password(ctx: Context, req: Any) -> Answer:
    """A password of 1 to 4,096 characters, 32 if not asked otherwise; with one of each type, unless RequireEachIncludedType is false.

    The types are lower and upper case letters, digits and punctuation; a space may come in, but need not.

    Errors: InvalidParameterException. Source: API reference, GetRandomPassword.
    """
    length = DEFAULT_LENGTH if req.PasswordLength is None else req.PasswordLength
    unwanted = frozenset(req.ExcludeCharacters or "")
    types = ["".join(c for c in characters if c not in unwanted) for name, characters in TYPES.items() if not getattr(req, name)]
    types = [characters for characters in types if characters]
    every = "".join(types) + (" " if req.IncludeSpace and " " not in unwanted else "")
    if not every:
        raise invalid("There are no characters left that the password could be made of.")
    required = types if req.RequireEachIncludedType is not False else []
    if length < len(required):
        raise invalid("Password length is too short based on the required types.")
    drawn = [ctx.random.text(1, characters) for characters in required]
    drawn += ctx.random.text(length - len(required), every)
    drawn.sort(key=lambda _: ctx.random.bytes(8))
    return {"RandomPassword": "".join(drawn)}
