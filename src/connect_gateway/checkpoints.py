"""Checkpoints of the journal: every terminal's head at one moment, signed, to be kept where the ledger is not.

A chain shows that nobody changed one entry without the rest. Who can write to the database can change all of it; who
keeps yesterday's heads elsewhere sees that. A file is lines of JSON:

    {"what": "connect-gateway journal checkpoint", "version": 1, "madeAt": …, "terminals": 2, "entries": 31}
    {"store": "0166", "pos": 1, "length": 24, "head": "<hexadecimal>"}
    {"store": "0166", "pos": 2, "length": 7, "head": "<hexadecimal>"}
    {"key": 1, "signature": "<base64>"}

The signature (Ed25519, by the `journal` key of that version) is over all bytes before its own line.
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from connect_gateway.domain.chains import Head
from connect_gateway.keys import Keys
from connect_gateway.processes import write_private

_WHAT = "connect-gateway journal checkpoint"
_VERSION = 1


class CheckpointError(Exception):
    """The file is no checkpoint, or not one that we signed."""


@dataclass(slots=True, frozen=True)
class Checkpoint:
    """What a file holds; `heads` by (store, terminal)."""

    made_at: datetime
    heads: dict[tuple[str, int], Head]

    @property
    def entries(self) -> int:
        """How many entries the chains have together."""
        return sum(head.length for head in self.heads.values())


def write(path: Path, heads: Iterable[tuple[str, int, Head]], made_at: datetime, keys: Keys) -> Checkpoint:
    """Signs the heads into a file, which replaces one of that name; KeysError where there is no key to sign with."""
    made = Checkpoint(made_at, {(store_id, pos): head for store_id, pos, head in heads})
    header = {
        "what": _WHAT,
        "version": _VERSION,
        "madeAt": made_at.isoformat(),
        "terminals": len(made.heads),
        "entries": made.entries,
    }
    lines = [header]
    for (store_id, pos), head in made.heads.items():
        lines.append({"store": store_id, "pos": pos, "length": head.length, "head": head.head.hex()})
    content = "".join(json.dumps(line) + "\n" for line in lines)
    version, signature = keys.sign(content.encode())
    last = {"key": version, "signature": base64.b64encode(signature).decode()}
    write_private(path, content + json.dumps(last) + "\n")
    return made


def read(path: Path, keys: Keys) -> Checkpoint:
    """Reads a file; CheckpointError where it is not whole or not ours, KeysError where its key is not there."""
    try:
        text = path.read_bytes().decode()
        content, _, last = text.rstrip("\n").rpartition("\n")
        seal = json.loads(last)
        version, signature = int(seal["key"]), base64.b64decode(seal["signature"], validate=True)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is no checkpoint: it has no signature") from error
    content += "\n"
    if not keys.is_signed(content.encode(), version, signature):
        raise CheckpointError(f"{path} was not signed with our key, or was changed since")
    header, *lines = [json.loads(line) for line in content.splitlines()]
    if (header.get("what"), header.get("version")) != (_WHAT, _VERSION):
        raise CheckpointError(f"{path} is a checkpoint of another version than {_VERSION}")
    heads = {(line["store"], line["pos"]): Head(line["length"], bytes.fromhex(line["head"])) for line in lines}
    return Checkpoint(datetime.fromisoformat(header["madeAt"]), heads)
