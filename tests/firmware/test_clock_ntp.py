"""Asking real sockets for the time: a server of our own that answers well, badly, or not at all."""

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.ntp import NtpError, question, wall_ms

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
UNTIL_1970_S = 2208988800
ASKED = b"\x01\x02\x03\x04\x05\x06\x07\x08"


def answer(
    asked: bytes,
    wall_s: float,
    *,
    first: int = 0x24,
    stratum: int = 2,
    kiss: bytes = b"abcd",
    sent: bytes = b"",
) -> bytes:
    """48 bytes as RFC 4330 draws them."""
    ntp = int((wall_s + UNTIL_1970_S) * (1 << 32)) & (1 << 64) - 1
    head = struct.pack("!BBbbII4s8s", first, stratum, 6, -20, 0, 0, kiss, bytes(8))
    return head + asked + struct.pack("!Q", ntp) + (sent or struct.pack("!Q", ntp))


@contextmanager
def server(reply: Callable[[bytes], bytes | None]) -> Iterator[int]:
    """On loopback; reply: from the question to the answer."""
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.bind(("127.0.0.1", 0))

    def run() -> None:
        while True:
            data, address = line.recvfrom(100)
            if not data:
                return
            said = reply(data)
            if said is not None:
                line.sendto(said, address)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield line.getsockname()[1]
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", line.getsockname())
        thread.join()
        line.close()


def asked_on_board(on_board, port: int) -> str:
    return on_board("tests/firmware/board/run_clock_ntp.py", str(port)).strip()


def test_the_time_of_a_good_server(on_board) -> None:
    questions = []

    def reply(data: bytes) -> bytes:
        questions.append(data)
        return answer(data[40:48], time.time())

    with server(reply) as port:
        told = int(asked_on_board(on_board, port))
    assert abs(told - time.time() * 1000) < 5000
    assert len(questions[0]) == 48
    assert questions[0][0] == 0x23
    assert questions[0][1:40] == bytes(39), "nothing about us stands in a question"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (lambda _: None, "ntp-silent"),
        (lambda _: answer(bytes(8), time.time()), "ntp-answer-wrong"),
        (lambda data: answer(data[40:48], time.time(), stratum=0, kiss=b"DENY"), "ntp-goodbye"),
        (lambda _: bytes(1000), "ntp-answer-wrong"),
    ],
    ids=["silent", "to-another-question", "go-away", "junk"],
)
def test_a_bad_server(on_board, reply, code) -> None:
    with server(reply) as port:
        assert asked_on_board(on_board, port) == code


@pytest.mark.parametrize(
    "wall_s", [1_767_225_600.0, 1_800_000_000.5, 2_085_978_495.75, 2_085_978_496.25, 4_102_444_799.0]
)
def test_any_year_also_after_the_first_era(wall_s) -> None:
    """The counter of seconds since 1900 begins again in February 2036."""
    assert wall_ms(answer(ASKED, wall_s), ASKED, 200) == int(wall_s * 1000) + 100


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"stratum": 0, "kiss": b"RATE"}, "ntp-answer-wrong"),
        ({"stratum": 0, "kiss": b"RSTR"}, "ntp-goodbye"),
        ({"stratum": 0, "kiss": b"DENY"}, "ntp-goodbye"),
        ({"stratum": 16}, "ntp-answer-wrong"),
        ({"first": 0xE4}, "ntp-answer-wrong"),
        ({"first": 0x23}, "ntp-answer-wrong"),
        ({"first": 0x25}, "ntp-answer-wrong"),
        ({"sent": bytes(8)}, "ntp-answer-wrong"),
    ],
)
def test_an_answer_that_is_none(changes, code) -> None:
    with pytest.raises(NtpError, match=code):
        wall_ms(answer(ASKED, 1_800_000_000, **changes), ASKED, 10)


@pytest.mark.parametrize("took_ms", [-1, 2001, 1 << 40])
def test_an_answer_that_took_too_long(took_ms) -> None:
    with pytest.raises(NtpError, match="ntp-answer-wrong"):
        wall_ms(answer(ASKED, 1_800_000_000), ASKED, took_ms)


@settings(max_examples=500 * DOSE, deadline=None)
@given(st.binary(max_size=70), st.integers(0, 2000))
def test_any_bytes(data, took_ms) -> None:
    for raw in (data, data[:24] + ASKED + data[24:]):
        with suppress(NtpError):
            assert wall_ms(raw, ASKED, took_ms) >= 0


def test_no_two_questions_are_alike() -> None:
    assert question(ASKED) == b"\x23" + bytes(39) + ASKED
