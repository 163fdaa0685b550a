# ruff: noqa: PT017 (an error is one of two right answers)
"""The board's outbox on flash that rots: whatever byte it hits, the rest is saved and what is lost is named."""

import os
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.outbox import Outbox
from gateway.hub.errors import OutboxError
from gateway.wire.envelope import check_complete, digest, open_message
from gateway.wire.items import Frame
from gateway.wire.state import AFTER_ACTION, KeyState, Refusal, State
from tests.firmware.board.outbox_story import DEVICE, MOMENT, envelope, measurement, whole

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
KID = b"the-key."
LIMIT = 1 << 20


class Hub:
    """An outbox and what was put into it."""

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self.folder, self.limit = folder, limit
        self.chain: list[bytes] = []
        self.outbox = self.open()

    def open(self) -> Outbox:
        self.outbox = Outbox(str(self.folder), self.limit)
        return self.outbox

    def capture(self, data: bytes = b"\x1e") -> int:
        frames = [Frame("2a35", 0, data)]
        return self.outbox.capture(b"visit--1", MOMENT, KID, DEVICE, "blood-pressure", frames, None).row

    def seal(self, items: int = 1, rows: list[int] | None = None, known: int | None = None) -> int:
        sequence = len(self.chain) + 1
        salts = [digest(b"%d %d" % (sequence, n)) for n in range(items)]
        signed, parts = envelope(KID, sequence, self.chain[-1] if self.chain else None, salts)
        keys = [measurement(1000 * sequence + n if known is None else known) for n in range(items)]
        self.outbox.seal(KID, sequence, signed, parts, keys, 0, rows or [])
        self.chain.append(digest(signed))
        return sequence

    def state(
        self, contiguous: int, settled: int = 0, forget: list[bytes] | None = None, refused=()
    ) -> State:
        held = KeyState(KID, contiguous, self.chain[contiguous - 1] if contiguous else None, [], settled)
        return State(b"12345678", 1, [held], list(refused), 1000, forget=forget)

    def messages(self) -> dict[int, bytes]:
        return {message.sequence: whole(message.raw) for message in self.outbox.to_send(10_000, set())}


@pytest.fixture(scope="module")
def lived(tmp_path_factory) -> Hub:
    """A hub with a bit of everything in its files: more than one of each kind."""
    hub = Hub(tmp_path_factory.mktemp("hub") / "outbox")
    for number in range(24):
        rows = [hub.capture(bytes([number]) * 300)]
        hub.seal(1 + number % 3, rows)
        hub.outbox.set_setting("mark", b"%d" % number)
        if number == 10:
            hub.outbox.apply(hub.state(5, 3), {(KID, 6)})
    hub.kept = [hub.capture(bytes([number]) * 200) for number in range(20)]
    return hub


def spoilt(lived: Hub, folder: Path) -> Hub:
    shutil.copytree(lived.folder, folder)
    hub = Hub.__new__(Hub)
    hub.folder, hub.limit, hub.chain = folder, lived.limit, list(lived.chain)
    return hub


def assert_rest_is_there(lived: Hub, hub: Hub, flips: int) -> None:
    """Every envelope is what it was, with null for a lost disclosure, or named; so are captured rows."""
    outbox = hub.open()
    originals = lived.messages()
    found = hub.messages()
    named = {sequence for _, sequence in outbox.unreported_damage()}
    parts = {(sequence, index) for _, sequence, index, _ in outbox.unreported_parts()}
    for sequence, raw in found.items():
        sealed, disclosures = open_message(raw)
        check_complete(sealed, disclosures)
        then_parts = open_message(originals[sequence])[1] if sequence in originals else disclosures
        for index, (now, then) in enumerate(zip(disclosures, then_parts, strict=True)):
            assert now == then or (now is None and (sequence, index) in parts)
    assert len(named) <= 2 * flips
    rows = [captured.row for captured in outbox.captured()]
    assert set(lived.kept) - set(rows) == set() or outbox.damaged_captures() > 0
    assert len(set(lived.kept) - set(rows)) <= 2 * flips
    try:
        head = outbox.head(KID)
    except OutboxError as error:
        assert error.code == "head-unreadable"
    else:
        assert (head.sequence, head.hash) == (len(hub.chain), hub.chain[-1])
        assert hub.seal() == len(lived.chain) + 1
    assert hub.capture() > max(lived.kept)
    outbox.apply(hub.state(6, 4), set())  # from here on nothing that is lost counts as freed
    named |= {sequence for _, sequence in outbox.unreported_damage()}
    assert set(originals) - set(found) <= named
    hub.open()


@settings(max_examples=80 * DOSE, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 1, 1, 2, 10]))
def test_flipped_bits_cost_what_they_hit_and_are_named(lived, tmp_path_factory, seed, flips):
    rng = random.Random(seed)
    hub = spoilt(lived, tmp_path_factory.mktemp("rot") / "outbox")
    for _ in range(flips):
        path = rng.choice(sorted(hub.folder.iterdir()))
        data = bytearray(path.read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
    assert_rest_is_there(lived, hub, flips)


def test_every_byte_of_the_facts_may_rot_without_a_loss(lived, tmp_path):
    """Each fact stands there twice."""
    hub = spoilt(lived, tmp_path / "outbox")
    path = hub.folder / "facts"
    data = path.read_bytes()
    for place in range(0, len(data), max(1, 29 // DOSE)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        outbox = hub.open()
        assert outbox.setting("mark") == b"23"
        assert outbox.head(KID).sequence == len(hub.chain)
        assert outbox.counts()["delivered"] == 3
        path.write_bytes(data)


@pytest.mark.parametrize("what", ["facts", "kids", "e", "c", "k"])
@pytest.mark.parametrize("how", ["gone", "empty", "garbage", "half", "folder", "another"])
def test_a_destroyed_file_is_no_obstacle_and_no_sequence_is_used_again(lived, tmp_path, what, how):
    hub = spoilt(lived, tmp_path / "outbox")
    last = sorted(path for path in hub.folder.iterdir() if path.name.startswith(what))[-1:]
    for path in last:
        data = path.read_bytes()
        path.unlink()
        if how == "folder":
            path.mkdir()
        elif how != "gone":
            others = [other for other in sorted(hub.folder.iterdir()) if other.name[0] != what[0]]
            contents = {"another": others[0].read_bytes(), "empty": b"", "half": data[: len(data) // 2]}
            path.write_bytes(contents.get(how) or random.Random(1).randbytes(9000 if how == "garbage" else 0))
    try:
        outbox = hub.open()
        head = outbox.head(KID)
        sealed = hub.seal()
    except OutboxError as error:
        assert error.code in ("head-unreadable", "disk-error")
        return
    if what == "e" and how == "half":  # an end that is missing without a trace: only the bridge can tell
        assert head.sequence < len(lived.chain)
        return
    assert (head.sequence, sealed) == (len(lived.chain), len(lived.chain) + 1)


def test_without_anything_left_the_key_that_sealed_never_seals_again(lived, tmp_path):
    hub = spoilt(lived, tmp_path / "outbox")
    for path in hub.folder.iterdir():
        if path.name != "kids":
            path.unlink()
    outbox = hub.open()
    for ask in (lambda: outbox.head(KID), outbox.last_head, hub.seal):
        with pytest.raises(OutboxError) as caught:
            ask()
        assert caught.value.code == "head-unreadable"
    assert outbox.head(b"another.") is None


def test_a_head_that_was_torn_off_is_not_used_again(lived, tmp_path):
    """Both copies of the last head are damaged: the key is given up, what it sealed before still goes."""
    hub = spoilt(lived, tmp_path / "outbox")
    path = max(hub.folder.glob("e*"))
    data = path.read_bytes()
    path.write_bytes(data[:-900] + random.Random(2).randbytes(900))
    for _ in range(2):
        outbox = hub.open()
        with pytest.raises(OutboxError) as caught:
            outbox.head(KID)
        assert caught.value.code == "head-unreadable"
        assert len(hub.messages()) >= 15


def test_a_lost_envelope_and_a_lost_disclosure_are_both_named(lived, tmp_path):
    hub = spoilt(lived, tmp_path / "outbox")
    envelopes = hub.open().envelopes
    for sequence, offset in ((15, 40), (21, -3)):
        file, _, middle, end, _ = envelopes.find(1, sequence)
        path = hub.folder / f"e{file:06}"
        data = bytearray(path.read_bytes())
        data[middle + offset if offset > 0 else end + offset] ^= 1
        path.write_bytes(data)
    assert set(hub.messages()) == set(range(6, 25)) - {15}
    for outbox in (hub.outbox, hub.open()):
        assert outbox.unreported_damage() == [(KID, 15)]
        assert outbox.unreported_parts() == [(KID, 21, 2, "unreadable")]
        assert outbox.sealed(measurement(15_000)) == set(), "so that it may be sealed again"
        assert outbox.sealed(measurement(14_000)) == {b""}


def test_a_file_that_was_only_created_is_begun_anew(lived, tmp_path):
    """littlefs shows a new file, empty, before its first commit."""
    hub = spoilt(lived, tmp_path / "outbox")
    last = max(int(path.name[1:]) for path in hub.folder.glob("e*"))
    for name in (f"e{last + 1:06}", "c000900", "k000001"):
        (hub.folder / name).touch()
    assert hub.open().head(KID).sequence == len(hub.chain)
    while hub.outbox.envelopes.last() == last:
        hub.seal(10)
    assert hub.capture() == max(lived.kept) + 1
    assert hub.open().head(KID).sequence == len(hub.chain)


def test_two_envelopes_under_one_number_end_a_key(tmp_path):
    hub = Hub(tmp_path / "outbox")
    for _ in range(2):
        hub.seal()
    path = hub.folder / "e000001"
    other = Hub(tmp_path / "other")
    other.chain.append(other.outbox.head(KID) or b"z" * 32)
    signed, parts = envelope(KID, 1, None, [b"another salt, of a lost branch.."])
    other.outbox.seal(KID, 1, signed, parts, [], 0, [])
    path.write_bytes((other.folder / "e000001").read_bytes() + path.read_bytes())
    with pytest.raises(OutboxError) as caught:
        hub.open().head(KID)
    assert caught.value.code == "head-unreadable"


def test_a_refusal_is_known_after_a_restart(tmp_path):
    hub = Hub(tmp_path / "outbox")
    for _ in range(3):
        hub.seal()
    refusal = Refusal(KID, 2, hub.chain[1], "a-code", AFTER_ACTION)
    hub.outbox.apply(hub.state(0, refused=[refusal]), set())
    assert sorted(hub.messages()) == [1, 3]
    hub.open()
    assert sorted(hub.messages()) == [1, 3]
