"""The parcels that a sandbox begins with: in the ledger and at ECMS, once, and in nobody's way."""

from pathlib import Path

import aiohttp
import asyncpg
from connect_simulators.ecms.config import Config
from connect_simulators.ecms.server import running

from connect_gateway import demo_parcels as demo
from connect_gateway.domain.codes import has_valid_check_digit, show_reference
from connect_gateway.keys import generate_keys_file
from connect_gateway.sandbox_seed import seed
from connect_gateway.sandbox_state import Ports, SandboxState, ecms_config

COUNTS = """
SELECT (SELECT count(*) FROM reference), (SELECT count(*) FROM transaction), (SELECT count(*) FROM event),
       (SELECT count(*) FROM journal), (SELECT count(*) FROM contact), (SELECT count(*) FROM return_request)
"""


async def test_seeded_again_nothing_is_doubled_and_nothing_is_in_the_way(database_url: str, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    generate_keys_file(keys)
    connection = await asyncpg.connect(database_url)
    try:
        await seed(database_url, keys, "demo-kiosk")
        first = tuple(await connection.fetchrow(COUNTS))
        assert first[:2] == (len(demo.ALL), 5)

        await connection.execute("UPDATE reference SET state = 'CANCELLED' WHERE reference = $1", demo.COD.reference)
        await seed(database_url, keys, "demo-kiosk")
        assert tuple(await connection.fetchrow(COUNTS)) == first
        states = dict(await connection.fetch("SELECT reference, state FROM reference"))
        assert states == {
            demo.COD.reference: "CANCELLED",
            demo.PREPAID.reference: "OPEN",
            demo.RETURN.reference: "OPEN",
            demo.COD_COLLECTED.reference: "DONE",
            demo.PREPAID_CLAIMED.reference: "DONE",
            demo.RETURN_ACCEPTED.reference: "DONE",
            demo.COD_REVERSED.reference: "OPEN",
            demo.PAYMENT.reference: "OPEN",
            demo.DROP_OFF.reference: "OPEN",
            demo.BOOKED.reference: "OPEN",
        }
        assert await connection.fetchval("SELECT array_agg(DISTINCT pos) FROM terminal") == [demo.POS]
        receipts = await connection.fetch("SELECT receipt_number FROM transaction ORDER BY 1 LIMIT 3")
        assert [row[0] for row in receipts] == [demo.COLLECTED_RECEIPT, demo.CLAIMED_RECEIPT, demo.ACCEPTED_RECEIPT]
        assert await connection.fetchval("SELECT count(*) FROM task") == 0
    finally:
        await connection.close()


def test_no_issued_reference_and_no_tracking_number_of_ecms_can_be_one_of_them() -> None:
    for parcel in demo.ALL:
        assert parcel.reference.startswith("0")
        assert has_valid_check_digit(parcel.reference)
        assert parcel.tracking_number.startswith("0")


async def test_ecms_has_them_too_also_when_it_starts_again(tmp_path: Path) -> None:
    state = SandboxState(ports=Ports(gateway=9, ecms=0, ecms_control=0))
    # Nobody listens where the gateway should be, so nothing may wait for it.
    settings = ecms_config(state, tmp_path / "ecms.sqlite") | {"sandbox": False}
    for _ in range(2):
        async with running(Config.model_validate(settings)) as addresses, aiohttp.ClientSession() as session:
            async with session.get(addresses["ecmsControl"] + "/parcels") as answer:
                listed = {one["trackingNumber"]: one["status"] for one in (await answer.json())["parcels"]}
            async with session.get(f"{addresses['ecmsControl']}/parcels/{demo.COD.tracking_number}") as answer:
                shown = await answer.json()
        assert listed == {
            **{one.tracking_number: "DELIVERED TO STORE" for one in demo.SHIPMENTS},
            **{one.tracking_number: "DELIVERED TO STORE" for one in demo.PAYMENTS},
            **{one.tracking_number: "CREATED/ CONFIRMED" for one in (*demo.RETURNS, *demo.DROP_OFFS)},
        }
        assert (shown["claimCode"], shown["told"]) == (show_reference(demo.COD.reference), True)
        assert [event["status"] for event in shown["events"]][::6] == ["CREATED/ CONFIRMED", "DELIVERED TO STORE"]
