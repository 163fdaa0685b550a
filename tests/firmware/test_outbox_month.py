"""A month of readings without network fits in what a board with 4 MiB leaves, and opens in little memory."""

import os
import re

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
MONTH = 6000
SOME = 600


def test_a_month_fits_and_opens_in_little_memory(tmp_path, on_board):
    readings = min(MONTH, SOME * DOSE)
    image = str(tmp_path / "flash")
    said = on_board("tests/firmware/board/run_outbox_month.py", str(readings), image, heap="16M", timeout=600)
    figures = re.findall(r"(\d+) bytes a reading, (-?\d+) for all else, room for (\d+)", said)[0]
    each, others, room = (int(figure) for figure in figures)
    assert each * MONTH + others + (16 << 10) < room * 0.9, (
        "at 0.9 the hub leaves records with the devices that keep them"
    )
    opened = on_board("tests/firmware/board/run_outbox_open.py", image, heap="400k")
    (held,) = re.findall(r"holds (\d+) bytes", opened)
    assert int(held) < 10_000, "on this 64-bit interpreter; pointers are half as wide on a board"
    assert f"{readings} readings whole, captured 0, damage 0" in opened
