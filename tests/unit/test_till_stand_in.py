"""A till that is cut off: what it sells, what it refuses, what it tells the gateway afterwards. About 5 s; loopback."""

import contextlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from connect_simulators.pos.drawer import ShiftIsOpen, ShiftNotOpen
from connect_simulators.pos.results import Outcome
from connect_simulators.pos.terminal import Terminal
from countergateway import CounterGateway, Shelf, gateway

__all__ = ["gateway"]


async def until(terminal: Terminal, met: Any) -> None:
    """Until the terminal says that `met()` holds."""
    events = terminal.events()
    while not met():
        await anext(events)


async def connected(terminal: Terminal) -> None:
    """Until the till has its manifest."""
    await terminal.sync()
    assert terminal.status().manifest is not None


@contextlib.asynccontextmanager
async def on_shift(gateway: CounterGateway, directory: Path, drawer: int = 0) -> AsyncIterator[Terminal]:
    """A till with its manifest and an open shift; `drawer` is the cash that it began with, in centavos."""
    async with Terminal(gateway.config(directory), gateway.clock) as terminal:
        await terminal.open_shift("ana", drawer)
        await connected(terminal)
        yield terminal


def journal(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "journal.jsonl").read_text().splitlines()]


async def test_a_sale_without_a_connection_is_on_disk_before_it_is_shown_and_told_in_order_afterwards(
    gateway: CounterGateway, tmp_path: Path
) -> None:
    shelves = [gateway.shelve(), gateway.shelve("CLAIM"), gateway.shelve(amount="1299.50")]
    async with on_shift(gateway, tmp_path, 100_000) as terminal:
        gateway.away = True
        made = []
        for shelf in shelves:
            found = await terminal.lookup(shelf.reference)
            assert (found.outcome, found.body["standIn"], found.body["labelHint"]) == (
                *(Outcome.FOUND, True, shelf.label[-4:]),
            )
            tendered = 200_000 if shelf.action == "COLLECT" else None
            result = await terminal.do(shelf.action, shelf.reference, shelf.label, tendered)
            assert result.outcome is Outcome.STOOD_IN
            assert journal(tmp_path)[-1]["event"] == "STOOD_IN"
            made.append(result)
        first, _, third = made
        assert first.verdict is not None
        assert first.receipt is not None
        assert third.receipt is not None
        assert (first.verdict.cash, first.verdict.parcel) == ("KEEP", "RELEASE")
        assert (first.receipt.number, third.receipt.number) == ("0166-001-S0000001", "0166-001-S0000003")
        assert "*** STAND-IN ***" in "\n".join(first.receipt.text)
        assert any("Niño" in line for line in first.receipt.text)
        assert all(len(line) <= 32 for line in first.receipt.text)
        status = terminal.status()
        assert (status.online, status.waiting, status.waiting_amount) == (False, 3, 149_950)
        assert terminal.shift is not None
        assert terminal.shift.cash_expected == 249_950
        gateway.puts.clear()
        gateway.away = False
        await until(terminal, lambda: not terminal.status().waiting)
        assert [put[0] for put in gateway.puts] == [each.transaction_id for each in made]
        assert gateway.puts[0][1]["standIn"] == {
            "occurredAt": "2026-11-22T12:00:00.000+08:00",
            "receiptNumber": "0166-001-S0000001",
            "manifestId": gateway.puts[1][1]["standIn"]["manifestId"],
        }
        assert gateway.collections() == {shelf.reference: 1 for shelf in shelves}
        assert terminal.conflicts == []


async def test_a_lost_answer_and_then_no_connection_is_one_sale_under_one_id(
    gateway: CounterGateway, tmp_path: Path
) -> None:
    shelf = gateway.shelve()
    async with on_shift(gateway, tmp_path) as terminal:
        gateway.lost = True
        result = await terminal.do("COLLECT", shelf.reference, shelf.label, 50_000)
        assert (result.outcome, result.attempts > 1) == (Outcome.STOOD_IN, True)
        gateway.lost = False
        await until(terminal, lambda: not terminal.status().waiting)
        assert {put[0] for put in gateway.puts} == {result.transaction_id}
        assert (gateway.collections(), terminal.conflicts) == ({shelf.reference: 1}, [])


async def test_a_conflict_is_shown_until_a_person_has_seen_it(gateway: CounterGateway, tmp_path: Path) -> None:
    shelf, refused, fine = gateway.shelve(), gateway.shelve(), gateway.shelve()
    async with on_shift(gateway, tmp_path) as terminal:
        gateway.away = True
        for each in (shelf, refused, fine):
            assert (await terminal.do("COLLECT", each.reference, each.label, 20_000)).outcome is Outcome.STOOD_IN
        gateway.take_away(shelf)
        gateway.refuse[refused.reference] = "malformed-request"
        gateway.away = False
        await until(terminal, lambda: terminal.status().waiting == 1)
        assert [each.code for each in terminal.conflicts] == ["already-done", "malformed-request"]
        assert gateway.collections() == {fine.reference: 1}
        assert terminal.sales()[-1].disputed
        terminal.conflict_seen(terminal.conflicts[0].transaction_id)
    async with Terminal(gateway.config(tmp_path), gateway.clock) as terminal:
        assert [each.code for each in terminal.conflicts] == ["malformed-request"]
        gateway.refuse.clear()
        await until(terminal, lambda: not terminal.status().waiting)
        assert terminal.conflicts == []
        assert gateway.collections() == {fine.reference: 1, refused.reference: 1}


@pytest.mark.parametrize("seen", [True, False])
async def test_a_void_without_a_connection_gives_the_cash_back_and_both_are_told(
    gateway: CounterGateway, tmp_path: Path, *, seen: bool
) -> None:
    shelf = gateway.shelve()
    async with on_shift(gateway, tmp_path, 5_000) as terminal:
        gateway.away = True
        sold = await terminal.do("COLLECT", shelf.reference, shelf.label, 20_000)
        assert sold.transaction_id is not None
        gone = await terminal.void(sold.transaction_id, False)
        assert (gone.outcome, gone.code) == (Outcome.REFUSED, "parcel-not-in-hand")
        voided = await terminal.void(sold.transaction_id)
        assert voided.verdict is not None
        assert voided.receipt is not None
        assert (voided.outcome, voided.verdict.cash, voided.verdict.parcel) == (Outcome.REVERSED, "RETURN", "HOLD")
        assert any("REVERSAL" in line for line in voided.receipt.text)
        if seen:
            terminal.shown(sold.transaction_id)
        assert terminal.shift is not None
        assert (terminal.shift.cash_expected, terminal.status().waiting_amount) == (5_000, 0)
        again = await terminal.do("COLLECT", shelf.reference, shelf.label, 20_000)
        assert again.outcome is Outcome.STOOD_IN
        gateway.away = False
        await until(terminal, lambda: not terminal.status().waiting)
        assert [gateway.answers[each]["state"] for each in (sold.transaction_id, again.transaction_id or "")] == [
            *("REVERSED", "APPROVED"),
        ]
    async with Terminal(gateway.config(tmp_path), gateway.clock) as terminal:
        said = [notice.code for notice in terminal.recovered]
        assert said == (["sale-stood-in"] if seen else ["sale-reversed", "sale-stood-in"])
        terminal.recovered_seen()
        assert terminal.recovered == []


def _other_label(shelf: Shelf, gateway: CounterGateway) -> dict[str, Any]:
    return {"label": "9" * 18}


def _too_little(shelf: Shelf, gateway: CounterGateway) -> dict[str, Any]:
    return {"tendered": 19_999}


def _old(shelf: Shelf, gateway: CounterGateway) -> dict[str, Any]:
    gateway.now += timedelta(hours=4, seconds=1)
    return {}


def _clock_set_back(shelf: Shelf, gateway: CounterGateway) -> dict[str, Any]:
    gateway.now -= timedelta(hours=1)
    return {}


def _unknown(shelf: Shelf, gateway: CounterGateway) -> dict[str, Any]:
    return {"reference": "1111-2222-3333"}


def _return(shelf: Shelf, gateway: CounterGateway) -> dict[str, Any]:
    return {"action": "ACCEPT_RETURN", "tendered": None}


def _as_prepaid(shelf: Shelf, gateway: CounterGateway) -> dict[str, Any]:
    return {"action": "CLAIM", "tendered": None}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_other_label, "wrong-label"),
        (_too_little, "tender-too-small"),
        (_old, "manifest-too-old"),
        (_clock_set_back, "clock-behind"),
        (_unknown, "not-in-manifest"),
        (_return, "needs-connection"),
        (_as_prepaid, "wrong-action"),
    ],
)
async def test_what_the_manifest_does_not_allow_is_refused_and_never_begun(
    gateway: CounterGateway, tmp_path: Path, change: Any, code: str
) -> None:
    shelf = gateway.shelve()
    async with on_shift(gateway, tmp_path) as terminal:
        gateway.away = True
        await until(terminal, lambda: not terminal.status().online)
        wish = {"action": "COLLECT", "reference": shelf.reference, "label": shelf.label, "tendered": 20_000}
        result = await terminal.do(**(wish | change(shelf, gateway)))
        assert (result.outcome, result.code) == (Outcome.REFUSED, code)
        assert [each["event"] for each in journal(tmp_path)] == ["SHIFT_OPENED"]


async def test_the_limits_of_the_manifest_hold(gateway: CounterGateway, tmp_path: Path) -> None:
    """STD-6."""
    gateway.limits = {"maxAgeSeconds": 60, "maxAmount": "300.00", "maxTotal": "450.00", "maxCount": 3}
    dear, *rest = gateway.shelve(amount="300.01"), *(gateway.shelve() for _ in range(3)), gateway.shelve("CLAIM")
    claim = gateway.shelve("CLAIM")
    async with on_shift(gateway, tmp_path) as terminal:
        gateway.away = True
        codes = []
        for each in (dear, *rest, claim):
            tendered = 40_000 if each.action == "COLLECT" else None
            result = await terminal.do(each.action, each.reference, each.label, tendered)
            codes.append(result.code or result.outcome.value)
        assert codes == [
            *("no-answer", "STOOD_IN", "STOOD_IN", "total-over-limit", "STOOD_IN", "count-over-limit"),
        ]
        left = terminal.status().limits
        assert left is not None
        assert (left.left_total, left.left_count) == (5_000, 0)


async def test_a_manifest_that_was_touched_or_signed_by_another_is_not_used(
    gateway: CounterGateway, tmp_path: Path
) -> None:
    """STD-4."""
    gateway.shelve()
    cases: list[tuple[Any, str]] = [
        (lambda each: {**each, "manifest": each["manifest"][:-4] + "AAAA"}, "manifest-signature-wrong"),
        (lambda each: {**each, "keyId": "other"}, "manifest-key-unknown"),
        (lambda _: gateway.sealed({"storeId": "0166"}), "manifest-unreadable"),
        (lambda _: {"manifest": 5}, "manifest-unreadable"),
    ]
    for number, (tamper, code) in enumerate(cases):
        gateway.tamper = tamper
        async with Terminal(gateway.config(tmp_path / str(number)), gateway.clock) as terminal:
            await terminal.sync()
            assert terminal.status().manifest is None
            assert terminal.manifest_problem == code


async def test_the_manifest_is_kept_fetched_in_parts_and_read_again_after_a_restart(
    gateway: CounterGateway, tmp_path: Path
) -> None:
    first, second = gateway.shelve(), gateway.shelve()
    async with Terminal(gateway.config(tmp_path), gateway.clock) as terminal:
        await connected(terminal)
        gateway.take_away(first)
        third = gateway.shelve()
        third.changed = 9
        await terminal.sync()
        asked = [each for each in gateway.requests if "manifest" in each and "keys" not in each]
        assert (asked[0], "GET /pos/v1/manifest?since=2" in asked) == ("GET /pos/v1/manifest", True)
    gateway.away = True
    async with Terminal(gateway.config(tmp_path), gateway.clock) as terminal:
        await terminal.open_shift("ana", 0)
        for shelf, outcome in ((first, Outcome.REFUSED), (second, Outcome.STOOD_IN), (third, Outcome.STOOD_IN)):
            await until(terminal, lambda: not terminal.status().online)
            result = await terminal.do("COLLECT", shelf.reference, shelf.label, 20_000)
            assert result.outcome is outcome
    file = tmp_path / "manifest.jsonl"
    lines = file.read_bytes().splitlines()
    assert len(lines) >= 2
    file.write_bytes(lines[0].replace(b"A", b"B", 5) + b"\n" + lines[1])
    async with Terminal(gateway.config(tmp_path), gateway.clock) as terminal:
        assert terminal.status().manifest is None


async def test_a_shift_is_opened_counted_and_closed_after_the_sales_that_waited(
    gateway: CounterGateway, tmp_path: Path
) -> None:
    online, offline = gateway.shelve(), gateway.shelve()
    async with Terminal(gateway.config(tmp_path), gateway.clock) as terminal:
        with pytest.raises(ShiftNotOpen):
            await terminal.do("COLLECT", online.reference, online.label, 20_000)
        await terminal.open_shift("ana", 100_000)
        with pytest.raises(ShiftIsOpen):
            await terminal.open_shift("ana", 0)
        await connected(terminal)
        sold = await terminal.do("COLLECT", online.reference, online.label, 20_000)
        assert sold.outcome is Outcome.APPROVED
        gateway.away = True
        stood_in = await terminal.do("COLLECT", offline.reference, offline.label, 20_000)
        result = await terminal.close_shift(140_000)
        assert (result.outcome, result.code, terminal.shift) == (Outcome.UNKNOWN, "close-waiting", None)
        assert any("NOT YET SENT" in line for line in result.body["text"])
        gateway.away = False
        await until(terminal, lambda: not terminal.status().closes_waiting)
        assert gateway.closes == [
            {
                "cashCounted": "400.00",
                "transactions": [
                    {"transactionId": each.transaction_id, "type": "COLLECT", "state": "APPROVED", "amount": "200.00"}
                    for each in (sold, stood_in)
                ],
            }
        ]
        assert gateway.puts[-1][0] == stood_in.transaction_id
        opened = await terminal.open_shift("ben", 0)
        assert opened.number == "2"
        closed = await terminal.close_shift(0)
        assert (closed.outcome, closed.body["text"][-1].strip()) == (Outcome.FOUND, "NO DIFFERENCES")


async def test_a_copy_is_marked_and_printed_again(gateway: CounterGateway, tmp_path: Path) -> None:
    shelf, other = gateway.shelve(), gateway.shelve()
    config = gateway.config(tmp_path / "till", printer=f"file:{tmp_path / 'papers'}")
    async with Terminal(config, gateway.clock) as terminal:
        await terminal.open_shift("ana", 0)
        await connected(terminal)
        sold = await terminal.do("COLLECT", other.reference, other.label, 20_000)
        assert sold.receipt is not None
        assert (await terminal.reprint(sold.receipt.number)).receipt is not None
        gateway.away = True
        await terminal.do("COLLECT", shelf.reference, shelf.label, 20_000)
        first, second = await terminal.reprint("0166-001-S0000001"), await terminal.reprint("0166-001-S0000001")
        assert first.receipt is not None
        assert second.receipt is not None
        assert [each.copy for each in (first.receipt, second.receipt)] == [1, 2]
        assert any("*** COPY 2 ***" in line for line in second.receipt.text)
        await terminal.printed()
    names = sorted(each.name for each in (tmp_path / "papers").iterdir())
    assert names == [
        *("0166-001-00000001-2.escpos", "0166-001-00000001.escpos"),
        *("0166-001-S0000001-2.escpos", "0166-001-S0000001-3.escpos", "0166-001-S0000001.escpos"),
    ]


async def test_nothing_of_training_reaches_the_gateway(gateway: CounterGateway, tmp_path: Path) -> None:
    async with Terminal(gateway.config(tmp_path), gateway.clock) as terminal:
        await connected(terminal)
        asked = len(gateway.requests)
        terminal.set_training(True)
        for parcel in terminal.training_parcels():
            found = await terminal.lookup(parcel["reference"])
            assert found.body["amountDue"] == parcel["amountDue"]
            tendered = 500_000 if parcel["action"] == "COLLECT" else None
            done = await terminal.do(parcel["action"], parcel["reference"], parcel["label"], tendered)
            assert (done.outcome, done.receipt is not None) == (Outcome.APPROVED, True)
        twice = await terminal.do("CLAIM", "9900-0000-0041", "309900000000000047")
        assert (twice.outcome, twice.code) == (Outcome.REFUSED, "already-done")
        newest = terminal.sales()[-1]
        assert (await terminal.void(newest.transaction_id)).outcome is Outcome.REVERSED
        closed = await terminal.close_shift(0)
        assert closed.outcome is Outcome.FOUND
        terminal.set_training(False)
        assert (terminal.shift, terminal.sales()) == (None, [])
        assert (len(gateway.requests), gateway.puts) == (asked, [])


async def test_the_wire_log_has_everything_but_secrets(gateway: CounterGateway, tmp_path: Path) -> None:
    shelf = gateway.shelve()
    async with Terminal(gateway.config(tmp_path), gateway.clock) as terminal:
        await terminal.open_shift("ana", 0)
        await terminal.do("COLLECT", shelf.reference, shelf.label, 20_000)
        seen = [each.as_json() for each in terminal.wire.exchanges]
        sale = next(each for each in seen if each["path"].startswith("/pos/v1/transactions"))
        assert (sale["method"], sale["status"], sale["request"]["clerk"]) == ("PUT", 201, "ana")
        assert "access_token" not in json.dumps(seen)
        assert "secret" not in json.dumps(seen)
