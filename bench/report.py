"""RESULTS.md: facts, the table of targets, costs, plots and the profile."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median

from bench.findings import Fact, Failed, Findings, Line, NotMeasured, Row

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
_PROFILE = ("<!-- profile -->", "<!-- end of the profile -->")

_INTRODUCTION = """# Measurements

Made by `make bench`; do not edit. Each row holds a figure of ours against another that was measured in turn with it, in
one run, on one machine: ours, the other, ours, the other, and so on. What counts is the ratio, of which the median of
all rounds is shown with the smallest and the largest; absolute figures are this machine's at that time. All sides
stand on the same PostgreSQL, with durability on, and take the same parcels in the same order, spread over 400 stores
and 1,000 terminals. `bench/README.md` says what each row does.
"""


def table(lines: list[Line]) -> str:
    """The rows, as Markdown."""
    head = "| figure | measured against | ours | the other | ratio (range) | target | met |\n"
    return head + "|---|---|---|---|---|---|---|\n" + "".join(_table_line(line) + "\n" for line in lines)


def _table_line(line: Line) -> str:
    if isinstance(line, NotMeasured):
        return f"| {line.figure} | not measured: {line.why} | | | | | |"
    if isinstance(line, Failed):
        return f"| {line.figure} | came to nothing: {' '.join(line.why.split())} | | | | | **no** |"
    if isinstance(line, Fact):
        note = f" ({line.note})" if line.note else ""
        return f"| {line.figure}{note} | | {line.value} | | | | |"
    met = {None: "", True: "yes", False: "**no**"}[line.met]
    note = f" ({line.note})" if line.note else ""
    ratios = f"{line.ratio:.2f} x ({min(line.ratios):.2f}–{max(line.ratios):.2f})"
    target = "" if line.target is None else str(line.target)
    return (
        f"| {line.figure}{note} | {line.against} | {_amount(line.ours, line.unit)} | {_amount(line.theirs, line.unit)} "
        f"| {ratios} | {target} | {met} |"
    )


def _amount(value: float, unit: str) -> str:
    return f"{value:,.0f}{unit}" if value >= 100 else f"{value:.2f}{unit}"


def summary(findings: Findings) -> str:
    """The last line of a run."""
    met, judged, missing = findings.verdict()
    rest = f"; {missing} {'row' if missing == 1 else 'rows'} could not be measured here" if missing else ""
    return f"{met} of {judged} targets met{rest}"


def costs(findings: Findings) -> str:
    """Processor time, and bytes logged and read for each request, as Markdown."""
    if not findings.costs:
        return ""
    text = (
        "| measurement | PostgreSQL | server | load | together | bytes logged | bytes read "
        "| others' share of the machine |\n"
        "|---|---|---|---|---|---|---|---|\n"
    )
    for name, measured in findings.costs.items():
        database, server, load, logged, read, others = (
            median(getattr(one, part) for one in measured)
            for part in ("database_us", "server_us", "load_us", "wal_bytes", "read_bytes", "others")
        )
        text += (
            f"| {name} | {database:.0f} µs | {server:.0f} µs | {load:.0f} µs | {database + server + load:.0f} µs "
            f"| {logged:,.0f} | {read:,.0f} | {others:.0%} |\n"
        )
    return text


def write(findings: Findings, facts: Mapping[str, str], plan: str, plots: list[tuple[str, str]]) -> None:
    """Writes RESULTS.md; the section of the profile stays as it was."""
    text = _INTRODUCTION
    text += "\n## Where\n\n" + "".join(f"- {name}: {value}\n" for name, value in facts.items())
    text += f"- Form of the run: {plan}\n"
    text += f"\n## Targets\n\n{table(findings.lines)}\n**{summary(findings)}.**\n"
    text += (
        "\n## What a request costs\n\nProcessor time by who spent it, bytes in the write-ahead log, and bytes read "
        "from disks by the whole machine; medians of all rounds. On a machine that is shared these say more than rates "
        "do.\n\n" + costs(findings)
    )
    if plots:
        text += "\n## Plots\n\n" + "".join(f"![{title}](plots/{name})\n\n" for name, title in plots)
    text += "\n" + (_section(RESULTS.read_text()) if RESULTS.exists() else "") + "\n"
    RESULTS.write_text(text.rstrip() + "\n")


def write_profile(body: str) -> None:
    """Puts the profile into RESULTS.md in place of the one that is there."""
    text = RESULTS.read_text() if RESULTS.exists() else _INTRODUCTION
    old = _section(text)
    new = f"{_PROFILE[0]}\n## Where the time goes\n\n{body}\n{_PROFILE[1]}"
    RESULTS.write_text((text.replace(old, new) if old else f"{text.rstrip()}\n\n{new}").rstrip() + "\n")


def _section(text: str) -> str:
    """The profile's section with its marks, empty where there is none."""
    first, last = (text.find(mark) for mark in _PROFILE)
    return "" if first < 0 or last < 0 else text[first : last + len(_PROFILE[1])]


def plain(line: Line) -> str:
    """A row in one line, for the terminal."""
    if isinstance(line, NotMeasured):
        return f"[yellow]–[/yellow] {line.figure}: not measured: {line.why}"
    if isinstance(line, Failed):
        return f"[red]✗[/red] {line.figure} came to nothing: {line.why}"
    if isinstance(line, Fact):
        return f"  {line.figure}: [bold]{line.value}[/bold]"
    mark = {None: " ", True: "[green]✓[/green]", False: "[red]✗[/red]"}[line.met]
    target = "" if line.target is None else f" (target {line.target})"
    return f"{mark} {line.figure}: [bold]{line.ratio:.2f} x[/bold] {line.against}{target}"


def failed(findings: Findings) -> list[Line]:
    """Rows whose target was not met."""
    return [
        line for line in findings.lines if isinstance(line, Failed) or (isinstance(line, Row) and line.met is False)
    ]
