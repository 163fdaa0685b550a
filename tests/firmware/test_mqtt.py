"""The packets of MQTT, written as paho reads them, and read so that nothing but MqttError can come of junk."""

import asyncio
import os
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware import mqtt
from gateway.wire.state import MAX_STATE
from tests.firmware.board import mqtt_corpus

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
TOPIC = b"hub/hub-1/down/state"
CODES = {"mqtt-malformed", "mqtt-too-large", "mqtt-ended"}


def heard(data: bytes) -> list[str]:
    return asyncio.run(mqtt_corpus.heard(mqtt, data))


def publish(payload: bytes, topic: bytes = TOPIC, first: int = 0x30) -> bytes:
    return (
        bytes((first,))
        + length(2 + len(topic) + len(payload))
        + struct.pack("!H", len(topic))
        + topic
        + payload
    )


def length(number: int) -> bytes:
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (128 if number else 0))
        if not number:
            return bytes(out)


@pytest.mark.parametrize("data", mqtt_corpus.GOOD)
def test_a_good_packet_is_read_whole(data) -> None:
    assert len(heard(data)) == 2
    assert heard(data)[1] == "mqtt-ended"
    assert heard(data + data)[:2] == [heard(data)[0]] * 2
    for end in range(len(data[:200])):
        assert heard(data[:end]) == ["mqtt-ended"]


@pytest.mark.parametrize("data", mqtt_corpus.BAD)
def test_what_no_broker_may_send(data) -> None:
    assert len(heard(data)) == 1
    assert (heard(data) == ["mqtt-ended"]) == (len(data) < 2)


@pytest.mark.parametrize("size", [0, 1, 105, 106, 16361, 16362, MAX_STATE, MAX_STATE + 1, 200_000_000])
def test_a_message_up_to_the_largest_state(size) -> None:
    """Lengths of one, two and three bytes; room is made only after the length was seen."""
    raw = publish(bytes(min(size, MAX_STATE + 1)))
    if size > MAX_STATE + 1:
        raw = b"\x30" + length(size) + struct.pack("!H", len(TOPIC)) + TOPIC
    expected = f"3 0 {TOPIC.decode()} {size}" if size <= MAX_STATE else "mqtt-too-large"
    assert heard(raw)[0] == expected


@settings(max_examples=300 * DOSE, deadline=None)
@given(st.binary(max_size=300))
@example(b"\x30\x80\x80\x80\x80\x80")
def test_any_bytes(data) -> None:
    assert heard(data)[-1] in CODES


PACKETS = st.one_of(
    st.sampled_from(mqtt_corpus.GOOD[:8]),
    st.builds(publish, st.binary(max_size=200), st.binary(max_size=70), st.integers(0x30, 0x3F)),
    st.builds(
        lambda first, body: bytes((first,)) + length(len(body)) + body,
        st.integers(0, 255),
        st.binary(max_size=6),
    ),
)


@settings(max_examples=300 * DOSE, deadline=None)
@given(st.lists(PACKETS, max_size=6))
def test_any_packets(packets) -> None:
    said = heard(b"".join(packets))
    assert said[-1] in CODES
    assert len(said) <= len(packets) + 1


def test_both_interpreters_make_the_same_of_the_same_bytes(on_board) -> None:
    count = 1000 * DOSE
    here = [
        "; ".join(heard(data)) for data in [*mqtt_corpus.GOOD, *mqtt_corpus.BAD, *mqtt_corpus.damaged(count)]
    ]
    there = on_board("tests/firmware/board/run_mqtt.py", str(count), heap="1M").splitlines()
    assert there == here
    assert {line.split("; ")[-1] for line in here} == CODES


# What we write, as another reads it: paho's parser of the other direction is not public, so the fields are
# taken apart here by the specification's tables.


def taken_apart(packet: bytes) -> tuple[int, bytes]:
    size, at, place = 0, 1, 0
    while True:
        size |= (packet[at] & 127) << place
        at, place = at + 1, place + 7
        if packet[at - 1] < 128:
            break
    assert len(packet) == at + size
    return packet[0], packet[at:]


def test_connect() -> None:
    first, body = taken_apart(mqtt.connect("hub-1", 31, "hub/hub-1/up/presence"))
    assert first == 0x10
    assert body[:10] == b"\x00\x04MQTT\x04\x26\x00\x1f"  # clean session, will at QoS 0, will retained
    assert body[10:] == b"\x00\x05hub-1" + b"\x00\x15hub/hub-1/up/presence" + b"\x00\x010"


def test_subscribe() -> None:
    assert taken_apart(mqtt.subscribe(TOPIC.decode())) == (0x82, b"\xff\xff\x00\x14" + TOPIC + b"\x00")


@pytest.mark.parametrize("size", [0, 1, 102, 103, 16358, 16359, 65024])
def test_publish(size) -> None:
    whole = mqtt.publish(TOPIC.decode(), size, 8) + bytes(size)
    assert taken_apart(whole) == (0x32, b"\x00\x14" + TOPIC + b"\x00\x08" + bytes(size))


def test_presence() -> None:
    assert taken_apart(mqtt.presence("a", b"1")) == (0x31, b"\x00\x01a1")
