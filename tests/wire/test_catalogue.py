"""Every code that can reach a person stands in the one catalogue, with who must act, in Dutch and English."""

import re

import pytest

from cloud_bridge.ledger import holds
from cloud_bridge.verify import _RETRY
from gateway.wire import codes_bridge, codes_firmware, codes_hub, codes_radio, codes_readings
from gateway.wire.catalogue import CODES, PARTIES, explain
from tests.wire import errors_page
from tests.wire.raised_codes import CODE, ROOT, SOURCES, WORD, collected

SENTENCE = re.compile(r"[^.?]+[.?]")
RAISED = collected()


def test_every_code_that_is_raised_is_explained():
    missing = {code: places for code, places in RAISED.items() if code not in CODES}
    assert not missing, missing


def test_every_code_that_is_explained_is_raised():
    assert not set(CODES) - set(RAISED), sorted(set(CODES) - set(RAISED))


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("config-key", "gateway/config.py"),
        ("wire-shape", "gateway/wire/shape.py"),
        ("checksum-wrong", "gateway/drivers/nonin_serial.py"),
        ("dropped-at-encryption", "gateway/radio/line.py"),
        ("disk-full", "gateway/outbox/schema.py"),
        ("record-unsealable", "gateway/hub/pending.py"),
        ("state-signature", "gateway/hub/dialogue.py"),
        ("not-stored", "gateway/hub/losses.py"),
        ("certificate-expired", "gateway/doctor.py"),
        ("uplink-refused", "gateway/uplink.py"),
        ("undecoded", "cloud_bridge/ledger/holds.py"),
        ("paused", "cloud_bridge/people.py"),
        ("answer-unfit", "cloud_bridge/ledger/answers.py"),
        ("envelope-failed", "cloud_bridge/ledger/envelopes.py"),
        ("key-foreign", "cloud_bridge/verify.py"),
        ("client-id-not-own", "cloud_bridge/admission.py"),
        ("registry-unreadable", "cloud_bridge/callout.py"),
        ("receiver-moved", "cloud_bridge/fhir/answers.py"),
        ("receiver-untrusted", "cloud_bridge/receivers.py"),
        ("sequence-gap", "cloud_bridge/ledger/chain.py"),
        ("reading-unknown", "cloud_bridge/journey.py"),
        ("unknown-name", "cloud_bridge/administration.py"),
    ],
)
def test_codes_are_found_in_every_kind_of_place(code, place):
    assert place in RAISED[code]


def test_the_codes_of_tables_that_are_looked_up_are_explained():
    held = {code for name, code in vars(holds).items() if name.isupper() and isinstance(code, str)}
    assert set(_RETRY) <= set(CODES)
    assert held <= set(CODES)
    assert set(holds.QUESTIONS) <= held


def test_no_code_stands_in_two_tables():
    tables = (
        codes_hub.HUB,
        codes_firmware.FIRMWARE,
        codes_radio.RADIO,
        codes_bridge.BRIDGE,
        codes_readings.READINGS,
    )
    assert sum(map(len, tables)) == len(CODES)


def test_no_code_is_written_twice_in_a_table():
    text = "".join(path.read_text() for path in SOURCES if path.stem.startswith("codes_"))
    assert len(re.findall(r'^    "', text, re.MULTILINE)) == len(CODES)


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_says_who_must_act_and_what_is_wrong(code):
    who, dutch, english = explain(code)
    assert CODE.fullmatch(code) or WORD.fullmatch(code)
    assert who in PARTIES
    for words in (dutch, english):
        sentences = SENTENCE.findall(words)
        assert "".join(sentences) == words, "sentences and nothing else"
        assert 1 <= len(sentences) <= 2
        assert all(part.strip()[0].isupper() for part in sentences)
        assert max(len(part.split()) for part in sentences) <= 15, "short sentences"


@pytest.mark.parametrize("code", holds.QUESTIONS)
def test_what_is_asked_of_people_ends_in_what_to_do(code):
    who, dutch, _ = explain(code)
    assert who == "patient"
    assert dutch.endswith("?") or re.search(r"\b[Zz]eg\b", dutch)


def test_an_unknown_code_is_still_said():
    assert explain("no-such-code")[0] == "operator"
    assert all("no-such-code" in words for words in explain("no-such-code")[1:])


def test_the_page_is_made_from_the_catalogue():
    assert (ROOT / "docs" / "errors.md").read_text(encoding="utf-8") == errors_page.page()
