"""Papers as picture, PDF and ESC/POS: what stands on them reads back. About 4 s; needs nothing."""

import io
import socket
import threading

import pytest
from papers import barcodes_of, bars_of_pdf
from PIL import Image

from connect_printing import barcodes, escpos, pdf, picture, typeface
from connect_printing.paper import RULE, Bars, Line, Paper, centre, from_text, pair

REFERENCE = "991767890023"
TRACKING = "301276061939392841"
PAPER: Paper = (
    Line("7-CONNECT".center(16).rstrip(), bold=True, double=True),
    *map(Line, centre("ACKNOWLEDGEMENT RECEIPT")),
    Line(RULE),
    *map(Line, pair("Merchant", "Niño & Señora Muñoz")),
    Line("Amount due            PHP 200.00", bold=True),
    Bars("CODE128", REFERENCE, "9917-6789-0023"),
    Bars("GS1-128", TRACKING),
)
BOTH = [("CODE128", REFERENCE), ("GS1-128", TRACKING)]


def test_a_picture_of_a_paper_reads_back() -> None:
    """RCP-12."""
    data = picture.png(PAPER)
    image = Image.open(io.BytesIO(data))
    assert image.width == 639  # 80 mm
    assert round(image.info["dpi"][0]) == 203
    assert barcodes_of(data) == BOTH
    assert picture.png(PAPER) == data


@pytest.mark.parametrize("dpi", [203, 300, 406])
def test_a_picture_reads_back_at_every_resolution(dpi: int) -> None:
    assert barcodes_of(picture.png(PAPER, dpi)) == BOTH


def test_a_pdf_has_the_same_bytes_for_the_same_paper_and_its_bars_read_back() -> None:
    data = pdf.pdf(PAPER)
    assert data.startswith(b"%PDF")
    assert pdf.pdf(PAPER) == data
    assert barcodes_of(bars_of_pdf(data)) == BOTH


def test_what_a_printer_makes_of_the_bytes_reads_back() -> None:
    data = escpos.encode(PAPER)
    assert escpos.encode(PAPER) == data
    assert barcodes_of(escpos.png(data)) == BOTH
    lines = escpos.text(data).splitlines()
    assert f"[CODE128 {REFERENCE}]" in lines
    assert f"[GS1-128 {TRACKING}]" in lines
    assert "Merchant     Niño & Señora Muñoz" in lines


def test_the_bytes_for_a_printer_pack_pairs_of_digits_and_have_no_sign_of_pesos() -> None:
    data = escpos.encode(PAPER)
    assert b"\x1dkI\x08{C" + bytes([99, 17, 67, 89, 0, 23]) in data
    assert b"\x1dkI\x0d{C{1" + bytes([30, 12, 76, 6, 19, 39, 39, 28, 41]) in data
    assert "Niño".encode("cp1252") in data
    assert b"PHP 200.00" in data
    assert data.startswith(b"\x1b@\x1bt\x10")
    assert data.endswith(b"\x1dVB\x00")


def test_the_drawer_opens_and_the_paper_is_cut_where_that_is_asked_for() -> None:
    opened = escpos.encode(from_text(["one"]), drawer=True)
    assert b"\x1bp\x00" in opened
    assert escpos.text(opened).splitlines()[0] == "one"
    assert b"\x1dV" not in escpos.encode(from_text(["one"]), cut=False)


@pytest.mark.parametrize("symbology", ["CODE128", "GS1-128"])
@pytest.mark.parametrize("length", range(1, 23))
def test_a_barcode_of_any_length_reads_back(symbology: str, length: int) -> None:
    digits = "9917678900231234567890"[:length]
    made = Bars("GS1-128" if symbology == "GS1-128" else "CODE128", digits)
    assert barcodes_of(barcodes.raster(made.symbology, digits, 3, 60)) == [(symbology, digits)]
    assert barcodes_of(escpos.png(escpos.encode((made,)))) == [(symbology, digits)]


def test_the_codes_of_a_paper_fit_between_their_quiet_zones() -> None:
    for wide, most in ((3 * barcodes.module_count("CODE128", REFERENCE), escpos.DOTS), (0, escpos.DOTS)):
        assert wide <= most
    assert 2 * barcodes.module_count("GS1-128", TRACKING) <= escpos.DOTS
    drawn = barcodes.drawing("GS1-128", TRACKING, 1.0, 30.0)
    assert (drawn.width, drawn.height) == (165.0, 30.0)


@pytest.mark.parametrize("text", ["x" * 33, "a\x1bb", "tab\tbed", "₱", "a\u2028b", "\x9b1m"])
def test_a_line_that_no_printer_should_get_cannot_be_made(text: str) -> None:
    with pytest.raises(ValueError, match="the line"):
        Line(text)


@pytest.mark.parametrize("digits", ["", "12a4", "1" * 23, "12 34", "١٢٣٤"])
def test_a_barcode_of_something_else_than_digits_cannot_be_made(digits: str) -> None:
    with pytest.raises(ValueError, match="digits"):
        Bars("CODE128", digits)


@pytest.mark.parametrize(
    "data",
    [
        b"\x07",
        b"\x1b",
        b"\x1bZ",
        b"\x1b\x70\x00",
        b"no end",
        b"\x1ba\x09",
        b"\x1dH\x02",
        b"\x1dkA\x01",
        b"\x1dkI\x04{C\x64\x01",
        b"\x1dkI\x03{A1",
        b"\x1dkI\x02{C",
        b"\x1dk",
    ],
)
def test_a_stream_with_another_command_is_not_understood(data: bytes) -> None:
    with pytest.raises(escpos.NotUnderstood):
        escpos.text(data)


def test_bytes_reach_a_network_printer_as_they_are() -> None:
    data = escpos.encode(PAPER)
    got = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def print_it() -> None:
            connection, _ = server.accept()
            with connection:
                while chunk := connection.recv(1024):
                    got.extend(chunk)

        printer = threading.Thread(target=print_it)
        printer.start()
        escpos.send(data, "127.0.0.1", server.getsockname()[1])
        printer.join()
        closed = server.getsockname()[1]
    assert bytes(got) == data
    with pytest.raises(OSError, match="refused"):
        escpos.send(data, "127.0.0.1", closed)


def test_reportlab_knows_the_typeface() -> None:
    typeface.register()
    typeface.register()
    assert typeface.path(bold=True).endswith("DejaVuSansMono-Bold.ttf")
