"""The portable tests on MicroPython, as one test of pytest."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def micropython() -> str | None:
    beside = Path(sys.executable).with_name("micropython")
    return str(beside) if beside.exists() else shutil.which("micropython")


@pytest.mark.skipif(micropython() is None, reason="no MicroPython unix port for this machine")
def test_all_portable_tests_pass_on_micropython():
    done = subprocess.run(
        [micropython(), "-X", "heapsize=8M", "tests/portable/run.py"],
        cwd=ROOT,
        env={**os.environ, "MICROPYPATH": ".:.frozen"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failed on micropython" in done.stdout
