"""What LifeScan meters say, built for tests only and apart from the drivers, and meters that answer.

Layouts: glucometers-tech/glucometer-protocols (shared binary protocol, Verio IQ), glucometerutils (Ultra Easy,
Ultra2), NightscoutFoundation/xDrip (the Verio over Bluetooth).
"""

from device_bytes import le

from gateway.drivers.base import Known
from gateway.wire.items import Frame

NOTIFY = "af9df7a3-e595-11e3-96b4-0002a5d5c51b"
WRITE = "af9df7a2-e595-11e3-96b4-0002a5d5c51b"
NOW = 1772608509  # 2026-03-04T07:15:09 of a clock on the wall, since 1970
SINCE_2000 = 946684800


def crc(data):
    """CRC-16/CCITT-FALSE bit by bit, as the specification of the algorithm words it."""
    register = 0xFFFF
    for byte in data:
        for place in (7, 6, 5, 4, 3, 2, 1, 0):
            out = (register >> 15) ^ (byte >> place & 1)
            register = (register << 1) & 0xFFFF
            register ^= 0x1021 * out
    return register


def frame(payload=b"", link=0):
    body = bytes([2, len(payload) + 6, link]) + payload + b"\x03"
    return body + le(crc(body), 2)


def easy(seconds, mg_dl, link=0):
    """A record of an Ultra Easy."""
    return frame(b"\x05\x06" + le(seconds, 4) + le(mg_dl, 4), link)


def verio(seconds, mg_dl, control=0, meal=0, rest=b"\x00\x00"):
    """A record of a Verio IQ; time since 1970, told since 2000."""
    return frame(b"\x03\x06" + le(seconds - SINCE_2000, 4) + le(mg_dl, 2) + bytes([control, meal]) + rest)


def flex(seconds, mg_dl, control=0):
    """A record of a Verio Flex, as it is notified."""
    return b"\x01" + verio(seconds, mg_dl, control, 0, bytes(3))


def line(text):
    return bytes("{} {:04X}\r".format(text, sum(bytes(text, "ascii"))), "ascii")


def ultra2(date, clock, value, meal="N", comment="00", first=" ", last=" "):
    return line(f'P "SAT","{date}","{clock}   ","{first} {value}{last}","{meal}","{comment}", 00')


def talk(driver, meter, mark=None, turns=5000, channel="serial"):
    """All records of a conversation: what the driver sends goes to the meter, its answers to the driver.

    meter.hear(bytes) gives pieces; where it gives none and patience is over, the driver is told.
    """
    driver.start(Known(mark))
    records, waiting = [], []
    for _ in range(turns):
        for sent in driver.take_sends():
            meter.commands.append((sent.source, sent.data))
            waiting += meter.hear(sent.data)
        if waiting:
            records += driver.received(Frame(channel, 0, waiting.pop(0)))
        elif driver.patience_s is not None:
            records += driver.silent()
        else:
            return records + driver.finish()
    raise AssertionError("the conversation does not end")


class Easy:
    """An Ultra Easy; newest record first. What it hears and says has one-bit numbers; it sends again."""

    def __init__(self, records, serial=b"ABC1234DE"):
        self.records = records
        self.serial = serial
        self.commands = []
        self.deaf = 0  # so many frames are not heard
        self.mute = 0  # so many replies get lost; each comes again when the hub acknowledges nothing
        self.twice = False
        self.refuses = ()
        self.ours = self.next = 0
        self.open = False

    def hear(self, data):
        if self.deaf:
            self.deaf -= 1
            return []
        if data[:1] != b"\x02" or le(crc(data[:-2]), 2) != data[-2:]:
            return []
        link, payload = data[2], data[3:-3]
        if link & 8:
            self.ours = self.next = 0
            self.open = True
            return [frame(b"", 0x0C)]
        if link & 4 or not self.open or link & 1 != self.next:
            return []
        self.next ^= 1
        said = frame(self.answer(payload), self.ours | self.next << 1)
        ack = frame(b"", self.ours | self.next << 1 | 4)
        self.ours ^= 1
        if self.mute:
            self.mute -= 1
            return [ack]
        return [ack, said, said] if self.twice else [ack + said[:5], said[5:]]

    def answer(self, payload):
        command, number = payload[1], int.from_bytes(payload[2:4], "little")
        if command in self.refuses:
            return b"\x05\x09"
        if command == 0x0B:
            return b"\x05\x06" + self.serial
        if command == 0x0D:
            return b"\x05\x06\x11P02.00.0025/05/07"
        if command == 0x20:
            return b"\x05\x06" + le(NOW, 4)
        if number >= len(self.records):
            return b"\x05\x0f" + le(len(self.records), 2)
        seconds, mg_dl = self.records[number]
        return b"\x05\x06" + le(seconds, 4) + le(mg_dl, 4)


class Verio:
    """A Verio IQ; records are whole frames, newest first."""

    def __init__(self, records, serial=b"VERIO0001"):
        self.records = records
        self.serial = serial
        self.commands = []
        self.deaf = 0
        self.refuses = ()

    def hear(self, data):
        if data[:1] != b"\x02" or data[3:4] != b"\x03" or len(data) < 9:
            return []
        if self.deaf:
            self.deaf -= 1
            return []
        payload = data[3:-3]
        command, number = payload[1], int.from_bytes(payload[2:4], "little")
        if command in self.refuses or (command == 0x21 and number >= len(self.records)):
            return [frame(b"\x03\x08")]
        if command == 0x21:
            return [self.records[number]]
        return [frame(b"\x03\x06" + self.tell(command))]

    def tell(self, command):
        if command == 0x0B:
            return self.serial + b"\x00"
        if command == 0x0D:
            return b"\x0801.02.03\x00"
        return le(NOW - SINCE_2000, 4) if command == 0x20 else le(len(self.records), 2)


class Ultra2:
    """An Ultra2; records are whole lines."""

    def __init__(self, records, serial="GMF600DCY"):
        self.records = records
        self.serial = serial
        self.commands = []
        self.short = 0  # the first dumps lack so many lines

    def hear(self, data):
        if data[:2] != b"\x11\r":
            return []
        command = data[2:-1]
        if command == b"DM@":
            return [b"\x00\n", line(f'@ "{self.serial}"')]
        if command == b"DM?":
            return [line("?P02.00.00 30/08/06")]
        if command == b"DMF":
            return [line('F "WED","03/04/26","07:15:09   "')]
        first = line(f'P {len(self.records):03d},"{self.serial}","MMOL/L"')
        lines = [first]
        lines += self.records
        lines = lines[: len(lines) - self.short]
        self.short = max(0, self.short - 1)
        return [part + b"\n" for part in lines]


class Flex:
    """A Verio Flex; records by number, each a whole notification."""

    def __init__(self, records, newest=None):
        self.records = records
        self.newest = max(records) if newest is None and records else newest or 0
        self.commands = []
        self.silent = ()  # numbers that it never tells
        self.status = {}  # command: status instead of an answer
        self.twice = False
        self.deaf = 0

    def hear(self, data):
        if data == b"\x81":
            return []
        if self.deaf:
            self.deaf -= 1
            return []
        payload = data[4:-3]
        command, number = payload[1], int.from_bytes(payload[2:4], "little")
        if command in self.status:
            return [b"\x81", b"\x01" + frame(bytes([3, self.status[command], 3]))]
        if command == 0xB3:
            if number in self.silent:
                return [b"\x81"]
            said = self.records.get(number) or b"\x01" + frame(b"\x03\x09\x03")
        else:
            said = b"\x01" + frame(b"\x03\x06" + self.tell(command))
        return [b"\x81", said, said] if self.twice else [b"\x81", said]

    def tell(self, command):
        if command == 0x20:
            return le(NOW - SINCE_2000, 4)
        return le(self.newest, 4) if command == 0x0A else le(len(self.records), 2)
