"""Omron monitors: opening and pairing, reading all records, silence, refusals, damage; nothing is ever written."""

from omron_monitor import (
    END,
    NOTIFY,
    START,
    UNLOCK,
    WRITE,
    Monitor,
    closed,
    data_frame,
    pieces,
    refusal,
    talk,
)

from gateway.drivers import decode_record
from gateway.drivers.base import CommandError, Known
from gateway.drivers.omron_blood_pressure import OmronBloodPressure
from gateway.wire.items import Frame

EVOLV = bytes.fromhex("5b781a4819d71b42000014006996")  # 145/91, 72, 14 June 2026, from a HEM-7600T
ANOTHER = bytes.fromhex("5a701a4619d71b42000015000000")
NEWER = bytes.fromhex("6558541a331ade1800004c00ba00")  # from a HEM-7142T2
SECRET = bytes(range(16))
GARBLED = bytes.fromhex("5b781a483f3f1b42000014006996")  # month 15


def evolv(*slots):
    monitor = Monitor(b"HEM-7600T-E\x00", {})
    monitor.key = SECRET
    for slot, data in slots:
        monitor.put(0x02AC + 14 * slot, data)
    return monitor


def numbers(records):
    return [
        record.error.code if record.error else [value.text() for value in record.reading.values]
        for record in records
    ]


def sources(records):
    return [[frame.source for frame in record.frames] for record in records]


def test_all_records_are_read_with_the_key():
    monitor = evolv((0, EVOLV), (3, ANOTHER), (99, EVOLV))
    records, marks = talk(OmronBloodPressure(), monitor, Known(None, SECRET))
    assert numbers(records) == [["145", "91", "72"], ["137", "90", "70"], ["145", "91", "72"]]
    assert sources(records) == [["eeprom:HEM-7600T:1"]] * 3
    assert [frame.data for record in records for frame in record.frames] == [EVOLV, ANOTHER, EVOLV]
    assert marks[-1] == b"\x01"
    commands = monitor.commands
    assert commands[0] == (UNLOCK, "01" + SECRET.hex())
    assert commands[1] == (WRITE, START)
    assert commands[-1] == (WRITE, END)
    reads = [text for source, text in commands[2:-1]]
    assert len(reads) == 25
    assert reads[0] == "08010002ac38009f"
    assert reads[-1][6:12] == "07ec38"
    for record in records:
        assert numbers(decode_record("omron-blood-pressure", record.frames)) == numbers([record])


def test_records_that_begin_in_one_block_and_end_in_the_next():
    monitor = Monitor(b"HEM-7530T-Z", {})  # 14 bytes a record, 16 a read
    monitor.key = SECRET
    for slot in range(90):
        monitor.put(0x02E8 + 14 * slot, EVOLV[:13] + bytes((slot,)))
    records, _ = talk(OmronBloodPressure(), monitor, Known(None, SECRET))
    assert [record.frames[0].data[13] for record in records] == list(range(90))
    assert {record.reading.user for record in records} == {None}
    assert monitor.commands[-2][1][6:12] == "07c80c"  # no byte beyond the last record


def test_two_people_have_records_of_their_own():
    monitor = Monitor(b"HEM-7322T-E", {})
    monitor.key = SECRET
    monitor.put(0x02AC, EVOLV)
    monitor.put(0x0824, EVOLV)
    records, _ = talk(OmronBloodPressure(), monitor, Known(None, SECRET))
    assert [record.reading.user for record in records] == [1, 2]
    assert [record.key.space for record in records] == ["eeprom:1", "eeprom:2"]
    assert sources(records) == [["eeprom:HEM-7322T:1"], ["eeprom:HEM-7322T:2"]]


def test_the_newer_stack_needs_no_key_and_has_one_channel():
    monitor = Monitor(b"HEM-7142T2-Z", {}, True)
    monitor.put(0x02E8, NEWER)
    records, _ = talk(OmronBloodPressure(), monitor, Known(None, SECRET, pairing=True))
    assert numbers(records) == [["126", "88", "84"]]
    assert monitor.commands[:2] == [(UNLOCK, "1100010203" + "00" * 15), (WRITE, START)]
    assert len(monitor.commands) == 1 + 2 + 5
    monitor.token, monitor.commands = False, []  # such ones open to a bond alone
    records, _ = talk(OmronBloodPressure(), monitor, Known(None, SECRET))
    assert numbers(records) == [["126", "88", "84"]]
    assert [channel for channel, _ in monitor.commands[:3]] == [UNLOCK, UNLOCK, WRITE]


def test_pairing_gives_the_monitor_this_hubs_key_and_ends_there():
    monitor = evolv((0, EVOLV))
    monitor.key, monitor.pairs = b"", True
    records, marks = talk(OmronBloodPressure(), monitor, Known(None, SECRET, pairing=True))
    assert (records, marks[-1]) == ([], b"\x01")
    assert monitor.key == SECRET
    assert monitor.commands == [
        (UNLOCK, "02" + "00" * 16),
        (UNLOCK, "00" + SECRET.hex()),
        (WRITE, START),
        (WRITE, END),
    ]


def test_pairing_waits_while_the_bond_is_made():
    driver = OmronBloodPressure()
    driver.received(Frame("2a24", 0, b"EVOLV"))
    driver.start(Known(None, SECRET, pairing=True))
    for _ in range(3):
        assert [frame.data[0] for frame in driver.take_sends()] == [2]
        assert driver.received(Frame(UNLOCK, 0, b"\x0f\x01")) == []
        assert driver.take_sends() == []
        assert driver.patience_s == 1.0
        driver.silent()
    driver.take_sends()
    driver.received(Frame(UNLOCK, 0, b"\x82\x00"))
    assert [frame.data for frame in driver.take_sends()] == [b"\x00" + SECRET]


def test_a_monitor_that_is_not_in_pairing_mode_is_opened_with_the_key():
    monitor = evolv((0, EVOLV))
    records, _ = talk(OmronBloodPressure(), monitor, Known(None, SECRET, pairing=True))
    assert numbers(records) == [["145", "91", "72"]]
    assert [text[:2] for _, text in monitor.commands[:11]] == ["02"] * 10 + ["01"]
    assert monitor.key == SECRET


def test_a_monitor_that_was_met_before_is_asked_with_the_key_first():
    monitor = evolv((0, EVOLV))
    records, _ = talk(OmronBloodPressure(), monitor, Known(b"\x01", SECRET, pairing=True))
    assert numbers(records) == [["145", "91", "72"]]
    assert monitor.commands[0] == (UNLOCK, "01" + SECRET.hex())
    monitor.key, monitor.pairs, monitor.commands = bytes(16), True, []
    records, _ = talk(OmronBloodPressure(), monitor, Known(b"\x01", SECRET, pairing=True))
    assert (records, monitor.key) == ([], SECRET)
    assert [text[:2] for _, text in monitor.commands[:3]] == ["01", "02", "00"]
    monitor.key, monitor.pairs, monitor.commands = bytes(16), False, []
    records, _ = talk(OmronBloodPressure(), monitor, Known(b"\x01", SECRET, pairing=True))
    assert numbers(records) == ["device-not-allowed"]
    assert [text[:2] for _, text in monitor.commands] == ["01"] + ["02"] * 10 + ["01"]


def test_another_key_is_told_once():
    monitor = evolv((0, EVOLV))
    monitor.key = bytes(16)
    records, marks = talk(OmronBloodPressure(), monitor, Known(None, SECRET))
    assert numbers(records) == ["device-not-allowed"]
    assert monitor.commands == [(UNLOCK, "01" + SECRET.hex())]
    assert numbers(decode_record("omron-blood-pressure", records[0].frames)) == ["device-not-allowed"]
    again, _ = talk(OmronBloodPressure(), monitor, Known(marks[-1], SECRET))
    assert again == []


def test_only_the_answer_to_what_was_asked_counts():
    driver = OmronBloodPressure()
    driver.received(Frame("2a24", 0, b"EVOLV"))
    driver.start(Known(None, SECRET))
    driver.take_sends()
    for said in (b"\x80\x00", b"\x82\x00"):
        assert driver.received(Frame(UNLOCK, 0, said)) == []
    for answer in (data_frame(0x02AC, EVOLV * 4), closed(b"\x80\x00\x00\x00\x10" + bytes(16))):
        for piece in pieces(answer):
            assert driver.received(piece) == []
    assert driver.take_sends() == []
    driver.received(Frame(UNLOCK, 0, b"\x81\x00"))
    assert [frame.data.hex() for frame in driver.take_sends()] == [START]
    assert driver.received(Frame(UNLOCK, 0, b"\x81\x00")) == []
    assert driver.take_sends() == []


def test_silence_is_asked_again_five_times_in_all():
    for deaf in (1, 4):
        monitor = evolv((0, EVOLV))
        monitor.deaf = deaf
        records, _ = talk(OmronBloodPressure(), monitor, Known(None, SECRET))
        assert numbers(records) == [["145", "91", "72"]]
        assert monitor.commands[: deaf + 1] == [(UNLOCK, "01" + SECRET.hex())] * (deaf + 1)
    monitor = evolv((0, EVOLV))
    monitor.deaf = 2000
    records, marks = talk(OmronBloodPressure(), monitor, Known(None, SECRET))
    assert (records, marks, len(monitor.commands)) == ([], [], 5)


def test_a_block_that_does_not_come_is_asked_again_and_late_answers_count_once():
    driver = OmronBloodPressure()
    driver.received(Frame("2a24", 0, b"EVOLV"))
    driver.start(Known(None, SECRET))
    driver.received(Frame(UNLOCK, 0, b"\x81\x00"))
    for piece in pieces(closed(b"\x80\x00\x00\x00\x10" + bytes(16))):
        driver.received(piece)
    driver.take_sends()
    driver.silent()
    assert [frame.data.hex()[6:10] for frame in driver.take_sends()] == ["02ac"]
    block, found = pieces(data_frame(0x02AC, EVOLV * 4)), []
    for piece in block + block:
        found += driver.received(piece)
    assert len(found) == 4
    assert [frame.data.hex()[6:10] for frame in driver.take_sends()] == ["02e4"]
    for piece in pieces(data_frame(0x02E4, EVOLV)):  # fewer bytes than were asked for
        found += driver.received(piece)
    assert (len(found), driver.take_sends()) == (4, [])


def test_the_memory_of_somebody_unknown_is_refused_and_the_rest_is_read():
    monitor = Monitor(b"HEM-7322T", {})
    monitor.key = SECRET
    monitor.put(0x0824, EVOLV)
    monitor.refused = (0x02AC,)
    records, marks = talk(OmronBloodPressure(), monitor, Known(None, SECRET))
    assert [record.reading.user for record in records] == [2]
    assert marks[-1] == b"\x01"
    assert len(monitor.commands) == 2 + 1 + 25 + 1


def test_a_command_that_is_refused_ends_the_conversation_without_a_mark():
    driver = OmronBloodPressure()
    driver.received(Frame("2a24", 0, b"EVOLV"))
    driver.start(Known(None, SECRET))
    driver.received(Frame(UNLOCK, 0, b"\x81\x00"))
    driver.received(Frame(NOTIFY[0], 0, bytes.fromhex("088f000000000186")))
    assert (driver.mark, driver.patience_s) == (None, None)


def test_what_has_no_form_is_told_once():
    monitor = evolv((0, EVOLV), (1, GARBLED))
    records, marks = talk(OmronBloodPressure(), monitor, Known(None, SECRET))
    assert numbers(records) == [["145", "91", "72"], "frame-garbled"]
    again, marks = talk(OmronBloodPressure(), monitor, Known(marks[-1], SECRET))
    assert numbers(again) == [["145", "91", "72"]]
    assert len(marks[-1]) == 5
    monitor.put(0x02AC + 14, ANOTHER)
    again, marks = talk(OmronBloodPressure(), monitor, Known(marks[-1], SECRET))
    assert (len(again), marks[-1]) == (2, b"\x01")


def test_a_model_that_nobody_knows_is_not_read():
    for model in (b"HEM-9999T", b"M7 Intelli IT", b"HEM-7155T_K4-D", b"HEM-7322T-", b"\xff\xfe"):
        monitor = Monitor(model, {})
        records, marks = talk(OmronBloodPressure(), monitor, Known(None, SECRET))
        assert (numbers(records), sources(records)) == (["model-unknown"], [["2a24"]])
        assert monitor.commands == []
        assert numbers(decode_record("omron-blood-pressure", records[0].frames)) == ["model-unknown"]
        again, _ = talk(OmronBloodPressure(), monitor, Known(marks[-1], SECRET))
        assert again == []


def test_a_monitor_that_tells_no_model_is_left_alone():
    driver = OmronBloodPressure()
    driver.start(Known(None, SECRET, pairing=True))
    assert (driver.take_sends(), driver.patience_s) == ([], 1.0)
    assert (driver.silent(), driver.patience_s, driver.finish()) == ([], None, [])


def heard(model, *frames):
    """What a recorded exchange gives."""
    first = [] if model is None else [Frame("2a24", 0, model)]
    return decode_record("omron-blood-pressure", first + list(frames))


def test_a_recorded_exchange_needs_the_model():
    block = pieces(data_frame(0x02AC, EVOLV * 2))
    assert numbers(heard(b"Evolv", *block)) == [["145", "91", "72"]] * 2
    assert (
        numbers(
            heard(b"Evolv", Frame(">" + WRITE, 0, bytes.fromhex("080102ac"))),
        )
        == []
    )
    for model, frames in ((None, len(block)), (b"HEM-1", 1 + len(block))):
        records = heard(model, *block)
        assert numbers(records) == ["model-unknown"]
        assert len(records[0].frames) == frames
        assert numbers(decode_record("omron-blood-pressure", records[0].frames)) == ["model-unknown"]


def test_blocks_in_any_order_and_beside_the_records():
    one, two = data_frame(0x02AC, EVOLV + ANOTHER[:2]), data_frame(0x02BC, ANOTHER[2:] + EVOLV[:3])
    assert len(heard(b"EVOLV", *(pieces(one) + pieces(two)))) == 2
    assert len(heard(b"EVOLV", *(pieces(two) + pieces(one)))) == 1
    assert heard(b"EVOLV", *pieces(data_frame(0x0260, bytes(16)))) == []  # settings
    assert len(heard(b"EVOLV", *pieces(data_frame(0x02A9, b"\x01\x02\x03" + EVOLV)))) == 1
    assert heard(b"EVOLV", *pieces(refusal(0x02AC, 56))) == []


def test_a_frame_in_one_piece_or_in_padded_ones():
    block = pieces(data_frame(0x02AC, EVOLV))
    whole = [Frame(NOTIFY[0], 0, data_frame(0x02AC, EVOLV))]
    assert numbers(heard(b"EVOLV", *whole)) == [["145", "91", "72"]]
    padded = [block[0], Frame(NOTIFY[1], 0, block[1].data + bytes(9))]
    assert numbers(heard(b"EVOLV", *padded)) == [["145", "91", "72"]]


def test_pieces_of_one_channel_follow_each_other():
    frame = data_frame(0x02E8, NEWER * 3)
    for mtu in (1, 7, 16, 20, 64):
        assert len(heard(b"HEM-7142T2", *pieces(frame, True, mtu) * 2)) == 6


def test_a_piece_that_is_lost_costs_its_frame_only():
    block, good = pieces(data_frame(0x02AC, EVOLV * 4)), pieces(data_frame(0x02E4, EVOLV))
    for lost in range(len(block)):
        rest = block[:lost] + block[lost + 1 :]
        records = heard(b"EVOLV", *(rest + good))
        assert numbers(records) == ["frame-short", ["145", "91", "72"]], lost
        assert [frame.data for frame in records[0].frames[1:]] == [piece.data for piece in rest]
        assert numbers(heard(b"EVOLV", *rest)) == ["frame-short"]


def test_every_flipped_bit_is_noticed():
    frame = data_frame(0x02AC, EVOLV)
    for place in range(len(frame)):
        for bit in range(8):
            bad = frame[:place] + bytes((frame[place] ^ 1 << bit,)) + frame[place + 1 :]
            codes = numbers(heard(b"EVOLV", *pieces(bad)))
            assert codes, (place, bit)
            for code in codes:
                assert code in ("checksum-wrong", "frame-short", "frame-garbled"), (place, bit)


def test_frames_that_are_none():
    for data in (b"", b"\x00", b"\x07\x81\x00", b"\x41" + bytes(64)):
        records = heard(b"EVOLV", Frame(NOTIFY[0], 0, data))
        assert numbers(records) == ["frame-garbled"]
        assert numbers(decode_record("omron-blood-pressure", records[0].frames)) == ["frame-garbled"]
    short = data_frame(0x02AC, EVOLV, asked=20)
    assert numbers(heard(b"EVOLV", *pieces(short))) == ["frame-short"]
    assert heard(b"EVOLV", *pieces(closed(b"\x99\x00\x00\x00\x00\x00"))) == []
    assert len(heard(b"EVOLV", *[Frame(NOTIFY[0], 0, b"")] * 20)) == 8


def test_what_is_heard_of_unlocking_is_no_record():
    for said in (b"\x80\x00", b"\x81\x00", b"\x82\x00", b"\x91\x00"):
        assert heard(b"EVOLV", Frame(UNLOCK, 0, said)) == []
    assert numbers(heard(b"EVOLV", Frame(UNLOCK, 0, b""))) == ["device-not-allowed"]
    assert heard(b"EVOLV", Frame("2a35", 0, EVOLV)) == []


def test_nothing_that_writes_to_the_memory_can_be_sent():
    driver = OmronBloodPressure()
    for size in range(64):
        for command in (bytes((size + 8, 1, 0xC0)), b"\x08\x01\xc0"):
            for tail in range(size + 8):
                try:
                    driver.send(WRITE, command + bytes(tail))
                except CommandError:
                    continue
                raise AssertionError(command)
    for channel, start, size in driver.may_send:
        assert channel in (WRITE, UNLOCK)
        assert size == (8 if channel == WRITE else 20 if start == b"\x11" else 17)
        assert channel == UNLOCK or start[1:3] in (b"\x00\x00", b"\x01\x00", b"\x0f\x00")
    for command in (b"\x02" + b"\x01" * 16, b"\x03" + bytes(16), b"\x01"):
        try:
            driver.send(UNLOCK, command)
        except CommandError:
            continue
        raise AssertionError(command)
