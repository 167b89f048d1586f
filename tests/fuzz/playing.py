"""What the rules of the counter's campaign share: deeds are sent, troubles strike, the model is told what was seen."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar

import asyncpg
from connect_simulators.wire import PHILIPPINE_TIME, Answer
from hypothesis.stateful import RuleBasedStateMachine

from fuzz.belief import NOTHING_HAPPENED, Answered, Belief
from fuzz.deeds import Close, Deed, Dispense, Inquiry, Order, Sale, Ship, request_of
from fuzz.model import outcomes
from fuzz.stage import Loop, Spoil, Stage, Trouble

_GUESSES_AT_MOST = 2
"""So many requests of a store name what is not its business; a few more, and it would be locked out (ATT-1)."""

_OPEN_AT_MOST = 24
"""With more worlds than these, the players look before they go on."""

_NOTHING_DONE = frozenset({"database-unavailable", "overloaded", "ecms-unavailable"})
_NETWORK = (
    Trouble.LOSE_REQUEST,
    Trouble.CUT_REQUEST,
    Trouble.RESET,
    Trouble.LOSE_ANSWER,
    Trouble.CUT_ANSWER,
    Trouble.DOUBLE,
)
_QUICK_SPOILS = (Spoil.CUT_BEFORE, Spoil.SWALLOW, Spoil.CUT_AFTER)
KILL, TERMINATE = "the gateway is killed", "its backends are terminated"
TROUBLES: tuple[Any, ...] = (*[None] * 12, *_NETWORK, *_QUICK_SPOILS, KILL, TERMINATE)
"""What happens to a request; mostly nothing."""


class Player(RuleBasedStateMachine):
    """Two stores, what was asked in them, and every world that fits what was answered."""

    stage: ClassVar[Stage]
    loop: ClassVar[Loop]
    slow: ClassVar[bool] = True
    """Whether troubles that take seconds are played too."""
    stop: ClassVar[Callable[[], bool]] = staticmethod(lambda: False)
    """Once it is true, rules do nothing any more."""

    def __init__(self) -> None:
        super().__init__()
        self.belief = Belief()
        self.stores = self.loop.run(self.stage.new_stores())
        self.today = datetime.now(PHILIPPINE_TIME).date().isoformat()
        self.names = random.Random(f"fuzz {self.stores[0]}")
        self.orders: list[Order] = []
        self.sales: list[Sale] = []
        self.closes: list[Close] = []
        self.dispenses: list[Dispense] = []
        self.bytes_of: dict[tuple[str, str], dict[str, bytes]] = {}
        self.receipts: list[tuple[str, str]] = []
        self.guesses: Counter[str] = Counter()
        self._looking = False

    def play(self, deeds: Sequence[Deed], trouble: Any) -> None:
        """Sends deeds at once and tells the model what was seen."""
        if self.stop():
            return
        self.stage.counted["requests"] += len(deeds)
        if trouble is not None:
            self.stage.counted[str(getattr(trouble, "name", trouble)).replace("_", " ").lower()] += 1
        answers = self.loop.run(self._send(deeds, trouble))
        seen = [(deed, self._seen(deed, answer)) for deed, answer in zip(deeds, answers, strict=True)]
        doubled = [(deed, None) for deed in deeds] if trouble is Trouble.DOUBLE else []
        self.belief.witness([*seen, *doubled])
        for deed, answer in zip(deeds, answers, strict=True):
            self._remember(deed, answer)
        if len(self.belief.worlds) > _OPEN_AT_MOST and not self._looking:
            self._look()

    def _look(self) -> None:
        """Asks about whatever the worlds disagree on, so that they become fewer."""
        self._looking = True
        for order in self.orders:
            if len({order.tracking_number in world.parcels for world in self.belief.worlds}) > 1:
                self.play([Ship(order)], None)
        for sale in self.sales:
            key = sale.store, sale.transaction_id
            if len({world.transactions.get(key) for world in self.belief.worlds}) > 1:
                self.play([Inquiry(sale.transaction_id, sale.store)], None)
        self._looking = False

    async def _send(self, deeds: Sequence[Deed], trouble: Any) -> list[Answer | None]:
        stage = self.stage
        await stage.stand_up_again()
        if isinstance(trouble, Trouble):
            stage.network.weather = {trouble: 1.0}
        elif isinstance(trouble, Spoil):
            stage.database.spoil(trouble)
        asking = [asyncio.create_task(self._ask(deed)) for deed in deeds]
        if trouble in (KILL, TERMINATE):
            await asyncio.sleep(self.names.choice((0, 0.002, 0.005)))
            await (stage.gateway.end() if trouble is KILL else stage.terminate_backends())
        answers = await asyncio.gather(*asking)
        stage.network.weather = {}
        stage.database.calm()
        if trouble is not None or None in map(_settled, answers):
            await stage.nothing_under_way()
        return list(answers)

    async def _ask(self, deed: Deed) -> Answer | None:
        request = request_of(deed, self.today)
        client = {"ecms": "ecms", "kiosk": f"kiosk-{self.stores[0]}"}.get(request.who, f"pos-{request.who}")
        wire = self.stage.wire(client)
        return await wire.ask(request.method, request.path, json=request.body)

    def _seen(self, deed: Deed, answer: Answer | None) -> Answered:
        """What an answer says, for the model."""
        if answer is None or answer.status in (429, 503):
            if answer is not None:
                assert answer.code != "too-many-attempts", "locked out without having guessed"
                assert answer.code is not None, answer.raw
                self.stage.counted[answer.code] += 1
            return NOTHING_HAPPENED if answer is not None and answer.code in _NOTHING_DONE else None
        assert answer.status != 500, f"{deed} -> {answer.raw!r}"
        replay = answer.headers.get("Idempotent-Replay") == "true"
        return {"status": answer.status, "body": answer.body, "replay": replay}

    def _remember(self, deed: Deed, answer: Answer | None) -> None:
        if answer is None or not isinstance(deed, Sale | Inquiry | Dispense | Close):
            return
        body = answer.body or {}
        if isinstance(deed, Dispense):
            if answer.status == 201:
                self.belief.name(body["trackingNumber"], body["returnCode"].replace("-", ""))
        elif isinstance(deed, Close):
            if answer.status == 200:
                self._same_bytes((deed.store, f"{deed.pos}/{deed.shift}"), "close", answer.raw)
        elif body.get("state") == "APPROVED":
            self._same_bytes((deed.store, deed.transaction_id), "approval", answer.raw)
            if (deed.store, body["receipt"]["number"]) not in self.receipts:
                self.receipts.append((deed.store, body["receipt"]["number"]))
        elif isinstance(deed, Sale) and answer.status in (404, 409) and answer.code != "transaction-reversed":
            self._same_bytes((deed.store, deed.transaction_id), "refusal", answer.raw)

    def _same_bytes(self, key: tuple[str, str], what: str, raw: bytes) -> None:
        first = self.bytes_of.setdefault(key, {}).setdefault(what, raw)
        assert first == raw, f"{key}: the {what} was {first!r} and is now {raw!r}"

    def too_many_guesses(self, deed: Deed) -> bool:
        """Whether the deed would be one guess too many; counts it."""
        names = {"unknown-reference", "wrong-store", "unknown-identifier"}
        if not any(outcomes(world, deed, self.belief.code_of)[1].get("code") in names for world in self.belief.worlds):
            return False
        who = "kiosk" if isinstance(deed, Dispense) else getattr(deed, "store", "")
        self.guesses[who] += 1
        return self.guesses[who] > _GUESSES_AT_MOST

    def known(self) -> list[Order]:
        """Orders and returns whose references are known."""
        returns = [Order("RETURN", code, tracking, None, 0) for tracking, code in sorted(self.belief.code_of.items())]
        return [*self.orders, *returns]

    def new_id(self) -> str:
        return str(uuid.UUID(int=self.names.getrandbits(128), version=4))

    async def ecms_has_heard_it(self) -> None:
        numbers = sorted({tracking for world in self.belief.worlds for tracking in world.parcels})
        await self.stage.drained(numbers)
        heard = {number: tuple(self.stage.ecms.applied.get(number, ())) for number in numbers}
        expected = [{number: parcel.events for number, parcel in world.parcels.items()} for world in self.belief.worlds]
        self.belief.only([{number: one.get(number, ()) for number in numbers} == heard for one in expected])
        assert self.belief.worlds, f"ECMS has heard {heard}; it can only be one of {expected[:3]}"

    async def the_ledger_agrees(self) -> None:
        """I2: receipts are as many as were approved; the answers had their numbers without a gap (the model's)."""
        connection = await asyncpg.connect(self.stage.database_url, timeout=10)
        try:
            rows = await connection.fetch(_TERMINALS, list(self.stores))
        finally:
            await connection.close()
        found = {(row["store_id"], row["pos"]): row["receipts"] for row in rows if row["receipts"]}
        assert any(dict(world.receipts) == found for world in self.belief.worlds), found


_TERMINALS = "SELECT store_id, pos, receipts FROM terminal WHERE store_id = ANY($1)"


def _settled(answer: Answer | None) -> Answer | None:
    return None if answer is None or answer.status == 503 else answer
