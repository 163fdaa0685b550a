"""The table of steps: one row for each make that Dutch homes have, in short sentences of both languages."""

import re

import pytest

from gateway.drivers import all_drivers
from gateway.pairing.steps import _ROWS, AGAIN_EN, FREE_NL, MAY, MUST, NEVER, steps_for


@pytest.mark.parametrize(
    ("driver", "told", "bond", "step"),
    [
        ("blood-pressure", "A&D_UA-651BLE_1234", MUST, "Then measure once"),
        ("weight-scale", "UC-352BLE", MUST, "Then measure once"),
        ("thermometer", "A&D Medical", MUST, "Then measure once"),
        ("omron-blood-pressure", "", MUST, "-P- blinks"),
        ("blood-pressure", "BLEsmart_0000", MUST, "-P- blinks"),
        ("weight-scale", "Beurer BF720", MUST, "users in the configuration"),
        ("blood-pressure", "BM57", MUST, "Switch the monitor's Bluetooth on"),
        ("blood-pressure", "1872B123", MAY, "right after a measurement"),
        ("glucose-meter", "Accu-Chek Guide", MUST, "six digits"),
        ("glucose-meter", "Contour7830", MUST, "into pairing mode"),
        ("onetouch-verio", "OneTouch Verio", MUST, "six digits that the meter shows"),
        ("glucose-meter", "CareSens N", MUST, "from its display or back"),
        ("taidoc", "FORA", MAY, "measure once"),
        ("nonin-3230", "Nonin3230_1", MAY, "finger"),
        ("viatom-oximeter", "O2Ring", NEVER, "Close the app"),
        ("mi-scale", "MIBCS", NEVER, "needs no pairing"),
        ("heart-rate", "Polar H10", MAY, "strap"),
    ],
)
def test_each_make_has_its_steps(driver, told, bond, step):
    steps = steps_for(driver, told)
    assert steps.bond == bond
    assert any(step in line for line in steps.en), steps.en
    assert (FREE_NL in steps.nl) == (bond != NEVER)
    assert AGAIN_EN not in steps.on_the_way("en")
    assert len(steps.on_the_way("nl")) == len(steps.nl) - (bond != NEVER)


def test_an_unknown_make_must_bond_and_is_told_the_general_way():
    steps = steps_for("blood-pressure", "No Such Maker", "")
    assert steps.bond == MUST
    assert AGAIN_EN in steps.en
    assert any("as its manual says" in line for line in steps.en)


def test_a_name_decides_nothing_for_another_driver():
    assert steps_for("pulse-oximeter", "Contour7830") == steps_for("pulse-oximeter", "")


def test_any_of_the_names_that_a_device_tells_can_speak():
    assert steps_for("blood-pressure", "", "A&D Medical", "") == steps_for("blood-pressure", "UA-651BLE")


def test_every_driver_that_is_named_is_one():
    future = {
        "viatom-oximeter",
        "omron-blood-pressure",
        "taidoc",
        "nonin-3230",
        "ascensia-contour",
        "onetouch-verio",
    }
    named = {name for row in _ROWS for name in row.drivers}
    assert named - {driver.name for driver in all_drivers()} <= future


@pytest.mark.parametrize(
    "driver", sorted({row.drivers[0] if row.drivers else "thermometer" for row in _ROWS})
)
def test_steps_are_short_sentences_in_both_languages(driver):
    for row in _ROWS:
        assert len(row.nl) == len(row.en)
    for told in ("", "A&D", "Beurer", "Contour", "CareSens", "Medisana", "Accu-Chek"):
        steps = steps_for(driver, told)
        assert steps.told("nl") == steps.nl
        assert steps.told("en") == steps.en
        for line in (*steps.nl, *steps.en):
            assert re.fullmatch(r"[A-Z].*\.", line)
            assert max(len(part.split()) for part in re.split(r"[.:;]", line)) <= 18, line
