"""`/pos/v1/manifest`: the parcels that wait at a till's store, signed, for when the till cannot ask.

The signature is over the very bytes of the JSON text that goes along, so that nobody has to write JSON in one way.
"""

import base64
import binascii
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

from aiohttp import web

from connect_gateway.domain.codes import show_reference
from connect_gateway.domain.money import format_amount
from connect_gateway.domain.records import Reference
from connect_gateway.domain.states import ACTION_OF_KIND, State
from connect_gateway.domain.verdicts import Verdict
from connect_gateway.edges.answers import CURRENCY, format_time
from connect_gateway.edges.gateway import Gateway
from connect_gateway.edges.http import in_time
from connect_gateway.edges.problems import Problem, dump, json_response
from connect_gateway.keys import Keys, KeysError
from connect_gateway.ledger import manifests
from connect_gateway.ledger.manifests import Cursor, Parcels

CURSOR_LIVES = timedelta(days=1)
"""A till that has not asked for longer gets the whole store again."""

_SALT_BYTES = 16
_DESCRIPTION_LENGTH = 120
_NO_MANIFEST = Verdict("NONE", "HOLD", "NO MANIFEST - ONLINE SALES ONLY")


class ManifestEdge:
    """The routes of `/pos/v1/manifest`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/pos/v1/manifest", in_time(self.show), allow_head=False),
            web.get("/pos/v1/manifest/keys", in_time(self.keys), allow_head=False),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """All that waits at the till's store or, with `since`, what has changed since that cursor."""
        client = await self._gateway.authorize(request, "pos")
        assert client.store_id is not None, "the ledger holds no pos client without a store"
        now = self._gateway.now()
        asked = request.query.get("since", "")
        since = read_cursor(asked, client.store_id, now)
        found = await manifests.parcels(self._gateway.pool, client.store_id, since)
        body = self._content(client.store_id, found, None if found.whole else asked, now)
        content = dump(body).encode()
        try:
            key_id, signature = self._gateway.keys.sign_manifest(content)
        except KeysError as error:
            raise _no_key(error) from error
        signed = {"manifest": _text_of(content), "keyId": key_id, "signature": _text_of(signature)}
        return json_response(signed, headers={"Cache-Control": "no-store"})

    def _content(self, store_id: str, found: Parcels, since: str | None, now: datetime) -> dict[str, Any]:
        limits = self._gateway.stand_in
        return {
            "manifestId": str(uuid4()),
            "storeId": store_id,
            "issuedAt": format_time(now),
            "expiresAt": format_time(now + timedelta(seconds=limits.max_age_s)),
            "since": since,
            "cursor": write_cursor(found.cursor, store_id, now),
            "limits": {
                "maxAgeSeconds": limits.max_age_s,
                "maxAmount": format_amount(limits.max_amount),
                "maxTotal": format_amount(limits.max_total),
                "maxCount": limits.max_count,
                "refreshSeconds": limits.refresh_s,
            },
            "parcels": [
                parcel_body(self._gateway.keys, one, store_id, now)
                for one in found.parcels
                if not found.whole or one.state_at(now) is State.OPEN
            ],
        }

    async def keys(self, request: web.Request) -> web.Response:
        """The public keys by which a till knows a manifest for the gateway's."""
        await self._gateway.authorize(request, "pos")
        try:
            keys = self._gateway.keys.manifest_keys()
        except KeysError as error:
            raise _no_key(error) from error
        return json_response(
            {"keys": [{"keyId": key_id, "publicKey": _text_of(public)} for key_id, public in keys.items()]}
        )


def parcel_body(keys: Keys, parcel: Reference, store_id: str, now: datetime) -> dict[str, Any]:
    """A parcel as a manifest lists it. What cannot be handed out here any more is GONE, and nothing else is said."""
    shown = show_reference(parcel.reference)
    if parcel.state_at(now) is not State.OPEN or parcel.store_id != store_id:
        return {"reference": shown, "state": "GONE"}
    # The same salt each time, so that nothing is learnt from several of them; nobody makes it without the key.
    salt = keys.fingerprint("label:" + parcel.tracking_number)[:_SALT_BYTES]
    return {
        "reference": shown,
        "kind": parcel.kind,
        "action": ACTION_OF_KIND[parcel.kind],
        "state": "OPEN",
        "merchant": parcel.merchant,
        "merchantReference": parcel.merchant_reference,
        "description": parcel.description[:_DESCRIPTION_LENGTH],
        "amountDue": format_amount(parcel.amount_due),
        "currency": CURRENCY,
        "label": {
            "salt": salt.hex(),
            "digest": sha256(salt + parcel.tracking_number.encode()).hexdigest(),
            "hint": parcel.tracking_number[-4:],
        },
        "expiresAt": None if parcel.expires_at is None else format_time(parcel.expires_at),
    }


def write_cursor(cursor: Cursor, store_id: str, now: datetime) -> str:
    """A cursor as it goes to a till, for whom it has no meaning."""
    journals = sorted(cursor.journals.items())
    return _text_of(dump([store_id, int(now.timestamp()), cursor.changes, journals]).encode())


def read_cursor(text: str, store_id: str, now: datetime) -> Cursor | None:
    """What a till brings back; None where it is too old, another store's, or none of ours."""
    try:
        store, given_at, changes, journals = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        cursor = Cursor(_count(changes), {_count(pos): _count(length) for pos, length in journals})
        age = now - datetime.fromtimestamp(_count(given_at), UTC)
    except (ValueError, TypeError, OverflowError, OSError, RecursionError, binascii.Error):
        return None
    if store != store_id or not timedelta(minutes=-1) <= age <= CURSOR_LIVES:
        return None
    return cursor


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError("no count")
    return value


def _text_of(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _no_key(error: KeysError) -> Problem:
    return Problem("manifest-unavailable", str(error), _NO_MANIFEST)
