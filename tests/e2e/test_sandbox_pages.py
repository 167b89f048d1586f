"""The pages that the sandbox serves: there with its line, and there again after everything was killed. About 15 s."""

import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

TITLES = {"till": "", "kiosk": "CLiQQ Kiosk", "ecms": ""}


def test_every_page_answers_from_the_first_moment_and_after_a_crash(
    start_sandbox: Callable[..., Any], home: Path
) -> None:
    first = start_sandbox("--data-dir", str(home / "kept"), pages=True)
    answered(first.facts)
    first.kill_everything()
    again = start_sandbox("--data-dir", str(home / "kept"), pages=True)
    assert again.facts["pages"] == first.facts["pages"]
    answered(again.facts)
    assert again.stop() == (0, b"")


def answered(facts: dict[str, Any]) -> None:
    assert facts["pages"].keys() == TITLES.keys()
    for name, url in facts["pages"].items():
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own line
            assert answer.status == 200
            assert TITLES[name] in answer.read().decode()
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
