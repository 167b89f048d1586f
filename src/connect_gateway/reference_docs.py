"""The parts of the documents that are made from the code, so that they cannot say anything else than it does.

`python -m connect_gateway.reference_docs` compares them with what stands in a checkout, and with `--write` brings
them up to date. Each part stands between a line `<!-- generated: NAME -->` and a line `<!-- end of generated -->`.
"""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from connect_gateway.domain import verdicts
from connect_gateway.domain.refusals import Code
from connect_gateway.domain.states import (
    ECMS_STATUSES,
    PARCEL_KINDS,
    TRANSITIONS,
    Kind,
    State,
    TransactionType,
    Trigger,
    trigger_of_status,
)
from connect_gateway.domain.verdicts import Verdict
from connect_gateway.edges.problems import STATUS_OF_CODE
from connect_gateway.settings import Settings

REFUSED_BY_STATE = 409
"""The HTTP status of every code that `STATUS_OF_CODE` does not name."""

_PARTS: dict[str, dict[str, Callable[[], str]]] = {}
_BLOCK = re.compile(r"(?<=<!-- generated: )([a-z-]+)( -->\n).*?(?=<!-- end of generated -->)", re.DOTALL)

# Made from the user's home, so it would be another text on every machine.
_DEFAULT_OF = {"data_dir": "`~/.local/share/connect-gateway`"}

# Mermaid takes a colon in a label for the beginning of another.
_CAUSES = {
    Trigger.ARRIVE: "DELIVERED TO STORE",
    Trigger.CANCEL: "CANCELLED or REJECTED",
    Trigger.PULL_OUT: "FOR PULL OUT",
    Trigger.LAPSE: "expiresAt is reached",
    Trigger.PERFORM: "done at the counter",
    Trigger.ACCEPT: "a disputed sale is accepted",
    Trigger.REVERSE: "reversed at the counter",
}
_EFFECTS = {
    Trigger.ARRIVE: "opens it at `location`",
    Trigger.CANCEL: "closes it: CANCELLED",
    Trigger.PULL_OUT: "closes it: PULLED_OUT",
}


def _part(file: str, name: str) -> Callable[[Callable[[], str]], Callable[[], str]]:
    def register(render: Callable[[], str]) -> Callable[[], str]:
        _PARTS.setdefault(file, {})[name] = render
        return render

    return register


def refreshed(file: str, text: str) -> str:
    """The text of a file with its generated parts as they should be; ValueError where one of them is missing."""
    parts = _PARTS[file]
    found = [match[1] for match in _BLOCK.finditer(text)]
    if sorted(found) != sorted(parts):
        raise ValueError(f"{file} has the parts {sorted(found)} and should have {sorted(parts)}")
    return _BLOCK.sub(lambda match: match[1] + match[2] + parts[match[1]](), text)


def files() -> list[str]:
    """The files that have generated parts, by their path in the repository."""
    return list(_PARTS)


def outdated(root: Path) -> dict[str, str]:
    """The files below `root` that are not up to date, with the text that they should have."""
    wanted = {}
    for file in files():
        text = (root / file).read_text(encoding="utf-8")
        fresh = refreshed(file, text)
        if fresh != text:
            wanted[file] = fresh
    return wanted


@_part("protocol/errors.md", "outcomes")
def outcomes_table() -> str:
    """What the clerk does with what was approved or reversed, by transaction type."""
    rows = []
    for type_ in TransactionType:
        fee = [("with a fee", 1), ("without", 0)] if type_ is TransactionType.DROP_OFF else [("", 1)]
        for label, amount in fee:
            approved = verdicts.of_approval(type_, amount)
            rows.append(
                [
                    f"{type_} {label}".strip(),
                    *_cells(approved),
                    *_cells(verdicts.of_reversal(type_, cash_taken=bool(amount))),
                ]
            )
    for type_ in (TransactionType.COLLECT, TransactionType.CLAIM):
        disputed = _cells(verdicts.of_dispute(type_))
        rows.append([f"{type_}, in dispute", *disputed, *_cells(verdicts.of_reversal(type_))])
    rows.append(["an id that never arrived", "", "", *_cells(verdicts.of_reversal(None))])
    return _table(["type", "approved", "display", "reversed", "display"], rows)


@_part("protocol/errors.md", "refusals")
def refusals_table() -> str:
    """Code x transaction type: cash and parcel."""
    columns: list[TransactionType | None] = [*TransactionType, None]
    rows = []
    for code in Code:
        cells = [_moves(verdicts.of_refusal(code, type_)) for type_ in columns]
        first_line = verdicts.of_refusal(code, None).display.partition("\n")[0]
        rows.append([f"`{code}`", str(STATUS_OF_CODE.get(code, REFUSED_BY_STATE)), *cells, f"`{first_line}`"])
    heads = [*(str(type_) for type_ in TransactionType), "lookup, inquiry, reversal"]
    return _table(["code", "HTTP", *heads, "first line of the display"], rows)


@_part("protocol/errors.md", "lookups")
def lookups_table() -> str:
    """What a lookup that is answered with 200 tells the clerk, by kind and state."""
    rows = [
        [kind, state, *_cells(verdicts.of_lookup(kind, state))]
        for kind in Kind
        for state in State
        if kind in PARCEL_KINDS or state not in (State.NOT_READY, State.PULLED_OUT)
    ]
    return _table(["kind", "state", "cash, parcel", "display"], rows)


@_part("protocol/states.md", "diagram")
def state_diagram() -> str:
    """Mermaid's state diagram of the transition table."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += ["    [*] --> NOT_READY: PAY_AND_CLAIM, CLAIM", "    [*] --> OPEN: PAY, RETURN, DROP_OFF"]
    lines += [f"    {start} --> {end}: {_CAUSES[trigger]}" for (start, trigger), end in TRANSITIONS.items()]
    return "\n".join([*lines, "```", ""])


@_part("protocol/states.md", "transitions")
def transitions_table() -> str:
    """State x trigger: the next state, or nothing."""
    rows = [[state, *(TRANSITIONS.get((state, trigger), "") for trigger in Trigger)] for state in State]
    return _table(["from", *(f"{trigger}" for trigger in Trigger)], rows)


@_part("protocol/states.md", "statuses")
def statuses_table() -> str:
    """Every ECMS status and what it does to a reference."""
    rows = []
    for status in sorted(ECMS_STATUSES):
        effects = [trigger_of_status(kind, status) for kind in (Kind.CLAIM, Kind.RETURN)]
        rows.append([status, *("" if trigger is None else _EFFECTS[trigger] for trigger in effects)])
    return _table(["status", "PAY_AND_CLAIM, CLAIM", "PAY, RETURN, DROP_OFF"], rows)


@_part("README.md", "settings")
def settings_table() -> str:
    """Every setting of the gateway."""
    rows = [
        [f"`CONNECT_{name.upper()}`", _DEFAULT_OF.get(name) or _default(field), _range(field), field.description or ""]
        for name, field in Settings.model_fields.items()
    ]
    return _table(["variable", "default", "range", "meaning"], rows)


@_part("protocol/SPEC.md", "offered")
def offered_types() -> str:
    """The transaction types that this edition takes."""
    return ", ".join(f"`{type_}`" for type_ in TransactionType) + ".\n"


def _default(field: FieldInfo) -> str:
    return "" if field.default is None else f"`{field.default}`"


def _range(field: FieldInfo) -> str:
    limits: dict[str, Any] = {}
    for constraint in field.metadata:
        limits |= {name: getattr(constraint, name) for name in ("ge", "le") if hasattr(constraint, name)}
    return f"{limits['ge']} to {limits['le']}" if limits else ""


def _moves(verdict: Verdict) -> str:
    return f"{verdict.cash}, {verdict.parcel}"


def _cells(verdict: Verdict) -> list[str]:
    return [_moves(verdict), "`" + verdict.display.replace("\n", "` `") + "`"]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def main(arguments: Sequence[str]) -> int:
    """Compares or writes; exit status 1 where something is not up to date and was not to be written."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "protocol" / "SPEC.md").exists():
        print("there is no checkout around this program: the documents stand in the repository alone")
        return 1
    wanted = outdated(root)
    for file, text in wanted.items():
        if "--write" in arguments:
            (root / file).write_text(text, encoding="utf-8")
        print(f"{file} {'brought up to date' if '--write' in arguments else 'is not up to date'}")
    return 1 if wanted and "--write" not in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
