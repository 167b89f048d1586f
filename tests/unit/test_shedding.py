"""What is one whole request and nothing else, as far as the short way to refuse goes. Seconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connect_gateway.edges.problems import Problem
from connect_gateway.edges.shedding import Shedding, is_one_request

ID = "11111111-2222-4333-8444-555555555555"


def request(body: bytes, *headers: str, first: str = f"PUT /pos/v1/transactions/{ID} HTTP/1.1") -> bytes:
    lines = [first, "Host: 127.0.0.1", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_request_is_one_as_a_whole_and_alone_only(body: bytes, more: bytes) -> None:
    whole = request(body, "Content-Type: application/json")
    assert is_one_request(whole)
    assert is_one_request(whole + more) is (not more)


@given(st.data())
def test_no_part_of_a_request_is_one(data: st.DataObject) -> None:
    whole = request(data.draw(st.binary(min_size=1, max_size=200).filter(lambda body: b"\r\n\r\n" not in body)))
    assert not is_one_request(whole[: data.draw(st.integers(0, len(whole) - 1))])


@pytest.mark.parametrize(
    "header",
    [
        "Connection: close",
        "connection: keep-alive",
        "Content-Length: 2",
        "Content-Length : 2",
        "Content-length:\t2",
        "Expect: 100-continue",
        "Transfer-Encoding: chunked",
        "transfer-encoding:chunked",
        "Upgrade: websocket",
        "X: 1\nConnection: close",
    ],
)
def test_whatever_else_speaks_of_the_connection_or_of_the_length_goes_the_long_way(header: str) -> None:
    assert not is_one_request(request(b"{}", header))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"PUT / HTTP/1.0\r\n\r\n",
        b"PUT /\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 0x2\r\n\r\n{}",
        b"GET / HTTP/1.1\r\nContent-Length: 999999\r\n\r\n",
        b"GET / HTTP/1.1\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_is_no_plain_request_goes_the_long_way(data: bytes) -> None:
    assert not is_one_request(data)


def test_a_request_without_a_body_needs_no_length() -> None:
    assert is_one_request(b"GET /pos/v1/references/991767890023 HTTP/1.1\r\nHost: a\r\n\r\n")


def test_transactions_alone_are_refused_and_only_while_it_is_full() -> None:
    full, refused = True, []
    shedding = Shedding(Problem("overloaded", "later"), lambda: full, lambda: refused.append(1))
    answer = shedding.answer_to(request(b"{}"))
    assert answer is not None
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert len(refused) == 1
    for first in (
        f"PUT /pos/v1/transactions/{ID}/reversal HTTP/1.1",
        f"GET /pos/v1/transactions/{ID} HTTP/1.1",
        f"PUT /kiosk/v1/returns/{ID} HTTP/1.1",
        "PUT /pos/v1/transactions/x HTTP/1.1",
    ):
        assert shedding.answer_to(request(b"{}", first=first)) is None
    full = False
    assert shedding.answer_to(request(b"{}")) is None
    assert len(refused) == 1
