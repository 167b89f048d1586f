"""A paper as ESC/POS, for a receipt printer of 32 columns (58 mm, 384 dots), and back: what such a printer would print.

Barcodes are the printer's own (GS k, function B), packed in set C by hand: python-escpos leaves that to its caller, and
the software barcodes that it would draw instead lose a leading 99.
"""

import contextlib
import shutil
import socket
from typing import Any

from connect_printing import barcodes
from connect_printing.escpos_reader import Barcode, NotUnderstood, Text, read
from connect_printing.escpos_sheet import sheet_png
from connect_printing.paper import Bars, Line, Paper

CODE_PAGE = "CP1252"
"""Has Latin-1's letters at Latin-1's places, ñ and Ñ among them."""

DOTS = 384
PORT = 9100

_PROFILE = "Sunmi-V2"
_BAR_DOTS = 96
_CODE_128 = b"\x1dkI"
_FEED_AND_CUT = b"\x1dVB\x00"

__all__ = ["NotUnderstood", "encode", "png", "send", "text"]


def encode(paper: Paper, *, cut: bool = True, drawer: bool = False) -> bytes:
    """The paper as the bytes for a printer; `drawer` opens the cash drawer first.

    Nothing in a paper is a command: its lines have printable characters alone.
    """
    printer = _printer()
    printer.hw("INIT")
    printer.charcode(CODE_PAGE)
    if drawer:
        printer.cashdraw(2)
    for what in paper:
        if isinstance(what, Line):
            _line(printer, what)
        else:
            _bars(printer, what)
    if cut:
        printer.print_and_feed(3)
        printer._raw(_FEED_AND_CUT)
    encoded: bytes = printer.output
    return encoded


def png(data: bytes, dpi: int = 203) -> bytes:
    """What a printer makes of the bytes, as PNG; NotUnderstood where they have a command that is not known here."""
    return sheet_png(read(data), DOTS, dpi)


def text(data: bytes) -> str:
    """The lines that a printer would print; a barcode is a line such as `[CODE128 991767890023]`."""
    lines = []
    for printed in read(data):
        match printed:
            case Text():
                lines.append(printed.text)
            case Barcode():
                lines.append(f"[{printed.symbology} {printed.digits}]")
    return "\n".join(lines) + "\n"


def send(data: bytes, host: str, port: int = PORT, timeout_s: float = 5.0) -> None:
    """Gives the bytes to a network printer; OSError where it cannot be reached or does not take them in time."""
    with socket.create_connection((host, port), timeout=timeout_s) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)


def _printer() -> Any:
    # Imported where it is needed: that takes a third of a second, and leaves a directory of its own behind.
    from escpos import capabilities  # type: ignore[import-untyped]  # noqa: PLC0415
    from escpos.printer import Dummy  # type: ignore[import-untyped]  # noqa: PLC0415

    with contextlib.suppress(OSError):
        shutil.rmtree(capabilities.pickle_dir)
    return Dummy(profile=_PROFILE)


def _line(printer: Any, line: Line) -> None:
    styled = line.bold or line.double
    if styled:
        printer.set(bold=line.bold, double_width=line.double, double_height=line.double)
    printer.text(line.text + "\n")
    if styled:
        printer.set(bold=False, normal_textsize=True)


def _bars(printer: Any, bars: Bars) -> None:
    packed = packed_in_set_c(bars)
    wide = barcodes.module_count(bars.symbology, bars.digits)
    module = 3 if 3 * wide <= DOTS else 2
    printer.text("\n")
    printer.set(align="center")
    # GS h: height, GS w: module width, GS H 0: no text of the printer's own, which would show FNC1 as it likes.
    printer._raw(b"\x1dh" + bytes([_BAR_DOTS]) + b"\x1dw" + bytes([module]) + b"\x1dH\x00")
    printer._raw(_CODE_128 + bytes([len(packed)]) + packed)
    if bars.caption:
        printer.text(bars.caption + "\n")
    printer.text("\n")
    printer.set(align="left")


def packed_in_set_c(bars: Bars) -> bytes:
    """The data of GS k for Code 128: `{C`, FNC1 as `{1` (`{C{1`), a byte for each pair, `{B` before an odd digit."""
    digits = bars.digits
    pairs = len(digits) - len(digits) % 2
    function_1 = b"{1" if bars.symbology == "GS1-128" else b""
    packed = b"{C" + function_1 if pairs else b"{B" + function_1
    packed += bytes(int(digits[place : place + 2]) for place in range(0, pairs, 2))
    if pairs and pairs < len(digits):
        packed += b"{B"
    return packed + digits[pairs:].encode("ascii")
