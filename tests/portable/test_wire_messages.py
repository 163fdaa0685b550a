"""Every message of the wire format: the vectors' bytes, made and read, on CPython and MicroPython."""

import hashlib

from wire_vectors import item, octets, refusal_code, vectors

from gateway.wire import cose, envelope, state, topics
from gateway.wire.cbor import decode, encode
from gateway.wire.items import MAX_PART, Frame, item_from_wire, next_key_proof
from gateway.wire.measurement import RecordKey, capture_from_wire, key_id, measurement_key, short
from gateway.wire.reading import Value, decimal_text, parse_decimal, reading_from_wire
from gateway.wire.records import frames_of, whole_of


def test_readings():
    for row in vectors("readings"):
        reading = reading_from_wire(item(row["value"]))
        assert encode(reading.wire()).hex() == row["hex"], row["name"]
        assert reading_from_wire(decode(octets(row["hex"]))).json() == row["json"], row["name"]


def test_items():
    for row in vectors("items"):
        made = item_from_wire(item(row["value"]))
        assert encode(made.wire()).hex() == row["hex"], row["name"]
        assert item_from_wire(decode(octets(row["hex"]))).wire() == item(row["value"]), row["name"]
        assert made.number == item(row["value"])[0]


def test_measurement_keys():
    for row in vectors("measurements"):
        space, number, time, value = item(row["record"])
        record = RecordKey(space, number, time, value, stored=row["stored"])
        key = measurement_key(row["device"], record, capture_from_wire(item(row["capture"])))
        assert key.hex() == row["key"], row["name"]
        assert hashlib.sha256(octets(row["hashed"])).digest() == key
        assert short(key) == row["short"]


def test_a_timed_record_has_one_key_however_it_was_read():
    keys = {row["name"]: row["key"] for row in vectors("measurements")}
    assert keys["timed"] == keys["timed-other-capture"]
    assert keys["timed"] != keys["timed-other-bank"]
    assert keys["live"] != keys["live-a-moment-later"]


def test_envelopes():
    previous = None
    for row in vectors("envelopes"):
        signed, whole = octets(row["signed"]), octets(row["message"])
        sealed, disclosures = envelope.open_message(whole)
        envelope.check_complete(sealed, disclosures)
        assert sealed.signed == signed
        assert sealed.hash.hex() == row["hash"]
        assert sealed.kid.hex() == row["kid"]
        assert sealed.kid == key_id(octets(row["public_key"]))
        assert sealed.version == envelope.VERSION
        assert sealed.part.to_be_signed(envelope.external_aad(row["hub"])).hex() == row["to_be_signed"]
        assert envelope.message(signed, disclosures) == whole
        assert sealed.contents.encode().hex() == row["payload"]
        assert sealed.contents.previous == previous
        assert envelope.open_signed(signed).sequence == sealed.sequence
        assert cose.protected_header(envelope.CONTENT_TYPE, sealed.kid).hex() == row["protected"]
        previous = sealed.hash


def test_messages_open_from_any_kind_of_buffer():
    for row in vectors("envelopes"):
        whole = octets(row["message"])
        for raw in (bytearray(whole), memoryview(whole)):
            sealed, disclosures = envelope.open_message(raw)
            assert envelope.message(sealed.signed, disclosures) == whole


def test_disclosures_hold_their_items():
    items = {row["name"]: item(row["value"]) for row in vectors("items")}
    first = octets(vectors("envelopes")[0]["disclosures"][0])
    assert envelope.open_disclosure(first).wire() == items["reading"]
    assert envelope.disclosure(first[2:18], item_from_wire(items["reading"])) == first


def test_a_newer_version_is_opened_as_far_as_it_is_fixed():
    row = vectors("envelopes")[0]
    header = cose.protected_header(envelope.FAMILY + ";v=2", octets(row["kid"]))
    # Five elements, and a float among them: this version knows neither.
    newer = cose.pack(header, b"\x85\x19\x01\x00\xf9\x3c\x00\xf7\xa1\x61\x61\x01\x00", bytes(64))
    sealed, disclosures = envelope.open_message(envelope.message(newer, [b"whatever"]))
    assert (sealed.version, sealed.sequence, sealed.contents) == (2, 256, None)
    envelope.check_complete(sealed, disclosures)


def test_states():
    for row in vectors("states"):
        part, kid, said = state.open_state(octets(row["signed"]))
        assert kid.hex() == row["kid"]
        assert said.encode().hex() == row["payload"]
        assert part.to_be_signed(state.external_aad(row["hub"])).hex() == row["to_be_signed"]


def test_a_state_accepts_what_it_lists_and_nothing_else():
    row = vectors("states")[1]
    _, _, said = state.open_state(octets(row["signed"]))
    kid = octets(vectors("envelopes")[0]["kid"])
    key = said.key(kid)
    assert [n for n in range(1, 23) if not key.accepts(n)] == [4, 6, 21, 22]
    assert said.key(bytes(8)) is None


def test_hellos_and_key_requests():
    for row in vectors("others")["hellos"]:
        assert state.open_hello(octets(row["hex"])).encode().hex() == row["hex"]
    for row in vectors("others")["key_requests"]:
        request = state.open_key_request(octets(row["hex"]))
        assert request.encode().hex() == row["hex"]
        assert next_key_proof(row["hub"], request.public_key).hex() == row["proven"]


def test_parts_join_to_the_long_evidence():
    rows = {row["name"]: item_from_wire(item(row["value"])) for row in vectors("items")}
    parts = [rows["part-0"], rows["part-1"]]
    whole = b"".join([part.data for part in parts])
    evidence = vectors("others")["evidence"]
    assert whole.hex() == evidence["whole"]
    assert hashlib.sha256(whole).digest() == parts[0].whole == rows["reading-long-evidence"].evidence[0]
    assert len(whole) == rows["reading-long-evidence"].evidence[1] > MAX_PART
    assert whole_of(frames_of(whole)) == whole
    assert refusal_code(frames_of, whole + b"\0") == "wire-cbor"
    assert refusal_code(frames_of, encode([[1]])) == "wire-shape"


def test_refused_messages_carry_the_right_code():
    openers = {
        "message": envelope.open_message,
        "complete": complete,
        "signed": envelope.open_signed,
        "disclosure": envelope.open_disclosure,
        "state": state.open_state,
        "hello": state.open_hello,
        "key-request": state.open_key_request,
        "topic": topic,
    }
    for row in vectors("refused"):
        raw = octets(row["hex"]) + bytes(row["zeros"])
        assert refusal_code(openers[row["opener"]], raw) == row["code"], row["name"]


def complete(raw):
    envelope.check_complete(*envelope.open_message(raw))


def topic(raw):
    topics.hub_and_message(raw.decode())


def test_sealing_refuses_what_a_bridge_would():
    rows = {row["name"]: item(row["value"]) for row in vectors("items")}
    good = item_from_wire(rows["reading"])
    good.driver = "Blood Pressure"
    assert refusal_code(envelope.disclosure, bytes(16), good) == "wire-shape"
    good.driver = "blood-pressure"
    good.frames = [Frame("2a35", 0, bytes(4097))]
    assert refusal_code(envelope.disclosure, bytes(16), good) == "wire-shape"
    assert refusal_code(envelope.disclosure, bytes(15), item_from_wire(rows["status"])) == "wire-shape"


def test_topics_of_a_hub():
    for message in topics.UP:
        assert topics.hub_and_message(topics.up("kitchen-1", message)) == ("kitchen-1", message)
    assert topics.down("kitchen-1") == "hub/kitchen-1/down/state"
    assert not topics.is_hub_id("")
    assert topics.is_hub_id("a" * 32)


def test_decimals_keep_every_digit():
    for digits, exponent, text in (
        (1200, -1, "120.0"), (70000, -3, "70.000"), (-5, -1, "-0.5"), (5, 3, "5000"), (0, -2, "0.00"),
        (0, 5, "0"), (-12, 0, "-12"), ((1 << 63) - 1, -40, "0.0000000000000000000009223372036854775807"),
    ):  # fmt: skip
        assert decimal_text(digits, exponent) == text
        assert Value("x", digits, exponent, "1").text() == text
        if exponent <= 0 and len(text) <= 40:
            assert parse_decimal(text) == (digits, exponent)
    for wrong in (
        "",
        "-",
        ".5",
        "5.",
        "1e3",
        "+1",
        " 1",
        "1 ",
        "--1",
        "1.2.3",
        "\u0661",
        "NaN",
        "1_0",
        "9223372036854775808",
        "1" * 41,
    ):
        assert refusal_code(parse_decimal, wrong) == "wire-shape", wrong
