"""The encoded authorization message of a denial, which only DecodeAuthorizationMessage reads: it may tell what the caller must not know."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation

_MARK = b"fog1"


def encode(message: dict[str, Any]) -> str:
    """A denial's details as AWS's services send them along: text without meaning to its reader."""
    packed = zlib.compress(json.dumps(message, separators=(",", ":")).encode(), 9)
    return base64.urlsafe_b64encode(_MARK + packed).decode().rstrip("=")


@operation("DecodeAuthorizationMessage")
def decode_authorization_message(ctx: Context, req: Any) -> Answer:
    """The details of a denial, as JSON.

    Errors: InvalidAuthorizationMessage (not one of ours).
    """
    text: str = req.EncodedMessage
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        if not packed.startswith(_MARK):
            raise ValueError
        return {"DecodedMessage": zlib.decompress(packed[len(_MARK) :]).decode()}
    except (ValueError, binascii.Error, zlib.error):
        raise ServiceException("InvalidAuthorizationMessageException", "Message is not valid") from None
