"""What the clerk sees: the amount in large type, the verdict as a band, the receipt as paper."""

from rich import box
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ..commandline import paper
from .results import Outcome, Result

# Five rows of a glyph, the top one first.
_GLYPHS = {
    "0": ("███", "█ █", "█ █", "█ █", "███"),
    "1": (" █ ", "██ ", " █ ", " █ ", "███"),
    "2": ("███", "  █", "███", "█  ", "███"),
    "3": ("███", "  █", "███", "  █", "███"),
    "4": ("█ █", "█ █", "███", "  █", "  █"),
    "5": ("███", "█  ", "███", "  █", "███"),
    "6": ("███", "█  ", "███", "█ █", "███"),
    "7": ("███", "  █", "  █", "  █", "  █"),
    "8": ("███", "█ █", "███", "█ █", "███"),
    "9": ("███", "█ █", "███", "  █", "███"),
    ".": (" ", " ", " ", " ", "█"),
}
_BANDS = {
    Outcome.APPROVED: "bold black on green",
    Outcome.STOOD_IN: "bold black on green",
    Outcome.FOUND: "bold black on green",
    Outcome.REVERSED: "bold black on yellow",
    Outcome.UNKNOWN: "bold black on yellow",
    Outcome.REFUSED: "bold white on red",
}
_LOOKUP_FIELDS = (
    ("Merchant", "merchant"),
    ("Order", "merchantReference"),
    ("Contents", "description"),
    ("State", "state"),
    ("Label ends in", "labelHint"),
    ("Valid until", "expiresAt"),
)


def large(amount: str) -> Text:
    """An amount in letters five rows high."""
    rows = ("  ".join(_GLYPHS[sign][row] for sign in amount if sign in _GLYPHS) for row in range(5))
    return Text("\n".join(f"  {row}" for row in rows), style="bold", no_wrap=True)


def band(result: Result) -> Panel:
    """The verdict: green where the counter may go on, amber where it must wait, red where it may not."""
    style = _BANDS[result.outcome]
    text = Text(justify="center")
    text.append(f"{result.outcome.value}{f' · {result.code}' if result.code else ''}\n")
    if result.verdict is not None:
        text.append(f"{result.verdict.display}\n")
        text.append(f"CASH {result.verdict.cash}   PARCEL {result.verdict.parcel}")
    return Panel(text, style=style, box=box.SQUARE, width=40)


def show(console: Console, result: Result) -> None:
    """A transaction, a reversal or an inquiry."""
    console.print(band(result))
    if result.receipt is not None:
        console.print(paper(result.receipt.text, result.receipt.number))
    notes = []
    if result.transaction_id:
        notes.append(f"transaction {result.transaction_id}")
    if result.attempts > 1:
        notes.append(f"{result.attempts} attempts")
    if result.replayed:
        notes.append("answered before: the same answer again")
    if notes:
        console.print(Text("; ".join(notes), style="dim"))


def show_lookup(console: Console, result: Result) -> None:
    """A reference that was scanned: what is owed, for what, and what the clerk does next."""
    if result.outcome is not Outcome.FOUND:
        show(console, result)
        return
    body = result.body
    table = Table.grid(padding=(0, 2))
    for title, name in _LOOKUP_FIELDS:
        if body.get(name):
            table.add_row(Text(title, style="dim"), Text(str(body[name])))
    action = str(body.get("action", "NONE"))
    todo = "nothing to do here" if action == "NONE" else f"next: {action}"
    heading = Text(f"{body.get('reference', '')}   {body.get('kind', '')}", style="bold")
    owed = Group(Text(f"  {body.get('currency', 'PHP')}"), large(str(body.get("amountDue", "0.00"))))
    console.print(Panel(Group(heading, Text(), owed, Text(), table, Text(), Text(todo, style="bold")), width=60))
    if result.verdict is not None:
        console.print(Text(result.verdict.display))
