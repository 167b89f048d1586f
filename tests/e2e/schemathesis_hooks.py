"""For schemathesis: each path with the token of the client that it is for, as the sandbox's line names them."""

import json
import os
import urllib.parse
import urllib.request
from functools import cache
from typing import Any

import schemathesis

FACTS = json.loads(os.environ["SANDBOX_FACTS"])


@cache
def token_of(role: str) -> str:
    client = FACTS["clients"][role]
    form = {
        "grant_type": "client_credentials",
        "client_id": client["clientId"],
        "client_secret": client["clientSecret"],
    }
    url = FACTS["gateway"] + "/accounts/oauth2/token"
    with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), timeout=10) as answer:  # noqa: S310
        return str(json.load(answer)["access_token"])


# A token is for one role's edge, so none is remembered for the next path.
@schemathesis.auth(refresh_interval=None)
class TokenOfTheEdge:
    def get(self, _case: Any, context: Any) -> str | None:
        role = context.operation.path.split("/")[1]
        return token_of(role) if role in FACTS["clients"] else None

    def set(self, case: Any, token: str | None, _context: Any) -> None:
        if token is not None:
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}
