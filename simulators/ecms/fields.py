"""The kinds of field that the simulator's requests are made of, each with its check and its limit."""

import re
import unicodedata
from decimal import Decimal
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, StringConstraints

from ..wire import parse_amount
from .clock import read_time
from .signing import secret_bytes
from .stores import find_store

MAX_AMOUNT_CENTAVOS = 400_000  # PHP 4,000 in cash for a package (seed, technical notes).
MAX_WEIGHT_KG = 10
# The seed limits the volume alone. A longer side than this fits no crate, whatever the volume.
MAX_SIDE_CM = 100

_LOOSE_AMOUNT = re.compile(r"([0-9]{1,10})(?:\.([0-9]{2}))?")
_MEASURE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")


def _plain(text: str) -> str:
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise ValueError("must not contain control characters")
    return text


def _matching(pattern: str, what: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise ValueError(f"must be {what}")
        return text

    return AfterValidator(check)


def _at_most(limit: int, unit: str) -> AfterValidator:
    def check(measure: Decimal) -> Decimal:
        if measure > limit:
            raise ValueError(f"must be at most {limit} {unit}")
        return measure

    return AfterValidator(check)


def _read_loose_amount(text: object) -> int:
    match = _LOOSE_AMOUNT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("must be a text such as 200.00, 200 or 0")
    return int(match[1]) * 100 + int(match[2] or 0)


def _read_amount(text: object) -> int:
    if not isinstance(text, str):
        raise ValueError("must be a text such as 200.00")  # noqa: TRY004 - pydantic reports ValueErrors
    return parse_amount(text)


def _cash(centavos: int) -> int:
    if centavos > MAX_AMOUNT_CENTAVOS:
        raise ValueError("must be at most 4000.00")
    return centavos


def _read_measure(value: object) -> Decimal:
    # Merchants send measures as texts, as the seed shows, or as JSON numbers; they are no money.
    text = value if isinstance(value, str) else repr(value) if isinstance(value, int | float) else ""
    if isinstance(value, bool) or _MEASURE.fullmatch(text) is None or not (measure := Decimal(text)):
        raise ValueError("must be a number over 0, such as 12.3")
    return measure


def _known_store(store_id: str) -> str:
    if find_store(store_id) is None:
        raise ValueError("must be the 4 digits of a store in /stores.csv")
    return store_id


def _time(text: str) -> str:
    read_time(text)
    return text


def _date_or_time(text: str) -> str:
    read_time(text if len(text) > len("YYYY-MM-DD") else f"{text} 00:00:00")
    return text


def _absent_if_empty(value: object) -> object:
    return None if value == "" else value


def _identifier(text: str) -> str:
    if text != text.strip():
        raise ValueError("must not begin or end with a space")
    return text


def _web_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("must be an address such as https://shop.example/webhooks")
    return text


def _webhook_secret(text: str) -> str:
    secret_bytes(text)
    return text


def _without_hyphens(text: str) -> str:
    return text.replace("-", "").replace(" ", "")


Name = Annotated[str, StringConstraints(min_length=1, max_length=60), AfterValidator(_plain)]
Note = Annotated[str, StringConstraints(max_length=200), AfterValidator(_plain)]
Identifier = Annotated[
    str, StringConstraints(min_length=1, max_length=40), AfterValidator(_plain), AfterValidator(_identifier)
]
MerchantCode = Annotated[str, _matching(r"[A-Za-z0-9._-]{1,15}", "1 to 15 letters, digits, dots or hyphens")]
MobileNumber = Annotated[str, _matching(r"09[0-9]{9}", "a mobile number, 09xxxxxxxxx")]
TrackingNumber = Annotated[str, _matching(r"[0-9]{17,18}", "17 or 18 digits")]
Code = Annotated[str, AfterValidator(_without_hyphens), _matching(r"[0-9]{12}", "12 digits")]
EventId = Annotated[str, _matching(r"[A-Za-z0-9._:-]{1,64}", "1 to 64 letters, digits, dots, colons or hyphens")]
Site = Annotated[str, _matching(r"[0-9]{4}", "the 4 digits of a store or site")]
Digits = Annotated[str, _matching(r"[0-9]{1,4}", "1 to 4 digits")]
BusinessDate = Annotated[str, _matching(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{14}", "a date, YYYY-MM-DD")]
DeliveryStore = Annotated[str, AfterValidator(_known_store)]
WebUrl = Annotated[str, StringConstraints(max_length=300), AfterValidator(_plain), AfterValidator(_web_url)]
WebhookSecret = Annotated[str, AfterValidator(_webhook_secret)]

Amount = Annotated[int, BeforeValidator(_read_amount), AfterValidator(_cash)]
LooseAmount = Annotated[int, BeforeValidator(_read_loose_amount), AfterValidator(_cash)]
Side = Annotated[Decimal, BeforeValidator(_read_measure), _at_most(MAX_SIDE_CM, "cm")]
Weight = Annotated[Decimal, BeforeValidator(_read_measure), _at_most(MAX_WEIGHT_KG, "kg")]

Time = Annotated[str, AfterValidator(_time)]
DateOrTime = Annotated[str, AfterValidator(_date_or_time)]
absent_if_empty = BeforeValidator(_absent_if_empty)
"""For optional fields that senders also leave empty."""
