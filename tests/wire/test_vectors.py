"""The committed vectors are what the code makes now, so no change of a byte goes unseen."""

import subprocess
import sys
from pathlib import Path

import cbor2

from .strategies import item, vectors

ROOT = Path(__file__).resolve().parents[2]


def test_vectors_are_fresh():
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "vectors" / "make_wire_vectors.py", "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_cbor2_writes_the_same_bytes():
    for name in ("items", "readings"):
        for row in vectors(name):
            assert cbor2.dumps(item(row["value"]), canonical=True).hex() == row["hex"], row["name"]


def test_every_refusal_has_a_name_of_its_own_and_every_code_is_reached():
    rows = vectors("refused")
    names = [row["name"] for row in rows]
    assert len(set(names)) == len(names)
    assert {row["code"] for row in rows} == {
        "cose-header", "cose-shape", "disclosure-cbor", "disclosure-mismatch", "envelope-cbor", "envelope-incomplete",
        "envelope-size", "item-unknown", "state-version", "topic-unknown", "wire-cbor", "wire-shape", "wire-size",
    }  # fmt: skip
