"""The signed list of what waits at this store: read, verified, kept on disk, and asked for what it allows."""

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ..wire import parse_amount
from .sales import digits

_MOST_ADDITIONS = 200
"""After so many additions the whole store is asked for again, so that the file stays short."""


class BadManifest(Exception):
    """A manifest that must not be used; the message is the code of the reason."""


@dataclass(frozen=True)
class Limits:
    """What a store may do while it is cut off; amounts are centavos."""

    max_age_s: int
    max_amount: int
    max_total: int
    max_count: int
    refresh_s: int = 60


@dataclass(frozen=True)
class Parcel:
    """One parcel that waits; `amount_due` is centavos."""

    reference: str
    action: str
    amount_due: int
    expires_at: datetime | None
    # As the gateway sent it, so that a till can show what a lookup would.
    shown: Mapping[str, Any]

    def is_labelled(self, tracking_number: str) -> bool:
        """Whether the scanned label is this parcel's: the number itself is not in the manifest."""
        label = self.shown["label"]
        salted = bytes.fromhex(label["salt"]) + tracking_number.encode()
        return hashlib.sha256(salted).digest() == bytes.fromhex(label["digest"])


class Manifest:
    """The whole store after one full manifest and the additions to it."""

    def __init__(self) -> None:
        self.manifest_id = ""
        self.issued_at: datetime | None = None
        self.expires_at: datetime | None = None
        self.cursor: str | None = None
        self.limits: Limits | None = None
        self.parcels: dict[str, Parcel] = {}
        self.additions = 0

    def find(self, reference: str) -> Parcel | None:
        """The parcel of a code, however it is spelled."""
        return self.parcels.get(digits(reference))

    def take(self, document: Mapping[str, Any], store_id: str) -> None:
        """Takes in a verified manifest; BadManifest, and nothing changed, where it does not fit."""
        try:
            self._take(document, store_id)
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise BadManifest("manifest-unreadable") from exc

    def _take(self, document: Mapping[str, Any], store_id: str) -> None:
        issued_at, since = datetime.fromisoformat(document["issuedAt"]), document["since"]
        expires_at = datetime.fromisoformat(document["expiresAt"])
        if document["storeId"] != store_id:
            raise BadManifest("manifest-of-another-store")
        if self.issued_at is not None and issued_at < self.issued_at:
            raise BadManifest("manifest-older")
        if since is not None and since != self.cursor:
            raise BadManifest("manifest-does-not-follow")
        limits, cursor, manifest_id = _limits(document["limits"]), str(document["cursor"]), str(document["manifestId"])
        parcels = dict(self.parcels) if since is not None else {}
        for each in document["parcels"]:
            if each["state"] == "OPEN":
                parcels[digits(each["reference"])] = _parcel(each)
            else:
                parcels.pop(digits(each["reference"]), None)
        if issued_at.tzinfo is None or expires_at.tzinfo is None:
            raise ValueError("a time without a zone")
        self.manifest_id, self.issued_at, self.expires_at = manifest_id, issued_at, expires_at
        self.cursor, self.limits, self.parcels = cursor, limits, parcels
        self.additions = 0 if since is None else self.additions + 1


class ManifestStore:
    """Keeps the manifest as it came, signatures and all, so that what is on the disk is verified like what is fetched.

    `keys` are pinned in a file of their own: those given at installation, or the first that the gateway shows.
    """

    def __init__(self, directory: Path, store_id: str, keys: Mapping[str, str] | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = directory / "manifest.jsonl"
        self._keys_file = directory / "manifest-keys.json"
        self._store_id = store_id
        self.keys: dict[str, str] = dict(keys or {}) or _read_keys(self._keys_file)
        self.manifest = Manifest()
        # The code of what was wrong with the last manifest that came; None where nothing was.
        self.problem: str | None = None
        self._load()

    @property
    def since(self) -> str | None:
        """The cursor to ask with; None asks for the whole store."""
        return None if self.manifest.additions >= _MOST_ADDITIONS else self.manifest.cursor

    def pin(self, keys: Mapping[str, str]) -> None:
        """Trusts these keys from now on, if none is trusted yet."""
        if not self.keys:
            self.keys = dict(keys)
            write_whole(self._keys_file, json.dumps({"keys": self.keys}).encode())

    def take(self, envelope: Mapping[str, Any]) -> None:
        """Verifies a manifest as it came and keeps it, on the disk too. BadManifest where it must not be used."""
        try:
            document = verified(envelope, self.keys)
            self.manifest.take(document, self._store_id)
        except BadManifest as exc:
            self.problem = str(exc)
            raise
        self.problem = None
        line = json.dumps({name: envelope[name] for name in ("manifest", "keyId", "signature")}).encode() + b"\n"
        if document["since"] is None:
            write_whole(self._file, line)
        else:
            _append(self._file, line)

    def forget(self) -> None:
        """Starts anew: the next manifest must be of the whole store."""
        self.manifest = Manifest()
        self._file.unlink(missing_ok=True)

    def _load(self) -> None:
        if not self._file.exists():
            return
        for line in self._file.read_bytes().splitlines():
            try:
                envelope = json.loads(line)
                self.manifest.take(verified(envelope, self.keys), self._store_id)
            except (BadManifest, ValueError):
                # A torn last line, or a file that somebody changed: what comes after it cannot be relied on.
                self.manifest.cursor = None
                return


def verified(envelope: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Any]:
    """The document in an envelope; BadManifest unless one of the pinned `keys` has signed exactly those bytes."""
    try:
        text = _decoded(envelope["manifest"])
        signature = _decoded(envelope["signature"])
        key = keys.get(envelope["keyId"])
        if key is None:
            raise BadManifest("manifest-key-unknown")
        Ed25519PublicKey.from_public_bytes(_decoded(key)).verify(signature, text)
        document = json.loads(text)
    except InvalidSignature as exc:
        raise BadManifest("manifest-signature-wrong") from exc
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as exc:
        raise BadManifest("manifest-unreadable") from exc
    if not isinstance(document, dict):
        raise BadManifest("manifest-unreadable")
    return document


def write_whole(file: Path, content: bytes) -> None:
    """Replaces a file: after a crash it is the old one or the new one."""
    beside = file.with_suffix(".new")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    beside.replace(file)


def _append(file: Path, line: bytes) -> None:
    with file.open("ab") as opened:
        opened.write(line)
        opened.flush()
        os.fsync(opened.fileno())


def _read_keys(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    keys: dict[str, str] = json.loads(file.read_bytes())["keys"]
    return keys


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as exc:
        raise ValueError("not base64url") from exc


def _limits(value: Mapping[str, Any]) -> Limits:
    return Limits(
        max_age_s=int(value["maxAgeSeconds"]),
        max_amount=parse_amount(value["maxAmount"]),
        max_total=parse_amount(value["maxTotal"]),
        max_count=int(value["maxCount"]),
        refresh_s=max(1, int(value.get("refreshSeconds", 60))),
    )


def _parcel(value: Mapping[str, Any]) -> Parcel:
    label, expires_at = value["label"], value.get("expiresAt")
    bytes.fromhex(label["salt"])
    if value["action"] not in {"COLLECT", "CLAIM"} or len(bytes.fromhex(label["digest"])) != 32:
        raise ValueError("not a parcel that can be released here")
    expires = datetime.fromisoformat(expires_at) if expires_at is not None else None
    if expires is not None and expires.tzinfo is None:
        raise ValueError("a time without a zone")
    return Parcel(digits(value["reference"]), value["action"], parse_amount(value["amountDue"]), expires, value)
