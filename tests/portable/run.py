# ruff: noqa: PTH208, UP031 (a runner prints; no pathlib on MicroPython)
"""Runs every portable test on MicroPython: each test_*.py here, each function test_* in it.

pytest collects the same files on CPython. A portable test is a plain function with assertions that takes no
arguments and imports nothing but portable rooms, sys, json and os. From the project's root:
MICROPYPATH=.:.frozen micropython -X heapsize=8M tests/portable/run.py [FILE...] (all tests share one heap;
files of another folder stand there with their helpers)
"""

import os
import sys


def folder():
    return sys.argv[0].rsplit("/", 1)[0]


def run(name):
    """(tests that passed, tests that failed) of one file."""
    module = __import__(name)
    passed = failed = 0
    for test in sorted(dir(module)):
        if not test.startswith("test_"):
            continue
        try:
            getattr(module, test)()
            passed += 1
        except Exception as error:  # noqa: BLE001 (a test may fail in any way; all are shown)
            print("FAILED", name, test)
            sys.print_exception(error)
            failed += 1
    return passed, failed


def main():
    files = sys.argv[1:] or sorted(os.listdir(folder()))
    sys.path.insert(0, files[0].rsplit("/", 1)[0] if "/" in files[0] else folder())
    passed = failed = 0
    for file in files:
        name = file.rsplit("/", 1)[-1]
        if name.startswith("test_") and name.endswith(".py"):
            good, bad = run(name[:-3])
            passed += good
            failed += bad
    print("%d passed, %d failed on %s" % (passed, failed, sys.implementation[0]))
    sys.exit(1 if failed or not passed else 0)


main()
