"""What a crash leaves: names of our own code and counts, nothing that anybody said or measured."""

import os
import random

import vfs
from faulty_flash import FaultyFlash

from firmware import files
from firmware.crash import MAX_FRAMES, Crashes
from firmware.update import UpdateError
from gateway.wire import shape
from gateway.wire.cbor import decode, encode
from gateway.wire.errors import DecodeError
from gateway.wire.measurement import Moment
from gateway.wire.reports import Status, status_item

GEOMETRY = {"progsize": 32, "readsize": 32, "lookahead": 32}
FLASH = FaultyFlash(16)
vfs.VfsLfs2.mkfs(FLASH.part(), **GEOMETRY)


def fresh(cut=-1, seed=0):
    """A folder on flash after a start."""
    for _, point in vfs.mount():
        if point == "/crashes":
            vfs.umount(point)
    FLASH.power_up(cut, seed)
    vfs.mount(vfs.VfsLfs2(FLASH.part(), **GEOMETRY), "/crashes")
    return "/crashes"


def emptied():
    folder = fresh()
    if "crash" in os.listdir(folder):
        os.remove(folder + "/crash")
    return folder


def caught(run):
    try:
        run()
    except Exception as error:
        return error
    raise AssertionError


def damaged():
    """An error of our own code with a person's words in it."""
    decode(b"\xff Jan de Vries 182/95")


def test_record_names_class_file_and_function_only():
    folder = emptied()
    crashes = Crashes(folder)
    crashes.note(caught(damaged), 7)
    facts = crashes.facts()
    assert (facts["crashes"], facts["crash-release"], facts["crash-cborerror"]) == (1, 7, 1)
    assert facts["crash-in-gateway-wire-cbor-decode"] in (2, 3)
    assert Crashes(fresh()).facts() == crashes.facts()  # a start later
    assert len(facts) > 5
    stored = files.read(folder + "/crash")
    for word in (b"Jan", b"Vries", b"182", b"indefinite", b"test_crash"):
        assert word not in stored


def test_every_fact_fits_a_status():
    crashes = Crashes(emptied())
    for error in (
        caught(damaged), MemoryError(), OSError(28), KeyError("x" * 500), UpdateError("update-form", 'é\n"quoted"'),
        DecodeError("field-missing"), KeyboardInterrupt(), Exception('\n  File "firmware/x.py", line 1, in Jan'),
    ):  # fmt: skip
        crashes.note(error, 1 << 31)
        facts = crashes.facts()
        assert len(facts) <= MAX_FRAMES + 3
        counts = sorted(facts.items())
        moment = Moment(bytes(8), 1, None, "none")
        row = Status(moment, "x", 1, counts, [], []).wire()
        assert status_item(row).counts == counts
        assert all([shape.is_word(name) for name in facts])
    assert not any(["jan" in name for name in facts])
    assert facts["crashes"] == 8


def test_code_of_our_own_errors_is_told():
    crashes = Crashes(emptied())
    crashes.note(UpdateError("update-form", "detail"), 2)
    assert crashes.facts()["crash-updateerror-update-form"] == 1


def test_deep_stacks_keep_the_innermost_frames():
    def deep():
        row = [1]
        for _ in range(40):
            row = [row]
        from gateway.wire.cbor import encode

        encode(row)

    crashes = Crashes(emptied())
    crashes.note(caught(deep), 2)
    facts = crashes.facts()
    assert facts["crash-cborerror"] == 1
    assert [name for name in facts if "encode" in name]
    assert len(facts) <= MAX_FRAMES + 3


def test_record_is_kept_until_the_status_that_told_it_is_accepted():
    folder = emptied()
    crashes = Crashes(folder)
    assert crashes.facts() == {}
    crashes.carried(3)
    assert not crashes.accepted(lambda _: True)
    crashes.note_word("watchdog", 5)
    assert not crashes.accepted(lambda _: True)  # nobody told it yet
    crashes.carried(9)
    assert not crashes.accepted(lambda sequence: sequence <= 8)
    assert Crashes(folder).facts() == {"crashes": 1, "crash-release": 5, "crash-watchdog": 1}
    assert crashes.accepted(lambda sequence: sequence <= 9)
    assert crashes.facts() == Crashes(folder).facts() == {}
    assert "crash" not in os.listdir(folder)


def test_a_crash_after_the_status_is_told_by_the_next():
    crashes = Crashes(emptied())
    crashes.note_word("watchdog", 5)
    crashes.carried(9)
    crashes.note_word("watchdog", 5)
    assert not crashes.accepted(lambda _: True)
    assert crashes.facts()["crashes"] == 2
    crashes.carried(10)
    assert crashes.accepted(lambda _: True)


def test_power_cut_leaves_the_record_before_or_after():
    emptied()
    Crashes("/crashes").note_word("watchdog", 1)
    ready = FLASH.snapshot()
    fresh()
    Crashes("/crashes").note_word("memoryerror", 2)
    operations = FLASH.ops
    assert operations
    for seed in range(operations * 8):
        vfs.umount("/crashes")
        FLASH.restore(ready)
        fresh(seed // 8, seed)
        try:
            Crashes("/crashes").note_word("memoryerror", 2)
        except OSError:
            pass
        assert FLASH.dead
        assert Crashes(fresh()).facts()["crashes"] in (1, 2)


def test_damaged_record_counts_as_one():
    folder = emptied()
    for data in (
        b"",
        b"\x00",
        b"\x84\x01\x00\x00\x80",
        b"\x84\x01\x01\x00\x81\x61A",
        bytes(5000),
        b"\xff" * 9,
    ):
        files.write_whole(folder + "/crash", data)
        facts = Crashes(folder).facts()
        assert facts["crash-unreadable"] == 1
        assert facts["crashes"] == 1


def test_a_bite_of_the_watchdog_is_told_once():
    folder = emptied()
    Crashes(folder).started(bitten=False, release=4)
    assert Crashes(folder).facts() == {}
    Crashes(folder).started(bitten=True, release=4)  # nothing ran that could say more
    assert Crashes(folder).facts() == {"crashes": 1, "crash-release": 4, "crash-watchdog": 1}
    emptied()
    Crashes(folder).starved("radio", 4)
    Crashes(folder).started(bitten=True, release=4)
    assert Crashes(folder).facts() == {"crashes": 1, "crash-release": 4, "crash-starved-radio": 1}


def test_any_bytes_make_a_record_that_a_status_can_carry():
    folder = emptied()
    random.seed(4)
    whole = encode([1, 3, 7, ["crash-x", "crash-in-y"]])
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(1 + random.getrandbits(2)):
            data[random.getrandbits(8) % len(data)] = random.getrandbits(8)
        files.write_whole(folder + "/crash", bytes(data[: random.getrandbits(8) % 60]))
        crashes = Crashes(folder)
        for name, number in crashes.facts().items():
            assert shape.is_word(name)
            assert 0 <= number <= shape.MAX_INTEGER
        crashes.note_word("watchdog", 1)
        assert Crashes(folder).facts()["crash-watchdog"] == 1
