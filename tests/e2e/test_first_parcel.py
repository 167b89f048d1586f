"""The newcomer's exercise in `protocol/README.md`, its very lines, against a sandbox. 15 s; needs curl."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

README = Path(__file__).resolve().parents[2] / "protocol" / "README.md"


def exercise() -> list[str]:
    """The blocks of shell under the exercise's heading."""
    text = README.read_text(encoding="utf-8").partition("## The first parcel")[2].partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_it_has_fewer_than_15_lines() -> None:
    start, till = exercise()
    assert start.startswith("connect-gateway sandbox --json")
    assert len((start + till).splitlines()) < 15


def answers(printed: str) -> list[tuple[int, str, dict[str, Any]]]:
    """Status, head and body of each answer that curl has printed."""
    found = re.findall(r"HTTP/1\.1 (\d+)[^\r\n]*\r?\n(.*?)\r?\n\r?\n(\{.*?\})(?=HTTP/1|\Z)", printed, re.DOTALL)
    return [(int(status), head, json.loads(body)) for status, head, body in found]


def test_its_lines_do_what_it_says(start_sandbox: Callable[..., Any], home: Path) -> None:
    sandbox = start_sandbox()
    (home / "sandbox.json").write_text(json.dumps(sandbox.facts) + "\n")
    done = subprocess.run(
        ["bash", "-eu", "-c", exercise()[1]], cwd=home, capture_output=True, text=True, timeout=60, check=True
    )
    collected, again, other, undone = answers(done.stdout)
    assert (collected[0], collected[2]["state"], collected[2]["change"]) == (201, "APPROVED", "300.00")
    assert (again[0], again[2]) == (201, collected[2])
    assert "idempotent-replay: true" in again[1].lower()
    assert "idempotent-replay" not in collected[1].lower()
    assert (other[0], other[2]["state"], other[2]["change"]) == (201, "APPROVED", "455.00")
    assert (undone[0], undone[2]["state"]) == (200, "REVERSED")
    verdicts = [(one[2]["verdict"]["cash"], one[2]["verdict"]["parcel"]) for one in (collected, again, other, undone)]
    assert verdicts == [("KEEP", "RELEASE")] * 3 + [("RETURN", "HOLD")]
