"""What is played to a gateway to see whether it is broken: to the honest one, too, who must come through all of it."""

import asyncio
import signal
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from connect_simulators.wire import PHILIPPINE_TIME, Answer
from families import family, send_to
from history.recording import RecordingWire
from history.records import Parcel
from pgproxy import PostgresProxy, Spoil
from torture.stage import STORE, Stage, attempted, order_body, sale, status_body

from connect_gateway.postgres import EmbeddedPostgres

OTHER_STORE = "0200"

Play = Callable[["Played"], Awaitable[None]]


@dataclass
class Played:
    """The stage of a scenario, with what some scenarios need besides."""

    stage: Stage
    postgres: EmbeddedPostgres | None = None
    proxy: PostgresProxy | None = None


@dataclass(frozen=True)
class Scenario:
    """What is played. Some need a PostgreSQL of their own, to kill it, or a proxy before it."""

    play: Play
    own_postgres: bool = False
    proxy: bool = False
    start: bool = True
    """Whether both gateways run when it begins."""


async def _sell(
    till: RecordingWire, parcel: Parcel, id_: str | None = None, *, pos: int = 1, **fields: str
) -> tuple[str, Answer | None]:
    id_ = id_ or str(uuid.uuid4())
    body = sale(parcel, pos=pos) | fields
    return id_, await attempted(till, "PUT", f"/pos/v1/transactions/{id_}", body)


async def _undo(till: RecordingWire, id_: str, reason: str = "CLERK_VOID") -> Answer | None:
    body = {"reason": reason, "parcelInHand": True}
    return await attempted(till, "PUT", f"/pos/v1/transactions/{id_}/reversal", body)


async def _ask(till: RecordingWire, id_: str) -> Answer | None:
    return await attempted(till, "GET", f"/pos/v1/transactions/{id_}")


async def _ordinary_day(played: Played) -> None:
    """Nothing is broken, so that every repeat has to be answered."""
    stage = played.stage
    stage.recorder.calm = True
    till, other = stage.till(), stage.till(2, gateway=1)
    cod, prepaid = await stage.ship("199.95"), await stage.ship("0.00")
    id_, _ = await _sell(till, cod)
    await _sell(other, cod, id_)
    await _sell(till, cod, id_, clerk="ben")
    await _ask(till, id_)
    await _sell(other, cod, pos=2)
    await _undo(till, id_)
    await _ask(other, id_)
    await _sell(till, cod, id_)
    await _sell(other, cod, pos=2)
    await _sell(till, prepaid, trackingNumber="1" * 18)
    await _sell(stage.till(store=OTHER_STORE), prepaid)
    await _sell(till, prepaid)
    await _not_paid_for(stage, till)
    await _reversed_before_it_came(stage, till)
    await _a_return(stage, till)
    await _close(stage, till, 1)
    await _close(stage, other, 2)


async def _not_paid_for(stage: Stage, till: RecordingWire) -> None:
    parcel = await stage.ship()
    body = sale(parcel, type="CLAIM")
    body.pop("tender")
    body.pop("amountTendered")
    await attempted(till, "PUT", f"/pos/v1/transactions/{uuid.uuid4()}", body)
    await _sell(till, parcel, amountTendered="199.99")
    await _sell(till, parcel)


async def _reversed_before_it_came(stage: Stage, till: RecordingWire) -> None:
    parcel, id_ = await stage.ship(), str(uuid.uuid4())
    await _undo(till, id_, "TIMEOUT")
    await _sell(till, parcel, id_)
    await _ask(till, id_)


async def _a_return(stage: Stage, till: RecordingWire) -> None:
    identifier = await stage.returnable()
    kiosk = stage.wire("kiosk", "kiosk", store=STORE)
    body = {"identifierType": "UID", "identifier": identifier}
    for _ in range(2):
        answer = await kiosk.request("PUT", f"/kiosk/v1/returns/{uuid.uuid4()}", json=body)
        if answer.status == 201:
            parcel = stage.returned(identifier, answer)
    id_, _ = await _sell(till, parcel)
    await _undo(till, id_)
    await _sell(till, parcel)


async def _close(stage: Stage, till: RecordingWire, pos: int) -> None:
    """Closes the shift with what the till itself has in its drawer and in its book."""
    lines, cash = {}, 0
    for one in stage.recorder.done():
        if one.content.get("pos") == str(pos) and one.body.get("state") == "APPROVED" and one.store == STORE:
            lines[one.subject] = ["APPROVED", one.action, one.body["amountDue"]]
    for one in stage.recorder.done():
        if one.action == "REVERSE" and one.subject in lines:
            lines[one.subject][0] = "REVERSED"
    for state, type_, amount in lines.values():
        cash += round(float(amount) * 100) if (state, type_) == ("APPROVED", "COLLECT") else 0
    listed = [
        {"transactionId": id_, "type": type_, "state": state, "amount": amount}
        for id_, (state, type_, amount) in lines.items()
    ]
    path = f"/pos/v1/shifts/{datetime.now(PHILIPPINE_TIME).date().isoformat()}/{pos}/1"
    body = {"cashCounted": f"{cash // 100}.{cash % 100:02d}", "transactions": listed}
    await attempted(till, "PUT", path, body)


async def _two_gateways_at_once(played: Played) -> None:
    """The same request at both, and then two tills with the same parcel, each at one of them."""
    stage = played.stage
    tills = stage.till(gateway=0), stage.till(gateway=1)
    others = stage.till(1, gateway=0), stage.till(2, gateway=1)
    parcels = [await stage.ship() for _ in range(12)]
    await asyncio.gather(*(_ask(till, str(uuid.uuid4())) for till in (*tills, *others)))
    for parcel in parcels[:6]:
        id_ = str(uuid.uuid4())
        await asyncio.gather(*(_sell(till, parcel, id_) for till in tills))
    for parcel in parcels[6:]:
        await asyncio.gather(*(_sell(till, parcel, pos=pos) for pos, till in enumerate(others, start=1)))


async def _one_parcel_asked_for_twice(played: Played) -> None:
    stage = played.stage
    asking = [stage.wire("ecms", "ecms", url=gateway.url) for gateway in stage.gateways]
    await asyncio.gather(*(ecms.request("GET", "/ecms/v1/status") for ecms in asking))
    for _ in range(6):
        body = order_body(str(300_000_000_000_000_000 + stage.numbers()), "200.00")
        answers = await asyncio.gather(*(attempted(ecms, "POST", "/ecms/v1/references", body) for ecms in asking))
        made = {stage.ordered(body, answer) for answer in answers if answer is not None}
        for parcel in made:
            await asking[0].request("POST", "/ecms/v1/status", json=status_body(parcel, "DELIVERED TO STORE"))
        for parcel in made:
            await _sell(stage.till(), parcel)


def _dies(point: str) -> Play:
    """A gateway dies at a point while it collects, and comes back."""

    async def play(played: Played) -> None:
        stage = played.stage
        first, second = await stage.ship(), await stage.ship()
        till = stage.till()
        await _sell(till, first)
        await stage.drained(10)
        gateway = stage.gateway
        for each in stage.gateways:
            await each.end()
        await gateway.start(crash_at=point)
        id_, _ = await _sell(till, second)
        await gateway.died()
        await gateway.start()
        await _ask(till, id_)
        await _sell(till, second, id_)

    return play


async def _power_fails(played: Played) -> None:
    """Every process of PostgreSQL is killed the moment that a collection was answered."""
    stage, postgres = played.stage, played.postgres
    assert postgres is not None
    parcel = await stage.ship()
    till = stage.till()
    await _ask(till, str(uuid.uuid4()))
    # What was written in between has its WAL on the disk by now.
    await asyncio.sleep(0.5)
    victims = family(postgres.pid)
    await _sell(till, parcel)
    send_to(victims, signal.SIGKILL)
    await postgres.stop()
    await postgres.start()


async def _lost_commit(played: Played) -> None:
    """The answer to a COMMIT is lost, and so is the connection on which the gateway could ask again at once."""
    stage, proxy = played.stage, played.proxy
    assert proxy is not None
    parcel = await stage.ship()
    till = stage.till()
    await _ask(till, str(uuid.uuid4()))
    proxy.spoil(Spoil.SWALLOW)
    await _sell(till, parcel)


async def _statuses_out_of_order(played: Played) -> None:
    stage = played.stage
    parcel = await stage.order()
    late = datetime.now(PHILIPPINE_TIME) - timedelta(hours=1)
    ecms = stage.wire("ecms", "ecms")
    await ecms.request("POST", "/ecms/v1/status", json=status_body(parcel, "FOR PULL OUT", late))
    cancelled = await stage.order()
    await ecms.request("POST", "/ecms/v1/status", json=status_body(cancelled, "CANCELLED"))
    await ecms.request("POST", "/ecms/v1/status", json=status_body(cancelled, "DELIVERED TO STORE"))
    await _sell(stage.till(), cancelled)
    await _sell(stage.till(), await stage.order(arrives=False))


async def _expired_code(played: Played) -> None:
    stage = played.stage
    expires_at = datetime.now(PHILIPPINE_TIME) + timedelta(seconds=1)
    parcel = await stage.order(expiresAt=expires_at.isoformat(timespec="milliseconds"))
    await asyncio.sleep(max(0.0, (expires_at - datetime.now(PHILIPPINE_TIME)).total_seconds()) + 0.05)
    await _sell(stage.till(), parcel)


async def _ecms_away(played: Played) -> None:
    """Sold, undone and sold again while ECMS fails now and then."""
    stage = played.stage
    till = stage.till()
    parcels = [await stage.ship() for _ in range(5)]
    await stage.ecms_fails("down")
    for parcel in parcels:
        for _ in range(2):
            id_, _ = await _sell(till, parcel)
            await _undo(till, id_)
    await stage.ecms_fails("error-500", probability=0.5)
    await asyncio.sleep(2)
    await stage.ecms_fails("none")


async def _ecms_refuses(played: Played) -> None:
    """ECMS has never heard of the parcel: a person has to look."""
    await _sell(played.stage.till(), await played.stage.order())


async def _applies_and_fails(played: Played) -> None:
    stage = played.stage
    parcel = await stage.ship()
    await stage.ecms_fails("apply-then-fail")
    await _sell(stage.till(), parcel)
    await asyncio.sleep(0.5)
    await stage.ecms_fails("none")


async def _undone_while_told(played: Played) -> None:
    """The void follows the sale so closely that it meets the relay which is about to note the sale as told."""
    stage = played.stage
    tills = [stage.till(pos) for pos in (1, 2, 3)]
    parcels = [await stage.ship() for _ in tills]

    async def busy(till: RecordingWire, parcel: Parcel, pos: int) -> None:
        for pause in range(30):
            id_, _ = await _sell(till, parcel, pos=pos)
            await asyncio.sleep(pause / 1000)
            await _undo(till, id_)

    await asyncio.gather(
        *(busy(till, parcel, pos) for pos, (till, parcel) in enumerate(zip(tills, parcels, strict=True), 1))
    )


SCENARIOS = {
    "an ordinary day": Scenario(_ordinary_day),
    "two gateways at once": Scenario(_two_gateways_at_once),
    "one parcel asked for twice": Scenario(_one_parcel_asked_for_twice),
    "dies before COMMIT": Scenario(_dies("counter-before-commit")),
    "dies after COMMIT": Scenario(_dies("counter-after-commit")),
    "dies before sending": Scenario(_dies("relay-before-send")),
    "the power fails": Scenario(_power_fails, own_postgres=True),
    "the answer to a COMMIT is lost": Scenario(_lost_commit, proxy=True),
    "statuses out of order": Scenario(_statuses_out_of_order),
    "an expired code": Scenario(_expired_code),
    "ECMS away and back": Scenario(_ecms_away),
    "an event that ECMS refuses": Scenario(_ecms_refuses),
    "ECMS applies and then fails": Scenario(_applies_and_fails),
    "undone while it is told": Scenario(_undone_while_told),
}
