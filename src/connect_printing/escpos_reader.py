"""What a printer understands of ESC/POS: a byte stream as printed lines and barcodes.

It knows the commands of receipts alone and refuses every other one, so that a stray control byte is found, not printed
over.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from connect_printing.paper import Symbology

Align = Literal["left", "center", "right"]


class NotUnderstood(ValueError):
    """The stream has a byte or a command that no receipt of ours has."""


@dataclass(frozen=True, slots=True)
class Text:
    """A printed line; empty where only the paper moved."""

    text: str
    bold: bool
    double: bool
    align: Align


@dataclass(frozen=True, slots=True)
class Barcode:
    """A printed barcode; dots are the printer's."""

    symbology: Symbology
    digits: str
    module_dots: int
    height_dots: int
    align: Align


Printed = Text | Barcode


@dataclass(frozen=True, slots=True)
class _Settings:
    bold: bool = False
    double: bool = False
    align: Align = "left"
    height_dots: int = 162
    module_dots: int = 3


_ALIGN: dict[int, Align] = {0: "left", 1: "center", 2: "right", 48: "left", 49: "center", 50: "right"}
_DOUBLE = 0x30
"""Bits of ESC ! for twice the height and twice the width."""

_IGNORED = {b"\x1bt": 1, b"\x1bp": 3, b"\x1bM": 1, b"\x1b-": 1, b"\x1b{": 1, b"\x1dB": 1, b"\x1db": 1, b"\x1df": 1}
"""Commands that change nothing here, and how many bytes follow them."""


def read(data: bytes) -> Iterator[Printed]:
    """What the bytes print, from the top; NotUnderstood at the first that is no command of a receipt."""
    stream = _Stream(data)
    settings = _Settings()
    line = bytearray()
    while not stream.at_end:
        byte = stream.take(1)
        if byte == b"\n":
            yield Text(line.decode("cp1252"), settings.bold, settings.double, settings.align)
            line.clear()
        elif byte in (b"\x1b", b"\x1d"):
            command = byte + stream.take(1)
            if command == b"\x1dk":
                yield _barcode(stream, settings)
            elif command == b"\x1bd":
                for _ in range(stream.number()):
                    yield Text("", bold=False, double=False, align="left")
            else:
                settings = _set(command, stream, settings)
        elif byte < b" " or byte == b"\x7f":
            raise NotUnderstood(f"byte {byte.hex()} at {stream.place - 1}")
        else:
            line += byte
    if line:
        raise NotUnderstood("the last line does not end")


def _set(command: bytes, stream: "_Stream", settings: _Settings) -> _Settings:
    match command:
        case b"\x1b@":
            return _Settings()
        case b"\x1bE":
            return replace(settings, bold=bool(stream.number() & 1))
        case b"\x1b!":
            mode = stream.number()
            return replace(settings, bold=bool(mode & 0x08), double=mode & _DOUBLE == _DOUBLE)
        case b"\x1ba":
            return replace(settings, align=_align(stream.number()))
        case b"\x1dh":
            return replace(settings, height_dots=stream.number())
        case b"\x1dw":
            return replace(settings, module_dots=stream.number())
        case b"\x1dH":
            if stream.number():
                raise NotUnderstood("a barcode's own text")
            return settings
        case b"\x1dV":
            stream.take(2)
            return settings
        case _ if command in _IGNORED:
            stream.take(_IGNORED[command])
            return settings
        case _:
            raise NotUnderstood(f"command {command.hex()} at {stream.place - 2}")


def _align(number: int) -> Align:
    if number not in _ALIGN:
        raise NotUnderstood(f"alignment {number}")
    return _ALIGN[number]


def _barcode(stream: "_Stream", settings: _Settings) -> Barcode:
    if stream.take(1) != b"I":
        raise NotUnderstood("a barcode that is not Code 128")
    data = stream.take(stream.number())
    symbology: Symbology = "CODE128"
    digits = ""
    code_set = b""
    place = 0
    while place < len(data):
        if data[place : place + 1] == b"{":
            sign = data[place + 1 : place + 2]
            if sign == b"1" and not digits:
                symbology = "GS1-128"
            elif sign in (b"B", b"C"):
                code_set = sign
            else:
                raise NotUnderstood(f"sign {sign!r} in a barcode")
            place += 2
            continue
        if code_set == b"C" and data[place] > 99:
            raise NotUnderstood("a pair of set C that is none")
        digits += f"{data[place]:02d}" if code_set == b"C" else chr(data[place])
        place += 1
    if not (digits.isascii() and digits.isdigit() and code_set):
        raise NotUnderstood("a barcode of something else than digits")
    return Barcode(symbology, digits, settings.module_dots, settings.height_dots, settings.align)


class _Stream:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    @property
    def at_end(self) -> bool:
        return self.place >= len(self._data)

    def take(self, count: int) -> bytes:
        taken = self._data[self.place : self.place + count]
        if len(taken) < count:
            raise NotUnderstood("the stream ends inside a command")
        self.place += count
        return taken

    def number(self) -> int:
        return self.take(1)[0]
