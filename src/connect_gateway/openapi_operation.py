"""What an operation of the document is: what it is called, who may use it, what it takes and answers, its examples."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from connect_gateway.edges.papers import ESCPOS, PNG
from connect_gateway.openapi_answers import Schema, ref

JSON = "application/json"
TEXT = "text/plain"
FORM = "application/x-www-form-urlencoded"

REPLAY = "Idempotent-Replay"

PICTURE: dict[str, Schema] = {PNG: {}, ESCPOS: {}}
"""The forms of a paper that are drawn."""


@dataclass(frozen=True)
class Answer:
    """An answer that is no refusal; `content` is a schema for each media type; its headers may be there."""

    content: dict[str, Schema] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    `edge` decides the form of its errors and which of them every operation there has. `path_examples` and
    `body_examples` of the same name belong together.
    """

    method: str
    path: str
    name: str
    edge: str
    summary: str
    answers: dict[int, Answer]
    roles: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    description: str = ""
    body: tuple[type[BaseModel], ...] = ()
    query: dict[str, Schema] = field(default_factory=dict)
    """Schemas of query parameters; all of them may be left out."""
    path_schemas: dict[str, str] = field(default_factory=dict)
    """Names of the schemas of path parameters whose own name does not tell."""
    path_examples: dict[str, dict[str, str]] = field(default_factory=dict)
    body_examples: dict[str, Any] = field(default_factory=dict)


def json_of(schema: str, *headers: str, description: str = "") -> Answer:
    """An answer in JSON, of the schema of that name."""
    return Answer({JSON: ref(schema)}, headers, description=description)
