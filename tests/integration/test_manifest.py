"""The manifest: signed, whole or what has changed, and never a change skipped. Needs PostgreSQL."""

import asyncio
import base64
import json
import uuid
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from partners import Parcel, Reply, Till, next_tracking_number
from world import World

from connect_gateway.edges.manifest import write_cursor
from connect_gateway.ledger import manifests
from connect_gateway.ledger.database import open_pool


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def asked(world: World, since: str | None = None, till: Till | None = None) -> dict[str, Any]:
    """A manifest whose signature has been checked."""
    till = till or world.till
    path = "/pos/v1/manifest" + ("" if since is None else f"?since={since}")
    reply = await till.call("GET", path)
    assert reply.status == 200, reply.raw
    content = unpadded(reply.json["manifest"])
    keys = (await till.call("GET", "/pos/v1/manifest/keys")).json["keys"]
    public = {key["keyId"]: unpadded(key["publicKey"]) for key in keys}[reply.json["keyId"]]
    Ed25519PublicKey.from_public_bytes(public).verify(unpadded(reply.json["signature"]), content)
    read = json.loads(content)
    assert isinstance(read, dict)
    return read


def states(manifest: dict[str, Any]) -> dict[str, str]:
    return {parcel["reference"]: parcel["state"] for parcel in manifest["parcels"]}


async def test_all_that_waits_at_the_store_and_nothing_else(world: World) -> None:
    """STD-1, STD-3, STD-5."""
    cod = await world.ecms.ship_to_store(description="x" * 200)
    prepaid = await world.ecms.ship_to_store(amount="0.00", expiresAt="2099-01-01T00:00:00+08:00")
    await world.ecms.ship()
    await world.ecms.ship_to_store(store_id="0001")
    await world.ecms.ship_to_store(expiresAt="2020-01-01T00:00:00+08:00")

    manifest = await asked(world)

    assert (manifest["storeId"], manifest["since"]) == ("0166", None)
    assert manifest["limits"] == {
        "maxAgeSeconds": 14400,
        "maxAmount": "4000.00",
        "maxTotal": "20000.00",
        "maxCount": 20,
        "refreshSeconds": 60,
    }
    issued, expires = (datetime.fromisoformat(manifest[name]) for name in ("issuedAt", "expiresAt"))
    assert expires - issued == timedelta(seconds=14400)
    assert states(manifest) == {cod.reference: "OPEN", prepaid.reference: "OPEN"}
    listed = {parcel["reference"]: parcel for parcel in manifest["parcels"]}
    first = listed[cod.reference]
    label = first.pop("label")
    digest = sha256(bytes.fromhex(label["salt"]) + cod.tracking_number.encode()).hexdigest()
    assert (label["digest"], label["hint"]) == (digest, cod.tracking_number[-4:])
    assert first == {
        "reference": cod.reference,
        "kind": "PAY_AND_CLAIM",
        "action": "COLLECT",
        "state": "OPEN",
        "merchant": "Merchant A",
        "merchantReference": cod.merchant_reference,
        "description": "x" * 120,
        "amountDue": "200.00",
        "currency": "PHP",
        "expiresAt": None,
    }
    assert listed[prepaid.reference]["expiresAt"] == "2099-01-01T00:00:00.000+08:00"
    assert cod.tracking_number not in json.dumps(manifest)


async def test_a_cursor_brings_what_has_changed_since_and_nothing_else(world: World) -> None:
    """STD-2."""
    collected, voided, cancelled, moved, stays = [await world.ecms.ship_to_store() for _ in range(5)]
    other = await world.partner(Till, "other-till", "pos", "0001", None)
    first = await asked(world)
    assert states(await asked(world, first["cursor"])) == {}

    await world.till.collect(collected)
    transaction_id = str(uuid.uuid4())
    await world.till.collect(voided, transaction_id)
    await world.till.reverse(transaction_id)
    await world.ecms.tell(cancelled, "CANCELLED")
    await world.ecms.tell(moved, "DELIVERED TO STORE", location="0001")
    arrived = await world.ecms.ship_to_store()

    second = await asked(world, first["cursor"])
    assert second["since"] == first["cursor"]
    assert states(second) == {
        collected.reference: "GONE",
        voided.reference: "OPEN",
        cancelled.reference: "GONE",
        moved.reference: "GONE",
        arrived.reference: "OPEN",
    }
    gone = [parcel for parcel in second["parcels"] if parcel["state"] == "GONE"]
    assert all(parcel.keys() == {"reference", "state"} for parcel in gone)
    assert states(await asked(world, second["cursor"])) == {}
    assert set(states(await asked(world))) == {voided.reference, stays.reference, arrived.reference}
    assert states(await asked(world, till=other)) == {moved.reference: "OPEN"}


async def test_a_cursor_that_is_none_brings_the_whole_store(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    elsewhere = await world.partner(Till, "other-till", "pos", "0001", None)
    foreign = (await asked(world, till=elsewhere))["cursor"]
    ahead = manifests.Cursor(10**6, {})
    made_up = [
        "",
        "x",
        "AAAA",
        "%F0%9F",
        "W10",
        base64.urlsafe_b64encode(b"[" * 900).decode(),
        foreign,
        write_cursor(ahead, "0166", datetime.now(UTC)),
        write_cursor(manifests.Cursor(0, {}), "0166", datetime.now(UTC) - timedelta(days=2)),
        write_cursor(manifests.Cursor(0, {7: 3}), "0166", datetime.now(UTC)),
        base64.urlsafe_b64encode(b'["0166", 1e999, 1, []]').decode().rstrip("="),
    ]
    for cursor in made_up:
        whole = await asked(world, cursor)
        assert (whole["since"], states(whole)) == (None, {parcel.reference: "OPEN"}), cursor


async def test_only_a_till_may_ask_and_only_for_its_own_store(world: World) -> None:
    for partner in (world.kiosk, world.ecms, world.admin):
        for path in ("/pos/v1/manifest", "/pos/v1/manifest/keys"):
            assert (await partner.call("GET", path)).json["code"] == "wrong-role"


async def test_a_keys_file_without_a_manifest_key_signs_none(world: World, tmp_path: Path) -> None:
    assert world.settings.keys_file is not None
    older = json.loads(world.settings.keys_file.read_text())
    del older["manifest"]
    path = tmp_path / "older.json"
    path.write_text(json.dumps(older))
    async with world.another_gateway(keys_file=path) as url:
        till = world.at(world.till, url)
        for route in ("/pos/v1/manifest", "/pos/v1/manifest/keys"):
            refused: Reply = await till.call("GET", route)
            assert (refused.status, refused.json["code"]) == (503, "manifest-unavailable")
        assert refused.json["verdict"]["parcel"] == "HOLD"


async def test_a_change_that_becomes_visible_late_is_not_skipped(world: World) -> None:
    """A status whose transaction commits after a later one's: the later one waits for it, so that no cursor is given
    beyond what can be seen.
    """
    early, late = await world.ecms.ship(), await world.ecms.ship()
    connection = await asyncpg.connect(world.database_url)
    pool = await open_pool(world.database_url, 4)
    try:
        before = (await manifests.parcels(pool, "0166", None)).cursor
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("UPDATE reference SET state = 'OPEN' WHERE reference = $1", digits(early))
        await connection.execute("INSERT INTO store_change VALUES ('0166', 1)")
        await connection.execute("INSERT INTO waiting VALUES ('0166', $1, 1, now())", digits(early))
        telling = asyncio.create_task(world.ecms.tell(late, "DELIVERED TO STORE"))
        async with asyncio.timeout(20):
            while not await world.fetch("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
                await asyncio.sleep(0.01)
        between = await manifests.parcels(pool, "0166", before)
        assert between.parcels == []
        await transaction.commit()
        assert (await telling).status == 204
        after = await manifests.parcels(pool, "0166", between.cursor)
        assert {one.reference for one in after.parcels} == {digits(early), digits(late)}
    finally:
        await connection.close()
        await pool.close()


async def test_what_left_long_ago_is_forgotten_and_what_waits_is_not(world: World) -> None:
    gone, waits = await world.ecms.ship_to_store(), await world.ecms.ship_to_store()
    await world.ecms.tell(gone, "CANCELLED")
    pool = await open_pool(world.database_url, 4)
    try:
        await manifests.purge(pool, datetime.now(UTC) + timedelta(days=1))
    finally:
        await pool.close()
    assert [row["reference"] for row in await world.fetch("SELECT reference FROM waiting")] == [digits(waits)]


async def test_other_kinds_are_never_listed(world: World) -> None:
    first = await asked(world)
    code = (await world.ecms.ask_for(trackingNumber=next_tracking_number())).json["reference"]
    await world.till.put(str(uuid.uuid4()), world.till.body("ACCEPT_RETURN", code))
    assert states(await asked(world, first["cursor"])) == states(await asked(world)) == {}


def digits(parcel: Parcel) -> str:
    return parcel.reference.replace("-", "")
