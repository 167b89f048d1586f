"""The counter as the clerk sees it: whose turn it is, what was scanned, what came of it.

One desk serves every browser that looks at this till: a reload or a second tab finds the same visit. Whatever the
clerk does goes through `Desk.scan` and the other doings one at a time, in the order in which it came.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from ..drawer import ShiftIsOpen
from ..recovery import Notice as RecoveryNotice
from ..results import Outcome, Result
from ..terminal import Terminal
from ..till import Reason, StillOpen
from .items import Item, Stage, Visit
from .live import Changes
from .scan import (
    AmountScan,
    LabelScan,
    NothingScan,
    ReceiptScan,
    ReferenceScan,
    UnreadableScan,
    read_scan,
)
from .storage import Document
from .words import peso

_LARGEST_TENDER = 10_000_000


@dataclass(frozen=True)
class Notice:
    """One thing said to the clerk: a key of the texts, in green, amber, red or blue; `display` is the gateway's."""

    tone: str
    key: str
    values: dict[str, object] = field(default_factory=dict)
    display: str = ""


@dataclass
class Panel:
    """What lies over the visit: `name` is a template; the rest is what it shows."""

    name: str
    transaction_id: str = ""
    number: str = ""
    result: Result | None = None
    step: str = ""


PANELS = frozenset({"help", "sales", "problem", "shift", "more"})
TROUBLES = frozenset({"refuses", "no-cash", "missing", "damaged"})
PANELS_OF_A_SALE = frozenset({"sale", "void", "gone"})


class Desk:
    """The visit at `terminal`, which is at work; `document` keeps it, so that it is there again after a crash."""

    def __init__(self, terminal: Terminal, document: Document, changes: Changes) -> None:
        self.terminal = terminal
        self.changes = changes
        self.notice: Notice | None = None
        self.panel: Panel | None = None
        self.working: str | None = None
        self._document = document
        self._one_at_a_time = asyncio.Lock()
        self._read: set[str] = set()
        kept = document.read()
        self.visit = Visit.of_json(kept) if kept else Visit()
        self._take_up()
        # Whoever comes back after a restart is told first what was left open.
        self._restarted = bool(terminal.recovered)

    # What the clerk does

    @contextlib.asynccontextmanager
    async def doing(self, name: str) -> AsyncIterator[None]:
        """Holds the counter for one doing, of which the pages say `name` while it lasts."""
        async with self._one_at_a_time:
            self.notice, self.working = None, name
            try:
                yield
            except StillOpen:
                self.notice = Notice("amber", "notice.still-open")
            finally:
                self.working = None
                if not self.terminal.training:
                    self._document.write(self.visit.as_json())
                self.changes.stage()

    async def scan(self, typed: str) -> None:
        """Whatever came through the scan field."""
        async with self.doing("looking"):
            scan = read_scan(typed)
            if self.step() == "recovered" and not isinstance(scan, NothingScan):
                self.notice = Notice("amber", "notice.confirm-first")
                return
            if not isinstance(scan, NothingScan | UnreadableScan) and self.panel is not None:
                self.panel = None
            await self._take(scan)

    async def _take(self, scan: object) -> None:
        match scan:
            case ReceiptScan(number=number):
                self._open_receipt(number)
            case UnreadableScan(text=text):
                self.notice = Notice("amber", "notice.unreadable", {"text": text})
            case NothingScan():
                await self._go_on()
            case _ if self.terminal.shift is None:
                self.notice = Notice("amber", "notice.open-shift-first")
            case ReferenceScan(shown=reference):
                await self._add(reference)
            case LabelScan(tracking_number=number):
                self._take_label(number)
            case AmountScan(centavos=centavos):
                await self._take_cash(centavos)

    async def go_on(self) -> None:
        """Enter, or the green key: whatever comes next."""
        async with self.doing("looking"):
            await self._go_on()

    async def remove(self, reference: str, why: str) -> None:
        """Takes an item off the visit, because the customer or the parcel is not as it should be."""
        async with self.doing("looking"):
            item = self.visit.find(reference)
            if item is not None and not self.visit.finished and why in TROUBLES:
                self.visit.items.remove(item)
                self.panel = Panel("aside", step=why, number=item.reference)

    async def leave(self) -> None:
        """Escape: closes what lies over the visit, or ends a visit of which nothing was sent."""
        async with self.doing("looking"):
            if self.panel is not None:
                self.panel = None
            elif self.visit.finished or all(item.stage is Stage.OPEN for item in self.visit.items):
                self._next_customer()

    async def open_panel(self, name: str, transaction_id: str = "") -> None:
        """Lays a panel over the visit, one of `PANELS`, or one of `PANELS_OF_A_SALE` over a sale that there is."""
        async with self.doing("looking"):
            sale = self.terminal.sale(transaction_id)
            if name in PANELS or (name in PANELS_OF_A_SALE and sale is not None):
                self.panel = Panel(name, transaction_id)

    async def refuse(self, key: str) -> None:
        """Says that what was typed cannot be."""
        async with self.doing("looking"):
            self.notice = Notice("red", key)

    # A visit

    def _next_customer(self) -> None:
        # Of what is not settled yet the clerk has been told just now; what becomes of it is told in its time.
        self._read.update(item.transaction_id or "" for item in self.visit.items if item.stage is Stage.UNKNOWN)
        self.visit = Visit()

    async def _add(self, reference: str) -> None:
        if self.visit.finished:
            self._next_customer()
        if self.visit.find(reference) is not None:
            self.notice = Notice("blue", "notice.on-the-list", {"reference": reference})
            return
        result = await self.terminal.lookup(reference)
        if result.outcome is not Outcome.FOUND:
            tone = "red" if result.outcome is Outcome.REFUSED else "amber"
            self.notice = Notice(tone, f"code.{result.code}", {"reference": reference}, _display(result))
            return
        item = Item.of_lookup(result.body)
        if item.action == "NONE":
            state = str(result.body.get("state", ""))
            self.notice = Notice("red", f"state.{state}", {"reference": reference}, _display(result))
            return
        self.visit.items.append(item)

    def _take_label(self, number: str) -> None:
        items = [] if self.visit.finished else self.visit.items
        fitting = [item for item in items if item.label is None and number.endswith(item.label_hint or "?")]
        if fitting:
            fitting[0].label = number
        elif any(item.label == number for item in items):
            self.notice = Notice("blue", "notice.label-again", {"last": number[-4:]})
        elif not items:
            self.notice = Notice("amber", "notice.code-first")
        else:
            missing = self.visit.next_without_label
            key = "notice.no-label-needed" if missing is None else "notice.wrong-label"
            wanted = missing.label_hint if missing else ""
            self.notice = Notice("red", key, {"last": number[-4:], "wanted": wanted})

    async def _take_cash(self, centavos: int) -> None:
        visit = self.visit
        if visit.finished or not visit.items:
            self.notice = Notice("amber", "notice.code-first")
        elif visit.next_without_label is not None:
            self.notice = Notice("amber", "notice.label-first", {"wanted": visit.next_without_label.label_hint})
        elif not visit.due:
            self.notice = Notice("amber", "notice.nothing-due")
        elif centavos > _LARGEST_TENDER:
            self.notice = Notice("amber", "notice.too-much")
        elif centavos < visit.due:
            self.notice = Notice("red", "notice.too-little", {"missing": peso(visit.due - centavos)})
        else:
            visit.tendered = centavos
            await self._sell()

    async def _go_on(self) -> None:
        visit = self.visit
        if self.step() == "recovered":
            self._read.update(notice.params["transactionId"] for notice in self.terminal.recovered)
            self._restarted = False
            self.terminal.recovered_seen()
        elif self.panel is not None:
            self.panel = None
        elif visit.finished:
            self._next_customer()
        elif visit.next_without_label is not None:
            self.notice = Notice("blue", "notice.label-first", {"wanted": visit.next_without_label.label_hint})
        elif visit.due:
            self.notice = Notice("blue", "notice.cash-first")
        elif visit.items:
            await self._sell()

    async def _sell(self) -> None:
        """Sends everything in order; an item of which nothing is known keeps its share of the cash where it is."""
        visit = self.visit
        for item, share in zip(visit.items, visit.shares(), strict=True):
            # The id is on the disk before the terminal hears of it, so that after a crash it is known whose it is.
            item.stage, item.transaction_id = Stage.SENDING, self.terminal.new_transaction_id()
            self.working = "selling"
            if not self.terminal.training:
                self._document.write(visit.as_json())
            self.changes.stage()
            try:
                result = await self.terminal.do(
                    item.action, item.reference, item.label, share, transaction_id=item.transaction_id
                )
            except StillOpen as exc:
                item.stage, item.transaction_id, item.code = Stage.UNKNOWN, exc.transaction_id, "still-open"
            else:
                item.take(result)
        visit.finished = True

    def verdicts(self) -> list[str]:
        """The transactions whose verdicts are on the stage now."""
        if self.step() != "result":
            return []
        return [item.transaction_id for item in self.visit.items if item.settled and item.transaction_id is not None]

    def shown(self, transaction_ids: list[str]) -> None:
        """The stage with these verdicts has been delivered: a crash from here on need not bring them up again."""
        for transaction_id in transaction_ids:
            self.terminal.shown(transaction_id)

    def settle_up(self) -> None:
        """Takes over what has become of items that nothing was known of."""
        for item in self.visit.items:
            sale = self.terminal.sale(item.transaction_id or "")
            if item.stage is Stage.UNKNOWN and sale is not None:
                item.take_sale(sale)
        self.changes.stage()

    def _take_up(self) -> None:
        """After a start: a visit that was broken off in the middle of being sent is over; the terminal knows how."""
        visit = self.visit
        sent = [item for item in visit.items if item.stage is not Stage.OPEN]
        for item in sent:
            if item.stage is Stage.SENDING:
                begun = self.terminal.sale(item.transaction_id or "") is not None
                item.stage = Stage.UNKNOWN if begun else Stage.OPEN
        visit.finished = any(item.stage is not Stage.OPEN for item in visit.items)
        self.settle_up()

    # What was sold before

    def _open_receipt(self, number: str) -> None:
        sale = next((each for each in self.terminal.sales() if each.receipt_number == number), None)
        if sale is None:
            self.notice = Notice("amber", "notice.receipt-unknown", {"number": number})
        else:
            self.panel = Panel("sale", sale.transaction_id, number)

    async def reprint(self, transaction_id: str) -> None:
        """Prints a sale's receipt again, as a copy."""
        async with self.doing("asking"):
            sale = self.terminal.sale(transaction_id)
            if sale is None or sale.receipt_number is None:
                return
            result = await self.terminal.reprint(sale.receipt_number)
            self.panel = Panel("sale", transaction_id, sale.receipt_number, result)
            if result.receipt is not None:
                self.notice = Notice("green", "notice.reprinted", {"copy": result.receipt.copy})
            else:
                self.notice = Notice("amber", f"code.{result.code}", {}, _display(result))

    async def inquire(self, transaction_id: str) -> None:
        """Asks the gateway what became of a sale."""
        async with self.doing("asking"):
            if self.terminal.sale(transaction_id) is not None:
                result = await self.terminal.inquire(transaction_id)
                self.panel = Panel("sale", transaction_id, step="asked", result=result)

    async def void(self, transaction_id: str, reason: Reason, *, parcel_in_hand: bool) -> None:
        """Undoes a sale."""
        async with self.doing("voiding"):
            if self.terminal.sale(transaction_id) is not None:
                result = await self.terminal.void(transaction_id, parcel_in_hand, reason)
                self.terminal.shown(transaction_id)
                self.panel = Panel("sale", transaction_id, step="voided", result=result)

    # The shift

    async def open_shift(self, clerk: str, drawer: int) -> None:
        """Signs the clerk on with so many centavos in the drawer."""
        async with self.doing("looking"):
            with contextlib.suppress(ShiftIsOpen):
                await self.terminal.open_shift(clerk, drawer)
            self.visit, self.panel = Visit(), None

    async def close_shift(self, drawer: int) -> None:
        """Closes with so many centavos in the drawer, what was there at the opening included."""
        async with self.doing("closing"):
            if self.terminal.shift is None:
                return
            if self.visit.items and not self.visit.finished:
                self.notice = Notice("amber", "notice.visit-first")
                return
            result = await self.terminal.close_shift(drawer)
            self.visit, self.panel = Visit(), Panel("closed", result=result)

    async def conflict_seen(self, transaction_id: str) -> None:
        """A person has taken note of a stand-in sale that the gateway disputes."""
        async with self.doing("looking"):
            if any(each.transaction_id == transaction_id for each in self.terminal.conflicts):
                self.terminal.conflict_seen(transaction_id)

    async def train(self, *, on: bool) -> None:
        """Switches practice on or off, between two customers."""
        async with self.doing("looking"):
            if self.visit.items and not self.visit.finished:
                self.notice = Notice("amber", "notice.visit-first")
                return
            self.terminal.set_training(on)
            kept = None if on else self._document.read()
            self.visit, self.panel = Visit.of_json(kept) if kept else Visit(), None

    # What the pages show

    def facts(self) -> dict[str, Any]:
        """Everything that the templates look at."""
        return {
            "desk": self,
            "visit": self.visit,
            "terminal": self.terminal,
            "status": self.terminal.status().as_json(),
            "step": self.step(),
            "to_tell": self.to_tell(),
            "restarted": self._restarted,
        }

    def to_tell(self) -> list[RecoveryNotice]:
        """What the clerk has to read: what was settled unseen, and what is not settled and was never spoken of."""
        on_screen = {item.transaction_id for item in self.visit.items} if not self._restarted else set()
        return [
            notice
            for notice in self.terminal.recovered
            if notice.params["transactionId"] not in on_screen
            and not (notice.code == "sale-waiting" and notice.params["transactionId"] in self._read)
        ]

    def step(self) -> str:
        """The template of what comes next."""
        visit = self.visit
        if self.working in {"selling", "voiding", "closing"}:
            return "working"
        if not self.terminal.training and (self._restarted or not visit.items) and self.to_tell():
            return "recovered"
        if self.panel is not None:
            return self.panel.name
        if self.terminal.shift is None:
            return "opening"
        if visit.finished:
            return "result"
        if not visit.items:
            return "ready"
        if visit.next_without_label is not None:
            return "label"
        return "cash" if visit.due else "release"


def _display(result: Result) -> str:
    return result.verdict.display.replace("\n", " · ") if result.verdict else ""
