"""Receipts and slips in every form that the edges serve, read back as a scanner would. 10 s; needs PostgreSQL."""

import uuid

import pytest
from checks import refusal
from papers import barcodes_of, bars_of_pdf
from partners import Reply, next_tracking_number
from world import World

from connect_printing import escpos


def digits(shown: str) -> str:
    return shown.replace("-", "")


def printed(reply: Reply, media_type: str, status: int = 200) -> bytes:
    """What came, of this type; it says that it depends on what was accepted."""
    assert reply.status == status, reply.raw
    assert reply.headers["Content-Type"] == media_type
    assert reply.headers["Vary"] == "Accept"
    return reply.raw


async def test_a_receipt_comes_as_a_picture_and_for_a_printer(world: World) -> None:
    """RCP-11 and RCP-12."""
    parcel = await world.ecms.ship_to_store(merchant="Tindahan ni Niño", merchantReference="AB\u2122 12")
    paid = await world.till.collect(parcel)
    path = f"/pos/v1/receipts/{paid.json['receipt']['number']}"
    codes = [("CODE128", digits(parcel.reference)), ("GS1-128", parcel.tracking_number)]

    picture = printed(await world.till.call("GET", path, headers={"Accept": "image/png"}), "image/png")
    assert barcodes_of(picture) == codes

    data = printed(
        await world.till.call("GET", path, headers={"Accept": "application/vnd.escpos"}), "application/vnd.escpos"
    )
    assert barcodes_of(escpos.png(data)) == codes
    lines = [line.strip() for line in escpos.text(data).splitlines()]
    assert [line.strip() for line in paid.json["receipt"]["text"]] == lines[: len(paid.json["receipt"]["text"])]
    assert any("Niño" in line for line in lines)

    copy = await world.till.call("POST", path + "/copies", headers={"Accept": "application/vnd.escpos"})
    assert "*** COPY 1 ***" in escpos.text(printed(copy, "application/vnd.escpos", 201))
    drawn = await world.till.call("POST", path + "/copies", headers={"Accept": "image/png"})
    assert barcodes_of(printed(drawn, "image/png", 201)) == codes


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("text/*", "text/plain"),
        ("image/*;q=0.5, text/plain;q=0.4", "image/png"),
        ("image/png;q=0.1, text/plain ; Q=0.9", "text/plain"),
        ("application/json;q=0, */*", "text/plain"),
        ("video/mp4, image/png", "image/png"),
        ("image/png;q=nonsense", "image/png"),
    ],
)
async def test_the_form_is_the_one_that_is_liked_best(world: World, accept: str, media_type: str) -> None:
    parcel = await world.ecms.ship_to_store()
    paid = await world.till.collect(parcel)
    headers = {"Accept": accept} if accept else {}
    shown = await world.till.call("GET", f"/pos/v1/receipts/{paid.json['receipt']['number']}", headers=headers)
    assert (shown.status, shown.headers["Content-Type"].partition(";")[0]) == (200, media_type)


async def test_a_form_that_there_is_not_counts_no_copy(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    paid = await world.till.collect(parcel)
    path = f"/pos/v1/receipts/{paid.json['receipt']['number']}"
    for accept in ("application/pdf", "video/mp4", "image/png;q=0", "text/html"):
        refusal(await world.till.call("GET", path, headers={"Accept": accept}), 406, "not-acceptable")
        refusal(await world.till.call("POST", path + "/copies", headers={"Accept": accept}), 406, "not-acceptable")
    assert (await world.till.call("POST", path + "/copies")).json["copy"] == 1


async def test_a_slip_comes_in_every_form(world: World) -> None:
    number = next_tracking_number()
    world.ecms_server.answers["returns"] = [
        (200, {"trackingNumber": number, "merchantCode": "001", "merchant": "Señora Muñoz", "merchantReference": "R 1"})
    ]
    made = await world.kiosk.call(
        "PUT", f"/kiosk/v1/returns/{uuid.uuid4()}", {"identifierType": "UID", "identifier": "R 1"}
    )
    path = f"/kiosk/v1/returns/{made.json['returnCode']}/slip"
    codes = [("CODE128", digits(made.json["returnCode"])), ("GS1-128", number)]

    async def get(accept: str) -> Reply:
        return await world.kiosk.call("GET", path, headers={"Accept": accept})

    picture = printed(await get("image/png"), "image/png")
    assert barcodes_of(picture) == codes
    assert printed(await get("image/png"), "image/png") == picture
    pdf = printed(await get("application/pdf"), "application/pdf")
    assert barcodes_of(bars_of_pdf(pdf)) == codes
    assert printed(await get("application/pdf"), "application/pdf") == pdf
    data = printed(await get("application/vnd.escpos"), "application/vnd.escpos")
    assert barcodes_of(escpos.png(data)) == codes
    assert "Señora Muñoz" in escpos.text(data)
    text = printed(await get("text/plain"), "text/plain; charset=utf-8")
    assert text.decode().splitlines() == made.json["slip"]["text"]
    assert printed(await get("*/*"), "text/plain; charset=utf-8") == text
    refusal(await get("application/json"), 406, "not-acceptable")
