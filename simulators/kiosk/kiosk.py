"""A kiosk: RETURN CODEs, labels of drop-offs and where a parcel is, or in plain words why not."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

from ..journal import Journal
from ..patience import Patience, Tried, retry_after_s, try_until_settled
from ..web.texts import Texts, Translate
from ..wire import PHILIPPINE_TIME, Answer, Clock, Credentials, WireClient, system_clock

IdentifierType = Literal["UID", "ORDER_NUMBER", "WAYBILL"]
PaperForm = Literal["text", "png", "pdf", "escpos"]
PAPER_FORMS: dict[PaperForm, str] = {
    "text": "text/plain",
    "png": "image/png",
    "pdf": "application/pdf",
    "escpos": "application/vnd.escpos",
}
"""The forms in which slips and labels come, and their media types."""

# A customer waits for less long in front of a kiosk than a clerk does at the till.
KIOSK_PATIENCE = Patience(give_up_s=20.0)

_TEXTS = Texts(Path(__file__).parent / "pages" / "texts")
# With these the same request may be answered otherwise a moment later.
_PASSING = frozenset({401, 408})


@dataclass(frozen=True)
class KioskResult:
    """What came of a request; `sentence` is what the customer reads, `code` what the staff asks for.

    `content` is the answer's bytes where they are a picture, a document or a printer's commands.
    """

    ok: bool
    status: int | None
    code: str | None
    sentence: str | None
    request_id: str | None = None
    attempts: int = 0
    retry_after_s: float = 0.0
    body: Mapping[str, Any] = field(default_factory=dict)
    content: bytes = b""

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
        """The lines of the slip or label in the answer; none where it has neither."""
        slip = self.body.get("slip", self.body.get("label"))
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

    async def slip(self, return_code: str, form: PaperForm = "text") -> KioskResult:
        """The slip of a RETURN CODE; as text it is `body["text"]`, in any other form `content`."""
        return await self._ask(f"/kiosk/v1/returns/{quote(return_code, safe='')}/slip", PAPER_FORMS[form])

    async def booking(self, booking_reference: str) -> KioskResult:
        """A seller's drop-off booking."""
        return await self._ask(f"/kiosk/v1/dropoffs/{quote(booking_reference, safe='')}")

    async def label(self, booking_reference: str, form: PaperForm | None = None) -> KioskResult:
        """The label of a booking, to be printed; ECMS hears FOR DROP OFF, once however often this is asked."""
        accept = "application/json" if form is None else PAPER_FORMS[form]
        return await self._ask(f"/kiosk/v1/dropoffs/{quote(booking_reference, safe='')}/label", accept, "PUT")

    async def parcel(self, number: str) -> KioskResult:
        """Where the parcel of a tracking number or code is; nothing personal is in the answer."""
        return await self._ask(f"/kiosk/v1/parcels/{quote(number, safe='')}")

    async def _ask(self, path: str, accept: str = "application/json", method: str = "GET") -> KioskResult:
        tried = await try_until_settled(
            lambda: self._client.request(method, path, headers={"Accept": accept}),
            _settles,
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


def _settles(answer: Answer) -> bool:
    return answer.status < 500 and answer.status not in _PASSING


def _result(tried: Tried, request_id: str | None) -> KioskResult:
    answer = tried.answer or tried.unsettled
    if answer is None:
        sentence = sentence_of("no-answer", None)
        return KioskResult(False, None, "no-answer", sentence, request_id, tried.attempts)
    ok = tried.answer is not None and answer.status in {200, 201}
    code = None if ok else answer.code or "no-answer"
    body, content = answer.body or {}, b""
    if ok and answer.body is None:
        content = answer.raw
        if answer.headers.get("Content-Type", "").startswith("text/"):
            body = {"text": content.decode("utf-8", "replace")}
    return KioskResult(
        ok=ok,
        status=answer.status,
        code=code,
        sentence=None if code is None else sentence_of(code, answer.status),
        request_id=request_id,
        attempts=tried.attempts,
        retry_after_s=retry_after_s(answer.headers),
        body=body,
        content=content,
    )


def sentence_of(code: str, status: int | None, translate: Translate | None = None) -> str:
    """What a customer reads about a failure, in English or as `translate` says it."""
    t = translate or _TEXTS.translator("en")
    try:
        return t(f"failure.{code}")
    except KeyError:
        # Whatever is out of order behind the gateway is all one to the customer: it passes.
        return t("failure.no-answer" if status is None or status >= 500 else "failure.otherwise")
