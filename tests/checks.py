"""What every refusal looks like, wherever it comes from."""

import json
from typing import Any

from partners import Reply

VERDICTS = {("NONE", "HOLD"), ("RETURN", "HOLD"), ("NONE", "REFUSE"), ("RETURN", "REFUSE")}


def problem(reply: Reply, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal, which must be of this status and code."""
    document = any_problem(reply)
    assert (reply.status, document["code"]) == (status, code), reply.raw
    return document


def any_problem(reply: Reply) -> dict[str, Any]:
    """The problem document of a refusal, whichever it is."""
    assert reply.status >= 400
    assert reply.headers["Content-Type"].startswith("application/problem+json"), reply.headers
    document = reply.json
    assert {"type", "title", "status", "detail", "code"} <= document.keys()
    assert document["status"] == reply.status
    assert document["type"].endswith(document["code"])
    return document


def refusal(reply: Reply, status: int, code: str, cash: str = "NONE", parcel: str = "HOLD") -> dict[str, Any]:
    """A problem on the POS or kiosk edge, with what the clerk is told to do."""
    document = problem(reply, status, code)
    verdict = document["verdict"]
    assert (verdict["cash"], verdict["parcel"]) == (cash, parcel)
    lines = verdict["display"].split("\n")
    assert len(lines) <= 2
    assert all(len(line) <= 32 for line in lines)
    return document


def ecms_error(reply: Reply, status: int, code: str | None = None) -> dict[str, Any]:
    """A refusal in ECMS's own style, the HTTP status alike."""
    assert reply.status == status, reply.raw
    assert reply.headers["Content-Type"].startswith("application/json")
    body = json.loads(reply.raw)
    assert body["errorCode"] == str(status)
    assert body["message"]
    assert code is None or body["code"] == code, body
    return body
