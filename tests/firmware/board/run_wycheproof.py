"""Runs the hub's Ed25519 verifier over a file in Wycheproof's JSON format, on MicroPython.

MICROPYPATH=firmware/virtual:.:.frozen micropython -X heapsize=16M tests/firmware/board/run_wycheproof.py FILE
"""

import json
import sys

from firmware.signer import verify


def outcome(group, test):
    """True or False as the verifier says; None where group or test is none that could be run."""
    try:
        key = (group.get("publicKey") or group["key"])["pk"]
        return verify(bytes.fromhex(key), bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]))
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def right(group, test):
    """Whether the verifier does as the file demands; what is acceptable may go either way."""
    accepted = outcome(group, test)
    wanted = test.get("result") if isinstance(test, dict) else None
    if accepted is None or wanted not in ("valid", "invalid", "acceptable"):
        return False
    return wanted == "acceptable" or accepted == (wanted == "valid")


def tests_of(groups):
    """(group, test) of all; a group without a list of tests counts as one that cannot be run."""
    for group in groups if isinstance(groups, list) else [None]:
        tests = group.get("tests") if isinstance(group, dict) else None
        for test in tests if isinstance(tests, list) else [None]:
            yield group, test


def main(path):
    try:
        with open(path) as file:
            content = json.load(file)
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        print("cannot read " + path + ": " + repr(error))
        return 2
    passed = failed = 0
    for group, test in tests_of(content.get("testGroups") if isinstance(content, dict) else None):
        if right(group, test):
            passed += 1
        else:
            failed += 1
            print("failed: tcId", test.get("tcId") if isinstance(test, dict) else None)
    print("%d passed, %d failed" % (passed, failed))
    return 0 if passed and not failed else 1


if len(sys.argv) != 2:
    print("usage: run_wycheproof.py FILE")
    sys.exit(2)
sys.exit(main(sys.argv[1]))
