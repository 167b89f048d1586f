"""A kiosk: it turns what a customer types into a RETURN CODE, and says in plain words why it cannot."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

from ..journal import Journal
from ..patience import Patience, Tried, retry_after_s, try_until_settled
from ..wire import PHILIPPINE_TIME, Answer, Clock, Credentials, WireClient, system_clock

IdentifierType = Literal["UID", "ORDER_NUMBER", "WAYBILL"]

# A customer waits for less long in front of a kiosk than a clerk does at the till.
KIOSK_PATIENCE = Patience(give_up_s=20.0)

_SENTENCES = {
    "unknown-identifier": "We could not find this number. Please check it and try again, or ask the shop.",
    "unknown-return": "We could not find this code. Please check it and try again.",
    "return-expired": "The time for returning this item is over. Please ask the shop where you bought it.",
    "already-returned": "This item has been returned already. Your receipt has the details.",
    "too-many-attempts": "Too many numbers were not found. Please wait a little, or ask our staff for help.",
    "ecms-unavailable": "We cannot make return codes at the moment. Please try again in a few minutes.",
    "malformed-request": "This does not look right. Please check what you typed and try again.",
    "no-answer": "We have no connection at the moment. Nothing is lost: please try again in a few minutes.",
}
_OTHERWISE = "Sorry, this did not work. Please ask our staff for help."
# With these the same request may be answered otherwise a moment later.
_PASSING = frozenset({401, 408})


@dataclass(frozen=True)
class KioskResult:
    """What came of a request; `sentence` is what the customer reads, `code` what the staff asks for."""

    ok: bool
    status: int | None
    code: str | None
    sentence: str | None
    request_id: str | None = None
    attempts: int = 0
    retry_after_s: float = 0.0
    body: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """One object with every field, for `--json`."""
        return {
            "ok": self.ok,
            "requestId": self.request_id,
            "status": self.status,
            "code": self.code,
            "sentence": self.sentence,
            "attempts": self.attempts,
            "retryAfter": self.retry_after_s,
            "body": dict(self.body),
        }

    @property
    def slip(self) -> tuple[str, ...]:
        """The lines of the slip in the answer; none where it has no slip."""
        slip = self.body.get("slip")
        text = slip.get("text") if isinstance(slip, dict) else None
        return tuple(str(line) for line in text) if isinstance(text, list) else ()


class Kiosk:
    """One kiosk of one store, at the gateway that `client` speaks to."""

    def __init__(
        self,
        client: WireClient,
        journal: Journal,
        patience: Patience = KIOSK_PATIENCE,
        clock: Clock = system_clock,
    ) -> None:
        self._client = client
        self._journal = journal
        self._patience = patience
        self._clock = clock
        self._unanswered: dict[str, dict[str, Any]] = {}
        for record in journal.records():
            self._apply(record)

    @classmethod
    def open(
        cls,
        url: str,
        credentials: Credentials,
        state_dir: Path,
        patience: Patience = KIOSK_PATIENCE,
        *,
        clock: Clock = system_clock,
        wait: bool = False,
    ) -> Self:
        """A kiosk over the journal in `state_dir`; where another process has it: `wait`, or JournalInUse."""
        client = WireClient(url, credentials.client_id, credentials.client_secret, timeout_s=patience.timeout_s)
        return cls(client, Journal(state_dir, wait=wait), patience, clock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections and the journal."""
        await self._client.close()
        self._journal.close()

    async def request_return(
        self,
        identifier_type: IdentifierType,
        identifier: str,
        *,
        merchant_code: str | None = None,
        mobile_number: str | None = None,
    ) -> KioskResult:
        """Asks for a RETURN CODE; the request's id is written down before anything is sent.

        Where the same question got no answer before, it is asked again with the id that it had.
        """
        request = {
            "identifierType": identifier_type,
            "identifier": identifier,
            **({} if merchant_code is None else {"merchantCode": merchant_code}),
        }
        request_id = self._begin(request, has_mobile_number=mobile_number is not None)
        body = request if mobile_number is None else {**request, "mobileNumber": mobile_number}
        tried = await try_until_settled(
            lambda: self._client.request("PUT", f"/kiosk/v1/returns/{request_id}", json=body),
            _answers,
            self._patience,
            left_s=self._patience.give_up_s,
        )
        if tried.answer is not None:
            self._write({"event": "ANSWERED", "requestId": request_id, "status": tried.answer.status})
        return _result(tried, request_id)

    async def show(self, return_code: str) -> KioskResult:
        """What has become of a RETURN CODE."""
        return await self._ask(f"/kiosk/v1/returns/{quote(return_code, safe='')}", "application/json")

    async def slip(self, return_code: str) -> KioskResult:
        """The slip of a RETURN CODE; `body["text"]` is what the paper says."""
        return await self._ask(f"/kiosk/v1/returns/{quote(return_code, safe='')}/slip", "text/plain")

    async def _ask(self, path: str, accept: str) -> KioskResult:
        tried = await try_until_settled(
            lambda: self._client.request("GET", path, headers={"Accept": accept}),
            lambda answer: answer.status < 500,
            self._patience,
            left_s=2 * self._patience.timeout_s,
        )
        return _result(tried, None)

    def _begin(self, request: dict[str, Any], *, has_mobile_number: bool) -> str:
        # The journal holds no mobile number. A question that had one is therefore not the same question after
        # a restart, and gets an id of its own; the gateway answers with the same code nevertheless.
        if not has_mobile_number:
            for request_id, unanswered in self._unanswered.items():
                if unanswered == request:
                    return request_id
        request_id = str(uuid.uuid4())
        record = {"event": "BEGUN", "requestId": request_id}
        self._write(record if has_mobile_number else {**record, "request": request})
        return request_id

    def _write(self, record: dict[str, Any]) -> None:
        at = self._clock().astimezone(PHILIPPINE_TIME).isoformat(timespec="milliseconds")
        self._journal.append({**record, "at": at})
        self._apply(record)

    def _apply(self, record: Mapping[str, Any]) -> None:
        if record["event"] == "ANSWERED":
            self._unanswered.pop(record["requestId"], None)
        elif "request" in record:
            self._unanswered[record["requestId"]] = record["request"]


def _answers(answer: Answer) -> bool:
    """Whether this answer to the PUT is worth telling the customer; else the same request is sent again."""
    if answer.status == 201:
        return answer.body is not None and "returnCode" in answer.body
    return 400 <= answer.status < 500 and answer.status not in _PASSING and answer.code is not None


def _result(tried: Tried, request_id: str | None) -> KioskResult:
    answer = tried.answer or tried.unsettled
    if answer is None:
        sentence = _SENTENCES["no-answer"]
        return KioskResult(False, None, "no-answer", sentence, request_id, tried.attempts)
    ok = tried.answer is not None and answer.status in {200, 201}
    code = None if ok else answer.code or "no-answer"
    body = answer.body
    if ok and body is None:
        body = {"text": answer.raw.decode("utf-8", "replace")}
    return KioskResult(
        ok=ok,
        status=answer.status,
        code=code,
        sentence=None if code is None else _SENTENCES.get(code, _OTHERWISE),
        request_id=request_id,
        attempts=tried.attempts,
        retry_after_s=retry_after_s(answer.headers),
        body=body or {},
    )
