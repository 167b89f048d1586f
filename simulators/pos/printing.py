"""Receipts on paper: as a picture, as text, as ESC/POS; to a file, to a network printer, to the screen."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from connect_printing.paper import Bars, Paper, styled, wrap

from . import crashpoints
from .results import Receipt, Result, read_receipt
from .sales import digits

# What draws and encodes papers takes long to import, and most commands print nothing: it is imported where it is used.
# ruff: noqa: PLC0415

_PORT = 9100
_STRONG = ("Amount due", "Change", "CASH RETURNED", "CASH BACK", "AR No.", "Expected", "Counted", "Over", "Short")


def paper_of(printed: Result | Receipt, reference: str | None = None) -> Paper:
    """The paper of a receipt, with its reference as a barcode; ValueError where the result has no receipt."""
    if isinstance(printed, Receipt):
        return paper_of_lines(printed.text, reference)
    receipt = printed.receipt or read_receipt(printed.body)
    if receipt is None:
        raise ValueError("there is no receipt")
    return paper_of_lines(receipt.text, reference or str(printed.body.get("reference", "")))


def paper_of_lines(lines: Sequence[str], reference: str | None = None) -> Paper:
    """Lines as they come from outside, made printable and wrapped, and the reference below them as Code 128."""
    code = digits(reference or "")
    bars = [Bars("CODE128", code, reference or "")] if code.isascii() and code.isdigit() and len(code) <= 22 else []
    # Only what does not fit is wrapped: a line that was laid out elsewhere keeps its columns.
    fitted = [part for line in lines for part in _fitted(line)]
    return styled(fitted, double=["7-CONNECT"], bold=_STRONG, bars=bars)


def _fitted(line: str) -> list[str]:
    clean = "".join(wrap(line)) if not line.isprintable() else line.rstrip()
    safe = clean.encode("latin-1", "replace").decode("latin-1")
    return [safe] if len(safe) <= 32 else wrap(safe)


def png(paper: Paper) -> bytes:
    """The paper as a picture."""
    from connect_printing import picture

    return picture.png(paper)


def escpos(paper: Paper) -> bytes:
    """The paper as the bytes that a receipt printer takes."""
    from connect_printing.escpos import encode

    return encode(paper)


def text(paper: Paper) -> str:
    """The paper's lines; a barcode is its digits in brackets."""
    lines = [f"[{each.digits}]" if isinstance(each, Bars) else each.text for each in paper]
    return "\n".join(lines) + "\n"


@dataclass
class Printer:
    """Where paper goes: `screen` (nowhere; whoever shows it asks for it), `file:DIR`, or `tcp://HOST:9100`.

    `error` says why the last paper did not come out; None where it did. ValueError for any other target.
    """

    target: str
    error: str | None = None
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        kind, _, rest = self.target.partition(":")
        if not (self.target == "screen" or (kind == "file" and rest) or self._address()):
            raise ValueError(f"not a printer: {self.target!r}")

    def print(self, paper: Paper, name: str) -> None:
        """Prints; a printer that cannot be reached undoes nothing, `error` tells of it. Blocks for 5 s at most."""
        crashpoints.reach("paper", "before-print")
        try:
            self._print(paper, name)
        except OSError as exc:
            self.error = str(exc)
        else:
            self.error = None
        crashpoints.reach("paper", "after-print")

    def _print(self, paper: Paper, name: str) -> None:
        if address := self._address():
            from connect_printing.escpos import send

            send(escpos(paper), *address)
        elif self.target.startswith("file:"):
            directory = Path(self.target.removeprefix("file:"))
            directory.mkdir(parents=True, exist_ok=True)
            data = escpos(paper)
            file = next(each for each in self._names(directory, name) if not each.exists())
            file.write_bytes(data)

    def _names(self, directory: Path, name: str) -> Any:
        """The file of a paper; the second of the same name has a number."""
        yield directory / f"{name}.escpos"
        for number in itertools.count(2):
            yield directory / f"{name}-{number}.escpos"

    def _address(self) -> tuple[str, int] | None:
        parts = urlsplit(self.target)
        if parts.scheme != "tcp" or parts.hostname is None:
            return None
        return parts.hostname, parts.port or _PORT
