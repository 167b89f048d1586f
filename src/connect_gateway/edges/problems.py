"""From typed errors to what a client reads: the one mapper, and the problem documents of RFC 9457."""

from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic_core import to_json

from connect_gateway.domain.refusals import Code, Refusal
from connect_gateway.domain.verdicts import Verdict

TYPE_BASE = "urn:connect-gateway:problem:"

STATUS_OF_CODE: dict[str, int] = {
    Code.MALFORMED_REQUEST: 400,
    Code.UNKNOWN_REFERENCE: 404,
    Code.UNKNOWN_TRANSACTION: 404,
    Code.WRONG_TERMINAL: 403,
    Code.TRANSACTION_MISMATCH: 422,
    Code.TOO_MANY_ATTEMPTS: 429,
    "unauthorized": 401,
    "wrong-role": 403,
    "not-found": 404,
    "unknown-receipt": 404,
    "unknown-shift": 404,
    "unknown-reconciliation": 404,
    "unknown-return": 404,
    "unknown-booking": 404,
    "unknown-parcel": 404,
    "unknown-identifier": 404,
    "unknown-task": 404,
    "unknown-dispute": 404,
    "unknown-settlement": 404,
    "unknown-merchant": 404,
    "method-not-allowed": 405,
    "not-acceptable": 406,
    "request-timeout": 408,
    "request-too-large": 413,
    "unsupported-media-type": 415,
    "internal-error": 500,
    "ecms-unavailable": 503,
    "manifest-unavailable": 503,
    "database-unavailable": 503,
    "outcome-unknown": 503,
    "overloaded": 503,
}
"""Every refusal that is not listed is one by state, amount or action: 409."""

TITLES = {
    Code.MALFORMED_REQUEST: "The request does not parse",
    Code.TRANSACTION_MISMATCH: "The id was used with other content",
    "outcome-unknown": "It is not known yet whether this happened",
}


@dataclass(eq=False)
class Problem(Exception):
    """A refusal on its way to the client. `extra` are members of the document, `headers` of the answer."""

    code: str
    detail: str
    verdict: Verdict | None = None
    extra: tuple[tuple[str, Any], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def status(self) -> int:
        return STATUS_OF_CODE.get(self.code, 409)

    def document(self) -> dict[str, Any]:
        """The problem document as an object."""
        document: dict[str, Any] = {
            "type": TYPE_BASE + self.code,
            "title": TITLES.get(self.code, self.code.replace("-", " ").capitalize()),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        document.update(self.extra)
        if self.verdict is not None:
            document["verdict"] = self.verdict.as_json()
        return document

    def text(self) -> str:
        """The problem document as it goes over the wire, and as it is stored with a declined transaction."""
        return dump(self.document())

    def response(self) -> web.Response:
        return web.Response(
            text=self.text(),
            status=self.status,
            content_type="application/problem+json",
            headers=dict(self.headers),
        )


def problem_of(refusal: Refusal, verdict: Verdict | None) -> Problem:
    """The problem of a refusal that the domain decided on."""
    extra: tuple[tuple[str, Any], ...] = () if refusal.field is None else (("field", refusal.field),)
    headers: tuple[tuple[str, str], ...] = ()
    if refusal.retry_after_s is not None:
        headers = (("Retry-After", str(refusal.retry_after_s)),)
    return Problem(refusal.code, refusal.detail, verdict, extra, headers)


def malformed(detail: str, field: str | None = None) -> Problem:
    """A request that does not parse; it leaves no trace."""
    return Problem(Code.MALFORMED_REQUEST, detail, extra=() if field is None else (("field", field),))


def dump(body: Any) -> str:
    """JSON as this program writes it: UTF-8, no blanks."""
    return to_json(body).decode()


_PROBLEM = {"Content-Type": "application/problem+json; charset=utf-8"}
_JSON = {"Content-Type": "application/json; charset=utf-8"}


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """An answer in JSON."""
    return web.Response(body=to_json(body), status=status, headers=_JSON if headers is None else {**_JSON, **headers})


def json_text(text: str, status: int) -> web.Response:
    """An answer that is JSON already: as it was stored, say."""
    return web.Response(body=text.encode(), status=status, headers=_JSON if status < 400 else _PROBLEM)
