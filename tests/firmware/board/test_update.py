"""A full update, its confirmation and its rollback on a board's flash, and what is refused before a download."""

import asyncio
import os

from update_bench import OTHER, RELEASE, ROOT, SLOT, Board, Offer, Source, code_of, rotation

from firmware import boot
from firmware.slots import BLOCK, confirm


def updated(offer=None):
    """A board that holds release 2 in its passive slot, to be tried at the next start."""
    board = Board()
    board.start()
    offer = offer or Offer(2)
    assert board.update(Source(offer))
    return board, offer


def test_update_is_tried_confirmed_and_stays():
    board, offer = updated()
    assert board.start() == 1
    assert board.runs(board.first, offer) == 2
    slots = board.slots()
    assert slots.on_trial
    assert not confirm(slots, self_test=True, state_seen=False)
    assert not confirm(slots, self_test=False, state_seen=True)
    assert slots.on_trial
    assert confirm(slots, self_test=True, state_seen=True)
    assert not slots.on_trial
    assert not confirm(slots, self_test=True, state_seen=True)
    for _ in range(5):
        assert board.start() == 1
    assert board.slots().sequence == 2
    assert board.slots().facts() == {"release": 2}


def test_rolls_back_after_three_starts_and_keeps_which():
    board, offer = updated()
    assert [board.start() for _ in range(6)] == [1, 1, 1, 0, 0, 0]
    assert board.runs(board.first, offer) == 1
    slots = board.slots()
    assert not slots.on_trial
    assert slots.facts() == {"release": 1, "release-failed": 2}
    source = Source(offer)
    assert not board.update(source)  # not tried again
    assert source.asked == 0
    assert board.update(Source(Offer(3)))
    assert board.start() == 1
    assert confirm(board.slots(), self_test=True, state_seen=True)
    assert board.slots().facts() == {"release": 3}


def test_update_of_an_update_goes_to_the_other_slot():
    board = Board()
    for sequence in range(2, 7):
        board.start()
        offer = Offer(sequence, size=sequence * 3000)
        assert board.update(Source(offer))
        assert board.start() == (sequence + 1) % 2
        assert confirm(board.slots(), self_test=True, state_seen=True)
        assert board.runs(offer) == sequence


def test_a_trial_asks_for_no_update():
    board, _ = updated()
    board.start()
    source = Source(Offer(3))
    assert not board.update(source)
    assert source.asked == 0


def test_resumes_where_it_stopped():
    board = Board()
    board.start()
    offer = Offer(2)
    source = Source(offer, step=BLOCK)
    source.gone_after = 2
    assert code_of(board.update, source) == "update-source"
    board.start()
    source.gone_after, source.asked = -1, 0
    assert board.update(source)
    assert source.asked == -(-len(offer.image) // BLOCK) - 2  # two were there


def test_floor_rises_at_confirm_only():
    board, _ = updated(Offer(5, floor=4))
    board.start()
    assert board.slots().state.minimum == 0
    for _ in range(3):
        board.start()
    assert board.slots().state.minimum == 0  # rolled back: not raised
    assert board.update(Source(Offer(6, floor=4)))
    board.start()
    assert confirm(board.slots(), self_test=True, state_seen=True)
    state = board.slots().state
    assert state.minimum == 4
    assert state.slots[0] == boot.EMPTY  # release 1 is below the floor: never again


def refused(bend=None, key=RELEASE, **how):
    """The code for a bent manifest; nothing of its image was asked for and release 1 runs on."""
    board = Board(Offer(10))
    board.start()
    offer = Offer(11)
    if bend:
        bend(offer)
    source = Source(offer, raw=offer.raw(key))
    code = code_of(board.update, source, **how)
    assert source.asked == 0
    assert board.start() == 0
    assert board.runs(board.first) == 10
    return code


def put(place, value):
    def bend(offer):
        offer.row[place] = value

    return bend


def path(name):
    def bend(offer):
        offer.files[0][0] = name

    return bend


def test_older_or_same_sequence_is_not_downloaded():
    assert refused(put(1, 9)) == "update-old"
    assert refused(put(1, 10)) is None


def test_wrong_hardware_boot_and_size_are_refused():
    assert refused(put(3, "esp32")) == "update-hardware"
    assert refused(put(4, 2)) == "update-boot"
    assert refused(put(5, 10 << 30)) == "update-too-large"
    assert refused(put(5, SLOT + 1)) == "update-too-large"


def test_paths_that_leave_the_image_are_refused():
    for name in ("../a", "/a", "a/../b", "a//b", ".", "a/.", "", "a\\b", "a b", "é", "x" * 129, "a/"):
        assert refused(path(name)) == "update-path", name
    assert refused(path("z.mpy")) == "update-path"  # not in order


def listing(*files):
    def bend(offer):
        offer.files = list(files)

    return bend


def blocks(data):
    def bend(offer):
        offer.blocks = data

    return bend


def test_form_is_strict():
    for place, value in (
        (0, 2), (0, True), (1, 0), (1, -1), (1, 1 << 32), (1, "1"), (2, 12), (2, -1), (3, "ESP 32"), (4, 0),
        (4, 256), (5, 0), (5, None), (6, b"x"), (6, bytes(33)), (7, b""), (7, bytes(31)), (8, []), (8, bytes(31)),
    ):  # fmt: skip
        assert refused(put(place, value)) == "update-form", (place, value)
    assert refused(lambda offer: offer.row.append(1)) == "update-form"


def test_list_of_files_is_strict():
    digest = bytes(32)
    for files in (
        [], [[]], [["a", 1]], [["a", 1 << 40, digest]], [["a", -1, digest]], [["a", 1, b"x"]], [[1, 1, digest]],
        [["a", 1, digest, 1]], [1], [["a", 9000, digest], ["b", 9000, digest]],
        [["f%03d" % number, 1, digest] for number in range(301)],
    ):  # fmt: skip
        assert refused(listing(*files)) == "update-form", files
    assert refused(listing(["a", 1, digest], ["a", 1, digest])) == "update-path"
    assert refused(put(8, digest)) == "update-damaged"


def test_blocks_are_all_there():
    assert refused(blocks(bytes(32))) == "update-form"
    assert refused(blocks(bytes(32 * 5))) == "update-too-large"
    assert refused(put(7, bytes(32))) == "update-damaged"
    assert refused(put(5, 5 * BLOCK)) == "update-form"  # not as many blocks


def test_keys_and_signatures():
    assert refused(key=OTHER) == "update-key"
    assert refused(key=ROOT) == "update-key"
    assert refused(verify=lambda *_: False) == "update-signature"


def test_a_rotation_is_no_manifest_nor_the_other_way():
    board = Board()
    board.start()
    offer = Offer(2)
    assert code_of(board.update, Source(offer, raw=rotation(1))) == "update-key"
    assert code_of(board.update, Source(offer, rotation=offer.raw())) == "update-key"
    crossed = Source(offer, rotation=offer.raw(ROOT))
    assert code_of(board.update, crossed) == "update-signature"  # another external_aad


def test_root_replaces_the_release_key():
    board = Board()
    board.start()
    offer = Offer(2)
    assert (
        code_of(board.update, Source(offer, rotation=rotation(1))) == "update-key"
    )  # signed with the old key
    board.start()  # kept over a start, and without being offered again
    assert code_of(board.update, Source(offer)) == "update-key"
    assert code_of(
        board.update, Source(offer, raw=offer.raw(OTHER), rotation=rotation(2, OTHER, RELEASE))
    ) == ("update-key")
    assert code_of(board.update, Source(offer, rotation=rotation(1, RELEASE))) == "update-key"  # not newer
    assert board.update(Source(offer, raw=offer.raw(OTHER), rotation=rotation(1)))


def test_wrong_block_stops_there_and_nothing_changes():
    board = Board()
    board.start()
    offer = Offer(2)
    source = Source(offer)
    image = bytearray(offer.image)
    image[BLOCK + 5] ^= 1
    source.files["release.image"] = bytes(image)
    assert code_of(board.update, source) == "update-damaged"
    assert source.asked <= 6
    assert board.start() == 0
    source.files["release.image"] = offer.image
    assert board.update(source)


def test_mixed_images_are_refused():
    """Every block as the manifest says and the files not; and a whole image that is not the one."""
    for place in (6, 8):
        board = Board()
        board.start()
        offer = Offer(2)
        if place == 6:
            offer.row[6] = bytes(32)
        else:
            offer.files[0][2] = bytes(32)
        assert code_of(board.update, Source(offer)) == "update-damaged"
        assert [board.start() for _ in range(2)] == [0, 0]


def test_file_lists_must_be_the_image_s():
    for bend in (lambda files: files.pop(), lambda files: files.append(["c", 1, bytes(32)])):
        board = Board()
        board.start()
        offer = Offer(2)
        bend(offer.files)
        assert code_of(board.update, Source(offer)) == "update-damaged"
        assert board.start() == 0


def test_endless_manifest_and_short_image_are_bounded():
    board = Board()
    board.start()
    source = Source(Offer(2), raw=bytes(1 << 20))
    assert code_of(board.update, source) == "update-too-large"
    source = Source(Offer(2))
    source.files["release.image"] = source.files["release.image"][:9000]
    assert code_of(board.update, source) == "update-source"
    assert board.start() == 0


def test_slow_retrieval_is_bounded():
    import firmware.update

    class Slow(Source):
        async def read_at(self, name, offset, buffer):
            if name == "release.image":
                await asyncio.sleep_ms(15)
            return await Source.read_at(self, name, offset, buffer)

    board = Board()
    board.start()
    before = firmware.update.BLOCK_MS
    firmware.update.BLOCK_MS = 300
    try:
        source = Slow(Offer(2), step=1)  # a byte every 15 ms: a block would take a minute
        assert code_of(board.update, source) == "update-source"
        assert source.asked < 40
    finally:
        firmware.update.BLOCK_MS = before
    assert board.start() == 0


def filled(folder, size):
    """Files of this size until there is no room for one more."""
    for number in range(1000):
        try:
            with open("%s/%d-%d" % (folder, size, number), "wb") as file:
                file.write(bytes(size))
        except OSError:
            return
    raise AssertionError


def test_full_flash_refuses_and_keeps_running():
    board = Board()
    board.start()
    for size in (4000, 100):
        filled("/boot", size)
    offer = Offer(2)
    assert code_of(board.update, Source(offer)) == "update-not-stored"
    assert board.start() == 0
    assert board.runs(board.first) == 1
    for name in os.listdir("/boot"):
        if "-" in name and name != "update-keys":
            os.remove("/boot/" + name)
    assert board.update(Source(offer))


def test_flash_that_takes_nothing_refuses_and_keeps_running():
    board = Board()
    board.start()
    board.flash.broken = True
    assert code_of(board.update, Source(Offer(2))) == "update-not-stored"
    board.flash.broken = False
    assert board.start() == 0
    assert board.runs(board.first) == 1


def test_state_that_cannot_be_written_changes_nothing():
    board, _ = updated()
    board.start()
    slots = board.slots()
    board.flash.broken = True
    try:
        confirm(slots, self_test=True, state_seen=True)
        raise AssertionError
    except OSError:
        pass
    assert slots.on_trial
    board.flash.broken = False
    assert confirm(slots, self_test=True, state_seen=True)


def test_a_trial_that_cannot_be_counted_is_not_started():
    board, offer = updated()
    board.flash.broken = True
    assert board.start() == 0
    assert not board.update(Source(offer))  # not ready again and again: no loop of starts
    board.flash.broken = False
    assert board.start() == 1


def test_every_sampled_flip_of_an_image_is_refused():
    """On its way, and in the slot after it was verified: then boot.py does not start it."""
    board = Board()
    board.start()
    offer = Offer(2, size=2 * BLOCK)
    source, size = Source(offer, step=BLOCK), len(offer.image)
    updater = board.updater(source)
    first = board.romfs_at + SLOT
    for sample in range(150):
        board.flash.data[first : first + SLOT] = b"\xff" * SLOT  # what is held already is not fetched
        image = bytearray(offer.image)
        image[sample * 7919 % size] ^= 1 << sample % 8
        source.files["release.image"] = bytes(image)
        assert code_of(asyncio.run, updater.check()) == "update-damaged"
    source.files["release.image"] = offer.image
    assert asyncio.run(updater.check())
    state = boot.load("/boot")
    for sample in range(500):
        at = first + sample * 7919 % size
        board.flash.data[at] ^= 1 << sample % 8
        assert not boot.whole(board.memory, state, 1)
        board.flash.data[at] ^= 1 << sample % 8
    assert boot.whole(board.memory, state, 1)
    board.flash.data[first + 77] ^= 1
    assert board.start() == 0
