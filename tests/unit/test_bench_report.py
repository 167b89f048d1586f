"""How figures are judged and reported."""

from pathlib import Path

import pytest

from bench import report
from bench.findings import Fact, Findings, NotMeasured, Row, Target
from bench.meter import Costs
from bench.profiling import read_stacks
from bench.rows_one import percentile


def row(*rounds: tuple[float, float], target: Target | None) -> Row:
    return Row("collect", "COLLECT", "pgbench", "/s", rounds, target)


def test_the_median_of_the_ratios_of_the_rounds_is_judged() -> None:
    judged = row((900, 1000), (1000, 1000), (3000, 1000), target=Target(1.0))
    assert (judged.ratio, judged.ours, judged.met) == (1.0, 1000, True)
    assert row((900, 1000), (999, 1000), (3000, 1000), target=Target(1.0)).met is False
    assert row((20, 2), target=Target(10, at_least=False)).met is True
    assert row((21, 2), target=Target(10, at_least=False)).met is False
    assert row((1, 2), target=None).met is None


def test_rows_without_a_target_and_rows_not_measured_are_no_failures() -> None:
    findings = Findings(
        lines=[
            row((2, 1), target=Target(1.0)),
            row((1, 2), target=None),
            NotMeasured("receipt", "PNG receipt", "not built yet"),
            Fact("ceilings", "wrk", "50,000/s"),
        ]
    )
    assert findings.verdict() == (1, 1, 1)
    assert report.summary(findings) == "1 of 1 targets met; 1 row could not be measured here"
    assert report.failed(findings) == []
    findings.lines.append(row((1, 2), target=Target(1.0)))
    assert findings.verdict() == (1, 2, 1)
    assert len(report.failed(findings)) == 1


def test_the_table_shows_ours_the_other_and_the_range() -> None:
    text = report.table([row((900, 1000), (1100, 1000), target=Target(1.0))])
    assert text.splitlines()[-1] == "| COLLECT | pgbench | 1,000/s | 1,000/s | 1.00 x (0.90–1.10) | ≥ 1 x | yes |"
    assert "not measured: why" in report.table([NotMeasured("a", "b", "why")])


def test_a_run_keeps_the_profile_and_a_profile_keeps_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path / "RESULTS.md")
    costs = {"COLLECT: gateway": [Costs(1, 2, 3, 4, 5, 0.5)]}
    findings = Findings(lines=[row((2, 1), target=Target(1.0))], costs=costs)
    report.write_profile("first profile")
    report.write(findings, {"Processors": "2"}, "quick", [("growth.svg", "Growth")])
    report.write_profile("second profile")
    report.write(findings, {"Processors": "2"}, "full", [])
    text = (tmp_path / "RESULTS.md").read_text()
    assert text.count("second profile") == 1
    assert "first profile" not in text
    assert "Form of the run: full" in text
    assert "quick" not in text
    assert "| COLLECT: gateway | 1 µs | 2 µs | 3 µs | 6 µs | 4 | 5 | 50% |" in text


def test_a_percentile_is_the_value_that_so_many_do_not_exceed() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, p) for p in (50, 99, 99.9, 100)] == [50, 99, 100, 100]
    assert percentile([7.0], 50) == 7.0


def test_stacks_are_counted_by_function_and_by_part() -> None:
    stacks = read_stacks(
        [
            "main (app.py:1);submit (connect_gateway/ledger/gather.py:40);fetch (asyncpg/connection.py:7) 3",
            "main (app.py:2);submit (connect_gateway/ledger/gather.py:41) 2",
            "nonsense",
        ]
    )
    assert stacks.total == 5
    assert stacks.own == {"fetch (asyncpg/connection.py)": 3, "submit (connect_gateway/ledger/gather.py)": 2}
    assert stacks.within["main (app.py)"] == 5
    assert stacks.parts == {"asyncpg": 3, "connect_gateway/ledger": 2}
