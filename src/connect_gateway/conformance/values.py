"""Variables: what stands as `{name}` in a scenario, worked out when a step is played."""

import base64
import re
import secrets
import string
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote_plus

PHILIPPINE_TIME = timezone(timedelta(hours=8))

_VARIABLE = re.compile(r"\{([a-zA-Z][a-zA-Z0-9_.:+-]*)\}")
_MADE = re.compile(r"(uuid|word|digits([0-9]{1,2})):(.+)")
_TIME = re.compile(r"(today|ecms-time|time)([+-][0-9]{1,9})?")
_WORD_CHARACTERS = string.ascii_uppercase + string.digits


class UnknownVariable(Exception):
    """A scenario names something that is not there."""


class Values:
    """The variables of one scenario.

    `{uuid:a}`, `{word:a}` (12 letters and digits) and `{digits18:a}` are made up freshly and stay the same within the
    scenario; `{today+1}` is a Philippine date, `{ecms-time-60}` and `{time+60}` are moments some seconds from the
    scenario's start, in ECMS's spelling and in RFC 3339; `{pos.storeId}` is a field of the credentials, `{basic:pos}`
    that client as HTTP Basic has it, `{elsewhere}` a store that is not the till's; anything else is the body of an
    answer that was kept, or a value of a `let`.
    """

    def __init__(self, clients: Mapping[str, Mapping[str, str]], now: datetime) -> None:
        self._now = now
        self._made: dict[str, str] = {}
        till = {"storeId": "0166", "pos": "1", **clients.get("pos", {})}
        self._kept: dict[str, Any] = {**clients, "pos": till, "elsewhere": _another_store(till["storeId"])}

    def keep(self, name: str, value: Any) -> None:
        """Makes a value known by a name."""
        self._kept[name] = value

    def kept(self, name: str) -> Any:
        """What was kept under a name."""
        if name not in self._kept:
            raise UnknownVariable(f"nothing is called {name}")
        return self._kept[name]

    def forget(self, names: tuple[str, ...]) -> None:
        """Has these variables made up afresh when they are next asked for."""
        for name in names:
            self._made.pop(name, None)

    def fill(self, template: Any) -> Any:
        """The template with its variables in place; a text that is one variable alone takes the value's type."""
        if isinstance(template, str):
            whole = _VARIABLE.fullmatch(template)
            if whole is not None:
                return self._value(whole[1])
            return _VARIABLE.sub(lambda found: str(self._value(found[1])), template)
        if isinstance(template, Mapping):
            return {self.fill(key): self.fill(value) for key, value in template.items()}
        if isinstance(template, list):
            return [self.fill(value) for value in template]
        return template

    def _value(self, name: str) -> Any:
        made = _MADE.fullmatch(name)
        if made is not None:
            return self._made.setdefault(name, _make(made[1], made[2]))
        time = _TIME.fullmatch(name)
        if time is not None:
            return _moment(self._now, time[1], int(time[2] or 0))
        if name.startswith("basic:"):
            return self._basic(name.removeprefix("basic:"))
        value: Any = self._kept
        for part in name.split("."):
            if not isinstance(value, Mapping) or part not in value:
                raise UnknownVariable(f"{name} is not known: there is no {part}")
            value = value[part]
        return value

    def _basic(self, who: str) -> str:
        client = self.kept(who)
        pair = f"{quote_plus(client['clientId'])}:{quote_plus(client['clientSecret'])}"
        return base64.b64encode(pair.encode()).decode()


def _make(kind: str, digits: str | None) -> str:
    if kind == "uuid":
        return str(uuid.uuid4())
    if digits is not None:
        count = int(digits)
        return str(10 ** (count - 1) + secrets.randbelow(9 * 10 ** (count - 1)))
    return "".join(secrets.choice(_WORD_CHARACTERS) for _ in range(12))


def _moment(now: datetime, kind: str, offset: int) -> str:
    local = now.astimezone(PHILIPPINE_TIME)
    if kind == "today":
        return (local.date() + timedelta(days=offset)).isoformat()
    moment = local + timedelta(seconds=offset)
    return moment.strftime("%Y-%m-%d %H:%M:%S") if kind == "ecms-time" else moment.isoformat(timespec="seconds")


def _another_store(store: str) -> str:
    return "0167" if store != "0167" else "0166"
