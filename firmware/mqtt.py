"""The packets of MQTT 3.1.1 that a hub needs, written and read; no connection of its own.

A hub subscribes to one topic at QoS 0 and speaks at QoS 0 and 1. Everything else that a broker may send is
refused: a reader takes at most so many bytes as were agreed, and reserves room only after it saw the length.
Source: OASIS MQTT 3.1.1, sections 2.2 (fixed header) and 3 (packets).
"""

from gateway.wire.errors import MeethubError
from gateway.wire.state import MAX_STATE
from gateway.wire.topics import GONE

try:
    from micropython import const
except ImportError:  # CPython

    def const(value: int) -> int:
        return value


TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.bearer import Source

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP = const(2), const(3), const(4), const(9), const(13)
PING, GOODBYE = b"\xc0\x00", b"\xe0\x00"
MOST_TOPIC = const(64)
_SUBSCRIPTION = const(0xFFFF)  # the number of the only one; messages count from 1 up to the window
# First byte of a packet → its size; of a PUBLISH with or without the retain flag the size differs.
_SIZES = {0x20: 2, 0x40: 2, 0x90: 3, 0xD0: 0}


class MqttError(MeethubError):
    """What came is not what a broker may send. Codes: mqtt-malformed, mqtt-too-large, mqtt-ended."""


def connect(hub: str, keepalive_s: int, will_topic: str) -> bytes:
    """CONNECT with the hub's id; when we fall silent the broker says GONE on will_topic, and keeps that.

    The session is a clean one: what was on its way when a line broke is the outbox's to send again, and at
    QoS 0 the broker keeps nothing for us.
    """
    flags = 0x26  # retain the will, there is a will (QoS 0), clean session
    head = b"\x00\x04MQTT\x04" + bytes((flags,)) + keepalive_s.to_bytes(2, "big")
    return _packet(0x10, head + _text(hub) + _text(will_topic) + b"\x00\x01" + GONE)


def subscribe(topic: str) -> bytes:
    """SUBSCRIBE at QoS 0."""
    return _packet(0x82, _SUBSCRIPTION.to_bytes(2, "big") + _text(topic) + b"\x00")


def publish(topic: str, size: int, number: int) -> bytes:
    """All of a PUBLISH at QoS 1 that stands before its payload of so many bytes."""
    after = _text(topic) + number.to_bytes(2, "big")
    return b"\x32" + _length(len(after) + size) + after


def presence(topic: str, payload: bytes) -> bytes:
    """A PUBLISH at QoS 0 that the broker keeps for whoever asks later."""
    return _packet(0x31, _text(topic) + payload)


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + _length(len(body)) + body


def _text(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(2, "big") + raw


def _length(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follows."""
    out = b""
    while number > 127:
        out += bytes((number & 127 | 128,))
        number >>= 7
    return out + bytes((number,))


async def receive(source: "Source") -> tuple[int, int, str, bytes]:
    """The next packet: its kind; of CONNACK and SUBACK the answer and of PUBACK the number it is about; of
    PUBLISH the topic and the payload. MqttError for what a broker may not send; what `source` raises.
    """
    short = bytearray(MOST_TOPIC)
    view = memoryview(short)
    await _fill(source, view[:2])  # no packet is shorter
    first, size = short[0], await _read_length(source, view[1:2])
    if first & 0xFE == 0x30:
        topic, payload = await _message(source, view, size)
        return PUBLISH, 0, topic, payload
    if _SIZES.get(first) != size:
        raise MqttError("mqtt-malformed", "packet %02x of %d bytes" % (first, size))
    await _fill(source, view[:size])
    return first >> 4, _answer(first >> 4, short), "", b""


def _answer(kind: int, short: bytearray) -> int:
    """What a packet of fixed size says."""
    number = short[0] << 8 | short[1]
    if kind == PINGRESP:
        return 0
    if kind == PUBACK and number:
        return number
    # A clean session has nothing to go on with (3.2.2.2), and there are six return codes.
    if kind == CONNACK and number <= 5:
        return number
    if kind == SUBACK and number == _SUBSCRIPTION and short[2] in (0, 0x80):
        return short[2]
    raise MqttError("mqtt-malformed", "packet of kind %d" % kind)


async def _message(source: "Source", view: memoryview, size: int) -> tuple[str, bytes]:
    """Topic and payload of a PUBLISH at QoS 0 of so many bytes."""
    length = 0
    if size > 2:
        await _fill(source, view[:2])
        length = view[0] << 8 | view[1]
    if not 0 < length <= min(size - 2, MOST_TOPIC):
        raise MqttError("mqtt-malformed", "topic of %d bytes" % length)
    await _fill(source, view[:length])
    topic = _ascii(view[:length])
    payload = _room(size - 2 - length)
    await _fill(source, memoryview(payload))
    return topic, bytes(payload)


def _ascii(raw: memoryview) -> str:
    """Topics of ours hold nothing else."""
    for byte in raw:
        if not 32 < byte < 127:
            raise MqttError("mqtt-malformed", "topic")
    return bytes(raw).decode()


def _room(size: int) -> bytearray:
    if size > MAX_STATE:
        raise MqttError("mqtt-too-large", "%d bytes" % size)
    try:
        return bytearray(size)
    except MemoryError:
        raise MqttError("mqtt-too-large", "no room for %d bytes" % size) from None


async def _read_length(source: "Source", view: memoryview) -> int:
    """The length that begins with the byte in this view of one, which is used for those that follow."""
    size = 0
    for place in (0, 7, 14, 21):
        size |= (view[0] & 127) << place
        if view[0] < 128:
            return size
        if place < 21:
            await _fill(source, view)
    raise MqttError("mqtt-malformed", "length")


async def _fill(source: "Source", view: memoryview) -> None:
    """Read until the view is full."""
    at = 0
    while at < len(view):
        count = await source.readinto(view[at:])
        if count is not None:
            if not count:
                raise MqttError("mqtt-ended")
            at += count
