"""Tokens: how they are asked for, rotated, revoked, and what they open. Half a minute; needs PostgreSQL."""

import asyncio
import base64
import time
import urllib.parse
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from checks import ecms_error, problem, refusal
from partners import Partner, Reply, Till
from world import SECRET, World, add_client

from connect_gateway.clock import SystemClock
from connect_gateway.ledger import clients

TOKEN = "/accounts/oauth2/token"
CREDENTIALS = {"client_id": "till", "client_secret": SECRET, "grant_type": "client_credentials"}


async def ask(
    world: World,
    *,
    query: dict[str, str] | str | None = None,
    form: dict[str, str] | bytes | None = None,
    basic: str | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    sent = dict(headers or {})
    if basic is not None:
        sent["Authorization"] = "Basic " + base64.b64encode(basic.encode()).decode()
    url = world.url + TOKEN
    if query is not None:
        url += "?" + (query if isinstance(query, str) else urllib.parse.urlencode(query))
    async with world.session.post(url, data=form, headers=sent) as response:
        return Reply(response.status, response.headers, await response.read())


def granted(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200, reply.raw
    assert set(reply.json) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (reply.json["token_type"], reply.json["expires_in"]) == ("bearer", 7200)
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Pragma"] == "no-cache"
    assert len(base64.urlsafe_b64decode(reply.json["access_token"] + "==")) == 32
    return reply.json


def error(reply: Reply, status: int, code: str) -> None:
    assert (reply.status, reply.json["error"]) == (status, code), reply.raw
    assert reply.headers["Content-Type"].startswith("application/json")
    assert reply.headers["Cache-Control"] == "no-store"
    assert SECRET not in reply.raw.decode()


async def opens(world: World, token: str) -> int:
    """404 where the token is good: nobody knows the transaction."""
    headers = {"Authorization": f"Bearer {token}"}
    path = "/pos/v1/transactions/00000000-0000-4000-8000-000000000000"
    return (await world.till.call("GET", path, headers=headers)).status


async def refresh(world: World, token: str, **otherwise: str) -> Reply:
    return await ask(world, form=CREDENTIALS | {"grant_type": "refresh_token", "refresh_token": token} | otherwise)


async def test_the_ways_to_ask(world: World) -> None:
    grant = {"grant_type": "client_credentials"}
    encoded = ":".join(urllib.parse.quote_plus(part) for part in ("till", SECRET))
    tokens = [
        granted(await ask(world, query=CREDENTIALS | {"response_type": "token"})),
        granted(await ask(world, form=CREDENTIALS)),
        granted(await ask(world, form=grant, basic=f"till:{SECRET}")),
        granted(await ask(world, form=grant, basic=encoded)),
        granted(await ask(world, query=grant, basic=encoded)),
        granted(await ask(world, query={"client_id": "till"}, form=CREDENTIALS)),
    ]
    assert len({each[name] for each in tokens for name in ("access_token", "refresh_token")}) == 12
    assert {await opens(world, each["access_token"]) for each in tokens[:3]} == {404}

    again = granted(await refresh(world, tokens[0]["refresh_token"], response_type="token"))
    assert again["refresh_token"] != tokens[0]["refresh_token"]
    assert await opens(world, again["access_token"]) == 404


async def test_wrong_credentials_are_all_alike(world: World) -> None:
    answers = set()
    for client_id, secret in (("till", "another"), ("nobody", SECRET), ("till", SECRET + "x")):
        reply = await ask(world, form=CREDENTIALS | {"client_id": client_id, "client_secret": secret})
        error(reply, 401, "invalid_client")
        assert "WWW-Authenticate" not in reply.headers
        basic = await ask(world, form={"grant_type": "client_credentials"}, basic=f"{client_id}:{secret}")
        error(basic, 401, "invalid_client")
        assert basic.headers["WWW-Authenticate"].startswith("Basic ")
        answers |= {reply.raw, basic.raw}
    assert len(answers) == 1


async def test_what_is_no_token_request(world: World) -> None:
    def without(name: str) -> dict[str, str]:
        return {key: value for key, value in CREDENTIALS.items() if key != name}

    refused: list[tuple[dict[str, Any], int, str]] = [
        ({"form": without("grant_type")}, 400, "invalid_request"),
        ({"form": without("client_id")}, 401, "invalid_client"),
        ({"form": without("client_secret")}, 401, "invalid_client"),
        ({"form": CREDENTIALS | {"grant_type": "password"}}, 400, "unsupported_grant_type"),
        ({"form": CREDENTIALS | {"grant_type": "refresh_token"}}, 400, "invalid_request"),
        ({"form": CREDENTIALS | {"response_type": "code"}}, 400, "invalid_request"),
        ({"form": CREDENTIALS, "query": {"client_id": "kiosk"}}, 400, "invalid_request"),
        ({"form": CREDENTIALS, "basic": f"kiosk:{SECRET}"}, 400, "invalid_request"),
        ({"form": CREDENTIALS | {"client_id": ""}}, 400, "invalid_request"),
        ({"form": CREDENTIALS | {"client_id": "till\x00"}}, 400, "invalid_request"),
        ({"form": CREDENTIALS | {"client_id": "tíll"}}, 400, "invalid_request"),
        ({"form": CREDENTIALS | {"client_secret": "x" * 201}}, 400, "invalid_request"),
        ({"query": "grant_type=client_credentials&client_id=till&client_secret=%ff%fe"}, 400, "invalid_request"),
        (
            {"form": b"\xff\xfe", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
            400,
            "invalid_request",
        ),
        ({"form": b"{}", "headers": {"Content-Type": "application/json"}}, 400, "invalid_request"),
        (
            {"form": b"a=1&" * 30, "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
            400,
            "invalid_request",
        ),
        ({"form": b"x" * 65_537}, 413, "invalid_request"),
        (
            {"form": {"grant_type": "client_credentials"}, "headers": {"Authorization": "Basic ###"}},
            400,
            "invalid_request",
        ),
        ({"form": {"grant_type": "client_credentials"}, "basic": "no colon"}, 400, "invalid_request"),
        ({"form": CREDENTIALS | {"grant_type": "refresh_token", "refresh_token": "unknown"}}, 400, "invalid_grant"),
        ({}, 400, "invalid_request"),
    ]
    for asked, status, code in refused:
        error(await ask(world, **asked), status, code)
    [row] = await world.fetch("SELECT count(*) AS n FROM token WHERE client_id = 'till'")
    assert row["n"] == 2, "a refused request left tokens behind"


async def test_refresh_tokens_rotate_with_grace_for_a_lost_answer_and_reuse_revokes_the_family(world: World) -> None:
    other = granted(await ask(world, form=CREDENTIALS))
    first = granted(await ask(world, form=CREDENTIALS))
    second = granted(await refresh(world, first["refresh_token"]))
    assert await opens(world, first["access_token"]) == 404, "a rotation ends no access token"

    now = datetime.now(UTC)
    await world.set_clock(now + timedelta(seconds=28))
    lost = granted(await refresh(world, first["refresh_token"]))
    assert lost["refresh_token"] not in (first["refresh_token"], second["refresh_token"])
    third = granted(await refresh(world, second["refresh_token"]))

    await world.set_clock(now + timedelta(seconds=40))
    error(await refresh(world, first["refresh_token"]), 400, "invalid_grant")
    for spoiled in (second, lost, third):
        error(await refresh(world, spoiled["refresh_token"]), 400, "invalid_grant")
    await until_shut_out(world, third["access_token"])
    await until_shut_out(world, first["access_token"])
    assert await opens(world, other["access_token"]) == 404, "another family is none of its business"
    granted(await refresh(world, other["refresh_token"]))


async def until_shut_out(world: World, token: str) -> None:
    """What is sent more than a second from now opens nothing; how long an answer then takes is another matter."""
    began = sent = time.monotonic()
    while await opens(world, token) != 401:
        assert sent - began <= 1.1
        await asyncio.sleep(0.02)
        sent = time.monotonic()


async def test_a_refresh_token_is_its_clients_alone_and_is_no_access_token(world: World) -> None:
    mine = granted(await ask(world, form=CREDENTIALS))
    error(await refresh(world, mine["refresh_token"], client_id="kiosk"), 400, "invalid_grant")
    error(await refresh(world, mine["access_token"]), 400, "invalid_grant")
    assert await opens(world, mine["refresh_token"]) == 401
    granted(await refresh(world, mine["refresh_token"]))


async def test_tokens_expire(world: World) -> None:
    mine = granted(await ask(world, form=CREDENTIALS))
    now = datetime.now(UTC)
    await world.set_clock(now + timedelta(seconds=7_190))
    assert await opens(world, mine["access_token"]) == 404
    await world.set_clock(now + timedelta(seconds=7_201))
    reply = await world.till.look_up("000000000000")
    refusal(reply, 401, "unauthorized")
    assert reply.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert granted(await refresh(world, mine["refresh_token"]))


async def test_a_refresh_token_lasts_thirty_days(world: World) -> None:
    mine, other = [granted(await ask(world, form=CREDENTIALS)) for _ in range(2)]
    now = datetime.now(UTC)
    await world.set_clock(now + timedelta(days=30, seconds=-10))
    assert granted(await refresh(world, mine["refresh_token"]))
    ecms = Partner(world.session, world.url, "ecms", SECRET)
    await ecms.log_in()
    world.ecms.token = ecms.token
    await world.set_clock(now + timedelta(days=30, seconds=10))
    error(await refresh(world, other["refresh_token"]), 400, "invalid_grant")


async def test_a_client_that_is_disabled_is_shut_out_within_a_second(world: World) -> None:
    """OAU-12."""
    other = await world.partner(Till, "till-2", "pos", "0166", None)
    mine = granted(await ask(world, form=CREDENTIALS))
    assert await opens(world, mine["access_token"]) == 404
    connection = await asyncpg.connect(world.database_url)
    assert await clients.disable(connection, "till", SystemClock().now())
    assert not await clients.disable(connection, "nobody", SystemClock().now())
    await connection.close()

    await until_shut_out(world, mine["access_token"])
    error(await ask(world, form=CREDENTIALS), 401, "invalid_client")
    error(await refresh(world, mine["refresh_token"]), 401, "invalid_client")
    assert await opens(world, other.token) == 404
    # Let in again, with a new secret, it has to log in: what it held before stays worthless.
    await add_client(world.database_url, "till", "pos", "0166", 1)
    granted(await ask(world, form=CREDENTIALS))
    error(await refresh(world, mine["refresh_token"]), 400, "invalid_grant")


async def test_a_client_that_becomes_another_loses_its_tokens_within_a_second(world: World) -> None:
    """OAU-12."""
    mine = granted(await ask(world, form=CREDENTIALS))
    await add_client(world.database_url, "till", "pos", "0166", 1)
    assert await opens(world, mine["access_token"]) == 404
    await add_client(world.database_url, "till", "pos", "0167", 1)

    await until_shut_out(world, mine["access_token"])
    error(await refresh(world, mine["refresh_token"]), 400, "invalid_grant")
    assert await opens(world, granted(await ask(world, form=CREDENTIALS))["access_token"]) == 404


EDGES = {
    "pos": [
        ("GET", "/pos/v1/references/000000000000"),
        ("PUT", "/pos/v1/transactions/11111111-2222-4333-8444-555555555555"),
        ("GET", "/pos/v1/transactions/11111111-2222-4333-8444-555555555555"),
        ("PUT", "/pos/v1/transactions/11111111-2222-4333-8444-555555555555/reversal"),
        ("GET", "/pos/v1/receipts/0166-001-00000001"),
        ("POST", "/pos/v1/receipts/0166-001-00000001/copies"),
    ],
    "kiosk": [
        ("PUT", "/kiosk/v1/returns/11111111-2222-4333-8444-555555555555"),
        ("GET", "/kiosk/v1/returns/000000000000"),
        ("GET", "/kiosk/v1/returns/000000000000/slip"),
    ],
    "ecms": [("POST", "/ecms/v1/references"), ("POST", "/ecms/v1/status")],
    "admin": [
        ("GET", "/admin/v1/tasks"),
        ("POST", "/admin/v1/tasks/11111111-2222-4333-8444-555555555555/resend"),
        ("POST", "/admin/v1/tasks/11111111-2222-4333-8444-555555555555/close"),
    ],
}


async def test_each_role_opens_its_own_edge_alone(world: World) -> None:
    app = await world.partner(Partner, "app", "app", None, None)
    partners = {"pos": world.till, "kiosk": world.kiosk, "ecms": world.ecms, "admin": world.admin, "app": app}
    for edge, paths in EDGES.items():
        for role, partner in partners.items():
            for method, path in paths:
                body = {} if method == "PUT" or edge == "ecms" else None
                reply = await partner.call(method, path, body)
                if role == edge or (role, edge) == ("app", "kiosk"):
                    assert reply.status not in (401, 403), (role, path, reply.raw)
                elif edge == "ecms":
                    ecms_error(reply, 403, "wrong-role")
                elif edge == "admin":
                    problem(reply, 403, "wrong-role")
                else:
                    refusal(reply, 403, "wrong-role")
                unknown = await partner.call(method, path, body, headers={"Authorization": "Bearer " + "x" * 43})
                assert unknown.status == 401


NO_TOKENS = [
    "",
    "Bearer",
    "Bearer ",
    "Basic dGlsbDp4",
    "Token abc",
    "Bearer " + "x" * 201,
    "Bearer \xff",
    "bearer\tabc",
]


async def test_what_is_no_bearer_token(world: World) -> None:
    for header in NO_TOKENS:
        reply = await world.till.call("GET", "/pos/v1/references/000000000000", headers={"Authorization": header})
        refusal(reply, 401, "unauthorized")
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_till_bound_to_a_terminal_speaks_for_it_alone(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    refusal(await world.till.collect(parcel, pos="2"), 403, "wrong-terminal")
    assert not await world.fetch("SELECT FROM transaction")
    unbound = await world.partner(Till, "back-office", "pos", "0166", None)
    paid = await unbound.collect(parcel, pos="2")
    assert paid.status == 201
    # What another terminal did, this one may look at but not undo (POS-31).
    done = paid.json["transactionId"]
    assert (await world.till.inquire(done)).raw == paid.raw
    refusal(await world.till.reverse(done, "TIMEOUT"), 403, "wrong-terminal")
    assert (await world.till.inquire(done)).json["state"] == "APPROVED"
    assert (await unbound.reverse(done)).json["state"] == "REVERSED"
