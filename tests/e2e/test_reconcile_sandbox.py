"""A day at the counter against the real ECMS simulator, reconciled three ways. A quarter of a minute; a sandbox."""

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from partners import Parcel, Partner, Till, business_date

from connect_gateway.domain.codes import parse_reference


async def ship(session: aiohttp.ClientSession, facts: dict[str, Any], amount: str) -> Parcel:
    client = facts["clients"]["merchant"]
    merchant = Partner(session, facts["ecms"], client["clientId"], client["clientSecret"])
    await merchant.log_in()
    shipment = {
        "merchantCode": client["merchantCode"],
        "merchant": "Merchant A",
        "mobileNumber": "09123456789",
        "merchantReference": f"DAY-{uuid.uuid4()}",
        "deliveryLocationId": "0166",
        "shipping_weight": "0.5",
        "shipping_length": "12.3",
        "shipping_width": "12.3",
        "shipping_height": "12.3",
        "description": "item description",
        "amount": amount,
        "paymentType": "COD",
    }
    made = (await merchant.call("POST", "/ecms/api/v1/shipments", shipment)).json
    to_store = {"trackingNumber": made["trackingNumber"], "to": "DELIVERED TO STORE"}
    async with session.post(facts["ecmsControl"] + "/advance", json=to_store) as response:
        assert response.status == 200, await response.text()
    return Parcel(made["trackingNumber"], parse_reference(made["claimCode"]), shipment["merchantReference"])


async def claimed(session: aiohttp.ClientSession, facts: dict[str, Any], parcel: Parcel) -> None:
    async with asyncio.timeout(20):
        while True:
            async with session.get(f"{facts['ecmsControl']}/parcels/{parcel.tracking_number}") as response:
                if any(event["status"] == "CLAIMED" for event in (await response.json())["events"]):
                    return
            await asyncio.sleep(0.05)


async def reconciled(facts: dict[str, Any], home: Path) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "connect_gateway", "reconcile", "--json", "--date", business_date()]
    ended = await asyncio.to_thread(
        subprocess.run,
        [*command, "--ecms-history", facts["ecmsControl"]],
        env=os.environ | {"CONNECT_DATABASE_URL": facts["database"], "CONNECT_DATA_DIR": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stdout, ended.stderr
    return ended.returncode, json.loads(ended.stdout)


async def test_a_day_agrees_three_ways_and_a_wrong_count_does_not(
    start_sandbox: Callable[..., Any], home: Path
) -> None:
    facts = start_sandbox().facts
    async with aiohttp.ClientSession() as session:
        client = facts["clients"]["pos"]
        till = Till(session, facts["gateway"], client["clientId"], client["clientSecret"])
        till.pos = client["pos"]
        await till.log_in()
        lines = []
        for amount in ("200.00", "150.50"):
            parcel, transaction_id = await ship(session, facts, amount), str(uuid.uuid4())
            assert (await till.collect(parcel, transaction_id)).status == 201
            await claimed(session, facts, parcel)
            lines.append({"transactionId": transaction_id, "type": "COLLECT", "state": "APPROVED", "amount": amount})
        close = {"cashCounted": "350.50", "transactions": lines}
        path = f"/pos/v1/shifts/{business_date()}/{till.pos}"
        assert (await till.call("PUT", f"{path}/1", close)).status == 200

        status, report = await reconciled(facts, home)

        assert (status, report["breaks"], report["healed"], report["ecms"]) == (0, {}, [], "inquired")
        # The sandbox has sold a little by itself, in a shift that is still open.
        sums = report["sums"]
        assert sums["tills"] == {"COLLECT": {"count": 2, "amount": "350.50"}}
        assert sums["ledger"] == sums["told"] == sums["ecms"]
        wrong = {"cashCounted": "1.00", "transactions": []}
        assert (await till.call("PUT", f"{path}/2", wrong)).status == 200
        status, report = await reconciled(facts, home)
        assert (status, report["breaks"]) == (3, {"cash-differs": 1})
