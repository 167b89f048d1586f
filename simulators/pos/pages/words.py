"""What the templates say of things: tones, keys of the texts, sales by their id."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...wire import PHILIPPINE_TIME, format_amount, parse_amount
from ..sales import Sale
from .items import Item, Stage

Translate = Callable[..., str]

_DONE_TONE = {Stage.DONE: "green", Stage.REFUSED: "red"}
_SALE_TONES = {"APPROVED": "green", "DECLINED": "red"}


@dataclass(frozen=True)
class Said:
    """A key of the texts and the colour of its band."""

    tone: str
    key: str


def peso(centavos: int) -> str:
    """An amount for people: `1,234.50`, with a minus sign where it is less than nothing."""
    whole, _, cents = format_amount(abs(centavos)).partition(".")
    return f"{'−' if centavos < 0 else ''}{int(whole):,}.{cents}"


def wire_peso(amount: object) -> str:
    """An amount of the wire (`1234.50`) for people."""
    return peso(parse_amount(str(amount)))


def clock_time(moment: datetime | str) -> str:
    """The time of day in the Philippines."""
    known = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return known.astimezone(PHILIPPINE_TIME).strftime("%H:%M:%S")


def say(translate: Translate, key: str, values: Mapping[str, object] | None = None, otherwise: str = "") -> str:
    """The sentence of `key`; where there is none, `otherwise`, or what can be said of anything."""
    try:
        return translate(key, **(values or {}))
    except KeyError:
        return otherwise or translate("code.None")


def verdict(item: Item) -> Said:
    """What the band over a settled item says."""
    tone = _DONE_TONE.get(item.stage, "amber")
    match item.stage:
        case Stage.DONE:
            return Said(tone, f"band.{item.action}")
        case Stage.REFUSED:
            return Said(tone, f"code.{item.code}")
        case Stage.REVERSED:
            return Said(tone, "band.reversed")
        case Stage.OPEN:
            return Said(tone, "band.not-sold")
        case _:
            return Said(tone, "band.unknown")


def guidance(translate: Translate, item: Item) -> str:
    """What the clerk does about an item that was not sold."""
    if item.stage is Stage.REFUSED:
        key = f"cash.{item.cash}.{item.parcel}"
    else:
        key = "guide.reversed" if item.stage is Stage.REVERSED else "guide.unknown"
    return say(translate, key, {}, item.display)


def tone_of(sale: Sale) -> str:
    """The colour of a sale in a list."""
    return "red" if sale.disputed else _SALE_TONES.get(sale.state, "amber")


def minutes(seconds: float) -> int:
    """Whole minutes of an age."""
    return int(seconds // 60)


def pretty(value: Any) -> str:
    """A body of the wire for people: JSON with an indent, text as it is."""
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
