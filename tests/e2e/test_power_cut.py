"""A power cut while 50 customers pay: everything is killed, PostgreSQL too, and started again. Half a minute."""

import asyncio
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from partners import Parcel, Partner, Till

from connect_gateway.clock import SystemClock
from connect_gateway.domain.codes import parse_reference

COLLECTS = 50


async def _ship_to_store(session: aiohttp.ClientSession, facts: dict[str, Any]) -> list[Parcel]:
    merchant = facts["clients"]["merchant"]
    partner = Partner(session, facts["ecms"], merchant["clientId"], merchant["clientSecret"])
    await partner.log_in()

    async def ship(number: int) -> Parcel:
        shipment = {
            "merchantCode": merchant["merchantCode"],
            "merchant": "Merchant A",
            "mobileNumber": "09123456789",
            "merchantReference": f"POWER-CUT-{number}",
            "deliveryLocationId": "0166",
            "shipping_weight": "0.5",
            "shipping_length": "12.3",
            "shipping_width": "12.3",
            "shipping_height": "12.3",
            "description": "item description",
            "amount": "200.00",
            "paymentType": "COD",
        }
        made = (await partner.call("POST", "/ecms/api/v1/shipments", shipment)).json
        to_store = {"trackingNumber": made["trackingNumber"], "to": "DELIVERED TO STORE"}
        async with session.post(facts["ecmsControl"] + "/advance", json=to_store) as response:
            assert response.status == 200, await response.text()
        return Parcel(made["trackingNumber"], parse_reference(made["claimCode"]), shipment["merchantReference"])

    return [await ship(number) for number in range(COLLECTS)]


def _till(session: aiohttp.ClientSession, facts: dict[str, Any]) -> Till:
    client = facts["clients"]["pos"]
    return Till(session, facts["gateway"], client["clientId"], client["clientSecret"])


async def _pay_until_the_cut(
    session: aiohttp.ClientSession, sandbox: Any, parcels: dict[str, Parcel]
) -> dict[str, bytes]:
    """Sends every COLLECT, one after another a little apart, and cuts the power once a few were answered."""
    till = _till(session, sandbox.facts)
    await till.log_in()
    answered: dict[str, bytes] = {}
    some = asyncio.Event()

    async def pay(transaction_id: str, parcel: Parcel) -> None:
        try:
            reply = await till.collect(parcel, transaction_id)
        except (aiohttp.ClientError, OSError):
            return
        if reply.status == 201:
            answered[transaction_id] = reply.raw
            some.set()

    async with asyncio.TaskGroup() as group:
        for transaction_id, parcel in parcels.items():
            group.create_task(pay(transaction_id, parcel))
        await some.wait()
        await asyncio.to_thread(sandbox.kill_everything)
    return answered


async def _history(session: aiohttp.ClientSession, facts: dict[str, Any], parcel: Parcel) -> list[dict[str, Any]]:
    async with session.get(f"{facts['ecmsControl']}/parcels/{parcel.tracking_number}") as response:
        return [event for event in (await response.json())["events"] if event["status"] == "CLAIMED"]


async def test_each_payment_has_one_fate_after_a_power_cut(start_sandbox: Callable[..., Any], home: Path) -> None:
    sandbox = start_sandbox("--data-dir", str(home / "data"))
    async with aiohttp.ClientSession() as session:
        shipped = await _ship_to_store(session, sandbox.facts)
        parcels = {str(uuid.uuid4()): parcel for parcel in shipped}
        answered = await _pay_until_the_cut(session, sandbox, parcels)

        again = start_sandbox("--data-dir", str(home / "data"))
        assert again.facts["gateway"] == sandbox.facts["gateway"]
        assert again.facts["clients"] == sandbox.facts["clients"]
        till = _till(session, again.facts)
        await till.log_in()
        for transaction_id, parcel in parcels.items():
            inquired = await till.inquire(transaction_id)
            if transaction_id in answered:
                assert inquired.raw == answered[transaction_id]
            else:
                # Nobody knows of this one, so the till does what it does: it sends the same again.
                assert inquired.status in (200, 404)
            repeated = await till.collect(parcel, transaction_id)
            assert repeated.status == 201
            if inquired.status == 200:
                assert repeated.raw == inquired.raw
        deadline = SystemClock().now().timestamp() + 60
        for parcel in shipped:
            while not (claims := await _history(session, again.facts, parcel)):
                assert SystemClock().now().timestamp() < deadline, "ECMS has not heard of every payment"
                await asyncio.sleep(0.1)
            assert sum(claim["applied"] for claim in claims) == 1
    assert again.stop()[0] == 0
