"""Every file of plain asserts in board/, each in an interpreter of its own."""

from pathlib import Path

import pytest

FILES = sorted(path.name for path in (Path(__file__).parent / "board").glob("test_*.py"))


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_board(name, on_board):
    said = on_board("tests/portable/run.py", f"tests/firmware/board/{name}")
    assert " 0 failed on micropython" in said
