"""The counter's campaign: tills, kiosks and ECMS in any order, everything failing in between, against the model.

Every rule sends one request or a few at once, tells the model what was seen, and asserts that it can be. What got no
answer stays open until another answer settles it. In the end all is mended, everything is asked about once more, and
ECMS must have heard exactly what one of the worlds that are left has to tell.
"""

import signal
from typing import Any

from connect_simulators.wire import format_amount
from history.records import Parcel
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from connect_gateway.crashpoints import POINTS
from fuzz.deeds import (
    ACTION,
    WAIT_AT_A_STORE,
    Close,
    Copy,
    Dispense,
    Inquiry,
    Lookup,
    Order,
    Reversal,
    Sale,
    Ship,
    Tell,
)
from fuzz.playing import KILL, TERMINATE, TROUBLES, Player
from fuzz.stage import ECMS_MODES, Spoil

_STATUSES = ("DELIVERED TO STORE", "CANCELLED", "REJECTED", "FOR PULL OUT", "IN-TRANSIT", "CLAIMED")
_SLOW_SPOILS = (Spoil.SILENCE, Spoil.HOLD)

trouble_ = st.sampled_from(TROUBLES)
index_ = st.integers(0, 20)
pos_ = st.integers(1, 2)


class CounterFuzz(Player):
    """The rules."""

    @initialize(
        kinds=st.lists(st.sampled_from(["PAY_AND_CLAIM", "CLAIM"]), min_size=1, max_size=3),
        amount=st.sampled_from([1, 20_000, 400_000]),
    )
    def parcels_wait(self, kinds: list[str], amount: int) -> None:
        for kind in kinds:
            self.ship(kind, amount, False, 0, None)
            self.ecms_tells(len(self.orders) - 1, "DELIVERED TO STORE", 0, -50, None)

    # ECMS.

    @rule(
        kind=st.sampled_from(["PAY_AND_CLAIM", "CLAIM", "PAY", "DROP_OFF"]),
        amount=st.sampled_from([1, 20_000, 400_000]),
        lapsed=st.sampled_from([False, False, False, True]),
        store=st.integers(0, 1),
        trouble=trouble_,
    )
    def ship(self, kind: str, amount: int, lapsed: bool, store: int, trouble: Any) -> None:
        if len(self.orders) < 5:
            number = self.names.randrange(10**12)
            due = 0 if kind == "CLAIM" or (kind == "DROP_OFF" and amount == 1) else amount
            at_store = self.stores[store] if kind in WAIT_AT_A_STORE else None
            order = Order(kind, f"{number:012d}", f"{300_000 + number:018d}", at_store, due, lapsed)
            self.stage.ecms.fees[order.tracking_number] = format_amount(due)
            self.orders.append(order)
            self.play([Ship(order)], trouble)

    @rule(at=index_, trouble=trouble_)
    def ship_again(self, at: int, trouble: Any) -> None:
        if self.orders:
            self.play([Ship(self.orders[at % len(self.orders)])], trouble)

    @rule(
        at=index_,
        status=st.sampled_from(_STATUSES),
        store=st.integers(0, 1),
        when=st.integers(-100, -1) | st.integers(1, 100),
        trouble=trouble_,
    )
    def ecms_tells(self, at: int, status: str, store: int, when: int, trouble: Any) -> None:
        known = self.known()
        if known:
            order = known[at % len(known)]
            self.play([Tell(order.tracking_number, status, self.stores[store], when)], trouble)

    @rule(mode=st.sampled_from(ECMS_MODES))
    def ecms_becomes(self, mode: str) -> None:
        self.stage.ecms.mode = mode
        self.stage.counted[f"ECMS {mode}"] += 1

    # Tills.

    def _sale(self, order: Order, store: int, pos: int, shift: int, spoilt: str | None) -> Sale:
        type_ = ACTION[order.kind]
        if spoilt == "type":
            type_ = next(other for other in ACTION.values() if other != type_)
        label: str | None = order.tracking_number
        if spoilt == "label":
            label = "1" * 18
        elif type_ in ("ACCEPT_RETURN", "DROP_OFF") and spoilt != "with label":
            label = None
        if type_ == "PAY":
            label = None
        tendered = None
        if type_ in ("COLLECT", "PAY") or (type_ == "DROP_OFF" and order.amount):
            tendered = max(0, order.amount - 1) if spoilt == "tender" else order.amount + 12_345
        reference = "000000000000" if spoilt == "reference" else order.reference
        return Sale(self.new_id(), self.stores[store], type_, reference, pos, shift, "ana", label, tendered)

    @rule(
        at=index_,
        pos=pos_,
        shift=st.integers(1, 2),
        spoilt=st.sampled_from([*[None] * 8, "type", "label", "with label", "tender", "reference", "store"]),
        trouble=trouble_,
    )
    def sell(self, at: int, pos: int, shift: int, spoilt: str | None, trouble: Any) -> None:
        known = self.known()
        if not known:
            return
        order = known[at % len(known)]
        parcel = self.belief.worlds[0].parcels.get(order.tracking_number)
        at_store = 1 if parcel is not None and parcel.store == self.stores[1] else 0
        self._sell(self._sale(order, at_store ^ (spoilt == "store"), pos, shift, spoilt), trouble)

    def _sell(self, sale: Sale, trouble: Any) -> None:
        if not self.too_many_guesses(sale):
            self.sales.append(sale)
            self.play([sale], trouble)

    @rule(at=index_, trouble=trouble_)
    def send_again(self, at: int, trouble: Any) -> None:
        if self.sales and not self.too_many_guesses(sale := self.sales[at % len(self.sales)]):
            self.play([sale], trouble)

    @rule(at=index_, field=st.sampled_from(["clerk", "pos", "shift", "label", "tendered"]))
    def send_otherwise(self, at: int, field: str) -> None:
        """The same id with other content, as a till with a defect would."""
        if not self.sales:
            return
        sale = self.sales[at % len(self.sales)]
        values: dict[str, Any] = {name: getattr(sale, name) for name in Sale.__slots__}
        changed = {"clerk": "bea", "pos": 3 - sale.pos, "shift": 3 - sale.shift, "label": "2" * 18, "tendered": 77_777}
        if values[field] is not None and not self.too_many_guesses(other := Sale(**values | {field: changed[field]})):
            self.play([other], None)

    @rule(
        at=index_,
        reason=st.sampled_from(["TIMEOUT", "CANCELLED", "CLERK_VOID"]),
        in_hand=st.sampled_from([True, True, False]),
        first=st.sampled_from([False, False, False, True]),
        trouble=trouble_,
    )
    def reverse(self, at: int, reason: str, in_hand: bool, first: bool, trouble: Any) -> None:
        """Undoes a transaction, or one that has not been sent yet."""
        known = self.known()
        if first and known:
            sale = self._sale(known[at % len(known)], 0, 1, 1, None)
            self.sales.append(sale)
            self.play([Reversal(sale.transaction_id, sale.store, reason, in_hand)], trouble)
        elif self.sales:
            sale = self.sales[at % len(self.sales)]
            self.play([Reversal(sale.transaction_id, sale.store, reason, in_hand)], trouble)

    @rule(at=index_)
    def inquire(self, at: int) -> None:
        if self.sales:
            sale = self.sales[at % len(self.sales)]
            self.play([Inquiry(sale.transaction_id, sale.store)], None)

    @rule(at=index_, store=st.integers(0, 1))
    def look_up(self, at: int, store: int) -> None:
        known = self.known()
        if known and not self.too_many_guesses(lookup := Lookup(known[at % len(known)].reference, self.stores[store])):
            self.play([lookup], None)

    @rule(at=index_, trouble=trouble_)
    def reprint(self, at: int, trouble: Any) -> None:
        if self.receipts:
            store, number = self.receipts[at % len(self.receipts)]
            self.play([Copy(number, store)], trouble)

    @rule(pos=pos_, store=st.integers(0, 1), over=st.sampled_from([0, 0, 500]), trouble=trouble_)
    def close_shift(self, pos: int, store: int, over: int, trouble: Any) -> None:
        """The till lists what one of the worlds has of its shift 2."""
        world = self.belief.worlds[0]
        lines, counted = [], over
        for (of_store, id_), one in sorted(world.transactions.items(), key=lambda item: item[0]):
            if one.sale is not None and (of_store, one.sale.pos, one.sale.shift) == (self.stores[store], pos, 2):
                parcel = world.parcel_of(one.sale.reference)
                due = parcel.order.amount if parcel is not None and one.receipt is not None else 0
                lines.append((id_, one.sale.type, one.state, due))
                counted += due if one.state == "APPROVED" else 0
        close = Close(self.stores[store], pos, 2, counted, tuple(lines))
        self.closes.append(close)
        self.play([close], trouble)

    @rule(at=index_)
    def close_again(self, at: int) -> None:
        if self.closes:
            self.play([self.closes[at % len(self.closes)]], None)

    # Kiosks.

    @rule(identifier=st.sampled_from(["A", "A", "B", "nothing"]), trouble=trouble_)
    def dispense(self, identifier: str, trouble: Any) -> None:
        name = f"{identifier}-{self.stores[0]}"
        tracking = self.stage.ecms.returnable.get(name)
        if tracking is None and identifier != "nothing":
            tracking = f"{self.names.randrange(10**18):018d}"
            self.stage.ecms.returnable[name] = tracking
        asked = Dispense(self.new_id(), name, tracking)
        if not self.too_many_guesses(asked):
            self.dispenses.append(asked)
            self.play([asked], trouble)

    @rule(at=index_, trouble=trouble_)
    def ask_again(self, at: int, trouble: Any) -> None:
        if self.dispenses and not self.too_many_guesses(asked := self.dispenses[at % len(self.dispenses)]):
            self.play([asked], trouble)

    # Several at once.

    @rule(at=index_, stores=st.lists(st.integers(0, 1), min_size=2, max_size=3), trouble=st.sampled_from([None, KILL]))
    def sell_at_once(self, at: int, stores: list[int], trouble: Any) -> None:
        """Tills that want the same reference, of which one can have it."""
        known = self.known()
        if known:
            order = known[at % len(known)]
            sales = [self._sale(order, store, 1 + place % 2, 1, None) for place, store in enumerate(stores)]
            too_many = [self.too_many_guesses(sale) for sale in sales]
            if not any(too_many):
                self.sales += sales
                self.play(sales, trouble)

    @rule(at=index_, again=st.booleans(), trouble=st.sampled_from([None, None, KILL, TERMINATE]))
    def reverse_while_it_is_sent(self, at: int, again: bool, trouble: Any) -> None:
        """A reversal races its transaction, which comes for the first time or once more."""
        known = self.known()
        if again and self.sales:
            sale = self.sales[at % len(self.sales)]
        elif known:
            sale = self._sale(known[at % len(known)], 0, 1, 1, None)
        else:
            return
        if not self.too_many_guesses(sale):
            self.sales += [] if again else [sale]
            self.play([sale, Reversal(sale.transaction_id, sale.store, "TIMEOUT", in_hand=True)], trouble)

    # The process.

    @rule(number=st.sampled_from([signal.SIGKILL, signal.SIGTERM]))
    def restart(self, number: signal.Signals) -> None:
        if self.stop():
            return
        self.stage.counted[f"restart by {number.name}"] += 1
        self.loop.run(self._restart(number, None))

    @rule(point=st.sampled_from(sorted(POINTS)), times=st.integers(1, 2))
    def let_it_die_at(self, point: str, times: int) -> None:
        if not self.slow or self.stop():
            return
        self.stage.counted["crash points armed"] += 1
        self.loop.run(self._restart(signal.SIGKILL, f"{point}:{times}"))

    async def _restart(self, number: signal.Signals, crash_at: str | None) -> None:
        await self.stage.stand_up_again()
        await self.stage.gateway.end(number)
        await self.stage.nothing_under_way()
        await self.stage.start(crash_at)

    @rule(at=index_, spoil=st.sampled_from(_SLOW_SPOILS))
    def commit_in_silence(self, at: int, spoil: Spoil) -> None:
        """The answer to COMMIT does not come, or COMMIT is kept back for longer than anybody waits."""
        if self.slow:
            self.send_again(at, spoil)

    def teardown(self) -> None:
        """Mends everything, asks about everything, and compares what ECMS has heard."""
        self.loop.run(self.stage.calm())
        if self.stop():
            return
        for order in self.orders:
            self.play([Ship(order)], None)
        for sale in self.sales:
            self.play([Inquiry(sale.transaction_id, sale.store)], None)
        for order in self.known():
            parcel = self.belief.worlds[0].parcels.get(order.tracking_number)
            at_store = None if parcel is None else parcel.store
            self.play([Lookup(order.reference, at_store or self.stores[0])], None)
        self.loop.run(self.ecms_has_heard_it())
        self.loop.run(self.the_ledger_agrees())
        self.stage.counted["examples"] += 1

    def parcels(self) -> list[Parcel]:
        """What was ordered, for the checker of the whole round."""
        return [Parcel(one.reference, one.kind, one.tracking_number, one.store, one.amount) for one in self.known()]
