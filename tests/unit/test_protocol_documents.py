"""The documents say what the code does: generated parts, the catalogue of codes, rule numbers, links. Milliseconds."""

import ast
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import typer
from connect_simulators.ecms.cli import app as ecms_sim
from connect_simulators.kiosk.cli import app as kiosk_sim
from connect_simulators.pos.cli import app as pos_sim

from connect_gateway import reference_docs
from connect_gateway.domain.refusals import Code
from connect_gateway.domain.states import ECMS_STATUSES
from connect_gateway.edges.problems import STATUS_OF_CODE
from connect_gateway.openapi_operations import OPERATIONS

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(str(files("connect_gateway")))
PROTOCOL = ROOT / "protocol"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *PROTOCOL.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("file", reference_docs.files())
def test_the_generated_parts_are_up_to_date(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert reference_docs.refreshed(file, text) == text, "run: python -m connect_gateway.reference_docs --write"


def test_a_part_that_is_missing_is_noticed() -> None:
    with pytest.raises(ValueError, match=r"README.md has the parts \[\]"):
        reference_docs.refreshed("README.md", "# nothing generated\n")


def catalogue() -> dict[str, int]:
    """Code and HTTP status of every row of the catalogue."""
    text = (PROTOCOL / "errors.md").read_text(encoding="utf-8")
    section = text.partition("## The catalogue")[2].partition("\n## ")[0]
    return {code: int(status) for code, status in re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", section, re.MULTILINE)}


def codes_in_the_source() -> set[str]:
    """Every code that a client can be given: the domain's, and the literals with which edges make problems."""
    codes = {str(code) for code in Code} | {str(code) for code in STATUS_OF_CODE}
    for file in (SOURCE / "edges").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(ast.Name("Problem" | "_refuse"), [ast.Constant(str() as code), *_]):
                    codes.add(code)
    return codes


def test_the_catalogue_has_every_code_with_its_status() -> None:
    listed = catalogue()
    assert set(listed) == codes_in_the_source()
    assert listed == {code: STATUS_OF_CODE.get(code, reference_docs.REFUSED_BY_STATE) for code in listed}


def test_the_order_of_refusal_names_known_codes_alone() -> None:
    text = (PROTOCOL / "errors.md").read_text(encoding="utf-8")
    section = text.partition("## The order of refusal")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+|cancelled|expired|unauthorized)`", section))
    assert named <= set(catalogue())
    decided = {str(code) for code in Code} - {"unknown-transaction"}
    assert decided <= named


def rules() -> list[tuple[str, str]]:
    """Number and text of every rule."""
    text = (PROTOCOL / "SPEC.md").read_text(encoding="utf-8")
    return re.findall(r"^- \*\*([A-Z]{3}-\d+)\*\* (.*?)(?=^- \*\*|^\s*$)", text, re.MULTILINE | re.DOTALL)


def test_each_rule_has_its_own_number_and_one_must() -> None:
    numbers = [number for number, _ in rules()]
    assert len(numbers) == len(set(numbers))
    assert len(numbers) > 100
    by_group: dict[str, list[int]] = {}
    for number in numbers:
        group, _, count = number.partition("-")
        by_group.setdefault(group, []).append(int(count))
    assert all(counts == list(range(1, len(counts) + 1)) for counts in by_group.values())
    assert [number for number, text in rules() if text.count("MUST") != 1] == []


def cited_by_tests() -> set[str]:
    """Every rule that a test, a scenario, a vector or an exercise of the certification names."""
    places = [
        *(ROOT / "tests").rglob("*.py"),
        *PROTOCOL.glob("scenarios/*.json"),
        *PROTOCOL.glob("vectors/*.json"),
        *(SOURCE / "certification").glob("*.py"),
    ]
    texts = [place.read_text(encoding="utf-8") for place in places if place != Path(__file__)]
    return {number for text in texts for number in re.findall(r"\b[A-Z]{3}-\d+\b", text)}


def test_each_rule_is_cited_by_a_test_and_no_test_cites_a_rule_that_is_none() -> None:
    known = {number for number, _ in rules()}
    groups = {number.partition("-")[0] for number in known}
    cited = {number for number in cited_by_tests() if number.partition("-")[0] in groups}
    assert known - cited == set(), "name the rule in the test that would fail without it"
    assert cited - known == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_rules_and_files_that_are_named_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    known = {number for number, _ in rules()}
    groups = {number.partition("-")[0] for number in known}
    cited = {one for one in re.findall(r"\b[A-Z]{3}-\d+\b", text) if one.partition("-")[0] in groups}
    assert cited <= known
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def shape(path: str) -> str:
    """A path without the names of its parameters."""
    return re.sub(r"\{[^}]+\}", "{}", path)


def test_the_flows_name_messages_that_there_are_and_every_message_of_a_partner_is_in_one() -> None:
    text = (PROTOCOL / "flows.md").read_text(encoding="utf-8")
    diagrams = re.findall(r"^```mermaid\nsequenceDiagram\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(diagrams) == text.count("\n## ")
    # To mermaid a semicolon is the end of a statement.
    assert not [diagram for diagram in diagrams if ";" in diagram]
    sent = re.findall(r"->>(\w): (GET|PUT|POST) (/[^ ,\n]+)(.*)", "\n".join(diagrams))
    to_gateway = {(method.lower(), shape(path)) for to, method, path, _ in sent if to == "G"}
    partners = {(one.method, shape(one.path)) for one in OPERATIONS if one.edge in ("pos", "kiosk", "ecms")}
    assert to_gateway - {("post", "/accounts/oauth2/token")} == partners
    for to, _, path, words in sent:
        if path.endswith("/v1/status"):
            statuses = ECMS_STATUSES if to == "G" else {"PAID", "UNPAID", "the same eventId", *ECMS_STATUSES}
            assert re.match(r" \(([^,)]+)", words)[1] in statuses, words
    assert set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", text)) <= set(catalogue())


def variables(app: typer.Typer) -> set[str]:
    """Every variable that a command line reads."""
    command: Any = typer.main.get_command(app)
    found = set()
    for sub in command.commands.values():
        for parameter in sub.params:
            name = parameter.envvar
            found.update([name] if isinstance(name, str) else name or [])
    return found


@pytest.mark.parametrize(("name", "app"), [("pos-sim", pos_sim), ("kiosk-sim", kiosk_sim), ("ecms-sim", ecms_sim)])
def test_the_readme_has_every_variable_of_the_simulators(name: str, app: typer.Typer) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
    assert set(re.findall(r"[A-Z]+_SIM_[A-Z_]+", row)) == variables(app)
