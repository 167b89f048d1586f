"""What a terminal is installed with, and the file that says so."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..patience import Patience
from ..wire import Credentials, credentials_of
from .printing import Printer


@dataclass(frozen=True)
class TerminalConfig:
    """What a terminal is installed with; `manifest_keys` are the keys to trust, by their ids (none: the first seen).

    While the gateway is away it is asked every `probe_s`, and otherwise as often as the manifest says.
    """

    gateway: str
    client: Credentials
    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 0
    stand_in: bool = True
    printer: str = "screen"
    manifest_keys: Mapping[str, str] = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)
    reversal_give_up_s: float = 15.0
    stand_in_after_s: float = 6.0
    probe_s: float = 5.0

    @property
    def store_id(self) -> str:
        """The store that the client belongs to."""
        return self.client.store_id or ""


def read_config(file: Path) -> TerminalConfig:
    """The configuration in a JSON file; ValueError says what is wrong with it, OSError that it cannot be read.

    `{"host","port","gateway","client":{"clientId","clientSecret","storeId","pos"},"dataDir"}`, and, for whoever needs
    them, `"standIn":false`, `"printer"` (`screen`, `file:DIR`, `tcp://HOST:9100`) and `"manifestKeys":{id:key}`.
    """
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise ValueError(f"{file} is not JSON") from exc
    if not isinstance(given, dict):
        raise ValueError(f"{file} is not an object")  # noqa: TRY004 - what a file says is a value
    client = credentials_of(_field(given, "client", dict))
    if client.store_id is None:
        raise ValueError("the client has no storeId")
    printer = _field(given, "printer", str, "screen")
    Printer(printer)
    return TerminalConfig(
        gateway=_field(given, "gateway", str),
        client=client,
        data_dir=Path(_field(given, "dataDir", str)),
        host=_field(given, "host", str, "127.0.0.1"),
        port=_field(given, "port", int, 0),
        stand_in=_field(given, "standIn", bool, True),
        printer=printer,
        manifest_keys=_field(given, "manifestKeys", dict, {}),
    )


def _field(given: dict[str, Any], name: str, kind: type, default: Any = None) -> Any:
    value = given.get(name, default)
    if not isinstance(value, kind):
        raise ValueError(f"{name} is missing, or no {kind.__name__}")  # noqa: TRY004 - what a file says is a value
    return value
