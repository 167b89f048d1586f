"""The vectors of whole messages and of tokens, played at a gateway. 5 s; needs PostgreSQL."""

import base64
import json
import uuid
from importlib.resources import files
from typing import Any

from partners import Partner, Reply, business_date
from world import SECRET, World


def vectors(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        (files("connect_protocol") / "vectors" / f"{name}.json").read_text(encoding="utf-8")
    )
    return content


def filled(text: str) -> str:
    return text.replace("{uuid}", str(uuid.uuid4())).replace("{today}", business_date())


async def test_messages_are_answered_as_the_vectors_say(world: World) -> None:
    partners: dict[str, Partner] = {"pos": world.till, "kiosk": world.kiosk, "ecms": world.ecms}
    for case in vectors("messages")["toGateway"]:
        raw = case["raw"] if "raw" in case else json.dumps(case["body"])
        reply = await partners[case["role"]].call(case["method"], filled(case["path"]), raw=filled(raw).encode())
        expected = case["answer"]
        assert reply.status == expected["status"], (case["about"], reply.raw)
        for name in expected.keys() - {"status"}:
            assert reply.json.get(name) == expected[name], (case["about"], name, reply.raw)


async def test_tokens_are_granted_and_refused_as_the_vectors_say(world: World) -> None:
    for case in vectors("tokens")["requests"]:
        granted = await ask(world, {"form": {"grant_type": "client_credentials"}, "basic": "{clientId}:{clientSecret}"})
        reply = await ask(world, case, granted.json["refresh_token"])
        expected = case["answer"]
        assert (reply.status, reply.json.get("error")) == (expected["status"], expected.get("error")), case["about"]


async def ask(world: World, case: dict[str, Any], refresh_token: str = "") -> Reply:
    known = {"{clientId}": "till", "{clientSecret}": SECRET, "{refreshToken}": refresh_token}

    def fields(name: str) -> dict[str, str]:
        return {field: known.get(value, value) for field, value in case.get(name, {}).items()}

    headers = {}
    if "basic" in case:
        pair = case["basic"].replace("{clientId}", "till").replace("{clientSecret}", SECRET)
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    url = f"{world.url}/accounts/oauth2/token"
    async with world.session.post(url, params=fields("query"), data=fields("form"), headers=headers) as answer:
        return Reply(answer.status, answer.headers, await answer.read())
