"""`/docs` and `/openapi.json` of a running sandbox, and every example of the document, run. About 10 seconds."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import datetime
from typing import Any

from connect_gateway.clock import PHILIPPINE_TIME
from connect_gateway.demo_parcels import BUSINESS_DATE
from connect_gateway.openapi import document

NOT_TO_BE_HAD = {
    "grantToken": 401,  # the example does not know this sandbox's secret
    "resendTask": 404,  # a sandbox begins with an empty work list
    "closeTask": 404,
    "showDispute": 404,  # with no sale in dispute
    "resolveDispute": 404,
    "markPaid": 404,  # and nothing was sold last week
    "showReconciliation": 404,  # and no day has been reconciled yet
}


class Client:
    """Asks a sandbox, each edge with its own client's token."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self._facts = facts
        self._tokens: dict[str, str] = {}

    def ask(
        self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json"
    ) -> tuple[int, Any, bytes]:
        headers = {} if body is None else {"Content-Type": content_type}
        role = path.split("/")[1]
        if role in self._facts["clients"]:
            headers["Authorization"] = f"Bearer {self._token(role)}"
        request = urllib.request.Request(self._facts["gateway"] + path, body, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.headers, answer.read()

    def _token(self, role: str) -> str:
        if role not in self._tokens:
            client = self._facts["clients"][role]
            form = {"client_id": client["clientId"], "client_secret": client["clientSecret"]}
            body = urllib.parse.urlencode({"grant_type": "client_credentials", **form}).encode()
            _, _, raw = self.ask("POST", "/accounts/oauth2/token", body, "application/x-www-form-urlencoded")
            self._tokens[role] = json.loads(raw)["access_token"]
        return self._tokens[role]


def test_the_page_comes_whole_from_the_gateway_and_every_example_runs(start_sandbox: Callable[..., Any]) -> None:
    client = Client(start_sandbox().facts)
    the_page_comes_whole(client)
    served = the_document_is_the_published_one(client)
    for path, item in served["paths"].items():
        for method, operation in item.items():
            for name, statuses in examples_run(client, path, method, operation).items():
                expected = NOT_TO_BE_HAD.get(operation["operationId"])
                documented = [int(status) for status in operation["responses"] if status.startswith("2")]
                assert statuses in ([one] for one in ([expected] if expected else documented)), (path, name)


def the_page_comes_whole(client: Client) -> None:
    status, headers, page = client.ask("GET", "/docs")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert not re.search("https?:|//", headers["Content-Security-Policy"])
    text = page.decode()
    assert '<meta charset="utf-8">' in text
    links = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert len(links) == 4
    for link in links:
        assert not link.startswith(("/", "http"))
        assert client.ask("GET", f"/{link}")[0] == 200
    assert "<script>" not in text
    assert client.ask("GET", "/docs/LICENSE")[0] == client.ask("GET", "/docs/..%2fdocs.html")[0] == 404


def the_document_is_the_published_one(client: Client) -> Any:
    status, headers, raw = client.ask("GET", "/openapi.json")
    assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    today = datetime.now(PHILIPPINE_TIME).date()
    published = json.dumps(document()).replace(f'"{BUSINESS_DATE}"', f'"{today}"')
    assert json.loads(raw) == json.loads(published)
    return json.loads(raw)


def examples_run(client: Client, path: str, method: str, operation: dict[str, Any]) -> dict[str, list[int]]:
    """The statuses of each named example; one that has no examples is run as it is."""
    # A query can be left out, and is.
    parameters = [one for one in operation.get("parameters", []) if one["in"] == "path"]
    content = operation.get("requestBody", {}).get("content", {})
    examples = [one["examples"] for one in (*parameters, *content.values())]
    names = sorted({name for one in examples for name in one}) or [""]
    ran: dict[str, list[int]] = {}
    for name in names:
        filled = path
        for one in parameters:
            filled = filled.replace(f"{{{one['name']}}}", one["examples"][name]["value"])
        for media_type, one in content.items() or [("", None)]:
            value = None if one is None else one["examples"][name]["value"]
            form = media_type == "application/x-www-form-urlencoded"
            text = None if value is None else urllib.parse.urlencode(value) if form else json.dumps(value)
            body = None if text is None else text.encode()
            ran.setdefault(name, []).append(client.ask(method.upper(), filled, body, media_type)[0])
    return ran
