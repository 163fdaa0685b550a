"""Bytes that a broker might send, good ones and damaged ones, the same on every interpreter."""

GOOD = [
    b"\x20\x02\x00\x00",
    b"\x20\x02\x00\x05",
    b"\x90\x03\xff\xff\x00",
    b"\x90\x03\xff\xff\x80",
    b"\x40\x02\x00\x01",
    b"\xd0\x00",
    b"\x30\x17\x00\x14hub/hub-1/down/stateX",
    b"\x31\x16\x00\x14hub/hub-1/down/state",
    b"\x30\x9d\x01\x00\x14hub/hub-1/down/state" + bytes(135),
    b"\x30\x97\x80\x01\x00\x14hub/hub-1/down/state" + bytes(16385),
]
BAD = [
    b"",
    b"\x20",
    b"\x20\x02\x00\x06",
    b"\x20\x02\x01\x00",
    b"\x20\x03\x00\x00\x00",
    b"\x21\x02\x00\x00",
    b"\x90\x03\x00\x01\x00",
    b"\x90\x03\xff\xff\x01",
    b"\x90\x04\xff\xff\x00\x00",
    b"\x40\x02\x00\x00",
    b"\xd0\x01\x00",
    b"\x10\x00",
    b"\xf0\x00",
    b"\x00\x00",
    b"\x32\x18\x00\x14hub/hub-1/down/state\x00\x01",
    b"\x30\x00",
    b"\x30\x02\x00\x00",
    b"\x30\x03\x00\x02ab",
    b"\x30\x03\x00\x01\xff",
    b"\x30\x43\x00\x41" + b"a" * 65,
    b"\x30\xff\xff\xff\xff\x01",
    b"\x30\xff\xff\xff\x7f\x00\x01a",
    b"\x30\x84\xc0\x01\x00\x01a" + bytes(24577),
]


def damaged(count):
    """So many streams of one to three packets with some bits turned, pieces cut out or put twice."""
    state = 1
    for _ in range(count):
        state = draws(state, 1)
        stream = b""
        for _ in range(1 + state % 3):
            state = draws(state, 1)
            stream += GOOD[state % len(GOOD)][:400]
        raw = bytearray(stream)
        for _ in range(1 + state % 4):
            state = draws(state, 1)
            place = state % len(raw)
            kind = state >> 16 & 3
            if kind == 0:
                raw[place] ^= 1 << (state >> 20 & 7)
            elif kind == 1:
                raw[place] = state >> 20 & 255
            elif kind == 2:
                raw = raw[:place] + raw[place + 1 + (state >> 20 & 7) :]
            else:
                raw = raw[:place] + raw[place : place + 4] + raw[place:]
            if not raw:
                raw = bytearray(b"\x00")
        yield bytes(raw)


def draws(state, times):
    """A linear congruential generator (Knuth's MMIX), the same on each interpreter."""
    for _ in range(times):
        state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
    return state >> 8


class Source:
    """Gives its bytes in pieces of 1, 2, 3 … bytes, with nothing to read now and then, then the end."""

    def __init__(self, data):
        self.data, self.at, self.turn = data, 0, 0

    async def readinto(self, view):
        self.turn += 1
        if self.turn % 5 == 0:
            return None
        piece = self.data[self.at : self.at + min(len(view), self.turn * 7)]
        view[: len(piece)] = piece
        self.at += len(piece)
        return len(piece)


async def heard(mqtt, data):
    """What a reader makes of these bytes: a line for each packet, and how it ended."""
    source = Source(data)
    said = []
    while True:
        try:
            kind, number, topic, payload = await mqtt.receive(source)
        except mqtt.MqttError as error:
            said.append(error.code)
            return said
        said.append("%d %d %s %d" % (kind, number, topic, len(payload)))
