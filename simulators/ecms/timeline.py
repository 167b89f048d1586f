"""A parcel's history, for people."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_parcel(parcel: dict[str, Any], console: Console | None = None) -> None:
    """Prints the control port's view of a parcel as a timeline."""
    console = console or Console()
    title = Text(f"{parcel['trackingNumber']}  {parcel['status']}", style="bold")
    about = (
        f"{parcel['merchant']} ({parcel['merchantCode']})  {parcel['merchantReference']}"
        f"  store {parcel['storeId'] or '-'}"
    )
    console.print(title)
    console.print(Text(about + ("" if parcel["told"] else "  [the gateway has not heard all of it yet]")))
    table = Table(box=None, pad_edge=False)
    for name in ("time", "status", "place", "by", "note"):
        table.add_column(name, no_wrap=name != "note")
    for event in parcel["events"]:
        cells = (event["timestamp"], event["status"], event["location"] or "-", event["source"], _note(event))
        table.add_row(*(Text(cell) for cell in cells), style=None if event["applied"] else "dim")
    console.print(table)


def _note(event: dict[str, Any]) -> str:
    notes = [event["reason"]] if event["reason"] else []
    if payment := event.get("payment"):
        notes.append(f"paid {payment['amount']}, receipt {payment['receiptNumber']}")
    if flagged := event.get("flagged"):
        notes.append(f"FLAGGED: {flagged}")
    if refused := event.get("refused"):
        notes.append(f"REFUSED: {refused}")
    elif not event["applied"]:
        notes.append("told again, not applied again")
    return "; ".join(notes)
