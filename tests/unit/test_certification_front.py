"""The network that misbehaves: what each mishap does to a request, to its answer, and to the record. Seconds."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from connect_gateway.certification.faults import GOOD, Fault, Mishap, Network, crossed, empty, page, problem, redirect
from connect_gateway.certification.front import Front
from connect_gateway.certification.traffic import Ending, Exchange, Kind, exchange_json
from connect_gateway.certification.wire import Wire

ID = "7b0f4c0e-0000-4000-8000-000000000001"
PATH = f"/pos/v1/transactions/{ID}"
SALE = {"type": "COLLECT", "reference": "9917-6789-0023"}


@dataclass
class Behind:
    """The server behind the front: remembers what arrives, and answers with an approval."""

    met: list[tuple[str, str]] = field(default_factory=list)
    deaths: int = 0

    async def handle(self, request: web.Request) -> web.Response:
        self.met.append((request.method, await request.text()))
        headers = {"Idempotent-Replay": "true"} if len(self.met) > 1 else {}
        body = {"transactionId": ID, "state": "APPROVED", "verdict": {"cash": "KEEP", "parcel": "RELEASE"}}
        return web.json_response(body, status=201, headers=headers)

    async def kill_gateway(self) -> None:
        self.deaths += 1

    async def until_ready(self) -> None:
        return


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
async def front(behind: Behind) -> AsyncIterator[Front]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", behind.handle)
    async with (
        TestServer(app, host="127.0.0.1") as server,
        Wire(str(server.make_url("")).rstrip("/")) as wire,
        Front(wire, timeout_s=0.5, mortal=behind) as made,
    ):
        yield made


@dataclass
class Met:
    """What a till met: an answer, or none."""

    status: int | None
    raw: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


async def send(front: Front, *, within_s: float = 5, path: str = PATH, bearer: str = "one") -> Met:
    timeout = aiohttp.ClientTimeout(total=within_s)
    headers = {"Authorization": f"Bearer {bearer}"}
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
        session._retry_connection = False  # a till that repeats by itself would hide what the front does
        try:
            async with session.put(
                f"http://127.0.0.1:{front.port}{path}", json=SALE, allow_redirects=False
            ) as response:
                return Met(response.status, await response.read(), dict(response.headers))
        except (aiohttp.ClientError, TimeoutError):
            return Met(None)


def meets(front: Front, *mishaps: Mishap) -> None:
    front.become(Network({Kind.TRANSACTION: mishaps}))


async def only(front: Front) -> Exchange:
    (exchange,) = front.traffic.exchanges
    return exchange


async def test_without_a_mishap_it_changes_nothing(front: Front, behind: Behind) -> None:
    met = await send(front)
    assert (met.status, behind.met) == (201, [("PUT", json.dumps(SALE))])
    exchange = await only(front)
    assert (exchange.kind, exchange.transaction_id, exchange.body) == (Kind.TRANSACTION, ID, SALE)
    assert (exchange.ending, exchange.state_told(), exchange.token) == (Ending.ANSWERED, "APPROVED", 1)
    assert front.struck(Kind.TRANSACTION).is_set() is False


@pytest.mark.parametrize(
    ("fault", "arrived", "ending"),
    [
        (Fault.RESET_BEFORE, 0, Ending.CUT),
        (Fault.RESET_AFTER, 1, Ending.CUT),
        (Fault.CUT, 1, Ending.CUT),
        (Fault.HOLD, 1, Ending.LEFT),
        (Fault.TRICKLE, 1, Ending.LEFT),
        (Fault.KEEP_BACK, 0, Ending.LEFT),
        (Fault.OVERTAKE, 0, Ending.LEFT),
        (Fault.RESTART, 1, Ending.CUT),
    ],
)
async def test_the_till_gets_no_answer(
    front: Front, behind: Behind, fault: Fault, arrived: int, ending: Ending
) -> None:
    meets(front, fault)
    assert (await send(front, within_s=0.5)).status is None
    exchange = await only(front)
    async with asyncio.timeout(5):
        while exchange.ending is None:
            await asyncio.sleep(0.01)
    assert (len(behind.met), exchange.ending, exchange.told) == (arrived, ending, None)
    assert front.struck(Kind.TRANSACTION).is_set()
    assert behind.deaths == (fault is Fault.RESTART)
    await front.let_go()
    assert len(behind.met) == (0 if fault is Fault.RESET_BEFORE else 1)
    assert (await send(front)).status == 201


@pytest.mark.parametrize(
    ("mishap", "status", "through"),
    [
        (problem(503, "outcome-unknown", retry_after_s=2, through=True), 503, 1),
        (problem(429, "too-many-attempts", retry_after_s=2), 429, 0),
        (page(200), 200, 0),
        (empty(201), 201, 0),
        (crossed(), 201, 0),
        (redirect(307), 307, 0),
    ],
)
async def test_somebody_else_answers(front: Front, behind: Behind, mishap: Mishap, status: int, through: int) -> None:
    meets(front, mishap)
    met = await send(front)
    assert (met.status, len(behind.met)) == (status, through)
    exchange = await only(front)
    assert exchange.state_told() is None
    assert exchange.fault == str(mishap)
    if status == 307:
        assert met.headers["Location"] == f"http://127.0.0.1:{front.port}/elsewhere{PATH}"
    if status in (429, 503):
        assert met.headers["Retry-After"] == "2"


async def test_twice_means_that_the_till_gets_the_replay(front: Front, behind: Behind) -> None:
    meets(front, Fault.TWICE)
    met = await send(front)
    assert (met.status, met.headers["Idempotent-Replay"], len(behind.met)) == (201, "true", 2)


async def test_a_later_edition_has_more_fields(front: Front) -> None:
    meets(front, Fault.NEWER)
    body = json.loads((await send(front)).raw)
    assert (body["state"], body["loyalty"]["points"], body["verdict"]["sound"]) == ("APPROVED", 12, "chime")


async def test_a_repeat_overtakes_the_first(front: Front, behind: Behind) -> None:
    meets(front, Fault.OVERTAKE)
    assert (await send(front, within_s=0.3)).status is None
    assert "Idempotent-Replay" not in (await send(front)).headers
    first, second = front.traffic.exchanges
    assert len(behind.met) == 2
    assert first.passages[0].sent_s > second.passages[0].sent_s


async def test_a_revoked_token_stays_revoked(front: Front, behind: Behind) -> None:
    meets(front, Fault.REVOKE)
    assert (await send(front)).status == 401
    assert (await send(front)).status == 401
    assert (await send(front, bearer="another")).status == 201
    assert [each.token for each in front.traffic.exchanges] == [1, 1, 2]
    assert len(behind.met) == 1


async def test_mishaps_are_counted_for_each_kind_and_end(front: Front) -> None:
    front.become(Network({Kind.REVERSAL: (Fault.RESET_BEFORE,)}, {Kind.TRANSACTION: page(200)}))
    assert [(await send(front)).status for _ in range(2)] == [200, 200]
    assert (await send(front, path=f"{PATH}/reversal")).status is None
    assert (await send(front, path=f"{PATH}/reversal")).status == 201
    front.become(GOOD)
    assert (await send(front)).status == 201


async def test_a_body_may_wait_for_leave_to_come(front: Front, behind: Behind) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{front.port}{PATH}"
        async with session.put(url, json=SALE, expect100=True) as response:
            assert response.status == 201
    assert behind.met == [("PUT", json.dumps(SALE))]


async def test_the_record_has_no_secret(front: Front) -> None:
    async with aiohttp.ClientSession() as session:
        form = {"client_id": "till", "client_secret": "hush-1", "grant_type": "client_credentials"}
        url = f"http://127.0.0.1:{front.port}/accounts/oauth2/token?client_secret=hush-2"
        async with session.post(url, data=form, headers={"Authorization": "Bearer hush-3"}) as response:
            assert response.status == 201
    written = json.dumps([exchange_json(each) for each in front.traffic.exchanges])
    assert '"kind": "token"' in written
    assert "hush" not in written
