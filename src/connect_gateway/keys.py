"""Keys: from one JSON file, never a default.

`{"receipt": KEY, "index": KEY, "mobile": {"1": KEY}, "journal": {"1": KEY}, "manifest": {"1": KEY}}`, each KEY 32 bytes
in base64. `receipt`
makes the verification codes, `index` the blind index of mobile numbers, `mobile` encrypts them: the newest version
seals, every one opens, so that a key is rotated by adding the next. `journal` signs the journal's checkpoints
(Ed25519), likewise in versions; a file from before there were checkpoints has none, and serves for all else.
`manifest` signs what tills may sell by themselves (Ed25519), in versions as well.
"""

import base64
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_KEY_BYTES = 32


class KeysError(Exception):
    """The keys file is missing, unreadable or incomplete."""


@dataclass(slots=True, frozen=True)
class SealedMobile:
    """A mobile number as it is kept: encrypted, with a keyed index to find it by."""

    key_version: int
    sealed: bytes
    index: bytes


class Keys:
    """The keys of one installation, the same for every process on one database."""

    def __init__(
        self,
        receipt: bytes,
        index: bytes,
        mobile: dict[int, bytes],
        journal: dict[int, bytes] | None = None,
        manifest: dict[int, bytes] | None = None,
    ) -> None:
        # Keyed once and copied for each code: the setting up of an HMAC costs several times its use.
        self._receipt = hmac.new(receipt, digestmod="sha256")
        self._index = index
        self._mobile = {version: AESGCM(key) for version, key in mobile.items()}
        self._newest = max(mobile)
        self._journal = {version: Ed25519PrivateKey.from_private_bytes(key) for version, key in (journal or {}).items()}
        self._manifest = {
            version: Ed25519PrivateKey.from_private_bytes(key) for version, key in (manifest or {}).items()
        }

    def verification_code(self, text: str) -> str:
        """The code at a receipt's foot, `K7QM-2PXA` say: nobody makes up a receipt whose code is right."""
        code_maker = self._receipt.copy()
        code_maker.update(text.encode())
        digest = code_maker.digest()
        code = base64.b32encode(digest[:5]).decode()
        return f"{code[:4]}-{code[4:]}"

    def fingerprint(self, text: str) -> bytes:
        """A keyed hash: equal for equal texts, telling nothing of a text to who has not the key."""
        return hmac.digest(self._index, text.encode(), "sha256")

    def seal_mobile(self, number: str) -> SealedMobile:
        """Encrypts a mobile number with the newest key."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._mobile[self._newest].encrypt(nonce, number.encode(), None)
        return SealedMobile(self._newest, sealed, self.fingerprint("mobile:" + number))

    def open_mobile(self, key_version: int, sealed: bytes) -> str:
        """Decrypts a mobile number; KeysError where its key is gone."""
        cipher = self._mobile.get(key_version)
        if cipher is None:
            raise KeysError(f"there is no mobile key of version {key_version}")
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None).decode()

    def sign(self, content: bytes) -> tuple[int, bytes]:
        """Signs a checkpoint of the journal with the newest key: its version and the signature, 64 bytes.

        KeysError where the file has no such key.
        """
        if not self._journal:
            raise KeysError(
                'the keys file has no "journal" key, which signs checkpoints: add "journal": {"1": "<32 random bytes '
                'in base64>"} to it, for instance from: openssl rand -base64 32'
            )
        version = max(self._journal)
        return version, self._journal[version].sign(content)

    def sign_manifest(self, content: bytes) -> tuple[str, bytes]:
        """Signs a manifest with the newest key: the key's id and the signature, 64 bytes. KeysError without a key."""
        version = max(self._need_manifest())
        return str(version), self._manifest[version].sign(content)

    def manifest_keys(self) -> dict[str, bytes]:
        """The public keys of manifests by their ids, 32 bytes each; KeysError without a key."""
        return {str(version): key.public_key().public_bytes_raw() for version, key in self._need_manifest().items()}

    def _need_manifest(self) -> dict[int, Ed25519PrivateKey]:
        if not self._manifest:
            raise KeysError(
                'the keys file has no "manifest" key, which signs what tills may sell by themselves: add "manifest": '
                '{"1": "<32 random bytes in base64>"} to it'
            )
        return self._manifest

    def is_signed(self, content: bytes, version: int, signature: bytes) -> bool:
        """Whether one of our keys signed exactly this; KeysError where the key of that version is not there."""
        key = self._journal.get(version)
        if key is None:
            raise KeysError(f'the keys file has no "journal" key of version {version}, which signed this checkpoint')
        try:
            key.public_key().verify(signature, content)
        except InvalidSignature:
            return False
        return True


def mask_mobile(number: str) -> str:
    """A mobile number as people may see it, `09*****6789`."""
    return number[:2] + "*" * (len(number) - 6) + number[-4:]


def generate_keys_file(path: Path) -> None:
    """Writes a file of fresh keys, readable by its owner alone; KeysError where there is one already."""

    def fresh() -> str:
        return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()

    keys = {"receipt": fresh(), "index": fresh(), "mobile": {"1": fresh()}, "journal": {"1": fresh()}}
    keys["manifest"] = {"1": fresh()}
    text = json.dumps(keys, indent=2)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise KeysError(f"{path} exists; keys are never overwritten") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())


def load_keys(path: Path) -> Keys:
    """Reads a keys file; KeysError says what is wrong with it."""
    try:
        data = json.loads(path.read_text())
        return Keys(
            _key(data["receipt"]),
            _key(data["index"]),
            {int(version): _key(text) for version, text in data["mobile"].items()},
            {int(version): _key(text) for version, text in data.get("journal", {}).items()},
            {int(version): _key(text) for version, text in data.get("manifest", {}).items()},
        )
    except OSError as error:
        raise KeysError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeysError(f"{path} is not a keys file: {type(error).__name__}") from error


def _key(text: str) -> bytes:
    key = base64.b64decode(text, validate=True)
    if len(key) != _KEY_BYTES:
        raise ValueError("a key has 32 bytes")
    return key


def hash_secret(secret: str) -> bytes:
    """How client secrets and tokens are kept. They are 256 random bits, so a plain hash cannot be guessed back."""
    return sha256(secret.encode()).digest()
