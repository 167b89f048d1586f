"""All sides of a measurement take the same parcels in the same order, each once."""

import re
from datetime import datetime
from pathlib import Path

import pytest

from bench.load import COLLECT_PARAMETERS, SQL, numbered, pgbench_script, statement
from bench.stock import Records, Stock, collect_request, lookup_request, tokens, write_records
from connect_gateway import load_demo
from connect_gateway.clock import PHILIPPINE_TIME
from connect_gateway.edges.pos import Collect, parse_transaction


def stock_of(references: int, transactions: int) -> Stock:
    return Stock("any", references, transactions, tokens(), datetime.now(PHILIPPINE_TIME).date())


@pytest.mark.parametrize(("references", "transactions"), [(3_000, 0), (10_000, 5_000), (2_400, 1), (401, 0), (1, 0)])
def test_the_order_visits_each_open_parcel_once(references: int, transactions: int) -> None:
    stock = stock_of(references, transactions)
    assert sorted(stock.parcel(k) for k in range(stock.open)) == list(range(transactions, references))


def test_requests_that_run_at_once_are_of_different_terminals() -> None:
    stock = stock_of(300_000, 0)
    for first in range(0, 20_000, 128):
        parcels = [stock.parcel(k) for k in range(first, first + 128)]
        assert len({(load_demo.store_of(n), load_demo.pos_of(n)) for n in parcels}) == 128


def test_a_request_is_what_the_gateway_reads(tmp_path: Path) -> None:
    stock = stock_of(4_000, 100)
    written = write_records(tmp_path / "requests", stock, 500, collect_request)
    assert written == Records(tmp_path / "requests", len(collect_request(stock, 0)), 500)
    raw = written.path.read_bytes()
    record = raw[7 * written.record_bytes : 8 * written.record_bytes]
    head, _, body = record.partition(b"\r\n\r\n")
    message = parse_transaction(body)
    n = stock.parcel(7)
    assert isinstance(message, Collect)
    assert (message.reference, message.tracking_number) == (load_demo.reference_number(n), load_demo.tracking_number(n))
    assert message.amount_tendered == load_demo.TENDERED
    assert f"Bearer {stock.token_of(n)}".encode() in head
    assert f"Content-Length: {len(body)}".encode() in head
    assert load_demo.reference_number(n).encode() in lookup_request(stock, 7)
    ids = {raw[k * written.record_bytes :][: written.record_bytes].split(b" ")[1] for k in range(500)}
    assert len(ids) == 500


def evaluated(variables: dict[str, int]) -> dict[str, int]:
    """What parcel.pgbench makes of its variables, worked out as pgbench would."""
    for line in (SQL / "parcel.pgbench").read_text().splitlines():
        name, expression = line.removeprefix(r"\set ").split(" ", 1)
        expression = re.sub(r"case when (.+?) then (\d+) else (\d+) end", r"(\2 if \1 else \3)", expression)
        expression = re.sub(r":([a-z_]+)", r"\1", expression).replace("/", "//")
        variables[name] = eval(expression, {}, variables)  # noqa: S307 - a file of our own
    return variables


def test_pgbench_takes_the_same_parcels_as_the_requests() -> None:
    stock = stock_of(30_000, 10_000)
    for k in (0, 1, 31, 32, 12_345, 19_999):
        made = evaluated(
            {
                "first": 0,
                "i": k // 32,
                "clients": 32,
                "client_id": k % 32,
                "skipped": stock.transactions,
                "stride": stock.stride,
                "open": stock.open,
            }
        )
        n = stock.parcel(k)
        assert made["n"] == n
        assert str(made["reference"]) == load_demo.reference_number(n)
        assert str(made["tracking_number"]) == load_demo.tracking_number(n)
        assert f"{made['store']:04d}" == load_demo.store_of(n)
        assert made["pos"] == load_demo.pos_of(n)
        assert made["i"] == k // 32 + 1


def test_a_statement_is_bound_by_number_or_run_by_pgbench(tmp_path: Path) -> None:
    bound = numbered(statement("collect"), COLLECT_PARAMETERS)
    assert sorted(set(re.findall(r"\$[0-9]+", bound))) == sorted(f"${n}" for n in range(1, 10))
    assert "::uuid" in bound
    assert not re.search(r"(?<!:):[a-z]", bound)
    script = pgbench_script(tmp_path / "script", "collect").read_text()
    assert "uuidv7() AS transaction_id" in script
    assert ":transaction_id" not in script
    assert "--" not in script
    assert "COMMIT" in pgbench_script(tmp_path / "steps", "steps").read_text()
