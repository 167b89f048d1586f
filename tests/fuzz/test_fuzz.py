"""A short part of what `make fuzz` plays, the same in every run. Half a minute; needs PostgreSQL.

What fuzzing has found is kept where it belongs: as tests of the edge that it was found on, which say so.
"""

import contextlib
import uuid
from collections import Counter
from pathlib import Path

from history.records import Parcel
from torture.nursery import Nursery

from connect_gateway import openapi
from fuzz.campaigns import Size, bytes_round, check_history, counter_round, entered
from fuzz.messages import messages, route_of
from fuzz.stage import Loop, Stage, playing


def test_tills_kiosks_and_ecms_with_everything_failing(database_url: str, tmp_path: Path) -> None:
    counted: Counter[str] = Counter()
    size = Size(examples=5, steps=15, slow=False)
    counter_round(size, lambda: contextlib.nullcontext(database_url), tmp_path, counted)
    assert counted["requests"] > 50
    assert counted["examples"] == 5


async def _parcels_of_a_store_that_sells_nothing(stage: Stage) -> list[Parcel]:
    selling, idle = await stage.new_stores()
    parcels = []
    for number in range(45):
        tracking = str(10**17 + number)
        body = {"kind": "CLAIM", "trackingNumber": tracking, "merchantCode": "001", "merchant": "Merchant A"}
        body |= {"merchantReference": f"order-{number}", "amount": "0.00", "storeId": idle}
        body |= {"mobileNumber": "09123456789", "paymentType": "PREPAID"}
        answer = await stage.wire("ecms").ask("POST", "/ecms/v1/references", json=body)
        assert answer is not None
        assert answer.status == 201, answer.raw
        assert answer.body is not None
        parcels.append(Parcel(answer.body["reference"].replace("-", ""), "CLAIM", tracking, idle, 0))
    await stage.wire(f"pos-{selling}").ask("GET", f"/pos/v1/transactions/{uuid.uuid4()}")
    return parcels


def test_nobody_is_locked_out_for_asking_about_all_parcels(database_url: str, tmp_path: Path) -> None:
    """A longer run asked another store for the parcels of one that had sold nothing, which is guessing."""
    with Loop() as loop, entered(loop) as enter:
        stage = enter(playing(enter(Nursery()), database_url, tmp_path, 0))
        parcels = loop.run(_parcels_of_a_store_that_sells_nothing(stage))
        loop.run(check_history(stage, parcels))


def test_bytes_that_nobody_expects(database_url: str, tmp_path: Path) -> None:
    counted: Counter[str] = Counter()
    bytes_round(Size(examples=15), lambda: contextlib.nullcontext(database_url), tmp_path, counted)
    assert counted["streams"] > 50
    assert counted["answered malformed-request"] > 0
    assert counted["answered 200"] > 0


def test_every_route_is_fuzzed() -> None:
    reached = {route_of(message.method, message.target) for message in messages("2026-11-22", "secret")}
    documented = {(method, path) for path, item in openapi.document()["paths"].items() for method in item}
    assert reached == documented
