"""The firmware's tests run on the MicroPython interpreter; pytest starts it and judges what it says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
collect_ignore_glob = ["board/*"]


def micropython() -> str:
    """The interpreter that pip put beside Python's, or any on the path."""
    beside = Path(sys.executable).with_name("micropython")
    found = str(beside) if beside.exists() else shutil.which("micropython")
    if found is None:
        pytest.skip("no MicroPython unix port for this machine")
    return found


@pytest.fixture
def on_board():
    """Runs a script on MicroPython from the project's root, with the virtual hardware's modules; its output.

    heap: as `-X heapsize=`. A script that fails fails the test with what it printed.
    """

    def run(*words: str, heap: str = "4M", timeout: float = 110, environment: dict[str, str] | None = None):
        done = subprocess.run(
            [micropython(), "-X", f"heapsize={heap}", *words],
            cwd=ROOT,
            env={**os.environ, "MICROPYPATH": "firmware/virtual:.:.frozen", **(environment or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
        return done.stdout

    return run
