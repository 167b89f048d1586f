"""The installed package, not the checkout: what `pip install .` brings works from any directory.

Under two minutes; needs the package index, as the installation of the tests themselves did.
"""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

REPOSITORY = Path(__file__).parents[2]
SHIPPED = ("pyproject.toml", "README.md", "src", "simulators", "protocol")


def _install(home: Path) -> Path:
    """Installs the pinned dependencies and the project into a new environment; the directory of its commands."""
    source = home / "source"
    source.mkdir()
    for name in SHIPPED:
        path = REPOSITORY / name
        if path.is_dir():
            # A copy, since building leaves its traces; without the checkout's own ones, which would hide a mistake.
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(path, source / name, ignore=ignored)
        else:
            shutil.copy(path, source)
    subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True, timeout=120)
    pip = [home / "venv" / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
    for arguments in (
        ["install", "--require-hashes", "-r", REPOSITORY / "requirements.txt"],
        ["install", "--no-deps", "--no-build-isolation", source],
        ["check"],  # the pins satisfy what the project says it needs
    ):
        done = subprocess.run([*pip, *arguments], cwd=home, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(source)
    return home / "venv" / "bin"


@pytest.mark.timeout(480)
def test_four_commands_and_a_whole_sandbox_from_another_directory(
    start_sandbox: Callable[..., Any], home: Path
) -> None:
    commands = _install(home)
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    for command in ("connect-gateway", "pos-sim", "kiosk-sim", "ecms-sim"):
        done = subprocess.run(
            [commands / command, "--help"], cwd=elsewhere, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "usage" in done.stdout.lower()

    sandbox = start_sandbox(executable=commands / "connect-gateway", cwd=elsewhere)
    program = psutil.Process(sandbox.facts["gatewayPid"]).cmdline()[0]
    assert Path(program).parent == commands
    assert sandbox.stop(signal.SIGTERM) == (0, b"")
    assert not list(elsewhere.iterdir())
