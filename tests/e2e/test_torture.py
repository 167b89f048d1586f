"""A minute of `make torture`: everything breaks while stores work, and no invariant does. About two minutes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.timeout(600)
def test_a_minute_of_torture_breaks_no_invariant() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "torture", "--minutes", "1"],
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        cwd=TESTS,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "violations" in ended.stdout
