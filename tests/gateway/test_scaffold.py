"""A driver that was just begun: in a copy of the checkout everything about it is green."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.scaffold import ScaffoldError, new_driver

ROOT = Path(__file__).parents[2]
ALL_DRIVERS = (
    "tests/drivers/test_table.py",
    "tests/portable/test_driver_vectors.py",
    "tests/simulator/test_catalogue.py::test_names_and_short_names",
    "tests/simulator/test_catalogue.py::test_an_unknown_device_is_refused_with_the_list",
    "tests/simulator/test_catalogue.py::test_every_driver_has_a_virtual_device",
)
PARTS = ("gateway", "tests", "docs", "pyproject.toml")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkout")
    for part in PARTS:
        place = ROOT / part
        if place.is_dir():
            shutil.copytree(place, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(place, folder)
    return folder


def run(checkout, *words):
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("name", ["ear-thermometer", "a-very-long-nameofadevice"[:24]])
def test_what_was_begun_is_green(checkout, name):
    begun = run(checkout, "gateway", "driver", "new", name, "--json")
    assert begun.returncode == 0, begun.stderr
    module = name.replace("-", "_")
    files = [file for file in json.loads(begun.stdout)["files"] if module in file]
    assert len(files) == 6
    tests = [file for file in files if file.startswith("tests") and file.endswith(".py")]
    code = [file for file in files if file.endswith(".py")]
    for command in (
        ("pytest", "-q", "-p", "no:cacheprovider", *tests, *ALL_DRIVERS),
        ("ruff", "check", "--no-cache", *code, "gateway/drivers/__init__.py"),
        ("ruff", "format", "--no-cache", "--check", *code, "gateway/simulator/catalogue.py"),
        ("gateway", "decode", "--list"),
    ):
        done = run(checkout, *command)
        assert done.returncode == 0, done.stdout + done.stderr
    assert name in done.stdout.splitlines()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "driver-name-unfit"),
        ("Ear", "driver-name-unfit"),
        ("ear thermometer", "driver-name-unfit"),
        ("../ear", "driver-name-unfit"),
        ("e" * 25, "driver-name-unfit"),
        ("class", "driver-name-unfit"),
        ("thermometer", "driver-name-taken"),
        ("fields", "driver-name-taken"),
    ],
)
def test_a_name_that_cannot_be_writes_nothing(checkout, name, code):
    before = sorted(checkout.rglob("*.py"))
    with pytest.raises(ScaffoldError) as caught:
        new_driver(checkout, name)
    assert caught.value.code == code
    assert sorted(checkout.rglob("*.py")) == before


def test_another_folder_is_no_checkout(tmp_path):
    with pytest.raises(ScaffoldError, match="no-checkout"):
        new_driver(tmp_path, "ear-thermometer")
    assert list(tmp_path.iterdir()) == []
