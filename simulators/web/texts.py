"""What the pages say, in every language that they speak: one flat JSON file of key and sentence for each."""

import json
from collections.abc import Callable
from pathlib import Path

LANGUAGES = {"en": "English", "fil": "Filipino"}
"""The languages by their BCP 47 tags; the first is that of whoever has not chosen."""

Translate = Callable[..., str]
"""`t("key", name=value)`: the sentence of that key with its `{name}` filled in; KeyError for an unknown key."""


class Texts:
    """The sentences of `<language>.json` in the given directories; a later directory's take precedence.

    A directory that lacks a language has its sentences in the first language there.
    """

    def __init__(self, *directories: Path) -> None:
        self._sentences = {language: _merged(directories, language) for language in LANGUAGES}

    def translator(self, language: str) -> Translate:
        """The function `t` of one language; the first language's where there is no such one."""
        sentences = self._sentences.get(language, self._sentences[next(iter(LANGUAGES))])

        def translate(key: str, /, **values: object) -> str:
            return sentences[key].format_map({name: str(value) for name, value in values.items()})

        return translate


def _merged(directories: tuple[Path, ...], language: str) -> dict[str, str]:
    merged: dict[str, str] = {}
    for directory in directories:
        for tag in (next(iter(LANGUAGES)), language):
            file = directory / f"{tag}.json"
            if file.exists():
                merged.update(json.loads(file.read_text(encoding="utf-8")))
    return merged
