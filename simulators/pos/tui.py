"""The till in a terminal window: scan, amount, label, cash, verdict, receipt; one key for what happens less often."""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Footer, Input, Static

from ..wire import format_amount, parse_amount
from .drawer import ShiftNotOpen
from .results import Outcome, Result
from .terminal import Terminal
from .till import StillOpen
from .view import large

_CASH_ACTIONS = frozenset({"COLLECT", "PAY", "DROP_OFF"})
_TONES = {
    Outcome.APPROVED: "green",
    Outcome.STOOD_IN: "green",
    Outcome.FOUND: "green",
    Outcome.REVERSED: "amber",
    Outcome.UNKNOWN: "amber",
    Outcome.REFUSED: "red",
}
_PROMPTS = {
    "float": ("Cash in the drawer to begin with", "1000.00"),
    "code": ("Scan the customer's code", "9917-6789-0023"),
    "label": ("Scan the label on the parcel", "303105332614281201"),
    "cash": ("Cash from the customer", "500 or 500.00"),
    "count": ("Count the whole drawer, its float included", "1200.00"),
}


class Step(Enum):
    """What the next scan or number is; the values name the prompts."""

    FLOAT = "float"
    CODE = "code"
    LABEL = "label"
    CASH = "cash"
    COUNT = "count"


@dataclass
class _Customer:
    """The sale that is being made."""

    reference: str
    action: str
    amount_due: int
    label: str | None = None


class TillScreen(App[None]):
    """One terminal on one screen; `terminal` is open for as long as it runs."""

    TITLE = "7-CONNECT"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { background: #f6f7f9; color: #17202b; }
    #top { height: 3; background: #11324d; color: #ffffff; padding: 1 2; }
    #band { height: 5; content-align: center middle; text-align: center; text-style: bold; background: #dfe5ec; }
    #band.green { background: #1d7a46; color: #ffffff; }
    #band.amber { background: #f2b233; color: #2b1d00; }
    #band.red { background: #b3261e; color: #ffffff; }
    #left { padding: 1 3; }
    #amount { height: 6; margin: 1 0; }
    #details { height: auto; color: #4b5866; }
    #prompt { margin-top: 1; text-style: bold; }
    Input { border: tall #11324d; background: #ffffff; color: #17202b; width: 48; }
    #roll { width: 42; background: #e6eaef; padding: 1 2; }
    #paper { width: 36; height: auto; background: #ffffff; color: #17202b; padding: 1 2; }
    #notices { height: auto; color: #8a4b00; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "next_customer", "Next customer"),
        Binding("f6", "void", "Void the last"),
        Binding("f7", "reprint", "Reprint"),
        Binding("f8", "confirm", "Seen"),
        Binding("f9", "training", "Training"),
        Binding("f10", "close_shift", "Close shift"),
        Binding("ctrl+q", "quit", "Quit"),
    ]

    def __init__(self, terminal: Terminal, clerk: str) -> None:
        super().__init__()
        self.terminal = terminal
        self._clerk = clerk
        self._customer: _Customer | None = None
        self.step = Step.CODE

    def compose(self) -> ComposeResult:
        """The bar, the band, the customer's business on the left, the paper on the right."""
        yield Static(id="top")
        yield Static(id="band")
        with Horizontal():
            with Vertical(id="left"):
                yield Static(id="amount")
                yield Static(id="details")
                yield Static(id="prompt")
                yield Input(id="scan")
                yield Static(id="notices")
            with VerticalScroll(id="roll"):
                yield Static(id="paper")
        yield Footer()

    def on_mount(self) -> None:
        """Begins with the drawer, or with the next customer where a shift is open."""
        self.query_one("#paper").display = False
        self._await(Step.CODE if self.terminal.shift is not None else Step.FLOAT)
        self._show_state()
        self._follow()

    @work
    async def _follow(self) -> None:
        async for _ in self.terminal.events():
            self._show_state()

    async def on_input_submitted(self, submitted: Input.Submitted) -> None:
        """A scan, or a number and Enter."""
        text = submitted.value.strip()
        submitted.input.clear()
        if not text:
            return
        submitted.input.disabled = True
        try:
            await self._take(text)
        except StillOpen:
            self._band("amber", "THAT CODE IS NOT SETTLED YET\nHOLD CASH AND PARCEL")
        except ShiftNotOpen:
            self._await(Step.FLOAT)
        except ValueError:
            self._band("red", "WRITE AN AMOUNT AS 200 OR 200.00")
        finally:
            submitted.input.disabled = False
            submitted.input.focus()
            self._show_state()

    async def _take(self, text: str) -> None:
        match self.step:
            case Step.FLOAT:
                await self.terminal.open_shift(self._clerk, _centavos(text))
                self._await(Step.CODE)
            case Step.CODE:
                await self._look_up(text)
            case Step.LABEL:
                assert self._customer is not None
                self._customer.label = text
                if self._customer.action in _CASH_ACTIONS and self._customer.amount_due:
                    self._await(Step.CASH)
                else:
                    await self._sell(None)
            case Step.CASH:
                await self._sell(_centavos(text))
            case Step.COUNT:
                closed = await self.terminal.close_shift(_centavos(text))
                self._show(closed)
                self._paper([str(line) for line in closed.body["text"]])
                self._await(Step.FLOAT)

    async def _look_up(self, reference: str) -> None:
        self._band("", "")
        found = await self.terminal.lookup(reference)
        action = str(found.body.get("action", "NONE"))
        if found.outcome is not Outcome.FOUND or action == "NONE":
            self._show(found)
            return
        due = parse_amount(str(found.body.get("amountDue", "0.00")))
        self._customer = _Customer(str(found.body.get("reference", reference)), action, due)
        self.query_one("#amount", Static).update(large(format_amount(due)))
        offline = "  NO CONNECTION: STAND-IN" if found.stand_in else ""
        details = [
            f"{action}  {self._customer.reference}{offline}",
            f"{found.body.get('merchant', '')}  {found.body.get('merchantReference', '')}",
            f"Label ends in {found.body.get('labelHint') or '-'}",
        ]
        self.query_one("#details", Static).update(Text("\n".join(details)))
        self._await(Step.CASH if action == "PAY" else Step.LABEL)

    async def _sell(self, tendered: int | None) -> None:
        customer = self._customer
        assert customer is not None
        result = await self.terminal.do(customer.action, customer.reference, customer.label, tendered)
        self._show(result)
        if result.transaction_id is not None:
            self.terminal.shown(result.transaction_id)
        if tendered is not None and result.verdict is not None and result.verdict.cash == "KEEP":
            change = Text(f"CHANGE  PHP {result.body.get('change', '0.00')}", style="bold")
            self.query_one("#details", Static).update(change)
        self._customer = None
        self._await(Step.CODE)

    # Keys

    def action_next_customer(self) -> None:
        """Lets go of what was scanned; nothing was begun."""
        self._customer = None
        for name in ("#amount", "#details"):
            self.query_one(name, Static).update("")
        self._band("", "")
        self._await(Step.CODE if self.terminal.shift is not None else Step.FLOAT)

    async def action_void(self) -> None:
        """Undoes the last sale; the parcel is back on the counter."""
        sale = next((each for each in self.terminal.sales() if each.state == "APPROVED"), None)
        if sale is not None:
            self._show(await self.terminal.void(sale.transaction_id))
            self.terminal.shown(sale.transaction_id)
            self._show_state()

    async def action_reprint(self) -> None:
        """Prints the last receipt again, marked as a copy."""
        numbers = [each.receipt_number for each in self.terminal.sales() if each.receipt_number]
        if numbers:
            self._show(await self.terminal.reprint(numbers[0]))

    def action_confirm(self) -> None:
        """The clerk has read what the till had to say."""
        self.terminal.recovered_seen()
        for conflict in self.terminal.conflicts:
            self.terminal.conflict_seen(conflict.transaction_id)
        self._show_state()

    def action_training(self) -> None:
        """Switches practice on or off; what was scanned is let go."""
        self.terminal.set_training(not self.terminal.training)
        self.action_next_customer()
        self._show_state()

    def action_close_shift(self) -> None:
        """Asks for the count of the drawer."""
        if self.terminal.shift is not None:
            self._await(Step.COUNT)

    # What is shown

    def _await(self, step: Step) -> None:
        self.step = step
        prompt, example = _PROMPTS[step.value]
        self.query_one("#prompt", Static).update(prompt)
        scan = self.query_one("#scan", Input)
        scan.placeholder = example
        scan.focus()

    def _show(self, result: Result) -> None:
        display = result.verdict.display if result.verdict is not None else result.outcome.value
        code = f"\n{result.code}" if result.code else ""
        self._band(_TONES[result.outcome], display + code)
        if result.receipt is not None:
            self._paper(result.receipt.text)

    def _band(self, tone: str, text: str) -> None:
        band = self.query_one("#band", Static)
        band.set_classes(tone)
        band.update(Text(text))

    def _paper(self, lines: "list[str] | tuple[str, ...]") -> None:
        paper = self.query_one("#paper", Static)
        paper.update(Text("\n".join(lines)))
        paper.display = True

    def _show_state(self) -> None:
        status, shift = self.terminal.status(), self.terminal.shift
        parts = [f"7-CONNECT   Store {self.terminal.config.store_id}"]
        parts.append(f"Shift {shift.number}, {shift.clerk}" if shift is not None else "No shift")
        if shift is not None:
            parts.append(f"Drawer PHP {format_amount(shift.cash_expected)}")
        parts.append("ONLINE" if status.online else "NO CONNECTION")
        if status.waiting:
            parts.append(f"{status.waiting} waiting")
        if status.training:
            parts.append("TRAINING")
        self.query_one("#top", Static).update(Text("   |   ".join(parts)))
        said = [notice.text for notice in self.terminal.recovered]
        said += [
            f"In dispute: {each.receipt_number} {each.reference} ({each.code})" for each in self.terminal.conflicts
        ]
        self.query_one("#notices", Static).update(Text("\n".join([*said, "F8: seen"] if said else [])))


def _centavos(text: str) -> int:
    return parse_amount(text if "." in text else f"{text}.00")
