"""A month without network: readings of a blood pressure monitor, ten in an envelope, on what 4 MiB leave for files.

    MICROPYPATH=firmware/virtual:.:.frozen micropython -X heapsize=16M tests/firmware/board/run_outbox_month.py \\
        READINGS IMAGE

Prints what that takes, and leaves the flash in a file, for run_outbox_open.py.
"""

import random
import sys
import time

from outbox_flash import formatted, mounted

from firmware.outbox import Outbox
from gateway.drivers import driver_named
from gateway.hub.events import log
from gateway.wire import cose
from gateway.wire.envelope import CONTENT_TYPE, Contents, digest, disclosure
from gateway.wire.items import DeviceClock, Frame, ReadingItem
from gateway.wire.measurement import Device, Moment, measurement_key

# docs/decisions/0010-firmware-outbox.md
LIMIT = 1456 << 10
FILE = 16 << 10
KID, BOOT, TOGETHER = b"the-key.", b"boot-one", 10
DEVICE = Device(
    "bluetooth-aabbccddeeff", "A&D Medical", "UA-651BLE", "1.0.2", "5180300123", None, "AA:BB:CC:DD:EE:FF"
)

log.send_to(lambda *_: None)


def noise(size):
    return bytes([random.getrandbits(8) for _ in range(size)])


def measured(number):
    """A record as the device sends it, seven minutes after the one before, and when it came."""
    day, minute = number // 200, number % 200 * 7
    systolic, diastolic, pulse = [low + random.getrandbits(6) for low in (95, 55, 50)]
    mean = (systolic + 2 * diastolic) // 3
    time_of_day = bytes((0xEA, 7, 11, 1 + day % 28, minute // 60, minute % 60, random.getrandbits(5)))
    raw = bytes((0x1E, systolic, 0, diastolic, 0, mean, 0)) + time_of_day + bytes((pulse, 0, 1, 0, 0))
    driver = driver_named("blood-pressure")()
    mono_ms = 1000000 + number * 432000 + random.getrandbits(12)
    records = driver.received(Frame("2a35", 0, raw)) or driver.finish()
    return records[0], Moment(BOOT, mono_ms, 1790000000000 + mono_ms, "bridge")


class Day:
    """An outbox that is filled as a hub without network fills it."""

    def __init__(self, outbox):
        self.outbox, self.waiting, self.previous, self.sequence = outbox, [], None, 0

    def reading(self, number):
        record, moment = measured(number)
        clock = DeviceClock(record.reading.device_time, moment.mono_ms - 700, written=False)
        name = "blood-pressure"
        captured = self.outbox.capture(b"visit--1", moment, KID, DEVICE, name, record.frames, clock)
        item = ReadingItem(captured.capture, DEVICE, name, 1, record.frames, record.reading, None, clock)
        key = measurement_key(DEVICE.identity, record.key, captured.capture)
        self.waiting.append((captured.row, disclosure(noise(16), item), key))
        if len(self.waiting) == TOGETHER:
            self.seal(moment)

    def seal(self, moment):
        self.sequence += 1
        rows, parts, keys = [[row[place] for row in self.waiting] for place in range(3)]
        reason = None if self.previous else "first"
        hashes = [digest(part) for part in parts]
        contents = Contents(self.sequence, self.previous, reason, moment, 0, hashes).encode()
        signed = cose.pack(cose.protected_header(CONTENT_TYPE, KID), contents, noise(64))
        self.outbox.seal(KID, self.sequence, signed, parts, keys, 0, rows)
        self.previous, self.waiting = digest(signed), []


def main():
    readings = int(sys.argv[1])
    random.seed(1)
    flash = formatted()
    outbox = Outbox(mounted(flash), LIMIT)
    day, began, files, full = Day(outbox), time.time(), 1, 0
    for number in range(readings):
        day.reading(number)
        if outbox.envelopes.last() != files:  # the files before it are full
            files, full = outbox.envelopes.last(), number + 1 - TOGETHER
    print("%d readings, %d bytes used, %.3f full" % (readings, outbox.files.used, outbox.fullness()))
    each, others = (files - 1) * FILE // full, outbox.files.used - files * FILE
    print("%d bytes a reading, %d for all else, room for %d" % (each, others, outbox.files.room()))
    print("%d programs, %d erases, %d s" % (flash.ops, sum(flash.erased), time.time() - began))
    with open(sys.argv[2], "wb") as file:
        file.write(flash.data)


main()
