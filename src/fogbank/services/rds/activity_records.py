"""Records of activity streams: a data key's own encryption, in the message format of the AWS Encryption SDK. Pure.

A record holds events, zipped and encrypted under a message key of its own, which is wrapped under the stream's data key; the data key
stands beside it, encrypted by KMS. Whoever may decrypt with the KMS key reads it with the AWS Encryption SDK.

Source: "AWS Encryption SDK message format reference"; "Monitoring database activity streams" in the Amazon Aurora User Guide.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable
from typing import Any

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_ALGORITHM = (0x0178).to_bytes(2)  # AES_256_GCM_IV12_TAG16_HKDF_SHA256, version 1
_PROVIDER, _KEY_NAME = b"BC", b"DataKey"
_TAG, _IV = 16, 12
Draw = Callable[[int], bytes]


def record(events: list[dict[str, Any]], cluster: str, instance: str, key: bytes, encrypted_key: bytes, draw: Draw) -> bytes:
    """What is put into the stream for some events of an instance. `draw`: random bytes."""
    told = {
        "type": "DatabaseActivityMonitoringRecord",
        "clusterId": cluster,
        "instanceId": instance,
        "databaseActivityEventList": events,
    }
    held = {
        "type": "DatabaseActivityMonitoringRecords",
        "version": "1.1",
        "databaseActivityEvents": base64.b64encode(encrypted(gzip.compress(msgspec.json.encode(told), mtime=0), key, draw)).decode(),
        "key": base64.b64encode(encrypted_key).decode(),
    }
    return msgspec.json.encode(held)


def _sized(text: bytes) -> bytes:
    return len(text).to_bytes(2) + text


def encrypted(content: bytes, key: bytes, draw: Draw) -> bytes:
    """A message of one frameless body, under a key that is wrapped under `key`."""
    message_id, message_key, wrapping_iv, body_iv = draw(16), draw(32), draw(_IV), draw(_IV)
    derived = AESGCM(HKDF(SHA256(), 32, salt=None, info=_ALGORITHM + message_id).derive(message_key))
    told = _KEY_NAME + (8 * _TAG).to_bytes(4) + _IV.to_bytes(4) + wrapping_iv
    wrapped = AESGCM(key).encrypt(wrapping_iv, message_key, b"")
    header = b"".join(
        (
            b"\x01\x80",  # version 1, customer authenticated encrypted data
            _ALGORITHM,
            message_id,
            (0).to_bytes(2),  # no encryption context
            (1).to_bytes(2),  # one encrypted key
            _sized(_PROVIDER),
            _sized(told),
            _sized(wrapped),
            b"\x01",  # not framed
            bytes(4),
            _IV.to_bytes(1),
            (0).to_bytes(4),
        )
    )
    zero = bytes(_IV)
    size = len(content).to_bytes(8)
    about = message_id + b"AWSKMSEncryptionClient Single Block" + (1).to_bytes(4) + size
    body = derived.encrypt(body_iv, content, about)
    return header + zero + derived.encrypt(zero, b"", header) + body_iv + size + body
