"""The hub's store on a board and that on a Pi give the same answers to the same story."""

import json
import os
import random
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.outbox import Outbox as BoardOutbox
from gateway.outbox import Outbox
from tests.firmware.board.outbox_story import VERBS, Story

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
SMALL = st.integers(0, 200)
LIKELY = ["seal"] * 3 + ["state"] * 3 + list(VERBS)
STEPS = st.lists(st.tuples(st.sampled_from(LIKELY), SMALL, SMALL, SMALL), min_size=1, max_size=25)
LIMIT = 8 << 20


def on_pi(folder: Path, steps) -> list:
    clock = [0.0]
    story = Story(lambda: Outbox(folder / "pi" / "outbox.sqlite", LIMIT, monotonic=lambda: clock[0]), clock)
    try:
        return story.play(steps)
    finally:
        story.outbox.close()


def on_computer(folder: Path, steps) -> list:
    clock = [0.0]
    return Story(
        lambda: BoardOutbox(str(folder / "board"), LIMIT, monotonic_ms=lambda: int(clock[0] * 1000)), clock
    ).play(steps)


@settings(max_examples=50 * DOSE, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_both_stores_answer_the_same(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("story")
    expected, found = on_pi(folder, steps), on_computer(folder, steps)
    for number, step in enumerate(steps):
        assert found[number][0] == expected[number][0], (number, step)
        for name, answer in expected[number][1].items():
            assert found[number][1][name] == answer, (number, step, name)


def test_both_stores_answer_the_same_on_the_board(tmp_path, on_board):
    rng = random.Random(7)
    stories = [
        [(rng.choice(LIKELY), rng.randrange(200), rng.randrange(200), rng.randrange(200)) for _ in range(25)]
        for _ in range(6 * DOSE)
    ]
    (tmp_path / "stories.json").write_text(json.dumps(stories))
    script = "tests/firmware/board/run_outbox_story.py"
    said = on_board(script, str(tmp_path / "stories.json"), str(tmp_path / "answers.json"), heap="32M")
    assert f"{len(stories)} stories told" in said
    found = json.loads((tmp_path / "answers.json").read_text())
    for number, steps in enumerate(stories):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert found[number] == json.loads(json.dumps(on_pi(folder, steps)))
