"""Webhooks are signed as the Standard Webhooks specification says: its own example, and every way to be wrong."""

import pytest
from connect_simulators.ecms.signing import (
    ID_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    TOLERANCE_S,
    WrongSignature,
    new_secret,
    secret_bytes,
    signed_headers,
    verify,
)
from hypothesis import given
from hypothesis import strategies as st

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
ID, AT = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330


def test_the_specifications_example() -> None:
    headers = signed_headers(SECRET, ID, AT, BODY)
    assert headers == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert verify(SECRET, headers, BODY, AT) == ID


@given(st.binary(max_size=200), st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=40))
def test_what_was_signed_is_taken_and_nothing_else(body: bytes, delivery_id: str) -> None:
    secret = new_secret()
    headers = signed_headers(secret, delivery_id, AT, body)
    assert verify(secret, headers, body, AT + TOLERANCE_S) == delivery_id
    for other_secret, other_headers, other_body, now_s in (
        (new_secret(), headers, body, AT),
        (secret, headers, body + b" ", AT),
        (secret, headers, body, AT + TOLERANCE_S + 1),
        (secret, headers, body, AT - TOLERANCE_S - 1),
        (secret, {**headers, ID_HEADER: delivery_id + "x"}, body, AT),
        (secret, {**headers, TIMESTAMP_HEADER: str(AT + 1)}, body, AT),
        (secret, {**headers, TIMESTAMP_HEADER: "١٦١٤"}, body, AT),
        (secret, {**headers, SIGNATURE_HEADER: ""}, body, AT),
        (secret, {**headers, SIGNATURE_HEADER: headers[SIGNATURE_HEADER].replace("v1,", "v2,")}, body, AT),
        (secret, {}, body, AT),
    ):
        with pytest.raises(WrongSignature):
            verify(other_secret, other_headers, other_body, now_s)


def test_one_of_several_signatures_is_enough() -> None:
    headers = signed_headers(SECRET, ID, AT, BODY)
    several = {**headers, SIGNATURE_HEADER: "v1,AAAA " + headers[SIGNATURE_HEADER]}
    assert verify(SECRET, several, BODY, AT) == ID


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_ñ" * 9])
def test_what_is_no_secret(secret: str) -> None:
    with pytest.raises(ValueError, match="must be whsec_"):
        secret_bytes(secret)
