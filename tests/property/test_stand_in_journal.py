"""Any order of sales, voids, crashes, lost answers, conflicts and refusals at a till that is cut off now and then.

About 10 s; loopback alone.
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from aiohttp.test_utils import TestServer
from connect_simulators.patience import Patience
from connect_simulators.pos.assembly import Parts, assemble
from connect_simulators.pos.config import TerminalConfig
from connect_simulators.pos.drawer import close_shift, open_shift
from connect_simulators.pos.fetch import refresh_manifest
from connect_simulators.pos.results import Outcome
from connect_simulators.pos.till import StillOpen, TillSettings
from countergateway import CLIENT, CounterGateway, Shelf
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

T = TypeVar("T")
PATIENCE = Patience(timeout_s=20, first_wait_s=0.001, longest_wait_s=0.002, give_up_s=0.005)
SETTINGS = TillSettings(patience=PATIENCE, reversal_give_up_s=0.001, stand_in_after_s=0.02)


class TillThatIsCutOff(RuleBasedStateMachine):
    """One till and its gateway; whatever happens, in the end both tell the same story."""

    shelves = Bundle("shelves")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.directory = Path(tempfile.mkdtemp(prefix="connect-till-"))
        self.gateway = CounterGateway(limits={**_LIMITS})
        self.server = TestServer(self.gateway.application(), host="127.0.0.1")
        self.do(self.server.start_server())
        self.gateway.url = str(self.server.make_url("")).rstrip("/")
        self.parts: Parts | None = None
        # What the customer was told of each transaction, last.
        self.told: dict[str, Outcome] = {}
        self.pulled_out: set[str] = set()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @property
    def till(self) -> Parts:
        if self.parts is None:
            config = TerminalConfig(self.gateway.url, CLIENT, self.directory, patience=PATIENCE)
            self.parts = assemble(config, SETTINGS, clock=self.gateway.clock)
        return self.parts

    def teardown(self) -> None:
        try:
            self.settle_everything()
        finally:
            self.do(self.till.close())
            self.do(self.server.close())
            self.runner.close()
            shutil.rmtree(self.directory)

    @initialize(target=shelves)
    def begin(self) -> MultipleResults[Shelf]:
        open_shift(self.till.till.book, "1", "ana", 5_000, self.gateway.clock)
        made = [self.gateway.shelve(action) for action in ("COLLECT", "COLLECT", "CLAIM")]
        self.cut_off()
        return multiple(*made)

    @rule(target=shelves, action=st.sampled_from(["COLLECT", "CLAIM"]))
    def arrive(self, action: str) -> Shelf:
        return self.gateway.shelve(action)

    @rule(shelf=shelves)
    def sell(self, shelf: Shelf) -> None:
        tendered = 20_000 if shelf.action == "COLLECT" else None
        with contextlib.suppress(StillOpen):
            result = self.do(self.till.till.perform(shelf.action, shelf.reference, shelf.label, tendered))
            if result.transaction_id is not None:
                self.told[result.transaction_id] = result.outcome

    @rule(which=st.integers(0, 20), in_hand=st.booleans())
    def void(self, which: int, *, in_hand: bool) -> None:
        done = [each for each, outcome in self.told.items() if outcome in {Outcome.APPROVED, Outcome.STOOD_IN}]
        if done:
            transaction_id = done[which % len(done)]
            result = self.do(self.till.till.reverse(transaction_id, "CLERK_VOID", parcel_in_hand=in_hand))
            if result.outcome in {Outcome.REVERSED, Outcome.UNKNOWN}:
                self.told[transaction_id] = result.outcome

    @rule(weather=st.sampled_from(["fine", "away", "lost"]))
    def turn(self, weather: str) -> None:
        self.gateway.away, self.gateway.lost = weather == "away", weather == "lost"

    @rule()
    def cut_off(self) -> None:
        """After a last look at what waits."""
        self.turn("fine")
        self.go_round()
        self.turn("away")

    @rule(shelf=shelves)
    def pull_out(self, shelf: Shelf) -> None:
        if shelf.state == "OPEN":
            self.gateway.take_away(shelf)
            self.pulled_out.add(shelf.reference)

    @rule(shelf=shelves)
    def take_against(self, shelf: Shelf) -> None:
        self.gateway.refuse[shelf.reference] = "malformed-request"

    @rule()
    def relent(self) -> None:
        self.gateway.refuse.clear()

    @rule()
    def go_round(self) -> None:
        self.do(self._round())

    async def _round(self) -> None:
        parts = self.till
        await refresh_manifest(parts.client, parts.stand_in.store)
        await parts.till.resume()
        await parts.forwarder.forward(refused_too=True)

    @rule(torn=st.binary(max_size=40))
    def crash(self, torn: bytes) -> None:
        self.do(self.till.close())
        self.parts = None
        with (self.directory / "journal.jsonl").open("ab") as journal:
            journal.write(torn.replace(b"\n", b""))

    @invariant()
    def no_parcel_is_collected_twice(self) -> None:
        assert all(count <= 1 for count in self.gateway.collections().values())

    @invariant()
    def the_limits_hold(self) -> None:
        queue = self.till.till.book.queue
        assert queue.count <= _LIMITS["maxCount"]
        assert queue.total <= 100_000

    @invariant()
    def the_drawer_has_what_was_taken(self) -> None:
        shift = self.till.till.book.sales.shift
        assert shift is not None
        sales = self.till.till.book.sales.all()
        assert shift.cash_expected == 5_000 + sum(sale.took_cash for sale in sales)

    def settle_everything(self) -> None:
        """Fine weather at last: everything is told, nothing was lost, and every conflict is on a list."""
        self.turn("fine")
        self.relent()
        self.do(self._round())
        book = self.till.till.book
        assert (book.queue.waiting(), book.open_entries()) == ([], [])
        for transaction_id, outcome in self.told.items():
            sale = book.sales.get(transaction_id)
            assert sale is not None
            there = self.gateway.answers.get(transaction_id, {"state": "DECLINED"})["state"]
            if outcome in {Outcome.APPROVED, Outcome.STOOD_IN}:
                assert (sale.state, there in {"APPROVED", "DISPUTED"}) == ("APPROVED", True)
            elif outcome in {Outcome.REVERSED, Outcome.REFUSED}:
                assert there in {"REVERSED", "DECLINED"}
            assert sale.disputed is (there == "DISPUTED")
        disputed = {each for each, answer in self.gateway.answers.items() if answer["state"] == "DISPUTED"}
        assert {each.transaction_id for each in book.queue.conflicts()} == disputed
        numbers = [sale.receipt_number for sale in book.sales.all() if sale.stand_in is not None]
        assert numbers == [f"0166-001-S{number:07d}" for number in range(1, len(numbers) + 1)]
        self.do(close_shift(book, self.till.forwarder, 5_000, "0166", self.gateway.clock))
        listed = {line["transactionId"] for line in self.gateway.closes[-1]["transactions"]}
        standing = {each for each, answer in self.gateway.answers.items() if answer["state"] == "APPROVED"}
        assert standing | disputed <= listed
        event(f"stand-in sales: {min(len(numbers), 4)}, disputed: {min(len(disputed), 2)}")


_LIMITS: dict[str, Any] = {"maxAgeSeconds": 14400, "maxAmount": "4000.00", "maxTotal": "1000.00", "maxCount": 3}


def test_any_order_of_sales_crashes_and_answers_ends_in_one_story() -> None:
    run_state_machine_as_test(
        TillThatIsCutOff,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )


@settings(max_examples=1)
@given(st.none())
def test_a_disputed_sale_that_the_clerk_undoes_is_in_dispute_no_more(nothing: None) -> None:
    assert nothing is None
    story = TillThatIsCutOff()
    try:
        shelf = story.begin().values[0]
        story.sell(shelf)
        story.pull_out(shelf)
        story.turn("fine")
        story.go_round()
        assert len(story.till.till.book.queue.conflicts()) == 1
        story.void(0, in_hand=True)
        assert story.till.till.book.queue.conflicts() == []
    finally:
        story.teardown()
