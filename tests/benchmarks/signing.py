"""What a signature costs on the interpreter that signs. From the project's root:

MICROPYPATH=.:.frozen micropython -X heapsize=4M tests/benchmarks/signing.py [ROUNDS]

All are timed in turn in one run, CPU time, the least of the rounds; only the ratios mean anything elsewhere.
One JSON line: microseconds of each, garbage in bytes, and the ratios. Memory that a signature needs at once, in
bytes, is asked of a small heap: `signing.py free BYTES` signs with so much left.
"""

import gc
import json
import sys
import time

from firmware.crypto import ed25519
from firmware.crypto.sha512 import sha512

MESSAGE = b"m" * 264
LONG_S = 0.08
KEY = ed25519.secret(bytes(range(32)))
X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
Y = 46316835694926478169428394003475163141307993866256225615783033603165251855960


STEPS = ed25519._steps((X, Y, 1, X * Y % ed25519._P))


def plain_base_times(scalar):
    """Plain double-and-add, with the formulas and functions of the product."""
    point = (0, 1, 1, 0)
    for i in range(254, -1, -1):
        point = ed25519._doubled(point)
        if scalar >> i & 1:
            point = ed25519._added(point, STEPS, 2 * point[2])
    return point


def plain_sign():
    with_comb, ed25519.base_times = ed25519.base_times, plain_base_times
    try:
        return ed25519.sign(KEY, MESSAGE)
    finally:
        ed25519.base_times = with_comb


SIGNATURE = ed25519.sign(KEY, MESSAGE)
TIMED = {
    "plain multiplication": lambda: plain_base_times(KEY[0]),
    "comb multiplication": lambda: ed25519.base_times(KEY[0]),
    "plain signature": plain_sign,
    "signature": lambda: ed25519.sign(KEY, MESSAGE),
    "verification": lambda: ed25519.verify(KEY[2], SIGNATURE, MESSAGE),
    "sha512 of 264 bytes": lambda: sha512(MESSAGE).digest(),
}


def microseconds(act):
    """CPU time: the clock of the unix port goes by milliseconds, so it is done for a while."""
    start, times = time.clock(), 0
    while time.clock() - start < LONG_S:
        act()
        times += 1
    return (time.clock() - start) / times * 1e6


def least(rounds):
    """Microseconds of each, the least of the rounds."""
    found = {}
    for _ in range(rounds):
        for name, act in TIMED.items():
            cost = microseconds(act)
            found[name] = min(cost, found.get(name, cost))
    return found


def garbage(name):
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    TIMED[name]()
    used = gc.mem_alloc() - before
    gc.enable()
    return used


def measure(rounds):
    assert plain_sign() == SIGNATURE  # the same work
    assert plain_base_times(KEY[0])[0] != 0
    cost = least(rounds)
    print(
        json.dumps(
            {
                "us": cost,
                "garbage": {name: garbage(name) for name in TIMED},
                "comb, times as fast": cost["plain multiplication"] / cost["comb multiplication"],
                "signature / plain multiplication": cost["signature"] / cost["plain multiplication"],
                "signature / plain signature": cost["signature"] / cost["plain signature"],
            }
        )
    )


def sign_with(free):
    """Sign when no more than so many bytes are free; MemoryError when that is too little."""
    gc.collect()
    ballast = None
    while gc.mem_free() > free:
        ballast = (ballast, bytearray(64))
    left = gc.mem_free()
    ok = ed25519.sign(KEY, MESSAGE) == SIGNATURE
    print(json.dumps({"free": left, "signed": ok and ballast is not None}))


if sys.argv[1:2] == ["free"]:
    sign_with(int(sys.argv[2]))
else:
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
