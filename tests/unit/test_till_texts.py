"""What the till says, it says in every language, and it never looks for a sentence that is not there."""

import json
import re
from pathlib import Path

import connect_simulators.pos.pages
import connect_simulators.web

PAGES = Path(connect_simulators.pos.pages.__file__).parent
SHARED = Path(connect_simulators.web.__file__).parent
_PLACEHOLDER = re.compile(r"\{[a-z]+\}")


def texts(language: str) -> dict[str, str]:
    return {
        key: sentence
        for directory in (SHARED, PAGES)
        for key, sentence in json.loads((directory / "texts" / f"{language}.json").read_text("utf-8")).items()
    }


def test_both_languages_say_the_same_things_with_the_same_values() -> None:
    english, filipino = texts("en"), texts("fil")
    assert english.keys() == filipino.keys()
    for key, sentence in english.items():
        assert sorted(_PLACEHOLDER.findall(sentence)) == sorted(_PLACEHOLDER.findall(filipino[key])), key
        assert sentence.count("|") == filipino[key].count("|"), key


def test_every_sentence_that_a_page_asks_for_is_there() -> None:
    known = texts("en")
    for template in (PAGES / "templates").iterdir():
        source = template.read_text("utf-8")
        for key in re.findall(r'\bt\("([^"]+)"\s*[,)]', source):
            assert key in known, f"{template.name}: {key}"
        for prefix in re.findall(r'\bt\("([^"]+\.)" ~', source):
            assert any(key.startswith(prefix) for key in known), f"{template.name}: {prefix}"
    for module in PAGES.glob("*.py"):
        for key in re.findall(r'"((?:notice|band|guide)\.[a-z-]+)"', module.read_text("utf-8")):
            assert key in known, f"{module.name}: {key}"
