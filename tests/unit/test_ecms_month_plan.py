"""The month's plan and its audit: the same seed, the same plan; what does not agree is complained of. About 2 s."""

from collections import Counter
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from connect_simulators.ecms.month.audit import Audit, cash_of, compare_money, compare_settlements, look_at
from connect_simulators.ecms.month.journeys import Deed
from connect_simulators.ecms.month.plan import DAYS, KINDS, Fate, Kind, days_needed, make_plan
from connect_simulators.ecms.month.settling import expected, fees_owed, friday_of
from connect_simulators.ecms.stores import Zone
from hypothesis import given, settings
from hypothesis import strategies as st

NUMBER = "1" * 18


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300), st.integers(0, 2**32))
def test_a_plan_fits_into_its_days_and_can_be_had_again(parcels: int, seed: int) -> None:
    plan = make_plan(parcels, seed)
    assert plan == make_plan(parcels, seed)
    assert len({item.merchant_reference for item in plan}) == parcels
    assert max(Counter(item.seller for item in plan if item.kind is Kind.DROP_OFF).values(), default=0) <= 5
    for item in plan:
        assert item.day + days_needed(item.kind, item.fate, item.zone, item.home) <= DAYS
        assert 0 <= item.amount_centavos <= 400_000
    if parcels >= len(KINDS):
        assert {(item.kind, item.fate) for item in plan} == set(KINDS)


def test_a_thousand_of_all_kinds_zones_and_fates() -> None:
    plan = make_plan(1000, 7)
    assert {item.fate for item in plan} == set(Fate)
    zones = Counter((item.kind, item.zone) for item in plan)
    assert all(zones[kind, zone] >= 10 for kind in Kind for zone in Zone)


def event(status: str, amount: str | None = None, **fields: Any) -> dict[str, Any]:
    payment = {} if amount is None else {"payment": {"amount": amount}}
    return {"status": status, "reason": None, "applied": True, "source": "counter", **payment, **fields}


def history(*events: dict[str, Any]) -> dict[str, Any]:
    return {"trackingNumber": NUMBER, "events": list(events)}


@pytest.mark.parametrize(
    ("events", "centavos"),
    [
        ([], 0),
        ([event("CLAIMED")], 0),
        ([event("CLAIMED", "200.00")], 20_000),
        ([event("CLAIMED", "200.00"), event("CLAIMED", "200.00", applied=False)], 20_000),
        ([event("CLAIMED", "200.00"), event("DELIVERED TO STORE", reason="CLAIM REVERSED")], 0),
        ([event("DROPPED OFF", "75.00"), event("CLAIMED", "200.00")], 27_500),
        (
            [
                event("DROPPED OFF", "75.00"),
                event("FOR DROP OFF", reason="DROP-OFF REVERSED"),
                event("CLAIMED", "1.00"),
            ],
            100,
        ),
    ],
)
def test_the_cash_that_ecms_believes_in(events: list[dict[str, Any]], centavos: int) -> None:
    assert cash_of(history(*events)) == centavos


def _month(amount: int, state: str = "APPROVED") -> Any:
    deed = Deed("id", "0166", date(2026, 11, 23), "COLLECT", state, amount, NUMBER, "001")
    return SimpleNamespace(counters=SimpleNamespace(deeds=[deed]))


@pytest.mark.parametrize(
    ("till", "state", "ledger", "good"),
    [
        (20_000, "APPROVED", 20_000, True),
        (19_999, "APPROVED", 19_999, False),
        (20_000, "REVERSED", 0, False),
        (20_000, "APPROVED", 20_001, False),
    ],
)
def test_a_centavo_is_complained_of(till: int, state: str, ledger: int, good: bool) -> None:
    found = Audit(ledger_centavos=ledger)
    compare_money(found, _month(till, state), [history(event("CLAIMED", "200.00"))])
    assert (not found.complaints) == good


@pytest.mark.parametrize(
    ("changes", "events", "complaint"),
    [
        ({}, [], None),
        ({"ended": False}, [], "has not ended"),
        ({"told": False}, [], "has not heard"),
        ({"flagged": True}, [event("CLAIMED", flagged="CLAIMED after CANCELLED")], "CLAIMED after CANCELLED"),
        ({}, [event("CLAIMED", applied=False, refused="payment")], "was refused"),
    ],
)
def test_what_is_not_as_it_should_be(changes: dict[str, Any], events: list[Any], complaint: str | None) -> None:
    parcel = {"trackingNumber": NUMBER, "status": "CLAIMED", "state": "CLAIMED", "flow": "DC_PICKUP"}
    found = Audit()
    look_at(found, {**parcel, "ended": True, "told": True, "flagged": False, **changes}, history(*events))
    assert len(found.complaints) == (complaint is not None)
    assert complaint is None or complaint in found.complaints[0]


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)))
def test_a_week_from_thursday_to_wednesday_is_settled_on_the_friday_after(business_date: date) -> None:
    friday = friday_of(business_date)
    assert friday.strftime("%A") == "Friday"
    assert friday - timedelta(days=8) <= business_date <= friday - timedelta(days=2)


def test_what_is_to_be_settled_with_whom_and_when() -> None:
    deeds = [
        Deed("1", "0166", date(2026, 11, 25), "COLLECT", "APPROVED", 20_000, "1" * 18, "001"),
        Deed("2", "0166", date(2026, 11, 26), "COLLECT", "APPROVED", 100, "2" * 18, "001"),
        Deed("3", "0166", date(2026, 11, 26), "CLAIM", "APPROVED", 0, "3" * 18, "002"),
        Deed("4", "0166", date(2026, 11, 26), "COLLECT", "REVERSED", 500, "4" * 18, "002"),
        Deed("5", "0166", date(2026, 11, 26), "DROP_OFF", "APPROVED", 0, "5" * 18, "002"),
        Deed("6", "0166", date(2026, 11, 26), "ACCEPT_RETURN", "APPROVED", 0, "6" * 18, "002"),
    ]
    month: Any = SimpleNamespace(counters=SimpleNamespace(deeds=deeds))
    kinds = {"5": ("DROP_OFF", "75.00"), "6": ("RETURN", "0.00")}
    histories = [
        {"trackingNumber": n * 18, "kind": kind, "dueFromMerchant": due}
        for n in "123456"
        for kind, due in [kinds.get(n, ("SHIPMENT", "30.00"))]
    ]
    due = expected(month, fees_owed(month, histories))
    first, second = date(2026, 11, 27), date(2026, 12, 4)
    assert due == {
        (first, "001"): Counter(payable=20_000, shippingFees=3_000),
        (second, "001"): Counter(payable=100, shippingFees=3_000),
        (second, "002"): Counter(shippingFees=10_500),
    }
    good = Audit()
    compare_settlements(good, due, due)
    assert (good.complaints, good.payable_centavos, good.fees_centavos) == ([], 20_100, 16_500)
    for wrong in (
        {**due, (first, "001"): Counter(payable=20_001, shippingFees=3_000)},
        {key: counted for key, counted in due.items() if key != (second, "002")},
        {**due, (second, "003"): Counter(payable=1)},
    ):
        found = Audit()
        compare_settlements(found, wrong, due)
        assert len(found.complaints) == 1
