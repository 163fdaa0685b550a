"""The power fails in the board's outbox (tests/firmware/board/run_outbox_powercut.py has the story)."""

import os
import re

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
SCRIPT = "tests/firmware/board/run_outbox_powercut.py"
# One program or erase in so many is cut; from this dose on each of them, with two tears.
EVERY = 64


def figures(said: str) -> tuple[int, int, int]:
    operations, cuts, losses = re.findall(r"(\d+) programs and erases, (\d+) cuts, (\d+) losses", said)[-1]
    return int(operations), int(cuts), int(losses)


def test_a_cut_loses_nothing_doubles_nothing_and_takes_no_head_back(on_board):
    words = [] if DOSE >= EVERY else [str(EVERY // DOSE)]
    operations, cuts, losses = figures(on_board(SCRIPT, *words, heap="64M", timeout=3600))
    assert operations > 5000
    assert cuts >= operations * DOSE // EVERY
    assert losses == 0


def test_the_campaign_sees_a_flash_that_forgets(on_board):
    """Control: what was acknowledged last is gone after each cut."""
    said = on_board(SCRIPT, "500", "forgetful", heap="64M")
    _, cuts, losses = figures(said)
    assert losses > cuts * 0.7
