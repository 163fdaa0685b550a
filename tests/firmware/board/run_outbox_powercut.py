"""The power of a hub's flash fails at every program and erase of a run of 200 readings; nothing acknowledged is lost.

    MICROPYPATH=firmware/virtual:.:.frozen micropython -X heapsize=64M tests/firmware/board/run_outbox_powercut.py \
        [EVERY [forgetful]]

EVERY: one program or erase in so many is cut; without it each of them, with two random tears. The step in which
the power fails starts from the flash as it was then. Prints a table; the exit status is 1 on any loss.
forgetful: a control, with a flash that forgets the last thing it acknowledged; nearly every cut must show that.
"""

import random
import sys
import time

from outbox_flash import formatted, mounted
from outbox_story import DEVICE, MOMENT, envelope, measurement, whole

from firmware.outbox import Outbox
from gateway.hub.errors import OutboxError
from gateway.hub.events import log
from gateway.wire.envelope import digest, message
from gateway.wire.items import Frame
from gateway.wire.state import AFTER_ACTION, NEVER, KeyState, Refusal, State

BLOCKS, LIMIT = 48, 150000
READINGS = 200
# So many operations are cut whatever the dose: a store's first files.
FIRST = 30
KIDS = (b"key-one.", b"key-two.")

log.send_to(lambda *_: None)


class Model:
    """What must be in the outbox. envelopes: place: (hash of the message, erased or not, measurements)."""

    def __init__(self):
        self.kid = KIDS[0]
        self.heads = dict.fromkeys(KIDS, (0, None))
        self.rows = ()
        self.last_row = 0
        self.envelopes = {}
        self.accepted = frozenset()
        self.settings = {}

    def copy(self):
        other = Model()
        other.kid, other.rows, other.last_row = self.kid, self.rows, self.last_row
        other.heads, other.envelopes = dict(self.heads), dict(self.envelopes)
        other.accepted, other.settings = self.accepted, dict(self.settings)
        return other

    def waiting(self):
        return set(self.envelopes) - self.accepted


class Envelope:
    def __init__(self, signed, parts, keys):
        self.signed, self.parts, self.keys = signed, parts, keys

    def proof(self):
        return digest(message(self.signed, self.parts))

    def without(self, erased):
        parts = [None if key == erased else part for key, part in zip(self.keys, self.parts)]  # noqa: B905 (no strict= on the board)
        return Envelope(self.signed, parts, self.keys)


# The steps: what they do to the outbox, and what they then make of the model.


def capture(outbox, model, number):
    frames = [Frame("2a35", 0, digest(b"%d" % number) * 4)]
    row = outbox.capture(b"visit--1", MOMENT, model.kid, DEVICE, "blood-pressure", frames, None).row
    assert row == model.last_row + 1, "a row number again"


def captured(model, number):
    model.last_row += 1
    model.rows += (model.last_row,)


def prepared(model, rows):
    sequence, previous = model.heads[model.kid]
    salts = [digest(b"salt %s %d" % (model.kid, row)) for row in rows]
    return sequence + 1, envelope(model.kid, sequence + 1, previous, salts)


def seal(outbox, model, rows):
    sequence, (signed, parts) = prepared(model, rows)
    outbox.seal(model.kid, sequence, signed, parts, [measurement(row) for row in rows], 0, list(rows))


def sealed(model, rows):
    sequence, (signed, parts) = prepared(model, rows)
    model.heads[model.kid] = (sequence, digest(signed))
    model.rows = tuple([row for row in model.rows if row not in rows])
    model.envelopes[model.kid, sequence] = Envelope(signed, parts, [measurement(row) for row in rows])


def release(outbox, model, row):
    outbox.release([row])


def released(model, row):
    model.rows = tuple([other for other in model.rows if other != row])


def note(outbox, model, number):
    outbox.set_setting("mark %d" % (number % 3), b"%d" % number)


def noted(model, number):
    model.settings["mark %d" % (number % 3)] = b"%d" % number


def make_room(outbox, model, number):
    outbox.make_room()


def same(model, number):
    pass


def renew(outbox, model, number):
    pass


def renewed(model, number):
    model.kid = KIDS[1]


def told(outbox, model, facts):
    outbox.apply(state_of(model, *facts), set(model.envelopes))


def state_of(model, behind, erased):
    keys = []
    for kid in KIDS:
        top = max(0, model.heads[kid][0] - behind)
        if model.heads[kid][0] and top:
            keys.append(KeyState(kid, top, digest(model.envelopes[kid, top].signed), [], top * 2 // 3))
    refused = []
    place = (model.kid, model.heads[model.kid][0])
    if behind and place in model.envelopes:
        proof = digest(model.envelopes[place].signed)
        refused.append(Refusal(place[0], place[1], proof, "test", (NEVER, AFTER_ACTION)[behind % 2]))
    return State(b"12345678", 1, keys, refused, 1000, forget=[measurement(erased)] if erased else [])


def heard(model, facts):
    behind, erased = facts
    model.accepted = frozenset(
        [place for place in model.envelopes if place[1] <= model.heads[place[0]][0] - behind]
    )
    for place in list(model.envelopes) if erased else []:
        if measurement(erased) in model.envelopes[place].keys:
            model.envelopes[place] = model.envelopes[place].without(measurement(erased))


def steps():
    """200 readings, of which every third day is offline; all else that happens to an outbox in between."""
    number = 0
    while number < READINGS:
        offline = number // 20 % 3 == 2
        group = 10 if offline else 1
        rows = []
        for _ in range(group):
            number += 1
            yield capture, captured, number
            rows.append(number)
        if number % 17 == 0:
            yield release, released, rows.pop()
        if rows:
            yield seal, sealed, tuple(rows)
        if number % 5 == 0:
            yield note, noted, number
        if not offline and number % 4 == 0:
            yield told, heard, (number % 3, number - 1 if number % 12 == 0 else 0)
        yield make_room, same, number
        if number == 120:
            yield renew, renewed, number


# After a cut.


class LossError(Exception):
    pass


def check(flash, before, after, verb):
    """Open what is left and compare it with what was acknowledged; LossError says what is wrong."""
    outbox = Outbox(mounted(flash), LIMIT)
    models = [before, after]
    for kid in KIDS:
        head = outbox.head(kid)
        now = (0, None) if head is None else (head.sequence, head.hash)
        models = [model for model in models if model.heads[kid] == now]
        need(models, "the head of a key")
    rows = tuple([captured.row for captured in outbox.captured()])
    models = [model for model in models if model.rows == rows]
    need(models, "captured rows %s" % (rows,))
    check_envelopes(outbox, before, after, models)
    for name in ("mark 0", "mark 1", "mark 2"):
        value = outbox.setting(name)
        need(value in (before.settings.get(name), after.settings.get(name)), "a setting")
    need(outbox.unreported_damage() == [] and outbox.damaged_captures() == 0, "damage that is none")
    go_on(outbox, models[-1])


def check_envelopes(outbox, before, after, models):
    """Each is there, once, byte for byte, unless the bridge has it; what is quarantined is not sent."""
    found = {}
    for sent in outbox.to_send(10000, set()):
        found[sent.kid, sent.sequence] = digest(whole(sent.raw))
    sure = before.waiting() & after.waiting()
    either = before.waiting() | after.waiting()
    need(set(found) <= either, "an envelope that the bridge has is sent, or one that was never sealed")
    for place in sure | set(found):
        proofs = [model.envelopes[place].proof() for model in (before, after) if place in model.envelopes]
        need(proof_of(outbox, place, found) in proofs, "envelope %s" % (place,))


def proof_of(outbox, place, found):
    """The hash of its message, also of one that is refused."""
    if place in found:
        return found[place]
    for key in outbox.facts.in_order():
        if key.kid == place[0] and key.refusal(place[1]) is not None:
            sent = outbox._message(key, place[1])
            return None if sent is None else digest(whole(sent.raw))
    return None


def go_on(outbox, model):
    """The hub lives on: one more reading."""
    model = model.copy()
    capture(outbox, model, 9999)
    captured(model, 9999)
    rows = (model.last_row,)
    seal(outbox, model, rows)
    sealed(model, rows)
    need(outbox.head(model.kid).sequence == model.heads[model.kid][0], "the next sequence")


def need(what, name):
    if not what:
        raise LossError(name)


# The campaign.


def survey(flash):
    """Every step with the flash before it, the models before and after, and how many operations it takes."""
    outbox, model = Outbox(mounted(flash, "/run"), LIMIT), Model()
    for act, change, argument in steps():
        before = flash.snapshot()
        ops = flash.ops
        act(outbox, model, argument)
        after = model.copy()
        change(after, argument)
        yield before, act, argument, model, after, flash.ops - ops
        model = after


def cut_once(flash, clean, act, argument, before, after, cut, seed, instead):  # noqa: PLR0917 (one cut)
    """The power fails in operation `cut` of this step; whether it did: the step may be shorter."""
    flash.restore(clean)
    outbox = Outbox(mounted(flash), LIMIT)
    random.seed(seed)
    flash.ops, flash.cut = 0, cut
    try:
        act(outbox, before, argument)
    except OutboxError:
        need(flash.dead, "an error without a fault")
    fell = flash.dead
    flash.power_up()
    if instead is not None:
        flash.restore(instead)
    check(flash, before if fell else after, after, act.__name__)
    return fell


class Campaign:
    """Cuts, losses and what they were. tears: so many different ones at each operation."""

    def __init__(self, tears, forgetful):
        self.tears = tears
        self.forgetful = forgetful
        self.last = None
        self.probe = formatted(BLOCKS)
        self.began = time.time()
        self.operations = self.cuts = self.losses = 0
        self.tally = {}

    def step(self, clean, act, argument, before, after):
        """Cut at each operation, until the step comes to its end."""
        cut, fell = 0, True
        while fell:
            for _ in range(self.tears):
                fell = self.cut(clean, act, argument, before, after, cut)
            self.operations += fell
            cut += 1

    def cut(self, clean, act, argument, before, after, cut):
        self.cuts += 1
        done = self.tally.setdefault(act.__name__, [0, 0])
        done[0] += 1
        if self.cuts % 500 == 0:
            print("%d cuts, %d losses, %d s" % (self.cuts, self.losses, time.time() - self.began))
        try:
            instead = self.last if self.forgetful else None
            return cut_once(self.probe, clean, act, argument, before, after, cut, self.cuts, instead)
        except (LossError, OutboxError, AssertionError) as error:
            done[1] += 1
            self.losses += 1
            if not self.forgetful:
                print("LOSS", act.__name__, argument, "operation", cut, "tear", self.cuts, repr(error))
            return True

    def show(self):
        print("step         cuts   lost")
        for name in sorted(self.tally):
            print("%-10s %6d %6d" % (name, self.tally[name][0], self.tally[name][1]))
        print("%d programs and erases, %d cuts, %d losses" % (self.operations, self.cuts, self.losses))


def main():
    every = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    campaign = Campaign(2 if every == 1 else 1, sys.argv[2:] == ["forgetful"])
    for clean, act, argument, before, after, ops in survey(formatted(BLOCKS)):
        if every == 1:
            campaign.step(clean, act, argument, before, after)
            continue
        for cut in range(ops):
            campaign.operations += 1
            if campaign.operations % every == 0 or campaign.operations <= FIRST:
                campaign.cut(clean, act, argument, before, after, cut)
        if act in (capture, seal, note):
            campaign.last = clean
    campaign.show()
    sys.exit(1 if (campaign.losses and not campaign.forgetful) or not campaign.cuts else 0)


main()
