"""How the certification asks a till to do a job, and reads what it shows. Milliseconds."""

import asyncio
import io
import json
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from connect_gateway.certification.command import certify_till
from connect_gateway.certification.driving import (
    POS_SIM,
    CommandDriver,
    Done,
    ManualDriver,
    NotATill,
    Place,
    Shown,
    check_words,
    fill_in,
    read_shown,
)
from connect_gateway.certification.figures import SPECIFIED, Figures
from connect_gateway.certification.jobs import Action, Job, Parcel, cash_of, label_of, words_for_the_clerk
from connect_gateway.certification.traffic import Kind

PARCEL = Parcel("991767890023", "303105332614281209", "200.00")


def test_a_word_without_its_value_is_left_out() -> None:
    words = ("till", "{action}", "{reference}", "--label={label}", "--plain")
    assert fill_in(words, {"action": "resume"}) == ["till", "resume", "--plain"]
    assert fill_in(words, {"action": "claim", "reference": "1", "label": "2"}) == [
        *("till", "claim", "1", "--label=2", "--plain")
    ]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([""], "empty"),
        (["till", "{url}"], "lacks placeholders: action"),
        (["till", "{url}", "{action}", "{secret}"], "unknown placeholders: secret"),
        (["till", "{url", "{action}"], "till's command"),
        (["/nowhere/till", "{url}", "{action}"], "is not there: /nowhere/till"),
    ],
)
def test_a_command_that_is_none_is_refused(words: list[str], complaint: str) -> None:
    with pytest.raises(NotATill, match=complaint):
        check_words(words)


def test_one_word_is_split_as_a_shell_would() -> None:
    assert check_words(["env --at '{url}' {action}"]) == ("env", "--at", "{url}", "{action}")
    assert check_words(POS_SIM) == POS_SIM


def test_the_last_line_of_json_is_what_the_till_shows() -> None:
    keep = {"verdict": {"cash": "KEEP", "parcel": "RELEASE", "display": "PAID"}, "transactionId": "A-1"}
    hold = {"verdict": {"cash": "NONE", "parcel": "HOLD"}}
    printed = f"connecting\n{json.dumps(hold)}\n{json.dumps(keep)}\nbye\n"
    assert read_shown(printed.encode()) == (Shown("KEEP", "RELEASE", "a-1"),)
    assert read_shown(json.dumps([keep, hold]).encode()) == (Shown("KEEP", "RELEASE", "a-1"), Shown("NONE", "HOLD"))
    for nothing in (b"", b"sold\n", b"[]", b'{"verdict": null}', b"17", b"\xff" * 9, b"[" * 100_000):
        assert read_shown(nothing) == ()


def test_label_and_cash_are_those_of_the_job() -> None:
    assert label_of(Job(Action.COLLECT, wrong_label=True), PARCEL) == "303105332614281200"
    assert label_of(Job(Action.RESUME), PARCEL) is None
    assert cash_of(Job(Action.COLLECT), PARCEL) == "500.00"
    assert cash_of(Job(Action.COLLECT, too_little_cash=True), PARCEL) == "199.99"
    assert cash_of(Job(Action.CLAIM), PARCEL) is None
    assert "9917-6789-0023" in words_for_the_clerk(Job(Action.COLLECT), PARCEL)


def test_the_figures_are_those_of_the_page() -> None:
    assert [SPECIFIED.wait_s(number) for number in range(6)] == [0.5, 1, 2, 4, 4, 4]
    assert (SPECIFIED.reversal_s, SPECIFIED.job_s) == (15, 60)


class TestCommand:
    """A till of a few words of Python."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Place("http://127.0.0.1:1", tmp_path / "credentials.json", tmp_path / "till")

    async def run(self, place: Place, program: str, job: Job, kill: asyncio.Event | None = None) -> Done:
        figures = Figures(timeout_s=0.1, give_up_s=1)
        driver = CommandDriver([sys.executable, "-c", program, "{url}", "{action}", "{parcel}"], figures)
        return await driver.do(job, PARCEL, place, kill or asyncio.Event())

    async def test_it_prints_a_verdict(self, place: Place) -> None:
        program = "import json, sys; print(json.dumps({{'verdict': {{'cash': sys.argv[2], 'parcel': sys.argv[3]}}}}))"
        done = await self.run(place, program, Job(Action.REVERSE, parcel_in_hand=False))
        assert done.shown == (Shown("reverse", "parcel-gone"),)

    async def test_it_says_why_it_prints_none(self, place: Place) -> None:
        done = await self.run(place, "import sys; sys.exit('no paper')", Job(Action.RESUME))
        assert (done.shown, done.complaint, done.overrun) == ((), "no paper", False)

    async def test_it_is_killed_with_what_it_started(self, place: Place) -> None:
        kill = asyncio.Event()
        program = "import subprocess; subprocess.run(['sleep', '60'])"
        running = asyncio.create_task(self.run(place, program, Job(Action.COLLECT, killed_at=Kind.TRANSACTION), kill))
        await asyncio.sleep(0.2)
        kill.set()
        done = await asyncio.wait_for(running, 10)
        assert (done.killed, done.overrun) == (True, False)

    async def test_it_cannot_be_started(self, place: Place) -> None:
        driver = CommandDriver(["{state_dir}/till", "{url}", "{action}"], SPECIFIED)
        with pytest.raises(NotATill, match=r"cannot be started: .*/till"):
            await driver.do(Job(Action.RESUME), PARCEL, place, asyncio.Event())


class TestPerson:
    """A person at the till."""

    async def do(self, monkeypatch: pytest.MonkeyPatch, typed: str, job: Job, *, plug: bool = False) -> Done:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        kill = asyncio.Event()
        if plug:
            kill.set()
        place = Place("http://127.0.0.1:1", Path("credentials.json"), Path("till"))
        return await ManualDriver().do(job, PARCEL, place, kill)

    async def test_types_what_the_till_shows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert await self.do(monkeypatch, "keep, release\n", Job(Action.COLLECT)) == Done((Shown("KEEP", "RELEASE"),))

    async def test_need_not_type_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert await self.do(monkeypatch, "\n", Job(Action.COLLECT)) == Done(())

    async def test_pulls_the_plug(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        job = Job(Action.COLLECT, killed_at=Kind.TRANSACTION)
        assert await self.do(monkeypatch, "\n", job, plug=True) == Done((), killed=True)
        assert "pull the plug" in capsys.readouterr().out

    async def test_has_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(NotATill, match="nobody answers"):
            await self.do(monkeypatch, "", Job(Action.COLLECT))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--only=no-such"], "no exercise is called no-such"),
        (["--listen=70000"], "a port is a number"),
        (["--", "env", "{url}"], "lacks placeholders: action"),
    ],
)
def test_what_cannot_be_played_is_not_judged(options: list[str], complaint: str) -> None:
    app = typer.Typer()
    app.command()(certify_till)
    done = CliRunner().invoke(app, options)
    assert done.exit_code == 2
    assert complaint in " ".join(done.output.replace("│", " ").split())
