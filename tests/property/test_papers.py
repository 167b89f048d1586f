"""Papers of any text and any digits, printed and read back. About 10 s; needs nothing."""

import string

from hypothesis import example, given, settings
from hypothesis import strategies as st
from papers import barcodes_of, bars_of_pdf

from connect_printing import escpos, pdf, picture
from connect_printing.paper import COLUMNS, Bars, Line, from_text, pair, wrap

TEXTS = st.text(max_size=120)
DIGITS = st.text(string.digits, min_size=1, max_size=22)
SYMBOLOGIES = st.sampled_from(["CODE128", "GS1-128"])


@given(DIGITS, SYMBOLOGIES)
@settings(max_examples=25, deadline=None)
@example("991767890023", "CODE128")
@example("99" * 9, "GS1-128")
@example("0" * 18, "GS1-128")
def test_every_printed_barcode_reads_back(digits: str, symbology: str) -> None:
    bars = Bars("GS1-128" if symbology == "GS1-128" else "CODE128", digits)
    for picture_of_it in (picture.png((bars,)), escpos.png(escpos.encode((bars,))), bars_of_pdf(pdf.pdf((bars,)))):
        assert barcodes_of(picture_of_it) == [(symbology, digits)]


@given(TEXTS, st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
@example("\x1b@\x1dV\x00 cut here", False, False)
@example("Peña Ñuñez ₱ 100", True, False)
@example("e\u0301", False, True)
def test_no_text_is_a_command_and_none_is_too_wide(text: str, bold: bool, double: bool) -> None:
    columns = COLUMNS // 2 if double else COLUMNS
    lines = wrap(text, columns)
    data = escpos.encode(tuple(Line(line, bold=bold, double=double) for line in lines), cut=False)
    # The reader refuses whatever is no command of a receipt; what it reads is what was written.
    assert [line.rstrip() for line in escpos.text(data).splitlines()] == [line.rstrip() for line in lines]
    assert all(len(line) <= columns for line in lines)


@given(st.lists(TEXTS, max_size=6), TEXTS)
@settings(max_examples=40, deadline=None)
def test_any_texts_make_a_paper(texts: list[str], value: str) -> None:
    paper = from_text([*texts, *pair("Merchant", value)])
    assert picture.png(paper) == picture.png(paper)
    assert pdf.pdf(paper) == pdf.pdf(paper)
