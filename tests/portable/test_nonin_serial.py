"""Nonin streams and spot checks: all formats, in whatever pieces, clean, damaged and cut short."""

from device_bytes import Numbers, bcd, df2, df2_frame, df7, df8, df13

from gateway.drivers import decode_record
from gateway.drivers.nonin_serial import NoninSerial
from gateway.wire.items import Frame

OUT = 0x18  # out of track and sensor alarm


def visit(*pieces):
    """All records of a visit that sends these pieces."""
    driver = NoninSerial()
    records = []
    for number, piece in enumerate(pieces):
        records += driver.received(Frame("serial", number, piece))
    return records + driver.finish()


def answers(*pieces):
    """All that is sent to a device that sends these pieces."""
    driver = NoninSerial()
    for piece in pieces:
        driver.received(Frame("serial", 0, piece))
    driver.finish()
    return [frame.data for frame in driver.take_sends()]


def numbers(records):
    """(SpO2, pulse) of each reading, an error's code for each error, None for neither."""
    found = []
    for record in records:
        if record.error is not None:
            found.append(record.error.code)
        elif record.reading is None:
            found.append(None)
        else:
            found.append(tuple([value.text() for value in record.reading.values]))
    return found


def seen(records):
    """Everything that must not depend on the pieces in which the bytes came."""
    return [(numbers([r]), r.frames[0].data, r.key and r.key.wire()) for r in records]


def again(records):
    """Each record, decoded from its own frames alone, is that record again."""
    for record in records:
        alone = decode_record("nonin-serial", record.frames)
        assert seen(alone) == seen([record])


def test_one_whole_packet_of_every_format_suffices():
    for packet in (df2(74, 96), df7(74, 96), df8(74, 96), df13(74, 96)):
        records = visit(packet)
        assert numbers(records) == [("96", "74")]
        assert records[0].frames[0].data == packet
        again(records)


def test_pulse_rates_above_127():
    for pulse in (0, 127, 128, 200, 255, 256, 300, 321):
        for packet in (df2(pulse, 98), df7(pulse, 98), df8(pulse, 98)):
            assert numbers(visit(packet)) == [("98", str(pulse))]
        assert numbers(visit(df13(pulse, 98))) == [("98", str(pulse))]


def test_missing_numbers_are_absent():
    for make in (df2, df7, df8, df13):
        found = visit(make(511, 96))[0].reading.values
        assert [(v.text(), v.absent) for v in found] == [("96", None), (None, "unknown")]
        found = visit(make(74, 127))[0].reading.values
        assert [(v.text(), v.absent) for v in found] == [(None, "unknown"), ("74", None)]
        assert numbers(visit(make(511, 127))) in ([], [None])


def test_the_last_valid_value_before_the_finger_leaves():
    for make in (df2, df7):
        stream = make(511, 127) * 3 + make(70, 95) + make(74, 96) + make(511, 127) + make(60, 90, OUT) * 4
        records = visit(stream)
        assert numbers(records) == [("96", "74")]
        again(records)
    stream = df8(511, 127) * 3 + df8(70, 95) + df8(74, 96) + df8(511, 127, 0x20) * 4
    assert numbers(visit(stream)) == [("96", "74")]
    assert numbers(visit(df8(74, 96) * 3 + df8(74, 96, 0, 8))) == [("96", "74")]


def test_two_fingers_one_after_the_other():
    for make, out in ((df2, 0x10), (df2, 0x08), (df7, 0x18), (df8, 0x20)):
        stream = make(70, 95) * 3 + make(70, 95, out) * 3 + make(80, 97) * 3
        assert numbers(visit(stream)) == [("95", "70"), ("97", "80")]


def test_one_value_a_minute_while_it_lasts():
    for make, per_minute in ((df2, 180), (df7, 180), (df8, 60)):
        minute = make(70, 95) * (per_minute - 1) + make(71, 96)
        assert numbers(visit(minute)) == [("96", "71")]
        assert numbers(visit(minute + make(72, 97))) == [("96", "71"), ("97", "72")]
        assert numbers(visit(minute * 3)) == [("96", "71")] * 3
        # numbers that are missing for a while count as time, not as values
        gap = make(70, 95) + make(511, 127) * (per_minute - 1)
        assert numbers(visit(gap)) == [("95", "70")]
        assert numbers(visit(gap + make(511, 127) * per_minute)) == [("95", "70")]


def test_notes_of_the_stream():
    cases = (
        (df2(74, 96, 0x20), ["questionable"]),
        (df2(74, 96, 0x04), ["low-perfusion"]),
        (df2(74, 96, 0x06), ["marginal-perfusion"]),
        (df2(74, 96, 0x02), []),
        (df2(74, 96, 0x40), []),
        (df2(74, 96, 0, 0x21), ["quality-checked", "low-battery"]),
        (df7(74, 96, 0x24, 1), ["questionable", "low-perfusion", "low-battery"]),
        (df8(74, 96, 0x04), ["questionable"]),
        (df8(74, 96, 0x18), ["low-perfusion", "marginal-perfusion"]),
        (df8(74, 96, 0, 0x21), ["quality-checked", "low-battery"]),
        (df8(74, 110), ["implausible"]),
        (df8(5, 96), ["implausible"]),
    )
    for packet, notes in cases:
        assert visit(packet)[0].reading.notes == notes


def test_a_stream_that_begins_or_ends_in_mid_packet_loses_only_that_packet():
    for make in (df2, df7):
        packet = make(74, 96)
        for cut in range(1, 125):
            assert numbers(visit(packet[cut:] + make(80, 97))) == [("97", "80")], cut
            assert numbers(visit(packet + make(80, 97)[:cut])) == [("96", "74")], cut
    for cut in range(1, 4):
        assert numbers(visit(df8(70, 90)[cut:] + df8(74, 96) * 3)) == [("96", "74")]
        assert numbers(visit(df8(74, 96) * 3 + df8(70, 90)[:cut])) == [("96", "74")]


def test_a_packet_cut_short_gives_an_error_and_no_value():
    for packet in (df2(74, 96), df7(74, 96), df8(74, 96), df13(74, 96)):
        for size in range(1, len(packet)):
            if size == 4 and packet[0] & 0x80:
                continue  # four bytes alone can be a whole df8 packet
            found = numbers(visit(packet[:size]))
            assert found in (["frame-short"], ["frame-garbled"], ["checksum-wrong"]), (size, found)


def test_every_flipped_bit_of_a_checked_packet_gives_an_error_and_no_value():
    for packet, unchecked in ((df2(74, 96), ()), (df13(74, 96), (2, 3))):
        for place in [n for n in range(len(packet)) if n not in unchecked]:  # a df13 type is in no checksum
            for bit in range(8):
                bad = packet[:place] + bytes([packet[place] ^ 1 << bit]) + packet[place + 1 :]
                records = visit(bad)
                assert [r.reading for r in records] == [None], (place, bit)
                assert records[0].error is not None
                again(records)


def test_a_damaged_packet_takes_only_its_own_value():
    good, other = df2(74, 96), df2(80, 97)
    bad = bytearray(df2(76, 93))
    for place in (4, 9, 12, 64, 124):
        worse = bytes(bad[:place]) + bytes([bad[place] ^ 0x10]) + bytes(bad[place + 1 :])
        records = visit(good + worse + other)
        assert numbers(records) == ["checksum-wrong", ("97", "80")], place
        again(records)


def test_lost_and_added_bytes_cost_one_packet():
    good, middle, other = df2(74, 96), df2(76, 93), df2(80, 97)
    for place in range(125):
        lost = visit(good + middle[:place] + middle[place + 1 :] + other)
        added = visit(good + middle[:place] + b"\x5a" + middle[place:] + other)
        for records in (lost, added):
            assert numbers(records)[-1] == ("97", "80"), place
            assert len(records) == 2
            assert records[0].error is not None
            again(records)


def test_a_packet_that_the_next_one_interrupts():
    for make in (df2, df7):
        records = visit(make(70, 90)[:50] + make(74, 96))
        assert numbers(records) == ["frame-short", ("96", "74")]
        again(records)


def test_frames_beyond_25_are_an_error_of_their_own():
    records = visit(df2(74, 96) + df2_frame(0x80, 1, 2) + df2(80, 97))
    assert numbers(records) == ["frame-short", ("97", "80")]


def test_noise_before_the_first_packet():
    source = Numbers(7)
    for _ in range(40):
        noise = bytes([source.below(128) for _ in range(source.below(60))]) + b"\x7f"
        assert numbers(visit(noise + df2(74, 96) * 2))[-1] == ("96", "74")
        assert numbers(visit(noise + df8(74, 96) * 6))[-1] == ("96", "74")


def test_df8_without_checksum_begins_with_three_sensible_packets():
    assert numbers(visit(b"\x05" + df8(74, 96))) == ["frame-garbled"]
    assert numbers(visit(df8(74, 96) * 2)) == [("96", "74")]
    assert numbers(visit(b"\x05" + df8(74, 96) * 3)) == [("96", "74")]
    for strange in (df8(74, 110), df8(400, 96)):
        assert numbers(visit(b"\x05" + strange * 3)) == ["frame-garbled"]


def test_df8_finds_itself_again_after_lost_bytes():
    stream = df8(74, 96) * 4
    for place in range(12, 16):
        records = visit(stream[:place] + stream[place + 1 :] + df8(80, 97) * 3)
        assert numbers(records)[-1] == ("97", "80")
        again(records)


def test_a_frame_of_one_format_is_no_packet_of_another():
    for waves in range(0, 256, 3):
        for value in (0, 60, 97, 127):
            frame = df2_frame(0x80, waves, value)
            for count in (1, 2, 3, 24):
                for skipped in range(5):
                    part = (frame * count)[skipped:]
                    if len(part) == 4 and part[0] & 0x80:
                        continue  # four bytes alone can be a whole df8 packet
                    assert [n for n in numbers(visit(part)) if isinstance(n, tuple)] == []


def test_any_pieces_give_the_same_records():
    source = Numbers(11)
    stream = b"\x33" + df2(70, 95)[37:] + df2(74, 96) * 3 + df2(75, 96, OUT) + df13(61, 98) + b"\x06\x15"
    stream += df2(76, 93)[:60] + df2(77, 94) + df13(62, 99)[:-1] + b"\x07" + df7(80, 97) * 2 + b"\x10\x20"
    stream += df8(81, 98) * 5 + df8(82, 98)[:2] + df8(83, 98) * 4 + df8(84, 98, 0x20) + df13(63, 95)[:12]
    whole = visit(stream)
    again(whole)
    assert len(whole) > 8
    assert seen(visit(*[stream[at : at + 1] for at in range(len(stream))])) == seen(whole)
    for _ in range(20):
        pieces, at = [], 0
        while at < len(stream):
            size = 1 + source.below(90)
            pieces.append(stream[at : at + size])
            at += size
        assert seen(visit(*pieces)) == seen(whole)


def test_random_bytes_give_records_or_errors_and_each_is_found_again():
    source = Numbers(3)
    for _ in range(150):
        stream = source.octets(source.below(400))
        again(visit(stream))
        mixed = df2(74, 96)[source.below(125) :] + stream + df2(80, 97) * 2
        again(visit(mixed))


def test_evidence_is_the_packet_and_the_moment_it_came():
    driver = NoninSerial()
    assert driver.received(Frame("serial", 100, df2(74, 96))) == []
    assert driver.received(Frame("serial", 430, df2(75, 96))) == []
    record = driver.received(Frame("serial", 760, df2(75, 96, OUT)))[0]
    assert [(f.source, f.offset_ms, f.data) for f in record.frames] == [("serial", 430, df2(75, 96))]
    assert driver.finish() == []
    assert driver.take_sends() == []


def test_live_keys_hold_the_numbers_bytes_without_status_bits():
    key = visit(df2(200, 96, 0x20, 0x21))[0].key
    assert key.wire() == ["df2", None, None, bytes([1, 72, 96])]
    assert key.live
    assert visit(df8(200, 96, 0x14, 0x21))[0].key.wire() == ["df8", None, None, bytes([1, 72, 96])]


def test_a_spot_check_has_its_own_time_and_is_answered():
    record = visit(df13(61, 98, (2026, 3, 4, 7, 15, 9), 0x0200))[0]
    assert answers(df13(61, 98), df13(62, 98)) == [b"\x06", b"\x06"]
    assert record.reading.device_time == "2026-03-04T07:15:09"
    assert record.reading.origin == "spot"
    assert record.reading.notes == ["quality-checked"]
    assert record.key.wire() == ["df13", None, bytes.fromhex("2026030407150900"), bytes([0, 61, 98])]
    memory = visit(df13(61, 98, (2026, 3, 4, 7, 15, 9), 0x0211))[0]
    assert memory.reading.origin == "stored"
    assert memory.reading.notes == ["quality-checked", "low-battery"]
    assert memory.key.wire() == record.key.wire()
    assert not memory.key.live


def test_a_spot_check_without_measurement_is_answered_and_gives_nothing():
    for packet in (df13(61, 98, status=0x0100), df13(511, 127)):
        assert [(r.reading, r.error) for r in visit(packet)] == [(None, None)]
        assert answers(packet) == [b"\x06"]


def test_a_damaged_spot_check_is_not_answered():
    good = df13(61, 98)
    damaged = {
        "checksum-wrong": good[:-2] + bytes([good[-2] ^ 1, 3]),
        "frame-short": good[:-1],
        "frame-garbled": good[:-1] + b"\x09",
    }
    for code, packet in damaged.items():
        assert [record.error.code for record in visit(packet)] == [code]
        assert answers(packet) == []
    # a byte was lost: the next record is there
    records = visit(good[:9] + good[10:] + df13(62, 99) + df13(63, 97))
    assert numbers(records) == ["frame-short", ("99", "62"), ("97", "63")]


def test_newer_firmware_appends_bytes():
    record = visit(df13(61, 98, more=b"501234567"))[0]
    assert numbers([record]) == [("98", "61")]
    assert record.key.wire() == visit(df13(61, 98))[0].key.wire()


def test_dates_of_spot_checks_in_bcd_and_in_binary():
    def plain(number):
        return number

    moment = (2026, 12, 31, 23, 59, 58)
    assert visit(df13(61, 98, moment, coding=plain))[0].reading.device_time == "2026-12-31T23:59:58"
    assert visit(df13(61, 98, moment, coding=bcd))[0].reading.device_time == "2026-12-31T23:59:58"
    for bad in ((0, 0, 0, 0, 0, 0), (2026, 0, 1, 0, 0, 0), (2026, 13, 1, 0, 0, 0), (2026, 2, 30, 0, 0, 0)):
        for status, live in ((0, True), (0x10, False)):
            record = visit(df13(61, 98, bad, status))[0]
            assert record.reading.device_time is None
            assert record.reading.notes == ["clock-not-set"]
            assert record.key.time is None
            assert record.key.live == live

    def letters(number):
        return 0x20 if number == 20 else 0xAB

    assert visit(df13(61, 98, coding=letters))[0].reading.device_time is None
    strange = (2000 + 120, 3, 4, 7, 15, 9)  # a year of the century beyond 99 in binary

    def beyond(number):
        return 20 if number == 21 else 120 if number == 20 else number

    assert visit(df13(61, 98, strange, coding=beyond))[0].reading.device_time is None


def test_headers_of_spot_checks_that_are_none():
    for start in (b"\x00\x03", b"\x00\x02\x00\x0d\x01\x0e", b"\x00\x02\x00\x0d\x00\x0d", b"\x00\x00\x02"):
        assert numbers(visit(start + df2(74, 96)))[-1] == ("96", "74"), start


def test_a_bad_cable_does_not_fill_the_store():
    bad = df2(74, 96)[:50] + b"\x01\x80\x00\x00\x00"
    assert len(visit(bad * 100)) == 8
    assert len(visit((bad * 20 + df2(74, 96) + df2(74, 96, OUT)) * 3)) == 3 * (8 + 1)


def test_other_sources_and_silence():
    driver = NoninSerial()
    assert driver.received(Frame("2a35", 0, df2(74, 96))) == []
    assert driver.finish() == []
    assert visit(b"", b"") == []


def test_the_beginning_of_a_packet_of_format_7_is_no_packet_of_format_8():
    for size in (4, 8):
        (record,) = visit(b"\x81\x00\x00\x00\x81\x00\x00\x00"[:size])
        assert record.error is not None
