"""`FLOWS.md`, made from the transition table: `python -m connect_simulators.ecms.flows_document --write`."""

import sys
from pathlib import Path

from .flows import END_STATES, TABLE, Flow, State, Step, Trigger

DOCUMENT = Path(__file__).with_name("FLOWS.md")

_INTRODUCTION = """# Every way a parcel can move

Made from the table in `flows.py`, which is all that moves a parcel. Statuses and triggers are the published ones; a
word in brackets tells a later passage of the same status from the first. What stands here in no row is refused. Rows of
a parcel whose store (or whose seller's store) lies behind a regional warehouse are marked *regional*, those of the
others *direct*.

What the counter did counts even where ECMS had decided otherwise meanwhile: those rows are flagged for a person.
"""

_TITLES = {
    Flow.MERCHANT_DELIVERY: "Merchant drop-off at the DC (B2C, first flow)",
    Flow.DC_PICKUP: "DC pick-up from the merchant (B2C, second flow)",
    Flow.DROP_OFF_STORE: "Seller's drop-off, to a store (C2C)",
    Flow.DROP_OFF_DOOR: "Seller's drop-off, to an address",
    Flow.RETURN_COLLECTED: "Return, fetched by the merchant at the DC",
    Flow.RETURN_DELIVERED: "Return, brought to the merchant",
}
_ZONES = {None: "", True: "regional", False: "direct"}


def document() -> str:
    """The whole document."""
    return _INTRODUCTION + "".join(_section(flow, title) for flow, title in _TITLES.items())


def _section(flow: Flow, title: str) -> str:
    steps = [step for step in TABLE if step.flow is flow]
    regular = [step for step in steps if not step.flagged]
    ends = ", ".join(sorted(END_STATES[flow]))
    lines = [f"\n## {title}\n", f"`{flow}`. It ends as {ends}.\n", "```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{state}" as {state.name}' for state in _in_order(regular)]
    lines += [
        f"    [*] --> {State.CREATED.name} : Merchant API" if not _is_return(flow) else "    [*] --> CREATED : Kiosk"
    ]
    lines += [_edge(step) for step in regular]
    lines += [f"    {state.name} --> [*]" for state in State if state in END_STATES[flow]]
    lines += ["```\n", "| from | to | trigger | |", "|---|---|---|---|"]
    lines += [f"| {step.origin} | {step.target} | {step.trigger} | {_ZONES[step.regional]} |" for step in regular]
    lines += ["", "What the counter did meanwhile, flagged:", "", "| trigger | to | from |", "|---|---|---|"]
    lines += _flagged([step for step in steps if step.flagged])
    return "\n".join(lines) + "\n"


def _is_return(flow: Flow) -> bool:
    return flow in (Flow.RETURN_COLLECTED, Flow.RETURN_DELIVERED)


def _in_order(steps: list[Step]) -> list[State]:
    present = {state for step in steps for state in (step.origin, step.target)}
    return [state for state in State if state in present]


def _edge(step: Step) -> str:
    zone = f" ({_ZONES[step.regional]})" if step.regional is not None else ""
    return f"    {step.origin.name} --> {step.target.name} : {step.trigger}{zone}"


def _flagged(steps: list[Step]) -> list[str]:
    grouped: dict[tuple[Trigger, State], list[State]] = {}
    for step in steps:
        grouped.setdefault((step.trigger, step.target), []).append(step.origin)
    return [
        f"| {trigger} | {target} | {', '.join(sorted(origins))} |" for (trigger, target), origins in grouped.items()
    ]


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        DOCUMENT.write_text(document(), encoding="utf-8")
    else:
        sys.stdout.write(document())
