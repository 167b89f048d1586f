"""Input is hostile until it has passed here."""

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationError,
)
from pydantic_core import CoreSchema, core_schema

from connect_gateway.domain.codes import parse_reference
from connect_gateway.domain.money import parse_amount
from connect_gateway.ecms.messages import parse_ecms_time
from connect_gateway.edges import patterns
from connect_gateway.edges.problems import malformed

Model = TypeVar("Model", bound=BaseModel)


class Message(BaseModel):
    """A request's body: camelCase names, nothing unknown, strings that are strings."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_UUID = re.compile(patterns.UUID)
_DATE = re.compile(patterns.DATE)
_RFC3339_TIME = re.compile(patterns.RFC3339_TIME)
_ECMS_TIME = re.compile(patterns.ECMS_TIME)


def _from_text(parse: Callable[[str], Any]) -> BeforeValidator:
    def convert(value: object) -> Any:
        if not isinstance(value, str):
            raise ValueError("must be a string")  # noqa: TRY004 - pydantic reports ValueError as the field's fault
        return parse(value)

    return BeforeValidator(convert)


def _date(text: str) -> date:
    if _DATE.fullmatch(text) is None:
        raise ValueError("must be YYYY-MM-DD")
    return date.fromisoformat(text)


def _uuid(text: str) -> UUID:
    if _UUID.fullmatch(text) is None:
        raise ValueError("must be a UUID")
    return UUID(text)


def _moment(text: str) -> datetime:
    if _RFC3339_TIME.fullmatch(text) is None:
        raise ValueError("must be an RFC 3339 time with an offset, of a day that can be")
    return datetime.fromisoformat(text)


def _ecms_moment(text: str) -> datetime:
    if _ECMS_TIME.fullmatch(text) is None:
        raise ValueError("must be YYYY-MM-DD HH:MM:SS, of a day that can be")
    return parse_ecms_time(text)


def _either_moment(text: str) -> datetime:
    return _moment(text) if "T" in text else _ecms_moment(text)


def _number(digits_pattern: str) -> Callable[[str], int]:
    pattern = re.compile(digits_pattern)

    def parse(text: str) -> int:
        if pattern.fullmatch(text) is None:
            raise ValueError(f"must match {digits_pattern}")
        return int(text)

    return parse


def _no_control(text: str) -> str:
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise ValueError("must not have control characters")
    return text


@dataclass(frozen=True)
class _Written:
    """How a field's text looks, for the OpenAPI document; what parses it stands beside it."""

    pattern: str
    format: str | None = None

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        limits = {name: limit for name, limit in handler(schema).items() if name in ("minLength", "maxLength")}
        named = {} if self.format is None else {"format": self.format}
        return {"type": "string", **named, **limits, "pattern": f"^{self.pattern}$"}


class _Matching(_Written):
    """A text that a pattern of ASCII classes matches as a whole."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        compiled = re.compile(self.pattern)

        def check(value: str) -> str:
            if compiled.fullmatch(value) is None:
                raise ValueError(f"must match {self.pattern}")
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))


def _length(shortest: int, longest: int) -> StringConstraints:
    return StringConstraints(min_length=shortest, max_length=longest)


_NO_CONTROL = (AfterValidator(_no_control), _Written(patterns.NO_CONTROL))

MerchantCodeField = Annotated[str, _length(1, 15), *_NO_CONTROL]
MerchantField = Annotated[str, _length(1, 100), *_NO_CONTROL]
MerchantReferenceField = Annotated[str, _length(1, 40), *_NO_CONTROL]
DescriptionField = Annotated[str, _length(0, 3000), *_NO_CONTROL]
RemarksField = Annotated[str, _length(0, 660), *_NO_CONTROL]
StatusField = Annotated[str, _length(1, 40), *_NO_CONTROL]
ReasonField = Annotated[str, _length(0, 200), *_NO_CONTROL]
AmountField = Annotated[int, _from_text(parse_amount), _Written(patterns.AMOUNT)]
ReferenceField = Annotated[str, _from_text(parse_reference), _Written(patterns.REFERENCE)]
DateField = Annotated[date, _from_text(_date), _Written(patterns.DATE, "date")]
MomentField = Annotated[datetime, _from_text(_moment), _Written(patterns.RFC3339_TIME)]
EcmsMomentField = Annotated[datetime, _from_text(_ecms_moment), _Written(patterns.ECMS_TIME)]
UuidField = Annotated[UUID, _from_text(_uuid), _Written(patterns.UUID, "uuid")]
EitherMomentField = Annotated[
    datetime, _from_text(_either_moment), _Written(f"(?:{patterns.RFC3339_TIME}|{patterns.ECMS_TIME})")
]
"""ECMS writes its own form of time; an expiry that comes in RFC 3339, like the gateway's own, is read too."""

PosField = Annotated[int, _from_text(_number("[0-9]{1,4}")), _Written("[0-9]{1,4}")]
ShiftField = Annotated[int, _from_text(_number("[0-9]{1,2}")), _Written("[0-9]{1,2}")]
ClerkField = Annotated[str, _Matching("[A-Za-z0-9._-]{1,20}")]
LabelField = Annotated[str, _Matching("[!-~]{1,48}")]
TrackingField = Annotated[str, _Matching("[0-9]{17,18}")]
BankReferenceField = Annotated[str, _Matching("[ -~]{1,60}")]
StandInNumberField = Annotated[str, _Matching(patterns.STAND_IN_NUMBER)]
StoreField = Annotated[str, _Matching("[0-9]{4}")]
MobileField = Annotated[str, _Matching("09[0-9]{9}")]


def parse_uuid(value: str, name: str) -> UUID:
    """A UUID in its usual form, from a path."""
    try:
        return _uuid(value)
    except ValueError as error:
        raise malformed(f"{name} {error}", name) from error


def parse_path_reference(value: str) -> str:
    """A reference from a path."""
    try:
        return parse_reference(value)
    except ValueError as error:
        raise malformed(str(error), "reference") from error


def parse_json(raw: bytes) -> dict[str, Any]:
    """A JSON object out of hostile bytes: duplicate names, NaN and whatever cannot be read are refused."""
    try:
        body = _decoder.decode(raw.decode("utf-8"))
    except RecursionError as error:
        raise malformed("the JSON is nested too deeply") from error
    except ValueError as error:
        raise malformed(f"the body is no JSON: {str(error)[:80]}") from error
    if not isinstance(body, dict):
        raise malformed("the body must be a JSON object")
    return body


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    body = dict(pairs)
    if len(body) != len(pairs):
        raise ValueError("a name stands twice in an object")
    return body


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def parse_message(model: type[Model], raw: bytes) -> Model:
    """A message out of hostile bytes; a malformed-request that names the field otherwise."""
    return validate(model, parse_json(raw))


def validate(model: type[Model], body: dict[str, Any]) -> Model:
    """A message out of a JSON object."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        # Names that the client made up are not repeated to it: they may be anything.
        known = [str(part) for part in first["loc"] if str(part) in _names(model)]
        field = ".".join(known) or None
        reason = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            raise malformed("the body has a field that is not known here") from error
        raise malformed(f"{field or 'the body'}: {reason}", field) from error


def _names(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in model.model_fields.items())
