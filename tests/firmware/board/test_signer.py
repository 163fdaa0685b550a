"""The hub's keys on littlefs: made once, kept whole whenever the power is cut, renewed beside the old one."""

import os

import vfs
from faulty_flash import FaultyFlash

from firmware.crypto import p256
from firmware.signer import Signer, SignerError, certificate_request, tls_key, verify

AT = "/keytest"
KEYS = AT + "/keys"


class Board:
    """A flash chip with a file system; `life` runs something with the power cut at an operation of it."""

    def __init__(self):
        self.flash = FaultyFlash(blocks=16)
        vfs.VfsLfs2.mkfs(self.flash.part(), progsize=32, readsize=32, lookahead=32)
        self.mount()

    def mount(self):
        vfs.mount(vfs.VfsLfs2(self.flash.part(), progsize=32, readsize=32, lookahead=32), AT)

    def boot(self):
        vfs.umount(AT)
        self.flash.power_up()
        self.mount()

    def life(self, clean, cut, act):
        """True when `act` was done before the power failed."""
        vfs.umount(AT)
        self.flash.restore(clean, cut=cut, seed=cut)
        self.mount()
        try:
            act()
            done = True
        except SignerError:
            done = False
        assert done or self.flash.dead
        self.boot()
        return done

    def every_cut(self, act, judge):
        """Each programming and erasing of `act` is where the power fails once; `judge(done)` looks after boot."""
        clean, cut = self.flash.snapshot(), 0
        while True:
            done = self.life(clean, cut, act)
            judge(done)
            if done:
                return cut
            cut += 1


def fresh():
    try:
        vfs.umount(AT)
    except OSError:
        pass
    return Board()


def raises(code, act):
    try:
        act()
    except SignerError as error:
        assert error.code == code, error
        return
    raise AssertionError("no error: " + code)


def names():
    return sorted(os.listdir(KEYS))


def test_a_key_is_made_once():
    board = fresh()
    first = Signer.open(KEYS)
    board.boot()
    assert Signer.open(KEYS).public_key == first.public_key
    assert names() == ["signing.key"]
    assert len(first.kid) == 8
    assert verify(first.public_key, first.sign(b"message"), b"message")
    assert not verify(first.public_key, first.sign(b"message"), b"massage")


def test_a_damaged_key_is_never_replaced_in_silence():
    fresh()
    Signer.open(KEYS)
    with open(KEYS + "/signing.key", "rb") as file:
        good = file.read()
    for bad in (b"", b"short", good[:63], good + b"0", good[:32], bytes([good[0] ^ 1]) + good[1:], bytes(64)):
        with open(KEYS + "/signing.key", "wb") as file:
            file.write(bad)
        raises("key-unreadable", lambda: Signer.open(KEYS))
        with open(KEYS + "/signing.key", "rb") as file:
            assert file.read() == bad


def test_every_bit_of_a_key_is_guarded():
    fresh()
    Signer.open(KEYS)
    with open(KEYS + "/signing.key", "rb") as file:
        good = file.read()
    for at in range(64):
        bad = bytearray(good)
        bad[at] ^= 1 << at % 8
        with open(KEYS + "/signing.key", "wb") as file:
            file.write(bad)
        raises("key-unreadable", lambda: Signer.open(KEYS))


def test_a_folder_in_the_place_of_a_key_is_unreadable():
    fresh()
    os.mkdir(KEYS)
    os.mkdir(KEYS + "/signing.key")
    os.mkdir(KEYS + "/tls.key")
    raises("key-unreadable", lambda: Signer.open(KEYS))
    raises("key-unreadable", lambda: tls_key(KEYS))


def test_a_folder_that_cannot_be_made_is_our_error():
    fresh()
    with open(KEYS, "w") as file:
        file.write("in the way")
    for make in (Signer.open, Signer.renew, tls_key):
        raises("key-not-written", lambda make=make: make(KEYS + "/more"))


def test_a_flash_that_takes_nothing_is_our_error():
    board = fresh()
    os.mkdir(KEYS)
    board.flash.broken = True
    for make in (Signer.open, Signer.renew, tls_key):
        raises("key-not-written", lambda make=make: make(KEYS))
    board.flash.broken = False


def test_a_renewed_key_is_the_hubs_own_and_the_old_one_is_kept_until_retired():
    fresh()
    old, new = Signer.open(KEYS), Signer.renew(KEYS)
    assert new.public_key != old.public_key
    assert Signer.open(KEYS).public_key == new.public_key
    (former,) = Signer.former(KEYS)
    assert verify(old.public_key, former.sign(b"queued"), b"queued")
    newer = Signer.renew(KEYS)
    assert {signer.kid for signer in Signer.former(KEYS)} == {old.kid, new.kid}
    Signer.retire(KEYS, old.kid)
    assert [signer.kid for signer in Signer.former(KEYS)] == [new.kid]
    Signer.retire(KEYS, new.kid)
    Signer.retire(KEYS, new.kid)
    assert Signer.former(KEYS) == []
    assert Signer.open(KEYS).kid == newer.kid


def test_a_former_key_that_cannot_be_deleted_or_listed_is_our_error():
    board = fresh()
    old = Signer.open(KEYS)
    Signer.renew(KEYS)
    board.flash.broken = True
    raises("key-not-written", lambda: Signer.retire(KEYS, old.kid))
    board.flash.broken = False
    raises("key-unreadable", lambda: Signer.former(AT + "/nowhere"))
    Signer.retire(KEYS, old.kid)
    assert Signer.former(KEYS) == []


def test_a_damaged_key_can_be_renewed():
    fresh()
    Signer.open(KEYS)
    with open(KEYS + "/signing.key", "wb") as file:
        file.write(b"damaged")
    new = Signer.renew(KEYS)
    assert Signer.open(KEYS).kid == new.kid
    assert Signer.former(KEYS) == []
    with open(KEYS + "/signing-damaged.key", "rb") as file:
        assert file.read() == b"damaged"


def test_the_power_fails_while_the_first_key_is_made():
    """What `open` gave back before the cut is there after it; else a key is made now."""
    board = fresh()
    made = []

    def act():
        made[:] = [Signer.open(KEYS).kid]

    def judge(done):
        again = Signer.open(KEYS).kid
        assert not done or [again] == made
        assert names() == ["signing.key"]

    assert board.every_cut(act, judge) > 3


def test_the_power_fails_while_a_key_is_renewed():
    """The live key is the old one or a new one, and where it is new the old one is kept."""
    board = fresh()
    old = Signer.open(KEYS).kid
    made = []

    def act():
        made[:] = [Signer.renew(KEYS).kid]

    def judge(done):
        live = Signer.open(KEYS).kid
        former = [signer.kid for signer in Signer.former(KEYS)]
        assert live == old or former == [old]
        assert not done or [live] == made
        newest = Signer.renew(KEYS)
        assert Signer.open(KEYS).kid == newest.kid
        assert old in [signer.kid for signer in Signer.former(KEYS)]

    assert board.every_cut(act, judge) > 6


def test_the_power_fails_while_the_tls_key_is_made():
    board = fresh()
    draw = p256.new_key
    p256.new_key = lambda: 12345  # the flash is looked at here
    try:

        def judge(done):
            with open(tls_key(KEYS), "rb") as file:
                assert p256.decoded(file.read()) == 12345
            assert names() == ["tls.key"]

        assert board.every_cut(lambda: tls_key(KEYS), judge) > 3
    finally:
        p256.new_key = draw


def test_requests_are_for_hubs_by_the_tls_key_alone():
    fresh()
    path = tls_key(KEYS)
    with open(path, "rb") as file:
        key = file.read()
    assert tls_key(KEYS) == path
    request = certificate_request(KEYS, "hub-1")
    assert request == certificate_request(KEYS, "hub-1")
    assert request.startswith(b"-----BEGIN CERTIFICATE REQUEST-----\n")
    for hub in ("", "hub/#", "hub.1", "h" * 33, "hub\n"):
        raises("hub-id", lambda hub=hub: certificate_request(KEYS, hub))
    for bad in (b"", key[:-1], key + b"0", key[:20] + bytes([key[20] ^ 4]) + key[21:], b"-----BEGIN"):
        with open(path, "wb") as file:
            file.write(bad)
        raises("key-unreadable", lambda: certificate_request(KEYS, "hub-1"))
        with open(path, "rb") as file:
            assert file.read() == bad


def test_a_key_shows_nothing_of_itself():
    fresh()
    signer = Signer.open(KEYS)
    with open(KEYS + "/signing.key", "rb") as file:
        seed = file.read(32)
    shown = repr(signer) + str(signer)
    assert seed.hex() not in shown
    assert repr(seed) not in shown
