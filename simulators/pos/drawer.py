"""The shift and its drawer: opened with a float, counted at the end, closed with the gateway."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from connect_printing.paper import centre, pair, rule

from ..wire import PHILIPPINE_TIME, Clock, format_amount
from .book import Book
from .forwarding import Forwarder
from .results import Outcome, Result, Verdict, read_code, read_verdict
from .sales import Sales, ShiftState

_WAITING = Verdict("NONE", "HOLD", "SHIFT CLOSED\nSENT WHEN CONNECTED")


class ShiftNotOpen(Exception):
    """There is no shift to sell in or to close."""

    def __init__(self) -> None:
        super().__init__("no shift is open")


class ShiftIsOpen(ValueError):
    """A terminal has one shift at a time."""

    def __init__(self) -> None:
        super().__init__("a shift is open already")


def open_shift(book: Book, pos: str, clerk: str, float_centavos: int, clock: Clock) -> ShiftState:
    """Opens the next shift of today's business date; ShiftIsOpen where one is open, ValueError after 99 of a day."""
    if book.sales.shift is not None:
        raise ShiftIsOpen
    today = clock().astimezone(PHILIPPINE_TIME).date()
    number = _next_number(book.sales, pos, today)
    return open_shift_as(
        book, {"pos": pos, "shift": number, "businessDate": today.isoformat(), "clerk": clerk}, float_centavos
    )


def open_shift_as(book: Book, place: Mapping[str, str], float_centavos: int) -> ShiftState:
    """Opens the shift that `place` (pos, shift, businessDate, clerk) names, over what was sold in it already."""
    if book.sales.shift is not None:
        raise ShiftIsOpen
    book.shift_opened({**place, "float": format_amount(float_centavos)})
    assert book.sales.shift is not None
    return book.sales.shift


async def close_shift(book: Book, forwarder: Forwarder, counted: int, store_id: str, clock: Clock) -> Result:
    """Closes the open shift; `counted` is the whole drawer, the float included.

    FOUND: closed, with the gateway's sums and differences; UNKNOWN `close-waiting`: closed here, and sent once the
    gateway is back and has every sale before it; REFUSED: closed here, and not to the gateway's liking. The lines of
    the closing paper are in `body["text"]`. Raises ShiftNotOpen.
    """
    shift = book.sales.shift
    if shift is None:
        raise ShiftNotOpen
    book.shift_closing(format_amount(counted), _request(book.sales, shift, counted))
    await forwarder.forward()
    closed = None if shift in book.sales.closing else book.sales.closed_with
    if closed is None:
        lines = closing_lines(shift, store_id, clock(), None)
        return Result(Outcome.UNKNOWN, code="close-waiting", verdict=_WAITING, body={"text": lines})
    status, body = closed
    lines = closing_lines(shift, store_id, clock(), body if status == 200 else {})
    outcome = Outcome.FOUND if status == 200 else Outcome.REFUSED
    told = {**body, "text": lines}
    return Result(outcome, status=status, code=read_code(body), verdict=read_verdict(body), body=told)


def _next_number(sales: Sales, pos: str, today: date) -> str:
    last = sales.last_shift
    number = int(last[2]) + 1 if last is not None and last[:2] == (today.isoformat(), pos) else 1
    if number > 99:
        raise ValueError("a business date has 99 shifts at most")
    return str(number)


def _request(sales: Sales, shift: ShiftState, counted: int) -> dict[str, Any]:
    """The close as the gateway is to have it.

    The float is no business of the gateway's: it hears of the cash that the transactions left in the drawer, and
    hears 0.00 where there is less than the float.
    """
    lines = [sale.line() for sale in sales.of_shift(shift.key) if sale.state in {"APPROVED", "REVERSED"}]
    return {"cashCounted": format_amount(max(0, counted - shift.float)), "transactions": lines}


def closing_lines(shift: ShiftState, store_id: str, at: datetime, answer: Mapping[str, Any] | None) -> list[str]:
    """The closing paper, 32 columns: the till's own figures, and the gateway's once there are any."""
    over = shift.counted - shift.cash_expected
    lines = [
        *centre("7-CONNECT"),
        *centre("SHIFT CLOSE"),
        rule(),
        *pair(f"Store {store_id}", f"POS {shift.pos} Shift {shift.number}"),
        *pair("Business date", shift.business_date.isoformat()),
        *pair("Date", at.astimezone(PHILIPPINE_TIME).isoformat(" ", "seconds")[:19]),
        *pair("Clerk", shift.clerk),
        rule(),
        *pair("Transactions", str(shift.count)),
        *pair("Float", f"PHP {format_amount(shift.float)}"),
        *pair("Cash taken", f"PHP {format_amount(shift.cash_in)}"),
        *pair("Cash returned", f"PHP {format_amount(shift.cash_out)}"),
        *pair("Expected", f"PHP {format_amount(shift.cash_expected)}"),
        *pair("Counted", f"PHP {format_amount(shift.counted)}"),
        *pair("Over" if over >= 0 else "Short", f"PHP {format_amount(abs(over))}"),
        rule(),
    ]
    if answer is None:
        return [*lines, *centre("NOT YET SENT: NO CONNECTION")]
    return [*lines, *_compared(answer)]


def _compared(answer: Mapping[str, Any]) -> list[str]:
    lines = []
    if "sums" not in answer:
        return centre("NOT ACCEPTED: ASK THE OFFICE")
    ledger = answer["sums"]["ledger"]
    for name, found in sorted(ledger.items()):
        lines += pair(f"{name} x{found['count']}", f"PHP {found['amount']}")
    differences = answer.get("differences", [])
    lines += centre("NO DIFFERENCES" if not differences else f"DIFFERENCES: {len(differences)}")
    for each in differences:
        lines += pair(str(each["difference"]), str(each["transactionId"])[:8])
    return lines
