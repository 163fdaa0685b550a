"""Writes tests/vectors/wire/*.json; with --check it compares instead, and fails on any difference.

Everything is deterministic: fixed keys and salts, and Ed25519 signs the same bytes the same way. A byte
string stands in JSON as "h'…'", because MicroPython's json knows no other way.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

from wire_cbor_table import cbor_table
from wire_examples import (
    BRIDGE_KEY,
    BRIDGE_KID,
    HUB,
    HUB_KEY,
    ITEMS,
    KID,
    LONG_EVIDENCE,
    NEXT_HUB_KEY,
    READINGS,
    RECORDS,
    WITH_CLOCK,
    WITHOUT_CLOCK,
    public,
    seed,
)
from wire_refusals import refusals

from gateway.wire import cose, envelope, state
from gateway.wire.cbor import encode
from gateway.wire.items import next_key_proof
from gateway.wire.measurement import DOMAIN, measurement_key, short

FOLDER = Path(__file__).parent / "wire"


def notation(item):
    """A decoded item as JSON can hold it."""
    if isinstance(item, bytes):
        return f"h'{item.hex()}'"
    if isinstance(item, (list, tuple)):
        return [notation(part) for part in item]
    return item


def readings():
    return [
        {
            "name": name,
            "value": notation(reading.wire()),
            "hex": encode(reading.wire()).hex(),
            "json": reading.json(),
        }
        for name, reading in READINGS.items()
    ]


def items():
    return [
        {"name": name, "value": notation(item.wire()), "hex": encode(item.wire()).hex()}
        for name, item in ITEMS.items()
    ]


def measurements():
    rows = []
    for name, (device, record, capture) in RECORDS.items():
        live = [capture.kid, capture.moment.boot, capture.counter] if record.live else None
        hashed = encode([DOMAIN, device, record.wire(), live])
        key = measurement_key(device, record, capture)
        rows.append({
            "name": name, "device": device, "record": notation(record.wire()), "stored": not record.live,
            "capture": notation(capture.wire()), "hashed": hashed.hex(), "key": key.hex(), "short": short(key),
        })  # fmt: skip
    return rows


def _envelope(name, contents, disclosures):
    protected = cose.protected_header(envelope.CONTENT_TYPE, KID)
    payload = contents.encode()
    to_be_signed = cose.sig_structure(protected, envelope.external_aad(HUB), payload)
    signed = cose.pack(protected, payload, HUB_KEY.sign(to_be_signed))
    return {
        "name": name, "hub": HUB, "public_key": public(HUB_KEY).hex(), "kid": KID.hex(),
        "payload": payload.hex(), "protected": protected.hex(), "external_aad": envelope.external_aad(HUB).hex(),
        "to_be_signed": to_be_signed.hex(), "signed": signed.hex(), "hash": envelope.digest(signed).hex(),
        "disclosures": [part and part.hex() for part in disclosures],
        "message": envelope.message(signed, disclosures).hex(),
    }  # fmt: skip


def envelopes():
    """Three in a chain: one reading; everything that fits beside it; one whose second item was erased."""
    rows, previous, statements = [], None, 0
    plans = (
        ("first", ["reading"], []),
        (
            "several",
            ["reading-undecoded", "addition", "pause", "status", "lost-envelope", "next-key"],
            [],
        ),
        ("one-erased", ["lost-records", "reading", "resume"], [1]),
    )
    for sequence, (name, names, erased) in enumerate(plans, 1):
        whole = [envelope.disclosure(seed(f"salt {name} {part}")[:16], ITEMS[part]) for part in names]
        statements += sum(part in ("pause", "resume") for part in names)
        contents = envelope.Contents(
            sequence,
            previous,
            None if previous else "first",
            WITH_CLOCK,
            statements,
            [envelope.digest(d) for d in whole],
        )
        row = _envelope(name, contents, [None if index in erased else d for index, d in enumerate(whole)])
        previous = bytes.fromhex(row["hash"])
        rows.append(row)
    return rows


def states():
    hash_3 = seed("hash of envelope 3")
    plain = state.State(seed("nonce")[:8], 1, [], [], 1_767_225_600_000)
    full = state.State(
        seed("nonce")[:8],
        4_294_967_296,
        [
            state.KeyState(KID, 3, hash_3, [(5, 5), (7, 20)], 2),
            state.KeyState(BRIDGE_KID, 0, None, [(2, 2)], 0),
        ],
        [
            state.Refusal(KID, 4, seed("refused 4"), "disclosure-mismatch", state.NEVER),
            state.Refusal(KID, 6, seed("refused 6"), "envelope-incomplete", state.AFTER_ACTION),
            state.Refusal(KID, 21, seed("refused 21"), "household-busy", state.AFTER_TIME, 1_767_225_660_000),
        ],
        1_767_225_600_000,
        [state.Command(seed("command")[:8], "read-again", 1_767_312_000_000)],
        [seed("measurement")],
        1_767_225_605_000,
    )
    return [_state("hub-unknown", plain), _state("everything", full)]


def _state(name, said):
    protected = cose.protected_header(state.CONTENT_TYPE, BRIDGE_KID)
    payload = said.encode()
    to_be_signed = cose.sig_structure(protected, state.external_aad(HUB), payload)
    return {
        "name": name, "hub": HUB, "public_key": public(BRIDGE_KEY).hex(), "kid": BRIDGE_KID.hex(),
        "payload": payload.hex(), "external_aad": state.external_aad(HUB).hex(), "to_be_signed": to_be_signed.hex(),
        "signed": cose.pack(protected, payload, BRIDGE_KEY.sign(to_be_signed)).hex(),
    }  # fmt: skip


def others():
    proof = NEXT_HUB_KEY.sign(next_key_proof(HUB, public(NEXT_HUB_KEY)))
    nonce = seed("nonce")[:8]
    return {
        "hellos": [
            {"name": "new-hub", "hex": state.Hello(nonce, None, 5_000_000, WITHOUT_CLOCK).encode().hex()},
            {"name": "with-head", "hex": state.Hello(nonce, (KID, 3, seed("hash")), 0, WITH_CLOCK).encode().hex()},
        ],
        "key_requests": [
            {
                "name": "new-key", "hub": HUB, "public_key": public(NEXT_HUB_KEY).hex(),
                "proven": next_key_proof(HUB, public(NEXT_HUB_KEY)).hex(),
                "hex": state.KeyRequest(public(NEXT_HUB_KEY), proof).encode().hex(),
            }
        ],
        "evidence": {"whole": LONG_EVIDENCE.hex(), "sha256": hashlib.sha256(LONG_EVIDENCE).hexdigest()},
    }  # fmt: skip


def contents():
    made, said = envelopes(), states()
    return {
        "cbor.json": cbor_table(),
        "readings.json": readings(),
        "items.json": items(),
        "measurements.json": measurements(),
        "envelopes.json": made,
        "states.json": said,
        "others.json": others(),
        "refused.json": refusals(made, said),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = []
    for name, rows in contents().items():
        text = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
        path = FOLDER / name
        if check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            stale.append(name)
        if not check:
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.stderr.write("differ from what the code makes: " + ", ".join(stale) + "\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
