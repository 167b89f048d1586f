"""Labels and the day's documents: what stands in them, and that every barcode reads back at 203 dpi. About 6 s."""

import csv
import io
from datetime import date

import pytest
from connect_simulators.ecms.document_sheets import document_pdf
from connect_simulators.ecms.documents import Document, Kind, Line, document_csv
from connect_simulators.ecms.labels import Label, label_pdf
from connect_simulators.ecms.sheets import PLAIN, fitted, register_fonts
from ecms_served import Ecms, ecms
from hypothesis import given, settings
from hypothesis import strategies as st
from papers import barcodes_of, bars_of_pages, bars_of_pdf
from reportlab.pdfbase.pdfmetrics import stringWidth

__all__ = ["ecms"]

LABEL = Label(
    tracking_number="303105332614281205",
    merchant="Merchant A",
    merchant_code="001",
    merchant_reference="AXDY43322222524544",
    description="item description",
    store_id="0166",
    address="",
    cod_centavos=20000,
    claim_code="991767890023",
    weight_kg="0.5",
)
DIGITS = st.text("0123456789", min_size=12, max_size=12)
TRACKING = st.one_of(st.text("0123456789", min_size=18, max_size=18), st.text("0123456789", min_size=17, max_size=17))
TEXT = st.text(max_size=60)


@settings(max_examples=20)
@given(TRACKING, DIGITS, TEXT, TEXT, TEXT, st.sampled_from([None, 1, 400_000]))
def test_both_barcodes_of_a_label_read_back_whatever_else_stands_on_it(
    tracking_number: str, claim_code: str, merchant: str, reference: str, description: str, cod: int | None
) -> None:
    label = Label(tracking_number, merchant, "001", reference, description, "0389", "", cod, claim_code, "9.9")
    pdf = label_pdf(label)
    assert pdf == label_pdf(label)
    assert barcodes_of(bars_of_pdf(pdf)) == [("CODE128", claim_code), ("GS1-128", tracking_number)]


def test_a_label_is_a6_and_to_a_door_it_has_an_address_and_no_claim_code() -> None:
    label = Label(**{**_fields(LABEL), "store_id": None, "claim_code": None, "address": "1 Mabini Street, Lipa"})
    pdf = label_pdf(label)
    assert pdf.startswith(b"%PDF-")
    assert b"/MediaBox [ 0 0 297.6378 419.5276 ]" in pdf
    assert barcodes_of(bars_of_pdf(pdf)) == [("GS1-128", LABEL.tracking_number)]


def _fields(label: Label) -> dict[str, object]:
    return {name: getattr(label, name) for name in Label.__dataclass_fields__}


@given(TEXT, st.floats(20, 300))
def test_text_is_cut_to_where_it_stands(text: str, width: float) -> None:
    register_fonts()
    assert stringWidth(fitted(text, PLAIN, 9, width), PLAIN, 9) <= max(width, stringWidth("...", PLAIN, 9))


async def test_the_label_is_served_under_a_name_that_nobody_guesses(ecms: Ecms) -> None:
    number = await ecms.shipment()
    _, parcel = await ecms.driven("GET", f"/parcels/{number}")
    async with ecms.session.get(f"{ecms.url}/labels/{parcel['label']}.pdf") as answer:
        assert (answer.status, answer.content_type) == (200, "application/pdf")
        assert barcodes_of(bars_of_pdf(await answer.read())) == [("GS1-128", number)]
    async with ecms.session.get(f"{ecms.url}/labels/{'x' * 32}.pdf") as answer:
        assert (answer.status, (await answer.json())["errorCode"]) == (404, "404")


def test_every_barcode_of_a_long_document_reads_back() -> None:
    lines = [_line(place, f"{300_000_000_000_000_000 + number}") for place in ("0166", "0390") for number in range(20)]
    document = Document(Kind.APO, date(2026, 11, 22), tuple(lines))
    pdf = document_pdf(document)
    assert pdf == document_pdf(document)
    read = [digits for page in bars_of_pages(pdf) for symbology, digits in barcodes_of(page) if symbology == "GS1-128"]
    assert sorted(read) == sorted(line.tracking_number for line in lines)


def _line(place: str, tracking_number: str, **changes: str) -> Line:
    fields = {"merchant": "Merchant A", "merchant_reference": "ORDER-1", "description": "shoes", **changes}
    return Line(
        route=f"R-{place}",
        place=place,
        place_name=f"Name of {place}",
        zone="Visayas",
        tracking_number=tracking_number,
        merchant_code="001",
        weight_kg="0.5",
        cod_centavos=20000,
        listed_at="2026-11-22 05:00:00",
        **fields,
    )


@pytest.mark.parametrize("text", ["=1+1", "+63", "-1", "@x"])
def test_no_text_of_a_merchant_is_a_formula_in_the_csv(text: str) -> None:
    line = _line("0166", "303105332614281205", merchant=text, merchant_reference=text, description=text)
    (row,) = csv.DictReader(io.StringIO(document_csv(Document(Kind.DELIVERY, date(2026, 11, 22), (line,)))))
    assert {row["merchant"], row["merchantReference"], row["description"]} == {f"'{text}"}


async def _document(ecms: Ecms, kind: str, day: str) -> list[dict[str, str]]:
    async with ecms.session.get(f"{ecms.control}/documents/{kind}/{day}.csv") as answer:
        assert (answer.status, answer.content_type) == (200, "text/csv")
        return list(csv.DictReader(io.StringIO(await answer.text())))


async def _noon(ecms: Ecms) -> str:
    """Makes it half past noon of a day, which it gives: no midnight and no job comes between."""
    assert (await ecms.driven("PUT", "/clock", {"now": "2027-01-04T12:30:00+08:00"}))[0] == 200
    return "2027-01-04"


async def _scan(ecms: Ecms, number: str, *statuses: str) -> None:
    for status in statuses:
        assert (await ecms.driven("POST", "/scan", {"trackingNumber": number, "status": status}))[0] == 200


TO_STORE = ["DELIVERED TO WAREHOUSE", "FOR DELIVERY", "IN-TRANSIT", "ON VEHICLE TO STORE"]
AT_STORE = [*TO_STORE, "ARRIVED AT STORE", "DELIVERED TO STORE"]


async def test_the_days_documents_list_what_is_fetched_and_brought_by_route_and_store(ecms: Ecms) -> None:
    day = await _noon(ecms)
    first, second = [await ecms.shipment(merchantReference=f"A-{place}") for place in range(2)]
    third = await ecms.shipment(merchantReference="A-2", deliveryLocationId="0001")
    fetched = await ecms.shipment(merchantCode="002", merchant="Merchant B")
    for number in (first, second, third):
        await _scan(ecms, number, "DELIVERED TO WAREHOUSE", "FOR DELIVERY")
    await _scan(ecms, fetched, "FOR PICK UP")
    brought = await _document(ecms, "dr", day)
    assert [(row["route"], row["storeId"]) for row in brought] == [
        ("GMM-01", "0001"),
        ("GMM-09", "0166"),
        ("GMM-09", "0166"),
    ]
    assert {row["trackingNumber"] for row in brought} == {first, second, third}
    assert {row["cashOnDelivery"] for row in brought} == {"200.00"}
    (picked,) = await _document(ecms, "pickup", day)
    assert (picked["route"], picked["storeId"], picked["trackingNumber"]) == ("PU-002", "002", fetched)
    assert await _document(ecms, "apo", day) == []
    _, listed = await ecms.driven("GET", "/documents")
    assert {(one["kind"], one["date"], one["listed"]) for one in listed["documents"]} == {
        ("dr", day, 3),
        ("pickup", day, 1),
    }
    async with ecms.session.get(f"{ecms.control}/documents/dr/{day}.pdf") as answer:
        assert answer.content_type == "application/pdf"
        read = [digits for page in bars_of_pages(await answer.read()) for _, digits in barcodes_of(page)]
    assert sorted(read) == sorted([first, second, third])


async def test_what_was_cancelled_is_left_out(ecms: Ecms) -> None:
    day = await _noon(ecms)
    number = await ecms.shipment(merchantCode="002", merchant="Merchant B")
    await _scan(ecms, number, "FOR PICK UP")
    assert len(await _document(ecms, "pickup", day)) == 1
    status, _ = await ecms.post("shop-b", "/ecms/api/v1/cancelShipments", {"trackingNumber": number})
    assert status == 200
    assert await _document(ecms, "pickup", day) == []


async def test_the_apo_names_the_store_and_leaves_out_what_was_claimed_after_all(ecms: Ecms) -> None:
    day = await _noon(ecms)
    number, claimed = [
        await ecms.shipment(merchantReference=f"A-{place}", amount="0", paymentType="") for place in "12"
    ]
    for one in (number, claimed):
        await _scan(ecms, one, *AT_STORE, "FOR PULL OUT")
    assert (await ecms.tell(claimed, "CLAIMED", merchantReference="A-2"))[0] == 200
    (row,) = await _document(ecms, "apo", day)
    assert (row["trackingNumber"], row["storeId"], row["route"]) == (number, "0166", "GMM-09")


@pytest.mark.parametrize(
    "path", ["/documents/apo/2026-02-30.pdf", "/documents/apo/x.csv", "/documents/bill/2026-01-01.csv"]
)
async def test_what_is_no_document(ecms: Ecms, path: str) -> None:
    async with ecms.session.get(ecms.control + path) as answer:
        assert answer.status == 404
