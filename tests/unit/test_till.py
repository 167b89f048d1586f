"""What the simulated till does when answers are lost, garbled or late, and when it is killed.

About 15 s; loopback alone. The server here answers as the wire says and fails as it is told to; whether the
gateway itself keeps to the wire is for the other tiers.
"""

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from connect_simulators.journal import Journal, JournalInUse
from connect_simulators.patience import Patience
from connect_simulators.pos import Outcome, StillOpen, Till, TillSettings
from connect_simulators.wire import Credentials

CODE, LABEL = "9917-6789-0023", "30310533261428120"
CLIENT = Credentials("till", "secret", "0166", "1")
HOLD = {"cash": "NONE", "parcel": "HOLD", "display": "HOLD"}
SETTINGS = TillSettings(
    patience=Patience(timeout_s=1, first_wait_s=0.01, longest_wait_s=0.05, give_up_s=0.4),
    reversal_give_up_s=0.4,
)


class Counter:
    """A counter's other side in a few lines; `faults` are used up one for each PUT of a transaction."""

    def __init__(self) -> None:
        self.url = ""
        self.faults: list[str] = []
        self.puts: list[tuple[str, dict[str, Any]]] = []
        self.approved: dict[str, dict[str, Any]] = {}
        self.reversals: dict[str, list[dict[str, Any]]] = {}
        self.reversal_faults: list[str] = []
        self.before_work: Callable[[str], None] = lambda _: None
        self.tokens_held: asyncio.Event | None = None
        self.reached = asyncio.Event()

    async def token(self, request: web.Request) -> web.Response:
        if self.tokens_held is not None:
            self.reached.set()
            await self.tokens_held.wait()
        return web.json_response({"access_token": "a", "refresh_token": "r", "expires_in": 7200})

    async def put(self, request: web.Request) -> web.Response:
        transaction_id, body = request.match_info["id"], await request.json()
        self.before_work(transaction_id)
        self.puts.append((transaction_id, body))
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "lost-before":
            return _lost(request)
        if fault in {"503", "429", "500"}:
            answer = {"code": "busy", "verdict": HOLD}
            return web.json_response(answer, status=int(fault), headers={"Retry-After": "0"})
        if fault in {"400", "409"}:
            verdict = {"cash": "RETURN", "parcel": "HOLD", "display": "NO"}
            return web.json_response({"code": f"code-{fault}", "verdict": verdict}, status=int(fault))
        replayed = transaction_id in self.approved
        answer = self.approved.setdefault(transaction_id, self._approval(transaction_id, body))
        if fault == "garbage":
            return web.Response(status=201, text="<html>welcome</html>")
        if fault == "lost-after":
            return _lost(request)
        if fault == "silent":
            self.reached.set()
            await asyncio.sleep(30)
        headers = {"Idempotent-Replay": "true"} if replayed else {}
        return web.json_response(answer, status=201, headers=headers)

    def _approval(self, transaction_id: str, body: dict[str, Any]) -> dict[str, Any]:
        number = f"0166-001-{len(self.approved) + 1:08d}"
        receipt = {"number": number, "copy": 0, "text": ["RECEIPT"], "verificationCode": "X"}
        verdict = {"cash": "KEEP", "parcel": "RELEASE", "display": "PAID"}
        told = {"transactionId": transaction_id, "state": "APPROVED", "type": body["type"]}
        return {**told, "receipt": receipt, "verdict": verdict}

    async def get(self, request: web.Request) -> web.Response:
        found = self.approved.get(request.match_info["id"])
        if found is None:
            return web.json_response({"code": "unknown-transaction", "verdict": HOLD}, status=404)
        return web.json_response(found)

    async def reverse(self, request: web.Request) -> web.Response:
        transaction_id, body = request.match_info["id"], await request.json()
        self.reversals.setdefault(transaction_id, []).append(body)
        fault = self.reversal_faults.pop(0) if self.reversal_faults else ""
        if fault == "409":
            return web.json_response({"code": "parcel-not-in-hand", "verdict": HOLD}, status=409)
        if fault == "silent":
            self.reached.set()
            await asyncio.sleep(30)
        self.approved.pop(transaction_id, None)
        if fault == "lost-after":
            return _lost(request)
        verdict = {"cash": "RETURN", "parcel": "HOLD", "display": "REVERSED"}
        return web.json_response({"transactionId": transaction_id, "state": "REVERSED", "verdict": verdict})


def _lost(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.fixture
async def counter() -> AsyncIterator[Counter]:
    made = Counter()
    app = web.Application()
    app.router.add_post("/accounts/oauth2/token", made.token)
    app.router.add_put("/pos/v1/transactions/{id}", made.put)
    app.router.add_get("/pos/v1/transactions/{id}", made.get)
    app.router.add_put("/pos/v1/transactions/{id}/reversal", made.reverse)
    async with TestServer(app, host="127.0.0.1") as running:
        made.url = str(running.make_url("")).rstrip("/")
        yield made


@pytest.fixture
async def till(counter: Counter, tmp_path: Path) -> AsyncIterator[Till]:
    async with Till.open(counter.url, CLIENT, tmp_path, SETTINGS) as opened:
        yield opened


def journal(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "journal.jsonl").read_text().splitlines()]


async def test_the_journal_has_the_transaction_before_the_gateway_has(
    counter: Counter, till: Till, tmp_path: Path
) -> None:
    written: list[dict[str, Any]] = []
    counter.before_work = lambda _: written.extend(journal(tmp_path))
    result = await till.collect(CODE, LABEL, 20_000)
    assert (result.outcome, result.attempts, result.replayed) == (Outcome.APPROVED, 1, False)
    assert [(each["event"], each["transactionId"]) for each in written] == [("BEGUN", result.transaction_id)]
    assert written[0]["request"] == counter.puts[0][1]
    assert till.open_transactions == []


@pytest.mark.parametrize("fault", ["lost-before", "lost-after", "503", "429", "500", "garbage"])
async def test_what_settles_nothing_is_sent_again_with_the_same_id(counter: Counter, till: Till, fault: str) -> None:
    counter.faults = [fault, fault]
    result = await till.collect(CODE, LABEL, 20_000)
    assert (result.outcome, result.attempts) == (Outcome.APPROVED, 3)
    assert result.replayed is (fault in {"lost-after", "garbage"})
    assert counter.puts == [counter.puts[0]] * 3
    assert len(counter.approved) == 1


async def test_an_inquiry_finds_what_no_attempt_was_told(counter: Counter, till: Till) -> None:
    counter.faults = ["lost-after"] * 100
    result = await till.collect(CODE, LABEL, 20_000)
    assert (result.outcome, result.status) == (Outcome.APPROVED, 200)
    assert result.receipt is not None
    assert counter.reversals == {}


async def test_what_never_arrived_is_reversed(counter: Counter, till: Till, tmp_path: Path) -> None:
    counter.faults = ["lost-before"] * 100
    counter.reversal_faults = ["lost-after"]
    result = await till.collect(CODE, LABEL, 20_000)
    assert (result.outcome, result.code) == (Outcome.REVERSED, "no-answer")
    assert result.verdict is not None
    assert (result.verdict.cash, result.verdict.parcel) == ("RETURN", "HOLD")
    assert counter.reversals == {result.transaction_id: [{"reason": "TIMEOUT", "parcelInHand": True}] * 2}
    assert [each["event"] for each in journal(tmp_path)] == ["BEGUN", "REVERSING", "REVERSED"]


async def test_a_stored_refusal_is_final(counter: Counter, till: Till) -> None:
    """By its status alone (GEN-15): neither its code nor its texts are known to the till."""
    counter.faults = ["409"]
    result = await till.collect(CODE, LABEL, 20_000)
    assert (result.outcome, result.code, result.attempts) == (Outcome.REFUSED, "code-409", 1)
    assert (counter.reversals, till.open_transactions) == ({}, [])


async def test_a_refusal_that_is_not_stored_is_settled_by_a_reversal(counter: Counter, till: Till) -> None:
    counter.faults = ["400"]
    result = await till.collect(CODE, LABEL, 20_000)
    assert (result.outcome, result.status, result.code) == (Outcome.REVERSED, 400, "code-400")
    assert len(counter.puts) == 1
    assert till.open_transactions == []


async def test_without_a_network_the_journal_keeps_it_until_it_is_settled(counter: Counter, tmp_path: Path) -> None:
    async with Till.open(f"http://127.0.0.1:{unused_port()}", CLIENT, tmp_path, SETTINGS) as till:
        result = await till.collect(CODE, LABEL, 20_000)
        assert (result.outcome, result.status) == (Outcome.UNKNOWN, None)
        assert result.verdict is not None
        assert (result.verdict.cash, result.verdict.parcel) == ("NONE", "HOLD")
        with pytest.raises(StillOpen):
            await till.collect(CODE.replace("-", ""), LABEL, 20_000)
    async with Till.open(counter.url, CLIENT, tmp_path, SETTINGS) as till:
        assert till.open_transactions == [result.transaction_id]
        settled = await till.resume()
        assert [each.outcome for each in settled] == [Outcome.REVERSED]
        assert (await till.collect(CODE, LABEL, 20_000)).outcome is Outcome.APPROVED
        assert await till.resume() == []


async def test_a_refused_void_leaves_the_sale_as_it_was(counter: Counter, till: Till) -> None:
    sold = await till.collect(CODE, LABEL, 20_000)
    assert sold.transaction_id is not None
    counter.reversal_faults = ["409"]
    refused = await till.reverse(sold.transaction_id, "CLERK_VOID", parcel_in_hand=False)
    assert (refused.outcome, refused.code) == (Outcome.REFUSED, "parcel-not-in-hand")
    assert till.open_transactions == []
    voided = await till.reverse(sold.transaction_id, "CLERK_VOID", parcel_in_hand=True)
    assert voided.outcome is Outcome.REVERSED


async def test_an_unknown_id_settles_nothing(till: Till) -> None:
    assert (await till.inquire("7b0f4c0e-0000-4000-8000-000000000000")).outcome is Outcome.UNKNOWN


async def test_the_business_date_is_the_philippine_one(counter: Counter, tmp_path: Path) -> None:
    def clock() -> datetime:
        return datetime(2026, 11, 21, 16, 30, tzinfo=UTC)

    async with Till.open(counter.url, CLIENT, tmp_path, SETTINGS, clock=clock) as till:
        await till.accept_return(CODE)
    assert counter.puts[0][1]["businessDate"] == "2026-11-22"


async def test_the_ids_of_transactions_begin_with_the_tills_time(counter: Counter, tmp_path: Path) -> None:
    """POS-7: they stand side by side in the ledger."""
    now = datetime(2026, 11, 21, 16, 30, 12, 345678, tzinfo=UTC)
    async with Till.open(counter.url, CLIENT, tmp_path, SETTINGS, clock=lambda: now) as till:
        for _ in range(2):
            await till.accept_return(CODE)
    ids = [uuid.UUID(sent) for sent, _ in counter.puts]
    assert len(set(ids)) == 2
    assert {one.version for one in ids} == {7}
    assert {one.int >> 80 for one in ids} == {int(now.timestamp() * 1000)}


async def test_an_old_sale_is_inquired_and_not_made_anew(counter: Counter, tmp_path: Path) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    with Journal(tmp_path) as written:
        request = {"type": "CLAIM", "reference": CODE, "trackingNumber": LABEL}
        written.append({"event": "BEGUN", "at": now.isoformat(), "transactionId": "x", "request": request})
    later = now + timedelta(hours=1)
    async with Till.open(counter.url, CLIENT, tmp_path, SETTINGS, clock=lambda: later) as till:
        assert [each.outcome for each in await till.resume()] == [Outcome.REVERSED]
    assert counter.puts == []


def test_a_torn_last_line_is_cut_off_and_one_process_has_the_journal(tmp_path: Path) -> None:
    with Journal(tmp_path) as first:
        first.append({"a": 1})
        with pytest.raises(JournalInUse):
            Journal(tmp_path)
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(b'{"b": 2, "c')
    with Journal(tmp_path) as second:
        second.append({"d": 3})
        assert list(second.records()) == [{"a": 1}, {"d": 3}]


class TestKilled:
    """The command itself, killed with -9 at the worst moments and started again."""

    @pytest.fixture
    def options(self, counter: Counter, tmp_path: Path) -> list[str]:
        file = tmp_path / "credentials.json"
        file.write_text(json.dumps({"pos": {"clientId": "a", "clientSecret": "b"}}))
        state = str(tmp_path / "till")
        return ["--json", "--url", counter.url, "--credentials", str(file), "--state-dir", state]

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "connect_simulators.pos", *words), stdout=asyncio.subprocess.PIPE
        )

    async def kill_at(self, counter: Counter, *words: str) -> None:
        process = await self.start(*words)
        await asyncio.wait_for(counter.reached.wait(), 20)
        process.kill()
        await process.communicate()

    async def resumed(self, options: list[str]) -> list[dict[str, Any]]:
        process = await self.start("resume", *options)
        printed, _ = await process.communicate()
        assert process.returncode == 0
        results: list[dict[str, Any]] = json.loads(printed)
        return results

    async def test_between_writing_and_sending(self, counter: Counter, options: list[str], tmp_path: Path) -> None:
        counter.tokens_held = asyncio.Event()
        await self.kill_at(counter, "collect", CODE, "--label", LABEL, "--tendered", "200", *options)
        (begun,) = journal(tmp_path / "till")
        assert counter.puts == []
        counter.tokens_held.set()
        (result,) = await self.resumed(options)
        assert (result["outcome"], result["transactionId"]) == ("APPROVED", begun["transactionId"])
        assert counter.puts == [(begun["transactionId"], begun["request"])]
        assert await self.resumed(options) == []

    async def test_after_sending(self, counter: Counter, options: list[str]) -> None:
        counter.faults = ["silent"]
        await self.kill_at(counter, "collect", CODE, "--label", LABEL, "--tendered", "200", *options)
        (result,) = await self.resumed(options)
        assert (result["outcome"], result["replayed"]) == ("APPROVED", True)
        assert counter.puts == [counter.puts[0]] * 2
        assert list(counter.approved) == [result["transactionId"]]

    async def test_in_a_reversal(self, counter: Counter, options: list[str]) -> None:
        sale = await self.start("collect", CODE, "--label", LABEL, "--tendered", "200", *options)
        printed, _ = await sale.communicate()
        assert (sale.returncode, json.loads(printed)["outcome"]) == (0, "APPROVED")
        counter.reversal_faults = ["silent"]
        await self.kill_at(counter, "reverse", "--parcel-in-hand", *options)
        (result,) = await self.resumed(options)
        assert result["outcome"] == "REVERSED"
        assert counter.approved == {}
