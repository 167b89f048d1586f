"""A sandbox for the exercises: a real gateway with its database and ECMS, parcels to sell, and the ledger's view."""

import asyncio
import contextlib
import json
import logging
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from connect_gateway.certification.jobs import Goods, Parcel
from connect_gateway.certification.wire import NoAnswer, Partner, Wire
from connect_gateway.processes import StartError, write_private
from connect_gateway.sandbox import Sandbox
from connect_gateway.temporary import temporary_home

_READY_WITHIN_S = 60.0
_POLL_S = 0.1
_AMOUNT = "200.00"


class StageError(StartError):
    """The sandbox did not do what an exercise needs."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A running sandbox. `home` is for what the tills keep, `credentials` has the till's client alone."""

    gateway: Wire
    home: Path
    credentials: Path
    till: Mapping[str, str]
    _clients: Mapping[str, Mapping[str, str]]
    _pos: Partner
    _kiosk: Partner
    _merchant: Partner
    _control: Wire

    async def parcel(self, goods: Goods) -> Parcel:
        """A parcel that waits at the till's store, or one that a customer brings back; each call makes another."""
        if goods is Goods.RETURN:
            return await self._return()
        amount = _AMOUNT if goods is Goods.COD else "0.00"
        shipment = {
            "merchantCode": self._clients["merchant"]["merchantCode"],
            "merchant": "Merchant A",
            "mobileNumber": "09123456789",
            "merchantReference": _unique("CERT"),
            "deliveryLocationId": self.till["storeId"],
            "deliveryDate": "2015-08-02 17:55:59",
            "orderDate": "2015-08-01",
            "pickupDate": "2015-08-03",
            "shipping_weight": "0.5",
            "shipping_length": "12.3",
            "shipping_width": "12.3",
            "shipping_height": "12.3",
            "description": "item description",
            "amount": amount,
            "paymentType": "COD" if goods is Goods.COD else "PREPAID",
            "packageType": "For Pickup",
            "address": {"address1": "1 Main Street", "address2": "", "city": "Pasig", "province": "Metro Manila"},
        }
        booked = await _done(self._merchant, "POST", "/ecms/api/v1/shipments", shipment)
        label = booked["trackingNumber"]
        step = json.dumps({"trackingNumber": label, "to": "DELIVERED TO STORE"}).encode()
        arrived = await self._control.send("POST", "/advance", {"Content-Type": "application/json"}, step)
        if arrived.status >= 300:
            raise StageError(f"the parcel does not arrive: {arrived.status} {arrived.raw[:200]!r}")
        return Parcel(_digits(booked["claimCode"]), label, amount)

    async def _return(self) -> Parcel:
        identifier, merchant = _unique("UID"), self._clients["merchant"]["merchantCode"]
        submitted = {"merchantCode": merchant, "identifiers": [identifier], "validDays": 30}
        await _done(self._merchant, "POST", "/ecms/api/v1/returnIds", submitted)
        asked = {"identifierType": "UID", "identifier": identifier, "merchantCode": merchant}
        issued = await _done(self._kiosk, "PUT", f"/kiosk/v1/returns/{uuid.uuid4()}", asked)
        return Parcel(_digits(issued["returnCode"]), issued["trackingNumber"], "0.00")

    async def fate(self, transaction_id: str) -> str | None:
        """The state of a transaction as an inquiry gives it; None where the gateway does not know it."""
        answer = await self._pos.call("GET", f"/pos/v1/transactions/{transaction_id}")
        state = (answer.body or {}).get("state")
        return state if answer.status == 200 and isinstance(state, str) else None

    async def kill_gateway(self) -> None:
        """Kills the gateway with -9; the sandbox starts it again by itself."""
        for child in psutil.Process().children():
            # The gateway alone has these words: the others of the sandbox are PostgreSQL and ECMS.
            if child.cmdline()[3:5] == ["connect_gateway", "serve"]:
                child.kill()
                with contextlib.suppress(psutil.TimeoutExpired):
                    await asyncio.to_thread(child.wait, 10)

    async def until_ready(self) -> None:
        """Waits until the gateway takes requests."""
        try:
            async with asyncio.timeout(_READY_WITHIN_S):
                while not await self._is_ready():
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise StageError("the gateway does not come back") from None

    async def _is_ready(self) -> bool:
        with contextlib.suppress(NoAnswer):
            return (await self.gateway.send("GET", "/readyz", {}, None)).status == 200
        return False


@contextlib.asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    """Runs a sandbox of this program's own while the block runs. Raises StartError if it cannot be started."""
    # That the gateway dies is part of an exercise, and no news.
    logging.getLogger("connect_gateway.sandbox").setLevel(logging.ERROR)
    async with temporary_home("connect-certification") as home:
        sandbox = Sandbox(home)
        try:
            facts = await sandbox.start()
            async with _stage_of(facts, home) as stage:
                yield stage
        finally:
            await sandbox.stop()


@contextlib.asynccontextmanager
async def _stage_of(facts: Mapping[str, Any], home: Path) -> AsyncIterator[Stage]:
    clients = facts["clients"]
    tills = home / "tills"
    tills.mkdir(mode=0o700)
    write_private(tills / "credentials.json", json.dumps({"pos": clients["pos"]}))
    async with Wire(facts["gateway"]) as gateway, Wire(facts["ecms"]) as ecms, Wire(facts["ecmsControl"]) as control:
        yield Stage(
            gateway=gateway,
            home=tills,
            credentials=tills / "credentials.json",
            till=clients["pos"],
            _clients=clients,
            _pos=Partner(gateway, clients["pos"]),
            _kiosk=Partner(gateway, clients["kiosk"]),
            _merchant=Partner(ecms, clients["merchant"]),
            _control=control,
        )


async def _done(partner: Partner, method: str, path: str, body: Any) -> dict[str, Any]:
    try:
        answer = await partner.call(method, path, body)
    except NoAnswer as error:
        raise StageError(str(error)) from None
    if answer.status >= 300 or answer.body is None:
        raise StageError(f"{method} {path}: {answer.status} {answer.raw[:200]!r}")
    return answer.body


def _unique(head: str) -> str:
    return f"{head}-{uuid.uuid4().hex[:16].upper()}"


def _digits(reference: str) -> str:
    return "".join(sign for sign in reference if sign.isdigit())
