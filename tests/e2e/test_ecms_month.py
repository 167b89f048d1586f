"""A small month of the whole platform by its command, on a sandbox of its own. Half a minute; PostgreSQL."""

import subprocess
import sys
from pathlib import Path


def test_a_month_ends_in_end_states_and_agrees_to_the_centavo(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "connect_simulators.ecms", "month", "--parcels", "60", "--seed", "7"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "day 30 of 30" in ended.stdout
    assert "all sides agree to the centavo" in ended.stdout
