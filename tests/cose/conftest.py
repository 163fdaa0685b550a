"""The environment of the independent implementations, and how it is asked."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-cose" / "bin" / "python"


@pytest.fixture(scope="session")
def ask():
    """ask(script, question, *arguments): the script's answer, run by the other environment."""
    if not PYTHON.exists():
        pytest.skip("no .venv-cose: `make test` makes it from requirements/cose.lock")

    def run(script, question, *arguments):
        done = subprocess.run(
            [PYTHON, ROOT / "tests" / "cose" / script, *arguments],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def vectors():
    def read(name):
        return json.loads((ROOT / "tests" / "vectors" / "wire" / f"{name}.json").read_text(encoding="utf-8"))

    return read
