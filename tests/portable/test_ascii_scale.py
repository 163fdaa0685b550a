"""Scales that speak in lines: what is a weight, what is told twice, what is no line."""

from device_bytes import Numbers

from gateway.drivers import decode_record
from gateway.drivers.ascii_scale import AsciiScale
from gateway.wire.items import Frame


def visit(*pieces, every_ms=100):
    driver = AsciiScale()
    records = []
    for number, piece in enumerate(pieces):
        records += driver.received(Frame("serial", number * every_ms, piece))
    return records + driver.finish()


def told(records):
    """(value, unit) of each reading, an error's code for each error."""
    found = []
    for record in records:
        if record.error is None:
            value = record.reading.values[0]
            found.append((value.text(), value.unit))
        else:
            found.append(record.error.code)
    return found


def again(records):
    for record in records:
        (alone,) = decode_record("ascii-scale", record.frames)
        assert [frame.data for frame in alone.frames] == [frame.data for frame in record.frames]
        assert told([alone]) == told([record])
        assert (alone.key and alone.key.wire()) == (record.key and record.key.wire())


def test_a_stable_weight():
    (record,) = visit(b"ST,+00065.0 kg\r\n")
    reading = record.reading
    assert (reading.kind, reading.origin, reading.notes, reading.device_time) == ("weight", "spot", [], None)
    assert [(value.name, value.text(), value.unit) for value in reading.values] == [
        ("body-weight", "65.0", "kg")
    ]
    assert record.key.wire() == ["line", None, None, b"+00065.0 kg"]
    assert record.key.live


def test_every_digit_sign_blank_and_unit_as_sent():
    for line, value in (
        (b"ST,GS,+00065.05 kg\r\n", ("65.05", "kg")),
        (b"ST,NT,   72.40kg\r\n", ("72.40", "kg")),
        (b"ST,+ 143.5 lb\r\n", ("143.5", "[lb_av]")),
        (b"ST,  65 kg\n", ("65", "kg")),
        (b"ST,NT,-00000.5 kg\r\n", ("-0.5", "kg")),
    ):
        assert told(visit(line)) == [value]


def test_what_no_person_weighs_is_marked():
    for line, notes in (
        (b"ST,-00000.5 kg\r\n", ["implausible"]),
        (b"ST,+00400.0 kg\r\n", ["implausible"]),
        (b"ST,+00400.0 lb\r\n", []),
        (b"ST,+00001.5 lb\r\n", ["implausible"]),
    ):
        assert visit(line)[0].reading.notes == notes


def test_what_is_no_measurement():
    for line in (
        b"US,+00065.3 kg\r\n",
        b"OL,+9999999 kg\r\n",
        b"WT,+00065.3 kg\r\n",
        b"QT,+00012 PC\r\n",
        b"ST,+00000.0 kg\r\n",
        b"ST,-00000.0 kg\r\n",
    ):
        assert visit(line) == []


def test_a_weight_that_is_told_again_within_seconds_is_one_measurement():
    line, other = b"ST,+00065.0 kg\r\n", b"ST,+00065.1 kg\r\n"
    assert told(visit(line, b"US,+00065.0 kg\r\n", line)) == [("65.0", "kg")]
    assert told(visit(*[line, other] * 400)) == [("65.0", "kg"), ("65.1", "kg")]
    assert told(visit(line, line, every_ms=9_999)) == [("65.0", "kg")]
    assert told(visit(line, line, every_ms=10_000)) == [("65.0", "kg")] * 2


def test_lines_without_form_are_errors():
    for line in (
        b"hello\r\n",
        b"ST,+00065.0\r\n",
        b"ST,+00065.0 st\r\n",
        b"ST,+000a5.0 kg\r\n",
        b"ST,+-5.0 kg\r\n",
        b"ST,+65. kg\r\n",
        b"ST,+65,0 kg\r\n",
        b"\xff\x80\r\n",
    ):
        assert told(visit(line)) == ["frame-garbled"], line
        again(visit(line))


def test_a_line_without_end_is_none():
    for end in range(1, len(b"ST,+00065.0 kg\r\n")):
        assert told(visit(b"ST,+00065.0 kg\r\n"[:end])) == ["frame-short"]
    assert told(visit(b"ST,+00065.0 kg\r\nST,+0")) == [("65.0", "kg")]


def test_noise_before_a_line_does_not_cost_it():
    line = b"ST,+00065.0 kg\r\n"
    for noise in (b"\x00\xff\x80", b"0 kg\r\n", b"+0006", b"ST,+000", b"ST,", b"\x02ab"):
        records = visit(noise + line)
        assert told(records) == [("65.0", "kg")]
        assert records[0].frames[0].data == line


def test_damage_between_two_weights_is_kept_up_to_eight():
    line, other = b"ST,+00065.0 kg\r\n", b"ST,+00066.0 kg\r\n"
    records = visit(b"junk\n" + line + b"junk\n" * 20 + other)
    assert told(records) == [("65.0", "kg")] + ["frame-garbled"] * 8 + [("66.0", "kg")]
    again(records)


def test_the_visit_may_go_on_after_its_end():
    driver = AsciiScale()
    assert driver.received(Frame("serial", 0, b"ST,+0006")) == []
    assert told(driver.finish()) == ["frame-short"]
    assert told(driver.received(Frame("serial", 0, b"ST,+00065.0 kg\r\n"))) == [("65.0", "kg")]
    assert driver.received(Frame("2a9d", 0, b"ST,+00065.0 kg\r\n")) == []


def test_any_pieces_give_the_same_records():
    source = Numbers(7)
    stream = (
        b"0 kg\r\nUS,+00064.9 kg\r\nST,+00065.0 kg\r\n" + source.octets(200) + b"\nST,GS,+00070.5 kg\r\nOL,"
    )
    whole = visit(stream)
    again(whole)
    pieces = [stream[at : at + 1] for at in range(len(stream))]
    assert told(visit(*pieces, every_ms=0)) == told(whole)
    assert told(whole)[-1] == ("70.5", "kg")
