"""A listener as the hub is one, without a store: says what it hears, and what drivers make of it."""

import json
import time

from gateway.drivers.base import Known
from gateway.wire.items import Frame


def say(*words):
    print(json.dumps(words))


class Hears:
    """work_ms: how long it takes for each value, blocking, as a write to flash does."""

    def __init__(self, work_ms=0, secret=bytes(range(16))):
        self.work_ms = work_ms
        self.secret = secret
        self.marks = {}
        self.open = {}
        self.began = {}
        self.reads = {}
        self.fault_at = 0
        self.count = 0

    def opened(self, visit):
        device = visit.device
        self.open[visit.number] = visit.driver()
        clock = visit.clock and [visit.clock.device_time, visit.clock.written]
        about = [device.manufacturer, device.model, device.serial, device.firmware, device.system_id]
        say("opened", device.identity, visit.battery, clock, visit.bonded, about)

    def begun(self, visit):
        known = Known(self.marks.get(visit.device.identity), self.secret, visit.users, pairing=visit.pairing)
        self.open[visit.number].start(known)
        return self.turn(visit)

    def received(self, visit, source, data):
        assert type(data) is bytes
        if self.work_ms:
            time.sleep_ms(self.work_ms)
        self.count += 1
        if self.count == self.fault_at:
            raise RuntimeError("no room")
        say("received", visit.device.identity, source, data.hex())
        self.told(visit, self.open[visit.number].received(Frame(source, 0, data)))
        return self.turn(visit)

    def silent(self, visit):
        say("silent", visit.device.identity)
        self.told(visit, self.open[visit.number].silent())
        return self.turn(visit)

    def turn(self, visit):
        driver = self.open[visit.number]
        visit.patience_s = driver.patience_s
        if driver.mark is not None:
            self.marks[visit.device.identity] = driver.mark
        return driver.take_sends()

    def closed(self, visit):
        self.told(visit, self.open.pop(visit.number).finish())
        clock = visit.clock and visit.clock.written
        say("closed", visit.device.identity, clock)

    def told(self, visit, records):
        for record in records:
            reading = record.reading
            if reading is not None:
                say("reading", visit.device.identity, reading.json())
            elif record.error is not None:
                say("unread", visit.device.identity, record.error.code)
