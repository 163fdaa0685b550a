"""The verifier on MicroPython over files in Wycheproof's format: right ones, wrong ones, and none at all."""

import json
import os
import subprocess
from pathlib import Path

import nacl.exceptions
import nacl.signing
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.firmware.conftest import ROOT, micropython
from tests.firmware.vectors import make_ed25519

FILE = Path(make_ed25519.__file__).with_name("ed25519_test.json")
RUNNER = "tests/firmware/board/run_wycheproof.py"


def judged(path, heap="4M"):
    """(exit status, last line) of the runner."""
    done = subprocess.run(
        [micropython(), "-X", f"heapsize={heap}", RUNNER, str(path)],
        cwd=ROOT,
        env={**os.environ, "MICROPYPATH": "firmware/virtual:.:.frozen"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done.returncode, done.stdout.splitlines()[-1]


def written(tmp_path, content):
    path = tmp_path / "file.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_file_is_what_its_maker_makes():
    assert FILE.read_text() == make_ed25519.content()


def test_all_of_the_file_is_judged_rightly_on_micropython():
    assert judged(FILE) == (0, "135 passed, 0 failed")


def openssl_accepts(key, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def libsodium_accepts(key, message, signature):
    try:
        nacl.signing.VerifyKey(key).verify(message, signature)
    except (nacl.exceptions.CryptoError, ValueError):
        return False
    return True


@pytest.mark.parametrize("case", list(make_ed25519.cases()), ids=lambda case: case[0])
def test_openssl_and_libsodium_see_it_as_the_file_says(case):
    """Libsodium throughout; OpenSSL takes keys that are small or not written in the one way."""
    comment, key, message, signature, result = case
    if result == "acceptable":
        return
    assert libsodium_accepts(key, message, signature) is (result == "valid")
    if not comment.startswith("key: "):
        assert openssl_accepts(key, message, signature) is (result == "valid")


def good():
    """One test, as the file has it."""
    key, message, signature = make_ed25519.KEY, make_ed25519.MESSAGE, make_ed25519.GOOD
    return {"tcId": 1, "msg": message.hex(), "sig": signature.hex(), "result": "valid"}, {"pk": key.hex()}


@pytest.mark.parametrize("where", ["publicKey", "key"])
def test_the_key_may_stand_under_either_name(tmp_path, where):
    test, key = good()
    path = written(tmp_path, {"testGroups": [{where: key, "tests": [test]}]})
    assert judged(path) == (0, "1 passed, 0 failed")


def test_what_is_acceptable_may_go_either_way(tmp_path):
    test, key = good()
    wrong = {**test, "msg": "00"}
    tests = [{**test, "result": "acceptable"}, {**wrong, "result": "acceptable"}]
    path = written(tmp_path, {"testGroups": [{"publicKey": key, "tests": tests}]})
    assert judged(path) == (0, "2 passed, 0 failed")


@pytest.mark.parametrize(
    "change",
    [
        {"result": "invalid"},
        {"result": "perhaps"},
        {"result": None},
        {"msg": "0"},
        {"msg": "zz"},
        {"msg": 5},
        {"sig": None},
        {"sig": ["00"]},
        {"sig": "ü"},
    ],
)
def test_a_wrong_or_malformed_test_fails_and_the_rest_goes_on(tmp_path, change):
    test, key = good()
    tests = [test, {**test, **change}, test]
    path = written(tmp_path, {"testGroups": [{"publicKey": key, "tests": tests}]})
    assert judged(path) == (1, "2 passed, 1 failed")


@pytest.mark.parametrize("missing", ["msg", "sig", "result"])
def test_a_missing_field_fails(tmp_path, missing):
    test, key = good()
    del test[missing]
    path = written(tmp_path, {"testGroups": [{"publicKey": key, "tests": [test]}]})
    assert judged(path) == (1, "0 passed, 1 failed")


@pytest.mark.parametrize(
    "group", [{}, {"publicKey": {}}, {"publicKey": {"pk": "0"}}, {"key": None}, {"key": "00"}]
)
def test_a_group_without_a_key_fails_each_of_its_tests(tmp_path, group):
    test, _ = good()
    path = written(tmp_path, {"testGroups": [{**group, "tests": [test, test]}]})
    assert judged(path) == (1, "0 passed, 2 failed")


@pytest.mark.parametrize("groups", [None, {}, 5, "x", [None], [5], [{}], [{"tests": None}], [{"tests": [7]}]])
def test_a_file_of_another_form_fails(tmp_path, groups):
    assert judged(written(tmp_path, {"testGroups": groups})) == (1, "0 passed, 1 failed")


def test_a_file_without_tests_has_not_passed(tmp_path):
    assert judged(written(tmp_path, {"testGroups": []})) == (1, "0 passed, 0 failed")


@pytest.mark.parametrize("content", ["", "{", "[1, 2", "\x00", "[" * 100_000])
def test_what_is_no_json_is_said(tmp_path, content):
    code, line = judged(written(tmp_path, content))
    assert (code, line.split(":")[0].split(" ")[0]) == (2, "cannot")


def test_a_file_that_is_not_there_is_said(tmp_path):
    assert judged(tmp_path / "none.json")[0] == 2
