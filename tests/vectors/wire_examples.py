"""What the wire vectors are made of: fixed keys, salts and one example of everything the format has."""

import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.wire.items import (
    Addition,
    DeviceClock,
    DeviceStatus,
    Frame,
    Item,
    Lost,
    NextKey,
    Part,
    ReadingItem,
    Statement,
    Status,
    next_key_proof,
)
from gateway.wire.measurement import Capture, Device, Moment, RecordKey, key_id
from gateway.wire.reading import Reading, Value
from gateway.wire.records import MAX_PART, whole_of

HUB = "kitchen-1"


def seed(name: str) -> bytes:
    """32 bytes that are the same on every run; never used outside these vectors."""
    return hashlib.sha256(b"meethub test vector|" + name.encode()).digest()


HUB_KEY = Ed25519PrivateKey.from_private_bytes(seed("hub key"))
NEXT_HUB_KEY = Ed25519PrivateKey.from_private_bytes(seed("next hub key"))
BRIDGE_KEY = Ed25519PrivateKey.from_private_bytes(seed("bridge key"))


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


KID = key_id(public(HUB_KEY))
BRIDGE_KID = key_id(public(BRIDGE_KEY))
BOOT = seed("boot")[:8]
WITHOUT_CLOCK = Moment(BOOT, 61_250, None, "none")
WITH_CLOCK = Moment(BOOT, 9_000_000_000_000, 1_767_225_600_000, "bridge")
CUFF = Device("c0:ff:ee:00:00:01", "Example", "BP-1", "1.0", "0042", "0102030405060708", "c0:ff:ee:00:00:01")
OXIMETER = Device("port:1")

BLOOD_PRESSURE = Reading(
    "blood-pressure",
    "stored",
    [
        Value("systolic", 1200, -1, "mm[Hg]"),
        Value("diastolic", 80, 0, "mm[Hg]"),
        Value("mean-arterial", None, 0, "mm[Hg]", "not-a-number"),
        Value("pulse-rate", 60, 0, "/min"),
    ],
    ["irregular-pulse", "body-moved"],
    1,
    None,
    "2024-02-29T08:05:59",
)
READINGS = {
    "blood-pressure": BLOOD_PRESSURE,
    "weight-keeps-its-zeros": Reading("weight", "spot", [Value("body-weight", 70000, -3, "kg")]),
    "glucose-above-the-limit": Reading(
        "glucose",
        "spot",
        [Value("glucose", 333, -1, "mmol/L", None, ">")],
        context=[("meal", "before-meal"), ("sample", "capillary-whole-blood")],
        record=65535,
    ),
    "temperature-below-zero": Reading("temperature", "spot", [Value("body-temperature", -5, -1, "Cel")]),
    "heart-rate-intervals-in-order": Reading(
        "heart-rate",
        "spot",
        [
            Value("heart-rate", 72, 0, "/min"),
            Value("rr-interval", 833, -3, "s"),
            Value("rr-interval", 840, -3, "s"),
        ],
        ["no-contact"],
    ),
    "oximetry-not-final": Reading(
        "oximetry",
        "device-average",
        [Value("spo2", 97, 0, "%"), Value("pulse-rate", 61, 0, "/min")],
        ["questionable"],
        final=False,
    ),
    "largest-digits": Reading("activity", "hub-summary", [Value("steps", (1 << 63) - 1, 40, "{steps}")]),
}

_FRAME = Frame("2a35", 0, bytes.fromhex("1e78005000ffffe807021d08053b3c00010000"))
_LONG = [Frame("serial", 1000 * index, bytes(range(125))) for index in range(40)]
LONG_EVIDENCE = whole_of(_LONG)
LONG_HASH = hashlib.sha256(LONG_EVIDENCE).digest()


def _parts() -> dict[str, Item]:
    pieces = [LONG_EVIDENCE[at : at + MAX_PART] for at in range(0, len(LONG_EVIDENCE), MAX_PART)]
    return {f"part-{index}": Part(LONG_HASH, index, len(pieces), piece) for index, piece in enumerate(pieces)}


ITEMS: dict[str, Item] = {
    "reading": ReadingItem(
        Capture(KID, 7, WITHOUT_CLOCK), CUFF, "blood-pressure", 1, [_FRAME], BLOOD_PRESSURE, None,
        DeviceClock("2024-02-29T08:06:10", 60_900, written=True),
    ),
    "reading-undecoded": ReadingItem(
        Capture(KID, 8, WITH_CLOCK), CUFF, "blood-pressure", 1, [Frame("2a35", 12, b"\x1e")], None, "frame-short"
    ),
    "reading-long-evidence": ReadingItem(
        Capture(KID, 9, WITH_CLOCK), OXIMETER, "nonin-serial", 3, [], READINGS["oximetry-not-final"], None,
        evidence=(LONG_HASH, len(LONG_EVIDENCE)),
    ),
    "addition": Addition(seed("measurement"), Capture(KID, 10, WITH_CLOCK), "glucose", 2, [Frame("2a34", 250, b"\x02\x01\x00\x03")]),
    **_parts(),
    "pause": Statement("pause", seed("pause")[:16], WITHOUT_CLOCK, "citizen-1"),
    "resume": Statement("resume", seed("resume")[:16], WITH_CLOCK, None, [seed("pause")[:16]]),
    "not-mine": Statement("not-mine", seed("not mine")[:16], WITH_CLOCK, None, [seed("measurement")]),
    "mine": Statement("mine", seed("mine")[:16], WITH_CLOCK, "citizen-1", [seed("measurement")]),
    "answer": Statement("answer", seed("answer")[:16], WITH_CLOCK, None, [seed("question")[:16]], "één meting"),
    "status": Status(
        WITH_CLOCK, "meethub 0.1.0", 123_456_789, [("unaccepted", 3), ("indications-lost", 0)],
        [DeviceStatus(CUFF.identity, 80, bonded=True, last_seen_ms=61_000), DeviceStatus(OXIMETER.identity, None, None, None)],
        [seed("command")[:8]],
    ),
    "lost-envelope": Lost((KID, 4, 2), None, 1, "unreadable"),
    "lost-records": Lost(None, CUFF.identity, 3, "not-stored"),
    "next-key": NextKey(public(NEXT_HUB_KEY), NEXT_HUB_KEY.sign(next_key_proof(HUB, public(NEXT_HUB_KEY)))),
}  # fmt: skip

RECORDS = {
    "numbered": (CUFF.identity, RecordKey("2a18", 17, None, b"\x0e\xb1"), Capture(KID, 1, WITHOUT_CLOCK)),
    "timed": (CUFF.identity, RecordKey("2a35", None, b"\xe8\x07\x02\x1d\x08\x05\x3b", b"\x78\x00\x50\x00\xff\xff"), Capture(KID, 2, WITHOUT_CLOCK)),
    "timed-other-capture": (CUFF.identity, RecordKey("2a35", None, b"\xe8\x07\x02\x1d\x08\x05\x3b", b"\x78\x00\x50\x00\xff\xff"), Capture(BRIDGE_KID, 99, WITH_CLOCK)),
    "timed-other-bank": (CUFF.identity, RecordKey("2a35/1", None, b"\xe8\x07\x02\x1d\x08\x05\x3b", b"\x78\x00\x50\x00\xff\xff"), Capture(KID, 2, WITHOUT_CLOCK)),
    "live": (OXIMETER.identity, RecordKey("live", None, None, b"\x61\x3d"), Capture(KID, 3, WITHOUT_CLOCK)),
    "live-a-moment-later": (OXIMETER.identity, RecordKey("live", None, None, b"\x61\x3d"), Capture(KID, 4, WITHOUT_CLOCK)),
    "stored-without-number-or-time": (OXIMETER.identity, RecordKey("memory", None, None, b"\x61\x3d", stored=True), Capture(KID, 5, WITHOUT_CLOCK)),
}  # fmt: skip
