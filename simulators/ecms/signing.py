"""How a webhook is signed: as the Standard Webhooks specification 1.0 says, so that its libraries verify it.

`webhook-id`, `webhook-timestamp` (Unix seconds) and the body, joined by dots, under HMAC-SHA-256; the header
`webhook-signature` is `v1,` and the base64 of that. A secret is written `whsec_` and the base64 of its bytes.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"
TOLERANCE_S = 300
"""A receiver takes nothing that was sent longer ago than this, or that much ahead of its own clock."""

_PREFIX = "whsec_"
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class WrongSignature(Exception):
    """What arrived was not signed with this secret, or not now; the message says which."""


def new_secret() -> str:
    """A secret of 256 random bits."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode("ascii")


def secret_bytes(secret: str) -> bytes:
    """The key in a written secret; ValueError where it is none of 24 to 64 bytes."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError(f"must be {_PREFIX} and the base64 of 24 to 64 bytes")
    return key


def signed_headers(secret: str, delivery_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The three headers that go with `body`."""
    return {
        ID_HEADER: delivery_id,
        TIMESTAMP_HEADER: str(timestamp_s),
        SIGNATURE_HEADER: _signature(secret_bytes(secret), delivery_id, timestamp_s, body),
    }


def verify(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> str:
    """The delivery's id; `WrongSignature` where the headers do not vouch for `body`.

    `headers` has names in lower case, or ignores their case. Several signatures may stand in the header,
    separated by spaces, as while a secret is being exchanged.
    """
    delivery_id, timestamp = headers.get(ID_HEADER, ""), headers.get(TIMESTAMP_HEADER, "")
    if not delivery_id or _TIMESTAMP.fullmatch(timestamp) is None:
        raise WrongSignature(f"{ID_HEADER} or {TIMESTAMP_HEADER} is missing")
    if abs(now_s - int(timestamp)) > TOLERANCE_S:
        raise WrongSignature(f"{TIMESTAMP_HEADER} is more than {TOLERANCE_S} s off")
    right = _signature(secret_bytes(secret), delivery_id, int(timestamp), body).encode()
    offered = headers.get(SIGNATURE_HEADER, "").encode("utf-8", "surrogateescape").split(b" ")
    if not any(hmac.compare_digest(right, one) for one in offered):
        raise WrongSignature(f"{SIGNATURE_HEADER} is another one")
    return delivery_id


def _signature(key: bytes, delivery_id: str, timestamp_s: int, body: bytes) -> str:
    signed = f"{delivery_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")
