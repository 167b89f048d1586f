"""The OpenAPI document: what the edges parse, what they answer, and examples that a sandbox can run.

`python -m connect_gateway.openapi` compares `protocol/openapi.yaml` in a checkout with what the code gives, and with
`--write` brings it up to date. A gateway serves the same document at `/openapi.json`.
"""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from connect_gateway.domain.states import PARCEL_KINDS
from connect_gateway.edges import patterns
from connect_gateway.edges.documentation import FILES
from connect_gateway.edges.ecms import ReferenceRequest
from connect_gateway.edges.parsing import (
    AmountField,
    DateField,
    EcmsMomentField,
    EitherMomentField,
    MerchantReferenceField,
    PosField,
    ReferenceField,
    ShiftField,
    StoreField,
    UuidField,
)
from connect_gateway.edges.problems import STATUS_OF_CODE
from connect_gateway.openapi_answers import ANSWERS, Schema, one_of_words, ref, text
from connect_gateway.openapi_operation import FORM, JSON, Answer, Operation
from connect_gateway.openapi_operations import OPERATIONS

FILE = Path("protocol/openapi.yaml")

_TOKEN_PATH = "/accounts/oauth2/token"  # noqa: S105 - a path
_SECURED = ("unauthorized", "wrong-role", "database-unavailable", "overloaded", "outcome-unknown")
_WITH_PATH = ("malformed-request", "not-found")
_WITH_BODY = ("malformed-request", "request-timeout", "request-too-large", "unsupported-media-type")
_REFUSED_BY_STATE = 409

_PROBLEM_OF_EDGE = {"pos": "CounterProblem", "kiosk": "CounterProblem", "ecms": "EcmsError"}
_TAGS = {
    "tokens": "Who may ask at all.",
    "pos": "The counter: what a clerk's till asks.",
    "kiosk": "The kiosk and the app: return codes.",
    "ecms": "ECMS asks for references and tells where parcels are.",
    "admin": "The work list, for people.",
    "operating": "For those who run it.",
}
_ROLES = {
    "pos": "A till. The client is bound to a store, and perhaps to a terminal of it.",
    "kiosk": "A kiosk, bound to a store.",
    "app": "The CLiQQ app: the kiosk edge, without a store.",
    "ecms": "ECMS.",
    "admin": "People who run the gateway.",
}
_HEADERS: dict[str, tuple[Schema, str]] = {
    "Idempotent-Replay": ({"type": "string", "const": "true"}, "The request came before: this is its first answer."),
    "Retry-After": ({"type": "integer", "minimum": 1}, "Seconds."),
    "WWW-Authenticate": ({"type": "string"}, "What is missing."),
    "Allow": ({"type": "string"}, "The methods that the path has."),
    "Cache-Control": ({"type": "string", "const": "no-store"}, "Tokens are not to be kept by anything between."),
}
_REFUSALS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    408: "RequestTimeout",
    409: "Conflict",
    413: "ContentTooLarge",
    415: "UnsupportedMediaType",
    422: "UnprocessableContent",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
}
"""Names of shared refusals, each after the form of its edge's errors."""

_HEADERS_OF_STATUS = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After"}


def _schema_of(field: Any) -> Schema:
    return TypeAdapter(field).json_schema()


_FIELDS: dict[str, Schema] = {
    "Amount": _schema_of(AmountField),
    "Reference": _schema_of(ReferenceField),
    "Uuid": _schema_of(UuidField),
    "EcmsTime": _schema_of(EcmsMomentField),
    "EitherTime": _schema_of(EitherMomentField),
}
_FIELD_DESCRIPTIONS = {
    "Amount": "PHP.",
    "Reference": "12 digits, with or without hyphens and spaces.",
    "Uuid": "",
    "EcmsTime": "`YYYY-MM-DD HH:MM:SS`, Philippine time, of a day between 1970 and 9990.",
    "EitherTime": "RFC 3339 with an offset, or `YYYY-MM-DD HH:MM:SS` in Philippine time.",
}
_PATH_PARAMETERS: dict[str, Schema] = {
    "reference": ref("Reference"),
    "returnCode": ref("Reference"),
    "bookingReference": _schema_of(MerchantReferenceField),
    "trackingNumberOrReference": text(patterns.TRACKING_OR_REFERENCE),
    "transactionId": ref("Uuid"),
    "taskId": ref("Uuid"),
    "storeId": _schema_of(StoreField),
    "friday": _schema_of(DateField),
    "merchantCode": text(),
    "number": text(patterns.RECEIPT_NUMBER),
    "businessDate": _schema_of(DateField),
    "pos": _schema_of(PosField),
    "shift": _schema_of(ShiftField),
    "file": one_of_words(*FILES),
}


@cache
def document() -> dict[str, Any]:
    """The whole document."""
    schemas = {name: _described(name, schema) for name, schema in _FIELDS.items()} | ANSWERS
    paths: dict[str, dict[str, Any]] = {_TOKEN_PATH: {"post": _token_operation()}}
    for operation in OPERATIONS:
        schemas |= _request_schemas(operation.body)
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    components = {"securitySchemes": {"oauth2": _security_scheme()}, "responses": _shared(paths), "schemas": schemas}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "connect-gateway",
            "version": "1.0.0",
            "summary": "The 7-Connect adapter: between a store's counter and its e-commerce platform.",
            "description": "SPEC.md has the rules behind this, errors.md every code and the order of refusal. The "
            "examples name parcels that every sandbox holds (`connect-gateway sandbox`).",
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": description} for name, description in _TAGS.items()],
        "paths": paths,
        "components": components,
    }


def _described(name: str, schema: Schema) -> Schema:
    description = _FIELD_DESCRIPTIONS[name]
    return schema | ({"description": description} if description else {})


def _security_scheme() -> dict[str, Any]:
    return {
        "type": "oauth2",
        "description": "A client has one role, which comes with its token without being asked for.",
        "flows": {"clientCredentials": {"tokenUrl": _TOKEN_PATH, "refreshUrl": _TOKEN_PATH, "scopes": _ROLES}},
    }


def _operation(operation: Operation) -> dict[str, Any]:
    shown: dict[str, Any] = {"operationId": operation.name, "tags": [operation.edge], "summary": operation.summary}
    if operation.description:
        shown["description"] = operation.description
    if operation.roles:
        shown["security"] = [{"oauth2": [role]} for role in operation.roles]
    parameters = [_path_parameter(operation, name) for name in re.findall("{([^}]+)}", operation.path)]
    parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in operation.query.items()]
    if parameters:
        shown["parameters"] = parameters
    if operation.body:
        content = {"schema": _body_schema(operation.body), "examples": _examples(operation.body_examples)}
        shown["requestBody"] = {"required": True, "content": {JSON: content}}
    shown["responses"] = _responses(operation)
    return shown


def _path_parameter(operation: Operation, name: str) -> dict[str, Any]:
    own = operation.path_schemas.get(name)
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": _PATH_PARAMETERS[name] if own is None else ref(own),
        "examples": _examples(operation.path_examples[name]),
    }


def _examples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: {"value": value} for name, value in values.items()}


def _responses(operation: Operation) -> dict[str, Any]:
    responses = {status: _success(status, answer) for status, answer in operation.answers.items()}
    by_status: dict[int, list[str]] = {}
    for code in codes_of(operation):
        by_status.setdefault(STATUS_OF_CODE.get(code, _REFUSED_BY_STATE), []).append(code)
    for status, codes in by_status.items():
        responses[status] = _refusal(operation, status, codes)
    return {str(status): responses[status] for status in sorted(responses)}


def _shared(paths: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The refusals that many operations have, each put where it was by a reference to it."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in paths.values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if int(status) >= HTTPStatus.BAD_REQUEST:
                    found.setdefault(json.dumps([status, response]), []).append(operation["responses"])
    shared: dict[str, Any] = {}
    for text_, places in sorted(found.items(), key=lambda item: -len(item[1])):
        status, response = json.loads(text_)
        name = _form_of(response) + _REFUSALS[int(status)]
        if len(places) > 1 and name not in shared:
            shared[name] = response
            for responses in places:
                responses[status] = {"$ref": f"#/components/responses/{name}"}
    return dict(sorted(shared.items()))


def _form_of(response: dict[str, Any]) -> str:
    """The beginning of a shared refusal's name: whose form of error it has."""
    (content,) = response["content"].values()
    form = str(content["schema"].get("allOf", [content["schema"]])[0]["$ref"]).rpartition("/")[2]
    return form.removesuffix("Problem").removesuffix("Error")


def codes_of(operation: Operation) -> Iterable[str]:
    """The codes of every refusal that an operation has, those of its edge included."""
    codes = ["method-not-allowed", *operation.codes]
    codes += _SECURED if operation.roles else ()
    codes += _WITH_BODY if operation.body else ()
    codes += _WITH_PATH if "{" in operation.path else ()
    return dict.fromkeys(codes)


def _success(status: int, answer: Answer) -> dict[str, Any]:
    shown: dict[str, Any] = {"description": answer.description or HTTPStatus(status).phrase}
    if answer.headers:
        shown["headers"] = _headers(*answer.headers)
    if answer.content:
        shown["content"] = {media_type: {"schema": schema} for media_type, schema in answer.content.items()}
    return shown


def _refusal(operation: Operation, status: int, codes: list[str]) -> dict[str, Any]:
    shown: dict[str, Any] = {"description": ", ".join(f"`{code}`" for code in codes)}
    if status in _HEADERS_OF_STATUS:
        shown["headers"] = _headers(_HEADERS_OF_STATUS[status], required=True)
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        shown["headers"] = _headers("Retry-After")
    elif operation.name == "perform" and status in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
        shown["headers"] = _headers("Idempotent-Replay")
    form = _PROBLEM_OF_EDGE.get(operation.edge, "Problem")
    schema = {"allOf": [ref(form), {"properties": {"code": one_of_words(*codes)}}]}
    media_type = JSON if form == "EcmsError" else "application/problem+json"
    return shown | {"content": {media_type: {"schema": schema}}}


def _headers(*names: str, required: bool = False) -> dict[str, Any]:
    return {
        name: {
            "description": _HEADERS[name][1],
            **({"required": True} if required else {}),
            "schema": _HEADERS[name][0],
        }
        for name in names
    }


def _body_schema(models: Sequence[type[BaseModel]]) -> Schema:
    if models == (ReferenceRequest,):
        return _one_of("kind", {kind: f"{kind.title().replace('_', '')}Reference" for kind in _KINDS})
    if len(models) == 1:
        return ref(models[0].__name__)
    return _one_of("type", {model.model_fields["type"].annotation.__args__[0]: model.__name__ for model in models})  # type: ignore[union-attr]


def _one_of(name: str, schemas: dict[str, str]) -> Schema:
    mapping = {value: f"#/components/schemas/{schema}" for value, schema in schemas.items()}
    return {
        "oneOf": [ref(schema) for schema in schemas.values()],
        "discriminator": {"propertyName": name, "mapping": mapping},
    }


def _request_schemas(models: Sequence[type[BaseModel]]) -> dict[str, Schema]:
    schemas: dict[str, Schema] = {}
    for model in models:
        made = model.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
        parts = made.pop("$defs", {})
        for name, schema in {**parts, model.__name__: made}.items():
            schemas[name] = _tidied(schema)
    if "ReferenceRequest" in schemas:
        schemas |= _reference_requests(schemas.pop("ReferenceRequest"))
    return schemas


def _tidied(schema: Schema) -> Schema:
    """Without pydantic's titles and null defaults, and with a name for what has one."""
    for name, field in _FIELDS.items():
        if schema == field:
            return ref(name)
    tidied: Schema = {}
    for key, value in schema.items():
        if key == "title" or (key == "default" and value is None):
            continue
        if key == "properties":
            tidied[key] = {name: _tidied({k: v for k, v in one.items() if k != "title"}) for name, one in value.items()}
        elif key == "anyOf":
            tidied[key] = [_tidied(one) for one in value]
        else:
            tidied[key] = value
    return tidied


_KINDS: dict[str, tuple[Schema, Schema]] = {
    "PAY_AND_CLAIM": ({"type": "string", "const": "COD"}, text(patterns.COD_AMOUNT, description="0.01 to 4000.00.")),
    "CLAIM": ({"type": "string", "const": "PREPAID"}, text(patterns.NO_AMOUNT, description="0.00.")),
    "PAY": ({"type": "null"}, text(patterns.COD_AMOUNT, description="0.01 to 4000.00.")),
    "RETURN": ({"type": "null"}, {"anyOf": [text(patterns.NO_AMOUNT), {"type": "null"}]}),
    "DROP_OFF": (
        {"type": "null"},
        text(f"(?:{patterns.NO_AMOUNT}|{patterns.COD_AMOUNT})", description="0.00 to 4000.00, what the seller pays."),
    ),
}
"""For each kind, the `paymentType` and the `amount` that are its own."""


def _reference_requests(schema: Schema) -> dict[str, Schema]:
    """One schema for each kind: what a kind needs beyond the fields themselves is looked at by hand."""
    made = {}
    for kind, (payment_type, amount) in _KINDS.items():
        own = {"kind": {"type": "string", "const": kind}, "paymentType": payment_type, "amount": amount}
        required = schema["required"]
        if kind in PARCEL_KINDS:
            own["storeId"] = schema["properties"]["storeId"]["anyOf"][0]
            required = [*required, "paymentType", "amount", "storeId"]
        elif kind != "RETURN":
            required = [*required, "amount"]
        properties = schema["properties"] | own
        name = f"{kind.title().replace('_', '')}Reference"
        made[name] = schema | {"properties": properties, "required": required}
    return made


def _token_operation() -> dict[str, Any]:
    """The token endpoint, as OAuth2 has it. Its fields are read from the URL's query and from HTTP Basic as well."""
    printable = text("[ -~]{1,200}")
    fields = {
        "grant_type": one_of_words("client_credentials", "refresh_token"),
        "client_id": printable,
        "client_secret": printable,
        "refresh_token": printable,
        "response_type": {"type": "string", "const": "token"},
    }
    form = {"type": "object", "properties": fields, "required": ["grant_type", "client_id", "client_secret"]}
    example = {"grant_type": "client_credentials", "client_id": "demo-pos", "client_secret": "as the sandbox prints it"}
    errors = {
        400: "`invalid_request`, `invalid_grant`, `unsupported_grant_type`",
        401: "`invalid_client`",
        408: "The form did not come in time.",
        413: "The form is too large.",
    }
    responses: dict[str, Any] = {
        "200": _success(200, Answer({JSON: ref("Tokens")}, headers=("Cache-Control",))),
        **{
            str(status): {"description": description, "content": {JSON: {"schema": ref("OAuthError")}}}
            for status, description in errors.items()
        },
    }
    unsecured = Operation("post", _TOKEN_PATH, "grantToken", "tokens", "", {}, codes=_SECURED[2:])
    return {
        "operationId": "grantToken",
        "tags": ["tokens"],
        "summary": "Tokens for client credentials, or for a refresh token",
        "description": "The fields may also stand in the URL's query, and the credentials in HTTP Basic.",
        "requestBody": {
            "required": True,
            "content": {FORM: {"schema": form, "examples": _examples({"clientCredentials": example})}},
        },
        "responses": responses | _responses(unsecured),
    }


def as_yaml() -> str:
    """The document as it stands in `protocol/openapi.yaml`."""
    import yaml  # noqa: PLC0415 - for those who work on the project; no gateway needs it

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    head = "# Made from the code by `python -m connect_gateway.openapi --write`; a test holds it to that.\n"
    plain = json.loads(json.dumps(document()))
    return head + yaml.dump(plain, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120)


def main(arguments: Sequence[str]) -> int:
    """Compares or writes; exit status 1 where the file is not up to date and was not to be written."""
    file = Path(__file__).resolve().parents[2] / FILE
    if not (file.parent / "SPEC.md").exists():
        print("there is no checkout around this program: the file stands in the repository alone")
        return 1
    wanted = as_yaml()
    if file.exists() and file.read_text(encoding="utf-8") == wanted:
        return 0
    if "--write" not in arguments:
        print(f"{FILE} is not up to date")
        return 1
    file.write_text(wanted, encoding="utf-8")
    print(f"{FILE} brought up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
