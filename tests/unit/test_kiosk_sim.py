"""What the simulated kiosk does when answers are lost, and what it tells the customer. About 1 s."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from connect_simulators.kiosk import Kiosk
from connect_simulators.kiosk.kiosk import sentence_of
from connect_simulators.kiosk.printer import OutOfPaper, Printer
from connect_simulators.patience import Patience
from connect_simulators.wire import Credentials

CLIENT = Credentials("kiosk", "secret", "0166")
PATIENCE = Patience(timeout_s=1, first_wait_s=0.01, longest_wait_s=0.05, give_up_s=0.3)


class Desk:
    """Answers return requests with one code, after the `faults` have been used up."""

    def __init__(self) -> None:
        self.url = ""
        self.faults: list[tuple[int, str]] = []
        self.puts: list[tuple[str, dict[str, Any]]] = []

    async def token(self, request: web.Request) -> web.Response:
        return web.json_response({"access_token": "a", "refresh_token": "r", "expires_in": 7200})

    async def put(self, request: web.Request) -> web.Response:
        self.puts.append((request.match_info["id"], await request.json()))
        status, code = self.faults.pop(0) if self.faults else (201, "")
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
        if code:
            return web.json_response({"code": code}, status=status, headers={"Retry-After": "0"})
        slip = {"text": ["RETURN CODE", "1822-1234-2345"], "barcodes": []}
        return web.json_response({"returnCode": "1822-1234-2345", "slip": slip}, status=201)

    async def slip(self, request: web.Request) -> web.Response:
        assert request.headers["Accept"] == "text/plain"
        return web.Response(text="RETURN CODE\n1822-1234-2345\n")


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    app = web.Application()
    app.router.add_post("/accounts/oauth2/token", made.token)
    app.router.add_put("/kiosk/v1/returns/{id}", made.put)
    app.router.add_get("/kiosk/v1/returns/{code}/slip", made.slip)
    async with TestServer(app, host="127.0.0.1") as running:
        made.url = str(running.make_url("")).rstrip("/")
        yield made


@pytest.fixture
async def kiosk(desk: Desk, tmp_path: Path) -> AsyncIterator[Kiosk]:
    async with Kiosk.open(desk.url, CLIENT, tmp_path, PATIENCE) as opened:
        yield opened


async def test_a_lost_answer_is_asked_for_again_with_the_same_id(desk: Desk, kiosk: Kiosk) -> None:
    desk.faults = [(0, ""), (503, "ecms-unavailable")]
    result = await kiosk.request_return("ORDER_NUMBER", "A1", merchant_code="001", mobile_number="09123456789")
    assert (result.ok, result.attempts) == (True, 3)
    assert result.slip == ("RETURN CODE", "1822-1234-2345")
    assert desk.puts == [desk.puts[0]] * 3
    assert desk.puts[0][1]["mobileNumber"] == "09123456789"


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (404, "unknown-identifier", "could not find"),
        (409, "return-expired", "time for returning"),
        (409, "already-returned", "returned already"),
        (429, "too-many-attempts", "Please wait"),
        (409, "something-new", "ask our staff"),
    ],
)
async def test_a_refusal_is_a_plain_sentence_and_a_code(
    desk: Desk, kiosk: Kiosk, status: int, code: str, words: str
) -> None:
    desk.faults = [(status, code)]
    result = await kiosk.request_return("UID", "A1")
    assert (result.ok, result.status, result.code, result.attempts) == (False, status, code, 1)
    assert result.sentence is not None
    assert words in result.sentence


async def test_while_ecms_is_away_the_customer_is_told_to_come_back(desk: Desk, kiosk: Kiosk) -> None:
    desk.faults = [(503, "ecms-unavailable")] * 100
    result = await kiosk.request_return("UID", "A1")
    assert (result.ok, result.status, result.code) == (False, 503, "ecms-unavailable")


async def test_the_same_question_after_a_restart_keeps_its_id(desk: Desk, tmp_path: Path) -> None:
    async with Kiosk.open(f"http://127.0.0.1:{unused_port()}", CLIENT, tmp_path, PATIENCE) as kiosk:
        lost = await kiosk.request_return("WAYBILL", "303105332614281201")
        assert (lost.ok, lost.code) == (False, "no-answer")
    async with Kiosk.open(desk.url, CLIENT, tmp_path, PATIENCE) as kiosk:
        found = await kiosk.request_return("WAYBILL", "303105332614281201")
        other = await kiosk.request_return("WAYBILL", "303105332614281201")
    assert found.request_id == lost.request_id
    assert other.request_id != lost.request_id


async def test_the_journal_holds_no_mobile_number(kiosk: Kiosk, tmp_path: Path) -> None:
    await kiosk.request_return("UID", "A1", mobile_number="09123456789")
    written = (tmp_path / "journal.jsonl").read_text()
    assert "09123456789" not in written
    assert [json.loads(line)["event"] for line in written.splitlines()] == ["BEGUN", "ANSWERED"]


async def test_a_slip_is_text(kiosk: Kiosk) -> None:
    result = await kiosk.slip("1822-1234-2345")
    assert (result.ok, result.body) == (True, {"text": "RETURN CODE\n1822-1234-2345\n"})


def test_the_table_of_sentences_is_what_the_customer_reads() -> None:
    readme = Path(__file__).parents[2] / "simulators" / "kiosk" / "README.md"
    table = re.findall(r"^\| `([a-z-]+)`[^|]* \| (.+) \|$", readme.read_text("utf-8"), re.MULTILINE)
    assert len(table) == 14
    for code, sentence in table:
        assert sentence_of(code, 409) == sentence


@pytest.mark.parametrize(("status", "words"), [(None, "no connection"), (503, "no connection"), (409, "ask our staff")])
def test_a_code_that_nobody_foresaw_has_a_sentence_too(status: int | None, words: str) -> None:
    assert words in sentence_of("something-new", status)


def test_a_printer_keeps_its_newest_hundred_and_nothing_without_paper(tmp_path: Path) -> None:
    printer = Printer(tmp_path)
    for number in range(1, 104):
        assert printer.print("slip", f"slip {number}".encode()).number == number
    assert [printout.number for printout in printer.printouts()] == list(range(103, 3, -1))
    assert (printer.content(3), printer.content(103)) == (None, b"slip 103")
    printer.set_paper(loaded=False)
    with pytest.raises(OutOfPaper):
        printer.print("slip", b"more")
    assert not Printer(tmp_path).has_paper
    printer.set_paper(loaded=True)
    assert printer.print("label", b"more").number == 104
