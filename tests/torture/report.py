"""What a torture shows while it runs, and its closing table."""

import time

from history.records import Fate
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from torture.run import Torture, answered_again, figures


def progress(run: Torture) -> RenderableType:
    """How far it is, in two lines."""
    gone = time.monotonic() - run.began
    operations = run.recorder.operations
    unknown = sum(one.fate is Fate.UNKNOWN for one in operations)
    broken = ", ".join(run.nemesis.now) if run.nemesis is not None and run.nemesis.now else "nothing"
    faults = sum(run.faults().values())
    return Group(
        Text(f"seed {run.seed}  {run.phase:<12} {gone:5.0f} of about {run.seconds:.0f} s", style="bold"),
        Text(f"{len(operations)} requests, {unknown} without an answer, {faults} faults; broken now: {broken}"),
    )


def line(run: Torture) -> str:
    """The same for a log, in one line."""
    faults = sum(run.faults().values())
    gone = time.monotonic() - run.began
    return f"{gone:5.0f} s  {run.phase:<12} {len(run.recorder.operations)} requests, {faults} faults"


def closing_table(run: Torture) -> Table:
    """What it came to."""
    counted = figures(run.history)
    table = Table(title=f"torture, seed {run.seed}, {run.seconds:.0f} s", title_justify="left")
    table.add_column("what")
    table.add_column("figure", justify="right")
    table.add_row("requests recorded", str(counted.requests))
    table.add_row("  of these without an answer that settles", str(counted.unanswered))
    for state, times in sorted(counted.transactions.items()):
        table.add_row(f"transactions that ended {state}", str(times))
    table.add_row("transactions in doubt, resolved to one fate", str(counted.resolved))
    table.add_row("  unresolved", str(counted.unresolved))
    table.add_row("answers given again from the ledger", str(answered_again(run.history)))
    table.add_row("events applied by ECMS", str(counted.events))
    table.add_row("  delivered more than once and applied once", str(counted.repeated))
    table.add_section()
    for name, times in sorted(run.faults().items()):
        table.add_row(f"fault: {name}", str(times))
    table.add_section()
    drained = "not drained" if run.drained_after_s is None else f"{run.drained_after_s:.1f} s"
    table.add_row("healed, settled and drained in", drained)
    table.add_row("open tasks", str(len(run.history.tasks)))
    table.add_row("complaints", str(len(run.complaints)))
    table.add_row("violations", str(len(run.violations)))
    return table
