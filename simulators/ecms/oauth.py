"""The token endpoint, as in the seed, and who a token belongs to.

Tokens are 256 random bits and kept as hashes, so that they outlive a restart. A refresh token is used once:
used again, it takes every token with it that grew from the same grant (RFC 9700, section 4.14).
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import sqlite3
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, unquote_plus

from .config import Client

ACCESS_TOKEN_LIFE_S = 7200  # The seed's expires_in.
REFRESH_TOKEN_LIFE_S = 30 * 24 * 3600

_PARAMETERS = ("grant_type", "client_id", "client_secret", "refresh_token")


class OAuthError(Exception):
    """An error of RFC 6749, section 5.2."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description

    @property
    def status(self) -> int:
        """401 for a client that is not who it says, 400 for the rest."""
        return 401 if self.error == "invalid_client" else 400


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What was asked for, wherever in the request it stood."""

    grant_type: str
    client_id: str
    client_secret: str
    refresh_token: str | None


def read_token_request(query: str, form: bytes, authorization: str | None) -> TokenRequest:
    """Reads the parameters from the URL's query, the form body, or HTTP Basic; `OAuthError` where they are
    wrong.
    """
    try:
        body = form.decode("utf-8")
        pairs = parse_qsl(query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True)
    except ValueError:
        raise OAuthError("invalid_request", "The parameters cannot be read.") from None
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if name in parameters and name in _PARAMETERS:
            raise OAuthError("invalid_request", f"{name} is given twice.")
        parameters[name] = value
    if authorization is not None:
        _add_basic(parameters, authorization)
    grant_type = parameters.get("grant_type")
    if not grant_type:
        raise OAuthError("invalid_request", "grant_type is missing.")
    client_id, client_secret = parameters.get("client_id"), parameters.get("client_secret")
    if not client_id or not client_secret:
        raise OAuthError("invalid_client", "client_id and client_secret are needed.")
    return TokenRequest(grant_type, client_id, client_secret, parameters.get("refresh_token"))


def _add_basic(parameters: dict[str, str], authorization: str) -> None:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise OAuthError("invalid_client", "Only HTTP Basic is known here.")
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise OAuthError("invalid_client", "The credentials cannot be read.") from None
    client_id, _, client_secret = (unquote_plus(part) for part in text.partition(":"))
    if "client_secret" in parameters or parameters.get("client_id", client_id) != client_id:
        raise OAuthError("invalid_request", "The credentials are given twice.")
    parameters.update(client_id=client_id, client_secret=client_secret)


def authenticate(request: TokenRequest, clients: Mapping[str, Client]) -> Client:
    """The client that asks, if its secret is right."""
    client = clients.get(request.client_id)
    expected = "" if client is None else client.client_secret.get_secret_value()
    right = hmac.compare_digest(
        expected.encode("utf-8", "surrogatepass"), request.client_secret.encode("utf-8", "surrogatepass")
    )
    if client is None or not right:
        raise OAuthError("invalid_client", "The client is unknown or its secret is wrong.")
    return client


@dataclass(frozen=True, slots=True)
class Grant:
    """New tokens; they exist in readable form here alone."""

    access_token: str
    refresh_token: str

    def show(self) -> dict[str, str | int]:
        """The endpoint's answer, as the seed shows it."""
        return {
            "access_token": self.access_token,
            "token_type": "bearer",
            "expires_in": ACCESS_TOKEN_LIFE_S,
            "refresh_token": self.refresh_token,
        }


def issue(connection: sqlite3.Connection, request: TokenRequest, now: datetime) -> Grant | OAuthError:
    """Database work: new tokens for an authenticated client.

    A refusal is handed back, not raised, since the misuse of a refresh token must leave its mark.
    """
    moment = int(now.timestamp())
    if request.grant_type == "client_credentials":
        return _grant(connection, request.client_id, str(uuid.uuid4()), moment)
    if request.grant_type != "refresh_token":
        return OAuthError("unsupported_grant_type", "Known are client_credentials and refresh_token.")
    if not request.refresh_token:
        return OAuthError("invalid_request", "refresh_token is missing.")
    row = connection.execute(
        "SELECT hash, family, used FROM token WHERE hash = ? AND use = 'REFRESH' AND client_id = ? AND expires_at > ?",
        (_hash(request.refresh_token), request.client_id, moment),
    ).fetchone()
    if row is None:
        return OAuthError("invalid_grant", "The refresh token is unknown or expired.")
    if row["used"]:
        connection.execute("DELETE FROM token WHERE family = ?", (row["family"],))
        return OAuthError("invalid_grant", "The refresh token has been used.")
    connection.execute("UPDATE token SET used = 1 WHERE hash = ?", (row["hash"],))
    return _grant(connection, request.client_id, row["family"], moment)


def client_of_token(connection: sqlite3.Connection, access_token: str, now: datetime) -> str | None:
    """Database work: the client id that a valid access token belongs to."""
    row = connection.execute(
        "SELECT client_id FROM token WHERE hash = ? AND use = 'ACCESS' AND expires_at > ?",
        (_hash(access_token), int(now.timestamp())),
    ).fetchone()
    return None if row is None else str(row["client_id"])


def _grant(connection: sqlite3.Connection, client_id: str, family: str, moment: int) -> Grant:
    grant = Grant(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
    connection.execute("DELETE FROM token WHERE expires_at <= ?", (moment,))
    connection.executemany(
        "INSERT INTO token (hash, use, client_id, family, expires_at) VALUES (?, ?, ?, ?, ?)",
        [
            (_hash(grant.access_token), "ACCESS", client_id, family, moment + ACCESS_TOKEN_LIFE_S),
            (_hash(grant.refresh_token), "REFRESH", client_id, family, moment + REFRESH_TOKEN_LIFE_S),
        ],
    )
    return grant


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
