"""`POST /accounts/oauth2/token` (CLiQQ Commerce B2C API, authentication; RFC 6749)."""

import base64
import binascii
from urllib.parse import parse_qsl, unquote_plus

from aiohttp import web

from connect_gateway.edges.gateway import Gateway
from connect_gateway.edges.http import read_body
from connect_gateway.edges.problems import Problem, json_response
from connect_gateway.ledger import clients

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_FIELDS = ("grant_type", "client_id", "client_secret", "response_type", "refresh_token")
_LONGEST_FIELD = 200


class OAuthError(Exception):
    """An error of RFC 6749, section 5.2."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.code = code
        self.status = status


class OAuthEdge:
    """The token endpoint, for every client application."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/accounts/oauth2/token", self.token)]

    async def token(self, request: web.Request) -> web.Response:
        """Grants tokens for client credentials or a refresh token, read from query, form or HTTP Basic."""
        basic = request.headers.get("Authorization", "").lower().startswith("basic ")
        try:
            granted = await self._grant(await _fields_of(request))
        except OAuthError as error:
            headers = dict(_NO_STORE)
            if error.status == 401 and basic:
                headers["WWW-Authenticate"] = 'Basic realm="accounts"'
            body = {"error": error.code, "error_description": str(error)}
            return json_response(body, error.status, headers)
        return json_response(
            {
                "refresh_token": granted.refresh_token,
                "token_type": "bearer",
                "access_token": granted.access_token,
                "expires_in": granted.expires_in_s,
            },
            headers=_NO_STORE,
        )

    async def _grant(self, fields: dict[str, str]) -> clients.Grant:
        if fields.get("response_type", "token") != "token":
            raise OAuthError("invalid_request", "response_type is token, or left out")
        grant_type = fields.get("grant_type")
        if grant_type is None:
            raise OAuthError("invalid_request", "grant_type is missing")
        if grant_type not in ("client_credentials", "refresh_token"):
            raise OAuthError("unsupported_grant_type", "grant_type is client_credentials or refresh_token")
        gateway = self._gateway
        client_id, secret = fields.get("client_id"), fields.get("client_secret")
        if client_id is None or secret is None:
            raise OAuthError("invalid_client", "client_id and client_secret are needed", 401)
        client = await clients.authenticate(gateway.pool, client_id, secret)
        if client is None:
            raise OAuthError("invalid_client", "unknown client, or not its secret", 401)
        if grant_type == "client_credentials":
            return await clients.grant(gateway.pool, client, gateway.now())
        refresh_token = fields.get("refresh_token")
        if refresh_token is None:
            raise OAuthError("invalid_request", "refresh_token is missing")
        try:
            granted = await clients.refresh(gateway.pool, client, refresh_token, gateway.now())
        except clients.ReuseDetected as error:
            raise OAuthError("invalid_grant", "the refresh token was used before; its tokens are revoked") from error
        if granted is None:
            raise OAuthError("invalid_grant", "the refresh token is unknown, expired or revoked")
        return granted


async def _fields_of(request: web.Request) -> dict[str, str]:
    pairs = list(request.query.items())
    if request.body_exists:
        if request.content_type not in ("application/x-www-form-urlencoded", "application/octet-stream"):
            raise OAuthError("invalid_request", "the body must be a form")
        pairs += _form(await _body(request))
    pairs += _basic(request.headers.get("Authorization", ""))
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name not in _FIELDS:
            continue
        if name in fields and fields[name] != value:
            raise OAuthError("invalid_request", f"{name} is given twice")
        if not value or len(value) > _LONGEST_FIELD or not value.isascii() or not value.isprintable():
            raise OAuthError("invalid_request", f"{name} is empty, too long or not printable ASCII")
        fields[name] = value
    return fields


async def _body(request: web.Request) -> bytes:
    try:
        return await read_body(request)
    except Problem as problem:
        raise OAuthError("invalid_request", problem.detail, problem.status) from problem
    except web.HTTPRequestEntityTooLarge as error:
        raise OAuthError("invalid_request", "the body is too large", 413) from error


def _form(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(raw.decode("utf-8"), keep_blank_values=True, max_num_fields=20)
    except ValueError as error:
        raise OAuthError("invalid_request", "the form cannot be read") from error


def _basic(header: str) -> list[tuple[str, str]]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return []
    try:
        client_id, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError) as error:
        raise OAuthError("invalid_request", "the Authorization header cannot be read") from error
    if not colon:
        raise OAuthError("invalid_request", "the Authorization header cannot be read")
    # RFC 6749, 2.3.1: both parts are form-encoded before they are put together.
    return [("client_id", unquote_plus(client_id)), ("client_secret", unquote_plus(secret))]
