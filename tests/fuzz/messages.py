"""Valid requests to every route, from the examples of the OpenAPI document: a new route is fuzzed without asking."""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

from connect_gateway import openapi
from connect_gateway.demo_parcels import BUSINESS_DATE
from connect_gateway.openapi_operation import Operation
from connect_gateway.openapi_operations import OPERATIONS

TOKEN_PATH = "/accounts/oauth2/token"


@dataclass(frozen=True)
class Message:
    """One HTTP request before it is written out. `role` is whose token it carries, None for none."""

    method: str
    target: str
    role: str | None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    fields: Mapping[str, Any] | None = field(default=None, compare=False)
    """The body as an object, where it is JSON."""

    def with_fields(self, fields: Mapping[str, Any]) -> "Message":
        return replace(self, fields=fields, body=json.dumps(fields).encode())


def messages(today: str, secret: str) -> list[Message]:
    """A valid request for each example of each operation, the token endpoint's too. `today` is the business date."""
    form = {"grant_type": "client_credentials", "client_id": "pos", "client_secret": secret, "response_type": "token"}
    made = [
        Message("POST", TOKEN_PATH, None, (("Content-Type", "application/x-www-form-urlencoded"),), _form(form)),
        Message("POST", f"{TOKEN_PATH}?{urlencode(form)}", None),
    ]
    for operation in OPERATIONS:
        made += _of_operation(operation, today)
    return made


def _form(form: Mapping[str, str]) -> bytes:
    return urlencode(form).encode()


def _of_operation(operation: Operation, today: str) -> Iterator[Message]:
    role = operation.roles[0] if operation.roles else None
    names = {name for examples in operation.path_examples.values() for name in examples} or set(operation.body_examples)
    for name in sorted(names) or [""]:
        target = operation.path
        for parameter, examples in operation.path_examples.items():
            value = examples.get(name, next(iter(examples.values())))
            target = target.replace(f"{{{parameter}}}", quote(_of_today(value, today), safe=""))
        message = Message(operation.method.upper(), target, role)
        if operation.body_examples:
            body = operation.body_examples.get(name, next(iter(operation.body_examples.values())))
            fields = json.loads(_of_today(json.dumps(body), today))
            message = replace(message, headers=(("Content-Type", "application/json"),)).with_fields(fields)
        yield message


def _of_today(text: str, today: str) -> str:
    return text.replace(BUSINESS_DATE.isoformat(), today)


def fresh(message: Message, identity: int) -> Message:
    """The same with an id that nobody has used, where its path names one that a client makes."""
    id_ = str(uuid.UUID(int=identity, version=4))
    target = re.sub(r"(?<=/transactions/)[0-9a-f-]{36}|(?<=/returns/)[0-9a-f-]{36}", id_, message.target)
    return replace(message, target=target)


def route_of(method: str, target: str) -> tuple[str, str] | None:
    """The operation of a method and a target, as (method, path of the document); None where there is none."""
    path = target.partition("?")[0]
    for template in openapi.document()["paths"]:
        fits = re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path)
        if fits and method.lower() in openapi.document()["paths"][template]:
            return method.lower(), template
    return None
