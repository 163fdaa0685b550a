"""How a person pairs each make of device, also again after a bond was lost: a table of steps in nl and en.

Rows are tried from the top: the driver must be named (or none is), and what the device told (name, maker,
model) must begin as the row says (or it says nothing). Sources: what open projects saw: of A&D (blessed-
bluez), Omron (omblepy, hass-omron), Beurer scales (ha-beurer-bf600), Medisana (medisanabp_ble), Roche and
LifeScan (xDrip, Tidepool), Nonin and Viatom. Which keys to press is said only where they said it; else
the device's own manual has the word, because models of one maker differ.
"""

from typing import NamedTuple

# Whether such devices bond: they must, they may do without, or they never do.
MUST, MAY, NEVER = "must", "may", "never"
FREE_NL = "Verwijder het meetapparaat in de app en bij bluetooth van elke telefoon waarmee het werkte."
FREE_EN = "Remove the device from the app and from Bluetooth on every phone it worked with."
AGAIN_NL = "Start op de hub: meethub-gateway pair."
AGAIN_EN = "Start on the hub: meethub-gateway pair."


class Steps(NamedTuple):
    """What a person does, one sentence a step, and whether a bond belongs to it."""

    bond: str
    nl: tuple[str, ...]
    en: tuple[str, ...]

    def told(self, language: str) -> tuple[str, ...]:
        """The steps in nl or en."""
        return self.nl if language == "nl" else self.en

    def on_the_way(self, language: str) -> tuple[str, ...]:
        """The steps for who has started pairing already."""
        return tuple(step for step in self.told(language) if step not in (AGAIN_NL, AGAIN_EN))


class _Row(NamedTuple):
    drivers: tuple[str, ...]
    starts: tuple[str, ...]
    bond: str
    nl: tuple[str, ...]
    en: tuple[str, ...]


_ROWS = (
    _Row(
        (),
        ("A&D", "UA-651", "UC-352", "UT-201"),
        MUST,
        (
            "Zet het apparaat in de koppelstand, zoals de handleiding zegt.",
            "Doe daarna één meting: eerst dan stuurt het apparaat iets.",
        ),
        (
            "Put the device into pairing mode, as its manual says.",
            "Then measure once: only after that the device sends anything.",
        ),
    ),
    _Row(
        ("omron-blood-pressure",),
        (),
        MUST,
        (
            "Een Omron onthoudt maar één telefoon of hub.",
            "Houd de bluetooth-knop ingedrukt tot -P- knippert.",
        ),
        ("An Omron remembers one phone or hub only.", "Hold the Bluetooth button until -P- blinks."),
    ),
    _Row(
        (),
        ("OMRON", "BLEsmart_", "BLESmart_", "HEM-"),
        MUST,
        (
            "Een Omron onthoudt maar één telefoon of hub.",
            "Houd de bluetooth-knop ingedrukt tot -P- knippert.",
        ),
        ("An Omron remembers one phone or hub only.", "Hold the Bluetooth button until -P- blinks."),
    ),
    _Row(
        ("weight-scale",),
        ("Beurer", "BEURER", "BF", "Sanitas", "SANITAS", "SBF"),
        MUST,
        (
            "Zet de weegschaal aan tot P en een gebruikersnummer in beeld staan.",
            "De viercijferige code in beeld hoort bij users in de instellingen.",
        ),
        (
            "Switch the scale on until it shows P and a user number.",
            "The four-digit code it shows belongs into users in the configuration.",
        ),
    ),
    _Row(
        ("blood-pressure",),
        ("Beurer", "BEURER", "BM", "Sanitas", "SANITAS", "SBM"),
        MUST,
        (
            "Zet bluetooth van de meter aan, zoals de handleiding zegt, en doe één meting.",
            "Toont de meter een code van zes cijfers, typ die dan hier.",
        ),
        (
            "Switch the monitor's Bluetooth on, as its manual says, and measure once.",
            "If the monitor shows a code of six digits, type it here.",
        ),
    ),
    _Row(
        (),
        ("Medisana", "MEDISANA", "1872B", "BU 5", "BU5", "BS4"),
        MAY,
        (
            "Doe één meting, dicht bij de hub.",
            "Het apparaat is alleen vlak na een meting te vinden.",
        ),
        ("Measure once, close to the hub.", "The device can be found right after a measurement only."),
    ),
    _Row(
        ("glucose-meter",),
        ("Roche", "Accu-Chek", "ACCU-CHEK", "meter+"),
        MUST,
        (
            "Zet de meter in de koppelstand, zoals de handleiding zegt.",
            "Typ hier de zes cijfers in beeld of achterop de meter.",
        ),
        (
            "Put the meter into pairing mode, as its manual says.",
            "Type the six digits that stand in its display or on its back.",
        ),
    ),
    _Row(
        ("glucose-meter", "ascensia-contour"),
        ("Contour", "CONTOUR", "Ascensia", "BAYER", "Bayer"),
        MUST,
        (
            "Zet de meter in de koppelstand, zoals de handleiding zegt.",
            "Vraagt de hub een code, typ dan de cijfers in beeld of op de meter.",
        ),
        (
            "Put the meter into pairing mode, as its manual says.",
            "If the hub asks for a code, type the digits in its display or on its label.",
        ),
    ),
    _Row(
        ("onetouch-verio",),
        (),
        MUST,
        (
            "Zet de meter aan en zet bluetooth aan, tot het bluetooth-teken in beeld staat.",
            "Typ hier de zes cijfers die de meter toont.",
        ),
        (
            "Switch the meter on and its Bluetooth too, until it shows the Bluetooth sign.",
            "Type the six digits that the meter shows.",
        ),
    ),
    _Row(
        ("glucose-meter",),
        ("CareSens", "i-SENS", "GlucoMen", "GLUCOMEN"),
        MUST,
        (
            "Zet de meter in de koppelstand, zoals de handleiding zegt.",
            "Typ hier de code in beeld of achterop, als de hub erom vraagt.",
        ),
        (
            "Put the meter into pairing mode, as its manual says.",
            "Type the code from its display or back, if the hub asks for one.",
        ),
    ),
    _Row(
        ("taidoc",),
        (),
        MAY,
        ("Zet bluetooth aan op het apparaat en doe één meting, dicht bij de hub.",),
        ("Switch the device's Bluetooth on and measure once, close to the hub.",),
    ),
    _Row(
        ("nonin-3230",),
        (),
        MAY,
        (
            "Steek een vinger in de meter en houd die erin tot de hub klaar is.",
            "Vraagt de hub een code, typ dan de zes cijfers op het apparaat.",
        ),
        (
            "Put a finger into the oximeter and keep it there until the hub is done.",
            "If the hub asks for a code, type the six digits printed on the device.",
        ),
    ),
    _Row(
        ("viatom-oximeter",),
        (),
        NEVER,
        (
            "Sluit de app op elke telefoon: de ring praat met één tegelijk.",
            "Doe de ring om en na het meten weer af, zodat hij zijn metingen laat lezen.",
        ),
        (
            "Close the app on every phone: the ring talks to one at a time.",
            "Put the ring on, and off again after measuring, so that its records can be read.",
        ),
    ),
    _Row(
        ("mi-scale",),
        (),
        NEVER,
        ("Ga op de weegschaal staan: hij hoeft niet gekoppeld te worden.",),
        ("Step on the scale: it needs no pairing.",),
    ),
    _Row(
        ("heart-rate",),
        (),
        MAY,
        (
            "Maak de borstband vochtig en doe hem om.",
            "Laat hem los van horloge en telefoon, als hij er maar één toelaat.",
        ),
        ("Moisten the strap and put it on.", "Free it from watch and phone, if it lets in one only."),
    ),
)
_ANY = Steps(
    MUST,
    (
        FREE_NL,
        AGAIN_NL,
        "Zet het meetapparaat in de koppelstand, zoals de handleiding zegt, dicht bij de hub.",
        "Vraagt de hub een code, typ dan de cijfers in beeld of op het apparaat.",
    ),
    (
        FREE_EN,
        AGAIN_EN,
        "Put the device into pairing mode, as its manual says, close to the hub.",
        "If the hub asks for a code, type the digits from its display or label.",
    ),
)


def steps_for(driver: str, *told: str) -> Steps:
    """The steps for a device of this driver that tells these names of itself (name, maker, model)."""
    for row in _ROWS:
        speaks = not row.starts or any(text.startswith(row.starts) for text in told if text)
        if speaks and (not row.drivers or driver in row.drivers):
            if row.bond == NEVER:
                return Steps(row.bond, row.nl, row.en)
            return Steps(row.bond, (FREE_NL, AGAIN_NL, *row.nl), (FREE_EN, AGAIN_EN, *row.en))
    return _ANY
