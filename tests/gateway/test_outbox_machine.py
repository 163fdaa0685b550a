"""The outbox under any order of anything, with cuts in between."""

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.gateway.outbox_fixtures import MB, Bench

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))


class Hub(RuleBasedStateMachine):
    """Random work; a cut copies the files as they stand and goes on from the copy."""

    rows = Bundle("rows")

    def __init__(self) -> None:
        super().__init__()
        self.cuts = 0

    @initialize()
    def begin(self) -> None:
        import tempfile
        from pathlib import Path

        self.folder = tempfile.TemporaryDirectory()
        self.bench = Bench(Path(self.folder.name) / "hub-0", limit=MB)
        self.captured: set[int] = set()
        self.ever: set[int] = set()
        self.accepted: set[int] = set()
        self.freed: set[int] = set()
        self.top = 0

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            self.bench.outbox.close()
            self.folder.cleanup()

    @rule(target=rows, size=st.sampled_from([1, 300, 5000]))
    def capture(self, size: int) -> int:
        row = self.bench.capture(bytes(size)).row
        assert row not in self.ever
        self.captured.add(row)
        self.ever.add(row)
        return row

    @rule(row=rows)
    def release(self, row: int) -> None:
        self.bench.outbox.release([row])
        self.captured.discard(row)

    @rule(row=rows, items=st.integers(1, 4), size=st.sampled_from([1, 2000]))
    def seal(self, row: int, items: int, size: int) -> None:
        assert self.bench.seal(rows=[row], items=items, size=size) == self.top + 1
        self.top += 1
        self.captured.discard(row)

    @precondition(lambda self: self.top)
    @rule(data=st.data())
    def state(self, data) -> None:
        contiguous = data.draw(st.integers(0, self.top))
        beyond = data.draw(st.integers(contiguous + 2, self.top + 1)) if contiguous + 2 <= self.top else None
        ranges = [(beyond, self.top)] if beyond is not None and beyond <= self.top else []
        covered = set(range(1, contiguous + 1)) | {n for low, high in ranges for n in range(low, high + 1)}
        state = self.bench.state(contiguous, *ranges, settled=data.draw(st.integers(0, contiguous)))
        effect = self.bench.outbox.apply(state, set())
        assert not effect.ahead
        held = set(self.held()) if self.freed else set(range(1, self.top + 1))
        assert effect.accepted == len((covered - self.accepted) & held)
        assert effect.lost_accepted == bool(self.freed & self.accepted - covered)
        self.accepted = covered

    @rule()
    def make_room(self) -> None:
        before = self.held()
        count = self.bench.outbox.make_room()
        gone = set(before) - set(self.held())
        assert len(gone) == count
        assert gone <= self.accepted
        self.freed |= gone

    @rule()
    def cut(self) -> None:
        self.cuts += 1
        old = self.bench
        self.bench = old.cut(f"hub-{self.cuts}")
        old.outbox.close()

    @rule()
    def restart(self) -> None:
        self.bench.reopen()

    def held(self) -> list[int]:
        return [row["sequence"] for row in self.bench.outbox.rows(10_000)]

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        if not hasattr(self, "bench"):
            return
        outbox = self.bench.outbox
        assert {captured.row for captured in outbox.captured()} == self.captured
        assert sorted(self.held()) == sorted(set(range(1, self.top + 1)) - self.freed)
        messages = outbox.to_send(10_000, set())
        assert {message.sequence for message in messages} == set(
            range(1, self.top + 1)
        ) - self.accepted - self.freed
        assert all(message.hash == self.bench.known[message.sequence] for message in messages)
        head = outbox.head(self.bench.signer.kid)
        assert (0 if head is None else head.sequence) == self.top
        assert {sequence for _, sequence in outbox.unreported_damage()} == self.freed - self.accepted


TestHub = Hub.TestCase
TestHub.settings = settings(
    max_examples=8 * DOSE, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
