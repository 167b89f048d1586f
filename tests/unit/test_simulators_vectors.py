"""The vectors of `protocol/vectors/` against the simulators, which read and write everything with code of their own.

What the gateway makes of the same vectors is in `test_protocol_vectors.py`. A second; needs loopback alone.
"""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC
from importlib.resources import files
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from connect_simulators.ecms.clock import read_rfc3339, read_time, write_time
from connect_simulators.ecms.messages import Refusal, StatusEvent, parse
from connect_simulators.formats import (
    check_digit,
    may_be_mistyped,
    read_reference,
    read_tracking_number,
    show_reference,
)
from connect_simulators.pos.standin import receipt_lines
from connect_simulators.wire import NoAnswer, WireClient, format_amount, parse_amount
from ecms_served import SECRETS, Ecms, ecms

__all__ = ["ecms"]


def vectors(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        (files("connect_protocol") / "vectors" / f"{name}.json").read_text(encoding="utf-8")
    )
    return content


def test_references_and_their_check_digits() -> None:
    found = vectors("references")
    for vector in found["valid"]:
        assert read_reference(vector["text"]) == vector["digits"]
    for vector in found["invalid"]:
        with pytest.raises(ValueError, match="12 digits"):
            read_reference(vector["text"])
    assert all(show_reference(vector["digits"]) == vector["text"] for vector in found["shown"])
    check = found["checkDigit"]
    assert all(check_digit(vector["digits"]) == vector["digit"] for vector in check["digitOf"])
    assert not any(may_be_mistyped(reference) for reference in check["right"])
    for reference in (*check["wrong"], *check["takenAlthoughWrong"]):
        assert may_be_mistyped(reference)
        assert read_reference(reference) == reference


def test_tracking_numbers_of_17_and_18_digits() -> None:
    found = vectors("tracking-numbers")
    assert {len(read_tracking_number(text)) for text in found["valid"]} == {17, 18}
    for vector in found["invalid"]:
        with pytest.raises(ValueError, match="17 or 18 digits"):
            read_tracking_number(vector["text"])


def test_amounts() -> None:
    found = vectors("amounts")
    for vector in found["valid"]:
        assert parse_amount(vector["text"]) == vector["centavos"]
    for vector in found["invalid"]:
        with pytest.raises(ValueError, match="not an amount"):
            parse_amount(vector["text"])
    assert all(format_amount(vector["centavos"]) == vector["text"] for vector in found["canonical"])


def test_times() -> None:
    found = vectors("times")
    for vector in found["ecms"]["valid"]:
        moment = read_time(vector["text"])
        assert moment.astimezone(UTC).isoformat() == vector["utc"]
        assert write_time(moment) == vector["text"]
    for vector in found["rfc3339"]["valid"]:
        if vector["text"] >= "2000":
            assert read_rfc3339(vector["text"]).astimezone(UTC).isoformat() == vector["utc"]
    for vector in found["ecms"]["invalid"]:
        if not vector["why"].startswith(("before", "after")):
            with pytest.raises(ValueError, match=r"written|time|day|range"):
                read_time(vector["text"])


# What a receipt of the gateway and one of a till without a connection do not have in common.
_OF_ONE_SIDE = ("*** STAND-IN ***", "AR No.", "Verification", "Made without", "confirmed as", "is connected again.")


def test_receipts_line_by_line() -> None:
    compared = 0
    for vector in vectors("receipts")["receipts"]:
        given = vector["input"]
        if given["type"] not in ("COLLECT", "CLAIM") or given["copy"] or given["reversedAt"]:
            continue
        request = {name: str(given[name]) for name in ("type", "pos", "shift", "businessDate", "clerk")}
        if given["amountTendered"] is not None:
            request["tender"] = "CASH"
        body = {name: given[name] for name in ("trackingNumber", "merchant", "merchantReference", "amountDue")}
        body |= {name: given[name] for name in ("amountTendered", "change", "occurredAt")}
        body["reference"] = show_reference(given["reference"])
        lines = receipt_lines(request, body, "0166-001-S0000001", given["storeId"])
        assert _shared(lines) == _shared(vector["text"])
        compared += 1
    assert compared > 2


def _shared(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.strip().startswith(_OF_ONE_SIDE)]


@pytest.fixture
async def token_server() -> AsyncIterator[tuple[str, list[Any]]]:
    """The address of a server that grants whatever stands in the list, and the list."""
    grants: list[Any] = []

    async def token(_request: web.Request) -> web.Response:
        return web.json_response(grants[-1])

    async def thing(request: web.Request) -> web.Response:
        return web.json_response({"token": request.headers["Authorization"]})

    app = web.Application()
    app.router.add_post("/accounts/oauth2/token", token)
    app.router.add_get("/thing", thing)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/"), grants


async def test_answers_with_tokens(token_server: tuple[str, list[Any]]) -> None:
    url, grants = token_server
    for vector in vectors("tokens")["answers"]:
        grants.append(vector["body"])
        async with WireClient(url, "till", "secret") as client:
            if vector["accessToken"] is None:
                with pytest.raises(NoAnswer):
                    await client.request("GET", "/thing")
            else:
                answer = await client.request("GET", "/thing")
                assert answer.body == {"token": f"Bearer {vector['accessToken']}"}, vector["about"]


async def test_ecms_grants_tokens_as_the_vectors_say(ecms: Ecms) -> None:
    client_id, secret = "shop-a", SECRETS["shop-a"]
    for vector in vectors("tokens")["requests"]:
        refresh_token = (await ecms.tokens(client_id))["refresh_token"]
        known = {"{clientId}": client_id, "{clientSecret}": secret, "{refreshToken}": refresh_token}
        form = {name: known.get(value, value) for name, value in vector.get("form", {}).items()}
        query = {name: known.get(value, value) for name, value in vector.get("query", {}).items()}
        headers = {}
        if "basic" in vector:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()
        status, body = await ecms.token_request(form, params=query, headers=headers)
        expected = vector["answer"]
        assert (status, body.get("error")) == (expected["status"], expected.get("error")), vector["about"]


@pytest.mark.parametrize("vector", vectors("messages")["toEcms"], ids=lambda vector: vector["about"])
def test_ecms_reads_and_refuses_events_as_the_vectors_say(vector: dict[str, Any]) -> None:
    raw = json.dumps(vector["body"]).encode()
    if vector["valid"]:
        event = parse(StatusEvent, raw)
        assert (event.status, event.tracking_number) == (vector["body"]["status"], vector["body"]["trackingNumber"])
    else:
        with pytest.raises(Refusal) as caught:
            parse(StatusEvent, raw)
        assert caught.value.status == 400
        assert vector["field"] in caught.value.message
