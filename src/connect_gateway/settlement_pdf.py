"""A settlement on paper: a page of figures, then each merchant's statement. The same bytes for the same settlement."""

import io
from collections.abc import Sequence

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from connect_gateway.clock import PHILIPPINE_TIME
from connect_gateway.domain.codes import show_reference
from connect_gateway.domain.settlement import Account, Line, LineKind, Week
from connect_gateway.settlement_files import Document, Statement, payment_reference
from connect_printing import typeface

_WIDTH, _HEIGHT = A4
_LEFT, _RIGHT = 18 * mm, A4[0] - 18 * mm
_TOP, _BOTTOM = A4[1] - 18 * mm, 18 * mm
_ROW = 5.2 * mm
_INK, _QUIET, _RULE = HexColor("#1d2a26"), HexColor("#66736e"), HexColor("#cfd8d3")
_BAND, _SHADE, _LATE = HexColor("#00694b"), HexColor("#f2f6f4"), HexColor("#a14a00")
_SANS, _BOLD, _MONO, _MONO_BOLD = "Helvetica", "Helvetica-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold"

# Name of a column, where it begins or, for figures, ends, and whether it is one of figures.
_ACCOUNT_COLUMNS = (
    ("Merchant", _LEFT, False),
    ("Collected", 102 * mm, True),
    ("Reversed", 126 * mm, True),
    ("Payable", 149 * mm, True),
    ("Shipping fees", 174 * mm, True),
    ("Due", _RIGHT, True),
)
_LINE_COLUMNS = (
    ("Business date", _LEFT, False),
    ("Receipt", 41 * mm, False),
    ("Reference", 75 * mm, False),
    ("Order", 103 * mm, False),
    ("Shipping fee", 168 * mm, True),
    ("Amount", _RIGHT, True),
)


def as_pdf(document: Document) -> bytes:
    """The settlement as PDF: A4, the figures of all merchants first."""
    typeface.register()
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=1, pageCompression=1)
    canvas.setTitle(f"Settlement of {document.settlement.week.friday.isoformat()}")
    canvas.setAuthor("7-Connect")
    sheet = _Sheet(canvas, document)
    sheet.overview()
    for statement in document.statements:
        sheet.statement(statement)
    sheet.end()
    return buffer.getvalue()


class _Sheet:
    """Where the pen is."""

    def __init__(self, canvas: Canvas, document: Document) -> None:
        self._canvas = canvas
        self._document = document
        self._page = 0
        self._y = 0.0

    def overview(self) -> None:
        """The week, what it comes to, and a row for each merchant."""
        self._begin("Settlement with merchants")
        accounts = [statement.account for statement in self._document.statements]
        self._figures(
            ("To merchants", sum(one.payable for one in accounts)),
            ("Shipping fees", sum(one.fees for one in accounts)),
            ("Due from merchants", sum(one.due for one in accounts)),
        )
        self._heads(_ACCOUNT_COLUMNS)
        for number, account in enumerate(accounts):
            self._room(_ACCOUNT_COLUMNS)
            self._account(account, shaded=number % 2 == 1)
        if not accounts:
            self._label(_LEFT, self._y, "Nothing to settle in this week.", _QUIET, size=10)
            self._y -= _ROW
        self._sum(
            _ACCOUNT_COLUMNS,
            [
                sum(one.collected for one in accounts),
                -sum(one.reversed for one in accounts),
                sum(one.payable for one in accounts),
                sum(one.fees for one in accounts),
                sum(one.due for one in accounts),
            ],
        )

    def statement(self, statement: Statement) -> None:
        """A merchant's figures and lines, on pages of their own."""
        account = statement.account
        self._begin(account.merchant, f"Merchant {account.merchant_code}")
        self._figures(("To the merchant", account.payable), ("Shipping fees", account.fees), ("Due", account.due))
        reference = payment_reference(self._document.settlement, account)
        self._label(_LEFT, self._y, f"Payment reference {reference}", _QUIET)
        self._y -= 1.6 * _ROW
        self._heads(_LINE_COLUMNS)
        for number, line in enumerate(statement.lines):
            self._room(_LINE_COLUMNS)
            self._line(line, shaded=number % 2 == 1)
        self._sum(_LINE_COLUMNS, [account.fees, account.collected - account.reversed])

    def end(self) -> None:
        self._foot()
        self._canvas.showPage()
        self._canvas.save()

    def _begin(self, title: str, under: str = "") -> None:
        if self._page:
            self._foot()
            self._canvas.showPage()
        self._page += 1
        week = self._document.settlement.week
        canvas = self._canvas
        canvas.setFillColor(_BAND)
        canvas.rect(0, _HEIGHT - 27 * mm, _WIDTH, 27 * mm, stroke=0, fill=1)
        white = HexColor("#ffffff")
        self._text(_LEFT, _HEIGHT - 14 * mm, _fitted(title, 48), white, _BOLD if _is_latin(title) else _MONO_BOLD, 17)
        self._text(_LEFT, _HEIGHT - 21 * mm, _period(week), white, _SANS, 9.5)
        self._text(_RIGHT, _HEIGHT - 14 * mm, f"Friday {week.friday.isoformat()}", white, _BOLD, 11, right=True)
        if under:
            self._text(_RIGHT, _HEIGHT - 21 * mm, under, white, _SANS, 9.5, right=True)
        self._y = _HEIGHT - 40 * mm

    def _figures(self, *figures: tuple[str, int]) -> None:
        for number, (name, amount) in enumerate(figures):
            x = _LEFT + number * 60 * mm
            self._label(x, self._y, name, _QUIET)
            self._text(x, self._y - 7 * mm, f"PHP {_shown(amount)}", _INK, _BOLD, 14)
        self._y -= 17 * mm

    def _heads(self, columns: Sequence[tuple[str, float, bool]]) -> None:
        for name, x, figures in columns:
            self._label(x, self._y, name, _QUIET, right=figures)
        self._rule(self._y - 1.6 * mm)
        self._y -= _ROW + 1 * mm

    def _room(self, columns: Sequence[tuple[str, float, bool]]) -> None:
        """Begins another page where this one is full, with the columns' names again."""
        if self._y > _BOTTOM + 2.5 * _ROW:
            return
        self._foot()
        self._canvas.showPage()
        self._page += 1
        self._y = _TOP
        self._heads(columns)

    def _account(self, account: Account, *, shaded: bool) -> None:
        self._shade(shaded)
        name = _fitted(f"{account.merchant_code}  {account.merchant}", 34)
        self._text(_LEFT, self._y, name, _INK, _MONO, 7.6)
        amounts = (account.collected, -account.reversed, account.payable, account.fees, account.due)
        self._amounts(_ACCOUNT_COLUMNS, amounts, _MONO)
        self._y -= _ROW

    def _line(self, line: Line, *, shaded: bool) -> None:
        self._shade(shaded)
        sale = line.sale
        color = _LATE if line.late or line.kind is LineKind.REVERSAL else _INK
        cells = (sale.business_date.isoformat(), sale.receipt_number, show_reference(sale.reference))
        for (_, x, _), value in zip(_LINE_COLUMNS, cells, strict=False):
            self._text(x, self._y, value, _INK, _MONO, 7.6)
        marks = [mark for mark, on in (("LATE", line.late), ("REVERSAL", line.kind is LineKind.REVERSAL)) if on]
        order = _fitted(sale.merchant_reference, 30 if not marks else 16)
        self._text(_LINE_COLUMNS[3][1], self._y, order, _INK, _MONO, 7.6)
        if marks:
            self._text(149 * mm, self._y, " ".join(marks), color, _BOLD, 6.6, right=True)
        self._amounts(_LINE_COLUMNS, (line.fee, line.amount), _MONO)
        self._y -= _ROW

    def _amounts(self, columns: Sequence[tuple[str, float, bool]], amounts: Sequence[int], font: str) -> None:
        places = [x for _, x, figures in columns if figures]
        for x, amount in zip(places, amounts, strict=True):
            self._text(x, self._y, _shown(amount), _INK, font, 7.6, right=True)

    def _sum(self, columns: Sequence[tuple[str, float, bool]], amounts: Sequence[int]) -> None:
        self._rule(self._y + _ROW - 1.6 * mm)
        self._label(_LEFT, self._y, "Total", _INK, font=_BOLD)
        self._amounts(columns, amounts, _MONO_BOLD)
        self._y -= _ROW

    def _shade(self, shaded: bool) -> None:
        if shaded:
            self._canvas.setFillColor(_SHADE)
            self._canvas.rect(_LEFT - 2 * mm, self._y - 1.6 * mm, _RIGHT - _LEFT + 4 * mm, _ROW, stroke=0, fill=1)

    def _rule(self, y: float) -> None:
        self._canvas.setStrokeColor(_RULE)
        self._canvas.setLineWidth(0.6)
        self._canvas.line(_LEFT, y, _RIGHT, y)

    def _foot(self) -> None:
        made = self._document.settlement.made_at.astimezone(PHILIPPINE_TIME).isoformat(" ", "minutes")[:16]
        self._label(_LEFT, 10 * mm, f"Made {made}, Philippine time. Every line is one acknowledgement receipt.", _QUIET)
        self._label(_RIGHT, 10 * mm, f"Page {self._page}", _QUIET, right=True)

    def _label(
        self, x: float, y: float, text: str, color: Color, *, size: float = 8, right: bool = False, font: str = _SANS
    ) -> None:
        self._text(x, y, text, color, font, size, right=right)

    def _text(  # noqa: PLR0917 - a place, what stands there, and how
        self, x: float, y: float, text: str, color: Color, font: str, size: float, *, right: bool = False
    ) -> None:
        self._canvas.setFillColor(color)
        self._canvas.setFont(font, size)
        (self._canvas.drawRightString if right else self._canvas.drawString)(x, y, text)


def _period(week: Week) -> str:
    return f"Business dates {week.begins.isoformat()} to {week.through.isoformat()}, told to ECMS before Friday 00:00"


def _is_latin(text: str) -> bool:
    """Whether the fonts that every reader of PDF brings along can write it."""
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _fitted(text: str, columns: int) -> str:
    return text if len(text) <= columns else text[: columns - 1] + "…"


def _shown(centavos: int) -> str:
    """With thousands apart, for people."""
    whole, rest = divmod(abs(centavos), 100)
    return f"{'-' if centavos < 0 else ''}{whole:,}.{rest:02d}"
