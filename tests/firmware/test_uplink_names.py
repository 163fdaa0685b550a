"""Finding an address: the question and answers of DNS, good, bad and random, and on a real socket."""

import os
import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.names import address_in, question
from tests.firmware.test_clock_ntp import server

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
HOST = "bridge.example"
ASKED = question(b"\x12\x34", HOST)


def answer(asked: bytes, *records: bytes, flags: int = 0x8180, questions: int = 1) -> bytes:
    return (
        asked[:2] + struct.pack("!5H", flags, questions, len(records), 0, 0) + asked[12:] + b"".join(records)
    )


def record(kind: int, data: bytes, name: bytes = b"\xc0\x0c", group: int = 1) -> bytes:
    return name + struct.pack("!2HIH", kind, group, 300, len(data)) + data


A = record(1, bytes((192, 0, 2, 7)))
ALIAS = record(5, b"\x05other\xc0\x13")


def test_the_question() -> None:
    assert ASKED[:12] == b"\x12\x34\x01\x00\x00\x01" + bytes(6)
    assert ASKED[12:] == b"\x06bridge\x07example\x00\x00\x01\x00\x01"
    assert question(b"ab", HOST + ".")[12:] == ASKED[12:]


@pytest.mark.parametrize(
    "records",
    [
        (A,),
        (A, A),
        (ALIAS, A),
        (record(28, bytes(16)), A),
        (record(1, bytes((192, 0, 2, 7)), b"\x06bridge\x07example\x00"),),
    ],
)
def test_an_answer(records) -> None:
    assert address_in(answer(ASKED, *records), ASKED) == "192.0.2.7"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        ASKED,
        answer(ASKED),
        answer(ASKED, ALIAS),
        answer(ASKED, A, flags=0x8183),
        answer(ASKED, A, flags=0x0180),
        answer(ASKED, A, questions=0),
        answer(b"\x12\x35" + ASKED[2:], A),
        answer(question(b"\x12\x34", "bridge.examplf"), A),
        answer(ASKED, record(1, bytes(16))),
        answer(ASKED, record(1, bytes(4), group=3)),
        answer(ASKED, A)[:-1],
    ],
)
def test_no_answer(said) -> None:
    assert address_in(said, ASKED) is None


@settings(max_examples=300 * DOSE, deadline=None)
@given(st.binary(max_size=120), st.integers(0, 0xFFFF))
def test_any_bytes(data, count) -> None:
    head = b"\x12\x34\x81\x80\x00\x01" + struct.pack("!H", count) + bytes(4) + ASKED[12:]
    for said in (data, head + data):
        found = address_in(said, ASKED)
        assert found is None or socket.inet_aton(found)


def told_on_board(on_board, port: int, host: str) -> str:
    return on_board("tests/firmware/board/run_uplink_names.py", str(port), host).strip()


def test_on_the_board_the_loop_goes_on_meanwhile(on_board) -> None:
    """The first question is lost; the board asks again, and its loop does not stand still."""
    heard = []

    def reply(data: bytes) -> bytes | None:
        heard.append(data)
        return answer(data, A) if len(heard) > 1 else None

    with server(reply) as port:
        address, turns = told_on_board(on_board, port, HOST).split()
    assert address == "192.0.2.7"
    assert int(turns) > 20
    assert heard[0] == heard[1]


def test_on_the_board_a_name_that_is_none(on_board) -> None:
    with server(lambda data: answer(data, flags=0x8183)) as port:
        assert told_on_board(on_board, port, HOST) == "unknown"


@pytest.mark.parametrize("host", ["192.0.2.9", "127.0.0.1"])
def test_an_address_is_not_asked_for(on_board, host) -> None:
    assert told_on_board(on_board, 9, host).split()[0] == host
